//! Why a head or a delegation is not taken.

use crate::SegmentId;
use crate::reader::Cut;

/// Why a [`Chain`](super::Chain) does not take a head or a delegation. It is then as it was before, except that it keeps
/// [`Evidence`](super::Evidence).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refused {
    /// Not one at all, or cut short, or longer than its contents.
    Malformed,
    /// Made by a version this code does not read.
    Version(u8),
    /// Well-formed bytes, impossible contents: says what.
    Impossible(&'static str),
    /// Of another stream.
    OtherStream,
    /// Of an epoch for which the publisher has not delegated a key yet, as far as is known here. A delegation may be under
    /// way.
    NoDelegation,
    /// Of an epoch that a later one has replaced.
    OldEpoch,
    /// Not signed by the key that speaks for this stream and epoch.
    BadSignature,
    /// Taken before: the same contents. Harmless.
    Known,
    /// Older than what has been taken.
    Rollback,
    /// Its signer has signed something else in the same place. Both are kept: [`Chain::evidence`](super::Chain::evidence).
    Equivocation,
    /// It follows the last head by its number, but names another as the one before it. Both are kept as evidence, too.
    Forked,
    /// Its time is over.
    Expired,
    /// From the future, by more than [`CLOCK_TOLERANCE_MS`](super::CLOCK_TOLERANCE_MS).
    Early,
    /// A head from outside the time that the delegation covers.
    OutsideDelegation,
    /// It says that it was made before the head that it comes after.
    TimeBackwards,
    /// Another number of renditions than the heads before it.
    Renditions,
    /// The window of this rendition starts before where it started already.
    WindowBackwards(u8),
    /// An entry before its rendition's window, or [`MAX_WINDOW`](super::MAX_WINDOW) or more behind the window's start.
    OutsideWindow(SegmentId),
    /// As many leaves as the entry has do not make a segment of its size.
    Leaves(SegmentId),
    /// An entry that says something else than an earlier one of the same name.
    Contradiction(SegmentId),
    /// An entry that was not there when ones after it were born.
    Backwards(SegmentId),
}

impl core::fmt::Display for Refused {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        let named = |f: &mut core::fmt::Formatter<'_>, id: &SegmentId, what: &str| {
            write!(f, "segment {} of rendition {} {what}", id.sequence, id.rendition)
        };
        match self {
            Self::Malformed => f.write_str("not a Braidcast live head or delegation, or damaged"),
            Self::Version(v) => write!(f, "live head version {v} is newer than this player"),
            Self::Impossible(what) => write!(f, "impossible: {what}"),
            Self::OtherStream => f.write_str("it belongs to another stream"),
            Self::NoDelegation => f.write_str("no key is delegated for its epoch"),
            Self::OldEpoch => f.write_str("its epoch has been replaced"),
            Self::BadSignature => f.write_str("the signature is not by the key that speaks for this stream"),
            Self::Known => f.write_str("it was taken before"),
            Self::Rollback => f.write_str("a newer one was taken before"),
            Self::Equivocation => f.write_str("its signer signed something else in the same place"),
            Self::Forked => f.write_str("it follows another head than the one that was taken"),
            Self::Expired => f.write_str("it has expired"),
            Self::Early => f.write_str("it comes from the future"),
            Self::OutsideDelegation => f.write_str("its key was not delegated for its time"),
            Self::TimeBackwards => f.write_str("it is dated before the head that it comes after"),
            Self::Renditions => f.write_str("the number of renditions changed"),
            Self::WindowBackwards(rendition) => write!(f, "the window of rendition {rendition} goes back"),
            Self::OutsideWindow(id) => named(f, id, "is outside the window"),
            Self::Leaves(id) => named(f, id, "has leaves that do not fit its size"),
            Self::Contradiction(id) => named(f, id, "was something else before"),
            Self::Backwards(id) => named(f, id, "comes after later ones"),
        }
    }
}

impl core::error::Error for Refused {}

impl From<Cut> for Refused {
    fn from(_: Cut) -> Self {
        Self::Malformed
    }
}
