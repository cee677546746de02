//! Sites: networks whose people an operator wants to meet each other, or nobody.

use core::net::IpAddr;

use ipnet::IpNet;

use crate::Config;

/// A place with many viewers behind one line, such as an office.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Site {
    /// What people call it.
    pub name: String,
    /// The addresses from which the tracker sees its people: those of its line to the internet, or those within, for a tracker
    /// that is inside.
    pub networks: Vec<IpNet>,
    /// Whom its people meet.
    pub mode: SiteMode,
}

/// Whom the people of a site meet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SiteMode {
    /// Each other, and nobody outside.
    On,
    /// Nobody.
    Off,
    /// They fetch from people outside all sites and of sites that are [`SiteMode::Wan`], and are named to nobody, not to each other
    /// either, and are told to upload nothing: for lines with little room upwards.
    LeechOnly,
    /// Each other first, then people outside all sites and of other sites like this one.
    Wan,
}

/// Which of the operator's sites, by its place in the list.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct SiteId(usize);

impl SiteId {
    pub(crate) fn place(self) -> usize {
        self.0
    }
}

/// What the operator's settings make of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Standing {
    /// Outside all sites.
    Public,
    Site(SiteId, SiteMode),
    /// By a VPN, where traffic between people would take the long way through its middle.
    Barred,
}

impl Standing {
    /// Of who is seen at this address. Of sites that have it the first counts.
    pub(crate) fn of(address: IpAddr, config: &Config) -> Self {
        let within = |networks: &[IpNet]| networks.iter().any(|network| network.contains(&address));
        if within(&config.vpn) {
            return Self::Barred;
        }
        let site = config.sites.iter().enumerate().find(|(_, site)| within(&site.networks));
        site.map_or(Self::Public, |(place, site)| Self::Site(SiteId(place), site.mode))
    }

    pub(crate) fn site(self) -> Option<SiteId> {
        if let Self::Site(id, _) = self { Some(id) } else { None }
    }

    pub(crate) fn is_same_site(self, other: Self) -> bool {
        self.site().is_some() && self.site() == other.site()
    }

    /// Whether it is named to people outside its site.
    pub(crate) fn is_open(self) -> bool {
        matches!(self, Self::Public | Self::Site(_, SiteMode::Wan))
    }

    /// Whether it is named to people of its site.
    pub(crate) fn is_named_at_home(self) -> bool {
        matches!(self, Self::Site(_, SiteMode::On | SiteMode::Wan))
    }

    /// Whether it is given people outside its site.
    pub(crate) fn meets_outside(self) -> bool {
        self.is_open() || self.only_takes()
    }

    /// Whether it is to upload nothing to those whom it is given.
    pub(crate) fn only_takes(self) -> bool {
        matches!(self, Self::Site(_, SiteMode::LeechOnly))
    }

    /// Whether `other` may be named to it, and may get its offers.
    pub(crate) fn may_be_given(self, other: Self) -> bool {
        self.meets_outside() && other.is_open() || self.is_same_site(other) && other.is_named_at_home()
    }
}
