//! What a viewer knows of a stream, and what it lets replace that.

use super::delegation::Delegation;
use super::evidence::Evidence;
use super::head::Head;
use super::refused::Refused;
use super::window::Window;
use crate::SegmentId;
use crate::digest::Hash;
use crate::index::Segment;
use crate::key::PublicKey;
use alloc::collections::VecDeque;
use alloc::vec::Vec;

/// How far a clock may be behind the publisher's: 30 s.
pub const CLOCK_TOLERANCE_MS: u64 = 30_000;
/// How many heads are remembered, to tell a repetition from an equivocation.
pub const RECENT_HEADS: usize = 8;
/// Heads that others vouch for at a time.
pub const MAX_VOUCHED: usize = 1024;

/// How a head that was taken joins the one before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// It follows it; nothing was missed.
    Next,
    /// Heads between the two were missed, or the viewer has just come. What they said is not known, and they are not taken
    /// later either.
    Resync,
    /// It is the first one of a new epoch. What the earlier one announced does not count any more.
    Epoch,
}

/// What a head that was taken brings.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Accepted {
    /// Its contents.
    pub head: Head,
    /// How it joins the one before.
    pub step: Step,
    /// Those of its entries that were not known before.
    pub born: Vec<SegmentId>,
    /// Whether its own signature was checked. If not, the publisher said it all the same, see [`Chain::vouch`], but it is not to be
    /// handed on: others could not check it.
    pub is_signed: bool,
}

/// The viewer's ratchet. It holds the newest head of one stream, and takes only what may follow it.
///
/// Its invariant: `(epoch, number)` never falls, and what was refused changed nothing. It holds at most [`RECENT_HEADS`] heads,
/// digests of [`MAX_VOUCHED`] and [`MAX_WINDOW`](super::MAX_WINDOW) segments a rendition. It does not outlive its process: a viewer who starts anew is
/// protected by expiry alone.
#[derive(Clone, Debug)]
pub struct Chain {
    publisher: PublicKey,
    stream: [u8; 20],
    piece_len: u32,
    delegation: Option<Delegated>,
    /// Of this epoch, in order; the last is the newest taken.
    recent: VecDeque<Recent>,
    window: Window,
    /// Digests of heads that a signed one names, directly or through others.
    vouched: Vec<Hash>,
    fresh: Option<Fresh>,
    evidence: Option<Evidence>,
}

#[derive(Clone, Debug)]
struct Delegated {
    terms: Delegation,
    digest: Hash,
    bytes: Vec<u8>,
}

#[derive(Clone, Debug)]
struct Recent {
    number: u64,
    at_ms: u64,
    digest: Hash,
    bytes: Vec<u8>,
}

/// Of the newest head, whichever its epoch.
#[derive(Clone, Copy, Debug)]
struct Fresh {
    accepted_ms: u64,
    expires_ms: u64,
}

impl Chain {
    /// A chain that knows whom to trust, and nothing else yet. `piece_len` is a power of two, at least 1024.
    pub fn new(publisher: PublicKey, stream: [u8; 20], piece_len: u32) -> Self {
        Self {
            publisher,
            stream,
            piece_len,
            delegation: None,
            recent: VecDeque::new(),
            window: Window::default(),
            vouched: Vec::new(),
            fresh: None,
            evidence: None,
        }
    }

    /// Takes the publisher's delegation of a session key. One of a higher epoch than the present one replaces it: what the
    /// replaced key said is forgotten and its heads are refused from now on, so that a thief of it cannot have spoilt what
    /// comes. Numbers and windows start anew.
    ///
    /// # Errors
    /// [`Refused`], in this order: what cannot be read, another stream, a signature that is not the publisher's, an older or
    /// contradicting epoch, a time that is not now.
    pub fn accept_delegation(&mut self, now_ms: u64, bytes: &[u8]) -> Result<(), Refused> {
        let (terms, sealed) = Delegation::parse(bytes)?;
        if terms.stream != self.stream {
            return Err(Refused::OtherStream);
        }
        sealed.verify(&self.publisher)?;
        let digest = sealed.digest();
        if let Some(current) = &self.delegation {
            if terms.epoch < current.terms.epoch {
                return Err(Refused::Rollback);
            }
            if terms.epoch == current.terms.epoch && digest == current.digest {
                return Err(Refused::Known);
            }
            if terms.epoch == current.terms.epoch {
                let both = [current.bytes.clone(), bytes.to_vec()];
                self.evidence.get_or_insert(Evidence::Delegations(both));
                return Err(Refused::Equivocation);
            }
        }
        if terms.expires_ms <= now_ms {
            return Err(Refused::Expired);
        }
        if terms.not_before_ms > now_ms.saturating_add(CLOCK_TOLERANCE_MS) {
            return Err(Refused::Early);
        }
        self.delegation = Some(Delegated { terms, digest, bytes: bytes.to_vec() });
        self.recent.clear();
        self.window = Window::default();
        Ok(())
    }

    /// Checks the signature of the last of `run`, heads that follow on each other, and spares [`Chain::accept`] those of the others
    /// as far as each is named by the one after it, [`MAX_VOUCHED`] of them. A signature takes longer than all the rest of a head,
    /// and who comes is given many. Holds until the next call.
    pub fn vouch(&mut self, run: &[&[u8]]) {
        self.vouched.clear();
        let Some((last, older)) = run.split_last() else { return };
        let Some(delegated) = &self.delegation else { return };
        let Ok(head) = Head::open(last, &delegated.terms.key) else { return };
        let mut named = head.previous;
        for bytes in older.iter().rev().take(MAX_VOUCHED) {
            match Head::parse(bytes) {
                Ok((head, sealed)) if sealed.digest() == named => {
                    self.vouched.push(named);
                    named = head.previous;
                }
                _ => return,
            }
        }
    }

    /// Takes a head if it is newer than all before and fits them.
    ///
    /// # Errors
    /// [`Refused`], in this order: what cannot be read, another stream, another epoch, a bad signature, a place that is taken
    /// or past, a time that is not now, another history, entries that do not fit.
    pub fn accept(&mut self, now_ms: u64, head_bytes: &[u8]) -> Result<Accepted, Refused> {
        if self.recent.iter().any(|recent| recent.bytes == head_bytes) {
            return Err(Refused::Known); // without the cost of a signature
        }
        let (head, sealed) = Head::parse(head_bytes)?;
        if head.stream != self.stream {
            return Err(Refused::OtherStream);
        }
        let delegated = self.delegation.as_ref().ok_or(Refused::NoDelegation)?;
        if head.epoch != delegated.terms.epoch {
            let old = head.epoch < delegated.terms.epoch;
            return Err(if old { Refused::OldEpoch } else { Refused::NoDelegation });
        }
        let digest = sealed.digest();
        let is_signed = !self.vouched.contains(&digest);
        if is_signed {
            sealed.verify(&delegated.terms.key)?;
        }
        if let Err((refused, other)) = self.place(&head, &digest) {
            let evidence = other.map(|other| Evidence::Heads {
                delegation: delegated.bytes.clone(),
                heads: [other.bytes.clone(), head_bytes.to_vec()],
            });
            // The signature of one that others vouched for may be none.
            let proves = |evidence: &Evidence| evidence.proves(&self.publisher, &self.stream);
            if self.evidence.is_none() {
                self.evidence = evidence.filter(proves);
            }
            return Err(refused);
        }
        timely(now_ms, &head, &delegated.terms)?;
        let last = self.recent.back();
        if last.is_some_and(|last| head.at_ms < last.at_ms) {
            return Err(Refused::TimeBackwards);
        }
        let segments = self.window.check(&head, self.piece_len)?;

        // Nothing fails from here on.
        let complete = head.number - 1 == last.map_or(0, |last| last.number);
        let step = match (last, self.fresh) {
            (None, Some(_)) => Step::Epoch,
            _ if complete => Step::Next,
            _ => Step::Resync,
        };
        let born = self.window.apply(&head.first, &segments, complete);
        if self.recent.len() == RECENT_HEADS {
            self.recent.pop_front();
        }
        let (number, at_ms) = (head.number, head.at_ms);
        self.recent.push_back(Recent { number, at_ms, digest, bytes: head_bytes.to_vec() });
        self.fresh = Some(Fresh { accepted_ms: now_ms, expires_ms: head.expires_ms });
        Ok(Accepted { head, step, born, is_signed })
    }

    /// Whether a head may stand where its number says; otherwise why not, and the head that contradicts it.
    fn place(&self, head: &Head, digest: &Hash) -> Result<(), (Refused, Option<&Recent>)> {
        match self.recent.iter().find(|recent| recent.number == head.number) {
            Some(same) if same.digest == *digest => return Err((Refused::Known, None)),
            Some(other) => return Err((Refused::Equivocation, Some(other))),
            None => {}
        }
        match self.recent.back() {
            Some(last) if head.number < last.number => Err((Refused::Rollback, None)),
            Some(last) if head.number - 1 == last.number && head.previous != last.digest => {
                Err((Refused::Forked, Some(last)))
            }
            _ => Ok(()),
        }
    }

    /// Whether what is known may be held back by somebody: no head was taken for more than three target durations, or ever, or
    /// the newest has expired. The viewer then asks the origin. A clock that was set back counts as time that passed.
    pub fn is_frozen(&self, now_ms: u64, target_ms: u64) -> bool {
        self.fresh.is_none_or(|fresh| {
            fresh.expires_ms <= now_ms || fresh.accepted_ms.abs_diff(now_ms) > target_ms.saturating_mul(3)
        })
    }

    /// The highest epoch and number taken; number 0 while an epoch has no head yet, `None` without a delegation.
    pub fn position(&self) -> Option<(u32, u64)> {
        let epoch = self.delegation.as_ref()?.terms.epoch;
        Some((epoch, self.recent.back().map_or(0, |last| last.number)))
    }

    /// The delegation in force.
    pub fn delegation(&self) -> Option<&Delegation> {
        self.delegation.as_ref().map(|delegated| &delegated.terms)
    }

    /// The bytes of the newest head of this epoch, to be handed on.
    pub fn newest(&self) -> Option<&[u8]> {
        self.recent.back().map(|last| &last.bytes[..])
    }

    /// What this epoch's heads said of the segment `id`, while it is in the window.
    pub fn segment(&self, id: SegmentId) -> Option<&Segment> {
        self.window.segment(id)
    }

    /// The start of a rendition's window; `None` where there is no such rendition, or no head yet.
    pub fn first(&self, rendition: u8) -> Option<u32> {
        self.window.first(rendition)
    }

    /// The first proof of an equivocation that was met. What was taken stands; whom to believe is for the caller to decide.
    pub fn evidence(&self) -> Option<&Evidence> {
        self.evidence.as_ref()
    }

    pub(super) fn newest_at_ms(&self) -> Option<u64> {
        self.recent.back().map(|last| last.at_ms)
    }

    pub(super) fn newest_digest(&self) -> Option<Hash> {
        self.recent.back().map(|last| last.digest)
    }

    pub(super) fn stream(&self) -> [u8; 20] {
        self.stream
    }
}

fn timely(now_ms: u64, head: &Head, terms: &Delegation) -> Result<(), Refused> {
    if head.expires_ms <= now_ms {
        return Err(Refused::Expired);
    }
    if head.at_ms > now_ms.saturating_add(CLOCK_TOLERANCE_MS) {
        return Err(Refused::Early);
    }
    if head.at_ms < terms.not_before_ms || head.expires_ms > terms.expires_ms {
        return Err(Refused::OutsideDelegation);
    }
    Ok(())
}
