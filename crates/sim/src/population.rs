//! Who watches: access lines, address translators, places, and who may upload.
//!
//! Everything is data, so that a population of one's own needs no code: the presets are values of the same structs. Shares of
//! a population add up to 1.

use core::time::Duration;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::net::{Capacity, Host, Nat, Place, Profile};
use crate::rng::Rng;
use crate::traces::Dynamics;

/// A kind of audience.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Population {
    /// How viewers are connected.
    pub access: Vec<AccessClass>,
    /// What is between them and the others.
    pub nat: NatMix,
    /// The share of viewers who let their uplink be used: the others have refused, pay for it, or run on battery.
    pub may_upload: f64,
    /// The standard deviation of either coordinate of a place, in milliseconds of one way.
    pub spread_ms: f64,
}

/// A kind of access line.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AccessClass {
    /// What it is called.
    pub name: String,
    /// The share of viewers who have it.
    pub share: f64,
    /// What they can send.
    pub uplink: Uplink,
    /// How much more they can receive than send.
    pub down_per_up: f64,
    /// One way from the viewer to the network, in milliseconds.
    pub height_ms: f64,
    /// The probability that a packet is lost.
    pub loss: f64,
    /// Whether the line's capacity varies from second to second ([`Wobbles`]).
    pub varies: bool,
}

/// How uplinks are distributed.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Uplink {
    /// The logarithm is normal.
    LogNormal {
        /// Half have more, in Mbit/s.
        median_mbps: f64,
        /// The standard deviation of the natural logarithm.
        sd_ln: f64,
    },
    /// All from one to the other are as likely.
    Uniform {
        /// The least, in Mbit/s.
        from_mbps: f64,
        /// The most, in Mbit/s.
        to_mbps: f64,
    },
}

/// The shares of address translators among viewers.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NatMix {
    /// [`Nat::Open`].
    pub open: f64,
    /// [`Nat::Cone`].
    pub cone: f64,
    /// [`Nat::PortRestricted`].
    pub port_restricted: f64,
    /// [`Nat::Symmetric`].
    pub symmetric: f64,
    /// [`Nat::Blocked`].
    pub blocked: f64,
}

impl NatMix {
    /// Homes: 0.82 of pairs connect.
    pub const HOME: Self =
        Self { open: 0.20, cone: 0.21, port_restricted: 0.45, symmetric: 0.10, blocked: 0.04 };
    /// Many on mobile networks, whose translators are symmetric: 0.56 of pairs connect.
    pub const MOBILE_HEAVY: Self =
        Self { open: 0.10, cone: 0.10, port_restricted: 0.46, symmetric: 0.30, blocked: 0.04 };

    /// The share of pairs that connect.
    pub fn pair_success(&self) -> f64 {
        crate::bounds::nat_pair_success(
            self.open,
            self.cone,
            self.port_restricted,
            self.symmetric,
            self.blocked,
        )
    }

    /// One viewer's.
    pub fn draw(&self, rng: &mut Rng) -> Nat {
        let mut point = rng.unit();
        for (share, nat) in [
            (self.open, Nat::Open),
            (self.cone, Nat::Cone),
            (self.port_restricted, Nat::PortRestricted),
            (self.symmetric, Nat::Symmetric),
        ] {
            if point < share {
                return nat;
            }
            point -= share;
        }
        Nat::Blocked
    }
}

/// One viewer of a population.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Viewer {
    /// Index of its access class.
    pub class: usize,
    /// What it can send, Mbit/s, in the mean if it varies.
    pub uplink_mbps: f64,
    /// What it can receive, Mbit/s, in the mean if it varies.
    pub downlink_mbps: f64,
    /// What is between it and the others.
    pub nat: Nat,
    /// Where it is.
    pub place: Place,
    /// Whether it lets its uplink be used.
    pub may_upload: bool,
}

impl Population {
    /// Fixed lines and mobile networks of about 2025: median uplink 20 Mbit/s, mean 58, a tenth below 2.9, a tenth above 154.
    /// The mix is an estimate, shaped after published medians of access speeds.
    pub fn fixed_2025() -> Self {
        let class = |name: &str, share, median_mbps, sd_ln, down_per_up, height_ms, loss| AccessClass {
            name: name.to_owned(),
            share,
            uplink: Uplink::LogNormal { median_mbps, sd_ln },
            down_per_up,
            height_ms,
            loss,
            varies: false,
        };
        let mobile = class("mobile", 0.18, 11.0, 0.9, 5.0, 18.0, 0.002);
        Self {
            access: vec![
                class("fibre", 0.35, 90.0, 0.8, 1.0, 2.0, 0.0001),
                class("cable", 0.30, 15.0, 0.6, 8.0, 6.0, 0.0005),
                class("dsl", 0.15, 2.5, 0.7, 6.0, 12.0, 0.0005),
                AccessClass { varies: true, ..mobile },
                class("enterprise", 0.02, 200.0, 0.8, 1.0, 2.0, 0.0001),
            ],
            nat: NatMix::HOME,
            may_upload: 0.75,
            spread_ms: 10.0,
        }
    }

    /// Lines of about 2007, relative to the rate of the stream, as the fluid models of the time had them: ordinary viewers
    /// can send 0.1 to 0.2 of it, the share `strong` of them 1 to 2.
    pub fn dsl_2007(rate_mbps: f64, strong: f64) -> Self {
        let class = |name: &str, share, from, to, down_per_up, height_ms| AccessClass {
            name: name.to_owned(),
            share,
            uplink: Uplink::Uniform { from_mbps: from * rate_mbps, to_mbps: to * rate_mbps },
            down_per_up,
            height_ms,
            loss: 0.0005,
            varies: false,
        };
        Self {
            access: vec![
                class("ordinary", 1.0 - strong, 0.1, 0.2, 20.0, 15.0),
                class("strong", strong, 1.0, 2.0, 2.0, 3.0),
            ],
            nat: NatMix::HOME,
            may_upload: 1.0,
            spread_ms: 10.0,
        }
    }

    /// Draws a viewer.
    ///
    /// # Panics
    /// If there is no access class.
    pub fn draw(&self, rng: &mut Rng) -> Viewer {
        let mut point = rng.unit();
        let last = self.access.len() - 1;
        let class = self.access[..last]
            .iter()
            .position(|class| {
                point -= class.share;
                point < 0.0
            })
            .unwrap_or(last);
        let access = &self.access[class];
        let uplink_mbps = match access.uplink {
            Uplink::LogNormal { median_mbps, sd_ln } => rng.log_normal(median_mbps, sd_ln),
            Uplink::Uniform { from_mbps, to_mbps } => rng.uniform(from_mbps, to_mbps),
        };
        Viewer {
            class,
            uplink_mbps,
            downlink_mbps: uplink_mbps * access.down_per_up,
            nat: self.nat.draw(rng),
            place: Place {
                x_ms: self.spread_ms * rng.normal(),
                y_ms: self.spread_ms * rng.normal(),
                height_ms: access.height_ms,
            },
            may_upload: rng.chance(self.may_upload),
        }
    }

    /// The viewer as a host. One whose line varies gets one of the wobbles, from a random moment on; up and down vary alike.
    pub fn host(&self, viewer: &Viewer, wobbles: &Wobbles, rng: &mut Rng) -> Host {
        let access = &self.access[viewer.class];
        let (mut up, mut down) = (Capacity::mbps(viewer.uplink_mbps), Capacity::mbps(viewer.downlink_mbps));
        if access.varies && !wobbles.0.is_empty() {
            let profile = &wobbles.0[rng.below(wobbles.0.len())];
            let offset = Duration::from_secs_f64(rng.uniform(0.0, profile.length().as_secs_f64()));
            up = Capacity::varying(up.bps, profile.clone(), offset);
            down = Capacity::varying(down.bps, profile.clone(), offset);
        }
        Host { up, down, place: viewer.place, nat: viewer.nat, loss: access.loss }
    }
}

/// How lines vary around their mean: profiles that many hosts share, each from a moment of its own.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Wobbles(Vec<Arc<Profile>>);

impl Wobbles {
    /// Lines do not vary.
    pub fn none() -> Self {
        Self::default()
    }

    /// `count` made-up ones of `seconds` each.
    pub fn synthetic(dynamics: &Dynamics, count: usize, seconds: u32, rng: &mut Rng) -> Self {
        let trace = |_| dynamics.trace("", seconds, rng).relative_profile().map(Arc::new);
        Self((0..count).filter_map(trace).collect())
    }

    /// Those given.
    pub fn replayed(profiles: impl IntoIterator<Item = Profile>) -> Self {
        Self(profiles.into_iter().map(Arc::new).collect())
    }
}
