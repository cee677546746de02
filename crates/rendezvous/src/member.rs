//! One member of a swarm: what the tracker sees of it, and what it says of itself.

use std::time::Duration;

use crate::{ConnId, Locality, PeerId, expected::Expected, groups::Seats, message::Said, site::Standing};

/// More than this is not believed to make a difference, in kbit/s.
const MOST_KBPS: u32 = 100_000;
/// Positions this close to each other are the same.
const STEP: Duration = Duration::from_secs(15);
/// Steps from which on positions are far apart.
const FAR_STEPS: u64 = 8;

#[derive(Debug)]
pub(crate) struct Member {
    pub(crate) peer: PeerId,
    pub(crate) conn: ConnId,
    pub(crate) from: Locality,
    pub(crate) standing: Standing,
    pub(crate) since: Duration,
    pub(crate) last_seen: Duration,
    pub(crate) expected: Expected,
    pub(crate) claims: Claims,
    pub(crate) seats: Seats,
}

/// What a peer is for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Role {
    #[default]
    Viewer,
    /// Gives what it has, and watches nothing.
    Seed,
    /// The same for those around it, of whatever they watch.
    Edge,
}

/// What a member says of itself. Nothing of it is proven.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Claims {
    pub(crate) complete: bool,
    pub(crate) role: Role,
    pub(crate) upload_kbps: u32,
    /// When it would have begun to watch had it never paused, in milliseconds of the table's time. Two who watch without a pause
    /// stay as far apart as they were, however long ago they said where they are.
    pub(crate) began_ms: Option<i64>,
}

/// By what members are looked for, apart from where they are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Class {
    /// Has everything.
    Complete,
    /// An edge or a seed that has not everything yet.
    Giver,
    Viewer,
}

impl Class {
    pub(crate) const ALL: [Self; 3] = [Self::Complete, Self::Giver, Self::Viewer];
}

impl Claims {
    /// With what was said now; what was left out stays as it was.
    pub(crate) fn updated(self, now: Duration, said: Said) -> Self {
        let millis = |time: Duration| i64::try_from(time.as_millis()).unwrap_or(i64::MAX);
        let began_ms = said.position.map(|position| millis(now).saturating_sub(millis(position)));
        Self {
            complete: said.complete.unwrap_or(self.complete),
            role: said.role.unwrap_or(self.role),
            upload_kbps: said.upload_kbps.unwrap_or(self.upload_kbps),
            began_ms: began_ms.or(self.began_ms),
        }
    }

    pub(crate) fn class(&self) -> Class {
        match self {
            Self { complete: true, .. } => Class::Complete,
            Self { role: Role::Seed | Role::Edge, .. } => Class::Giver,
            _ => Class::Viewer,
        }
    }

    /// How far apart two are in the film, in steps; what is far or not known is all the same.
    pub(crate) fn steps_from(&self, other: &Self) -> u64 {
        let apart = self.began_ms.zip(other.began_ms).map(|(one, other)| one.abs_diff(other));
        apart.map_or(FAR_STEPS, |apart_ms| (apart_ms / STEP.as_millis() as u64).min(FAR_STEPS))
    }

    pub(crate) fn is_near(&self, other: &Self) -> bool {
        self.steps_from(other) < FAR_STEPS
    }

    /// How much it can give, in doublings: a few percent more are no reason to be asked by all. 0 is not known.
    pub(crate) fn capacity(&self) -> u32 {
        self.upload_kbps.min(MOST_KBPS).checked_ilog2().map_or(0, |log| log + 1)
    }
}
