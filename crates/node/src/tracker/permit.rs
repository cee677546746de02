//! Whether a tracker lets us in: when a token is fetched for it, and what goes out with the next announce.
//!
//! The invariant: a token goes out once, on the connection for which it was proven, and no announce that needs one goes out without.

use std::{future::pending, time::Duration};

use access::Challenge;
use tokio::{
    task::JoinHandle,
    time::{Instant, sleep_until},
};

use crate::{
    pass::{Pass, PassError},
    tracker::message::Ticket,
};

/// How long a new connection is given to say what is to be signed, before it is announced without.
pub(super) const HEAR_FIRST: Duration = Duration::from_millis(500);
/// After a refusal that another token may cure, or when there is none to be had.
const AGAIN: Duration = Duration::from_secs(30);
/// A new token is fetched when so much of the old one's time is left, and not sooner than so long from now.
const AHEAD: Duration = Duration::from_secs(90);
const SOONEST: Duration = Duration::from_secs(15);
const LATEST: Duration = Duration::from_secs(600);
/// Refusals after which another token may do.
const CURABLE: [&str; 5] = ["no-token", "unknown-key", "expired", "spent", "full"];

pub(super) struct Permit {
    pass: Option<Pass>,
    swarm: [u8; 20],
    peer: [u8; 20],
    challenge: Option<Challenge>,
    /// When the next token is fetched.
    due: Option<Instant>,
    /// Ends by itself, in the time that the pass gives it.
    fetching: Option<JoinHandle<Result<String, PassError>>>,
    ticket: Option<Ticket>,
    is_in: bool,
    is_barred: bool,
}

impl Permit {
    pub(super) fn new(pass: Option<Pass>, swarm: [u8; 20], peer: [u8; 20]) -> Self {
        Self {
            pass,
            swarm,
            peer,
            challenge: None,
            due: None,
            fetching: None,
            ticket: None,
            is_in: false,
            is_barred: false,
        }
    }

    /// A new connection: all that was is of no use on it. When it may be announced first.
    pub(super) fn handle_open(&mut self, now: Instant) -> Instant {
        *self = Self::new(self.pass.take(), self.swarm, self.peer);
        if self.pass.is_some() { now + HEAR_FIRST } else { now }
    }

    pub(super) fn handle_challenge(&mut self, now: Instant, challenge: Challenge) {
        self.challenge = Some(challenge);
        self.due = Some(now);
    }

    /// We are in; `left` is how long.
    pub(super) fn handle_reply(&mut self, now: Instant, left: Option<Duration>) {
        self.is_in = true;
        if let Some(left) = left
            && self.fetching.is_none()
        {
            self.due = Some(now + left.saturating_sub(AHEAD).clamp(SOONEST, LATEST));
        }
    }

    /// We are not in. The challenge may come with the refusal alone.
    pub(super) fn handle_denied(&mut self, now: Instant, code: &str, challenge: Option<Challenge>) {
        let is_new = self.challenge.is_none();
        self.challenge = self.challenge.or(challenge);
        (self.is_barred, self.ticket) = (!CURABLE.contains(&code), None);
        self.due = match self.is_barred {
            true => None,
            // The first refusal, and the end of a membership, say nothing against the next token.
            false if is_new || self.is_in => Some(now),
            false => Some(now + AGAIN),
        };
        self.is_in = false;
    }

    /// Whether an announce would come to nothing.
    pub(super) fn holds_back(&self) -> bool {
        self.pass.is_some()
            && !self.is_in
            && self.ticket.is_none()
            && (self.challenge.is_some() || self.is_barred)
    }

    /// What goes out with the next announce.
    pub(super) fn take(&mut self) -> Option<Ticket> {
        self.ticket.take()
    }

    /// Waits until there is something to go out, which may be never. Nothing is lost when it is dropped.
    pub(super) async fn ready(&mut self) {
        loop {
            let Some(pass) = self.pass.clone() else { return pending().await };
            let Some(fetching) = &mut self.fetching else {
                let (Some(due), Some(_)) = (self.due, self.challenge) else { return pending().await };
                sleep_until(due).await;
                self.due = None;
                let swarm = self.swarm;
                self.fetching = Some(tokio::spawn(async move { pass.token(swarm).await }));
                continue;
            };
            let fetched = fetching.await.unwrap_or(Err(PassError::NoToken));
            self.fetching = None;
            match (fetched, &self.challenge) {
                (Ok(token), Some(challenge)) => {
                    let proof = pass.proof(challenge, self.swarm, self.peer, &token);
                    self.ticket = Some(Ticket { token, proof });
                    return;
                }
                (Ok(_), None) => {}
                (Err(why), _) => {
                    tracing::warn!(event = "no_token", %why, "no token for the tracker; it is tried again");
                    self.due = Some(Instant::now() + AGAIN);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use manifest::SecretKey;

    fn permit() -> Permit {
        let pass = Pass::given(SecretKey::from_seed([1; 32]), "a.b.c".to_owned());
        Permit::new(Some(pass), [7; 20], [8; 20])
    }

    #[tokio::test]
    async fn a_challenge_is_answered_with_a_token_that_goes_out_once() {
        let mut permit = permit();
        let now = Instant::now();
        assert!(!permit.holds_back(), "the tracker may be open");
        permit.handle_challenge(now, Challenge([9; 32]));
        assert!(permit.holds_back());
        permit.ready().await;
        assert!(!permit.holds_back());
        assert_eq!(permit.take().map(|ticket| ticket.token).as_deref(), Some("a.b.c"));
        assert!(permit.holds_back() && permit.take().is_none());
        permit.handle_reply(now, Some(Duration::from_secs(330)));
        assert!(!permit.holds_back());
        assert_eq!(permit.due, Some(now + Duration::from_secs(240)));
    }

    #[tokio::test]
    async fn a_refusal_that_no_token_cures_is_the_last_word_on_a_connection() {
        let mut permit = permit();
        let now = Instant::now();
        permit.handle_challenge(now, Challenge([9; 32]));
        permit.handle_denied(now, "expired", None);
        assert_eq!(permit.due, Some(now + AGAIN));
        permit.handle_denied(now, "site", None);
        assert_eq!((permit.due, permit.holds_back()), (None, true));
        permit.handle_open(now);
        assert!(!permit.holds_back());
    }

    #[test]
    fn a_membership_that_ends_is_renewed_at_once() {
        let mut permit = permit();
        let now = Instant::now();
        permit.handle_challenge(now, Challenge([9; 32]));
        permit.handle_reply(now, Some(Duration::from_secs(1)));
        assert_eq!(permit.due, Some(now + SOONEST));
        permit.handle_denied(now, "expired", None);
        assert_eq!(permit.due, Some(now));
    }
}
