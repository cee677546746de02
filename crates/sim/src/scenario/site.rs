//! Offices and schools: many viewers behind one line, whom an operator lets meet or not.

use rendezvous::IpNet;
use serde::{Deserialize, Deserializer, de};

/// A place with many viewers behind one line and one address translator, as the tracker's operator knows it.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Site {
    /// What people call it.
    pub name: String,
    /// The share of the audience that watches there.
    pub share: f64,
    /// The network whose first address is that of its line: the tracker sees all of them there.
    #[serde(deserialize_with = "network")]
    pub network: IpNet,
    /// Whom its people meet.
    pub mode: Mode,
    /// What its line to the internet carries, in Mbit/s: into it and out of it.
    pub down_mbps: f64,
    /// Out of it.
    pub up_mbps: f64,
    /// What each of its machines sends and receives within, in Mbit/s.
    #[serde(default = "gigabit")]
    pub lan_mbps: f64,
}

/// Whom the people of a site meet: [`rendezvous::SiteMode`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Mode {
    /// Each other, and nobody outside.
    On,
    /// Nobody.
    Off,
    /// Those outside, to whom they are not named, and not each other.
    LeechOnly,
    /// Each other, then those outside.
    Wan,
}

impl Site {
    /// As the tracker takes it.
    pub fn setting(&self) -> rendezvous::Site {
        let mode = match self.mode {
            Mode::On => rendezvous::SiteMode::On,
            Mode::Off => rendezvous::SiteMode::Off,
            Mode::LeechOnly => rendezvous::SiteMode::LeechOnly,
            Mode::Wan => rendezvous::SiteMode::Wan,
        };
        rendezvous::Site { name: self.name.clone(), networks: vec![self.network], mode }
    }
}

impl Mode {
    /// How a file names it.
    pub fn name(self) -> &'static str {
        match self {
            Self::On => "on",
            Self::Off => "off",
            Self::LeechOnly => "leech-only",
            Self::Wan => "wan",
        }
    }

    /// Whether its people meet each other.
    pub fn meets_at_home(self) -> bool {
        matches!(self, Self::On | Self::Wan)
    }

    /// Whether people of one place, of a site or of none, may exchange anything with those of another one, whoever calls whom.
    pub fn may_exchange(one: Option<Self>, other: Option<Self>) -> bool {
        Self::may_call(one, other) || Self::may_call(other, one)
    }

    /// Whether those of one place are given those of another one.
    pub(crate) fn may_call(one: Option<Self>, other: Option<Self>) -> bool {
        let is_open = |mode| matches!(mode, None | Some(Self::Wan));
        is_open(other) && (is_open(one) || one == Some(Self::LeechOnly))
    }
}

/// The place of the viewer with this number: the shares of the sites, one after the other, hold of any run of numbers as nearly as
/// they can (Weyl's sequence of the golden ratio).
pub(crate) fn of_viewer(sites: &[Site], number: u32) -> Option<usize> {
    const GOLDEN: f64 = 0.618_033_988_749_895;
    let turn = f64::from(number) * GOLDEN;
    let mut point = turn - turn.floor();
    sites.iter().position(|site| {
        point -= site.share;
        point < 0.0
    })
}

fn gigabit() -> f64 {
    1000.0
}

fn network<'de, D: Deserializer<'de>>(from: D) -> Result<IpNet, D::Error> {
    let text = String::deserialize(from)?;
    text.parse().map_err(|_| de::Error::custom(format!("{text} is no network such as 203.0.113.0/28")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_hold_of_few_viewers_as_of_many() {
        let site = |name: &str| {
            let text = format!(
                "name = '{name}'\nshare = 0.2\nnetwork = '203.0.113.0/28'\nmode = 'on'\ndown_mbps = 9\nup_mbps = 9"
            );
            toml::from_str::<Site>(&text).unwrap()
        };
        let sites = ["a", "b", "c"].map(site);
        for from in [0, 17, 400] {
            let mut counts = [0; 4];
            for number in from..from + 50 {
                counts[of_viewer(&sites, number).unwrap_or(3)] += 1;
            }
            assert!(counts[..3].iter().all(|count| (9..=11).contains(count)), "{counts:?}");
        }
    }

    #[test]
    fn whom_an_operator_keeps_apart_exchanges_nothing() {
        use Mode::{LeechOnly, Off, On, Wan};
        let may =
            |one| [None, Some(On), Some(Off), Some(LeechOnly), Some(Wan)].map(|o| Mode::may_exchange(one, o));
        assert_eq!(may(None), [true, false, false, true, true]);
        assert_eq!(may(Some(On)), [false; 5]);
        assert_eq!(may(Some(Off)), [false; 5]);
        assert_eq!(may(Some(LeechOnly)), [true, false, false, false, true]);
        assert_eq!(may(Some(Wan)), [true, false, false, true, true]);
    }
}
