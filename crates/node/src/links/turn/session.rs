//! One TURN server and what it has given us. Invariant: nothing it has not been asked for changes anything, and a request has
//! one outcome, after a bounded time.

use super::message::{
    ALLOCATION_MISMATCH, Answer, CAPACITY, QUOTA_REACHED, Request, Transaction, UNAUTHORIZED, answer,
    answers, frame, framed, indicated, indication, request,
};
use super::routes::{Routes, Way};
use super::{Heard, TurnServer};
use std::net::SocketAddr;
use std::time::{Duration, Instant};
use stun_proto::auth::LongTermClientAuth;
use stun_proto::types::message::LongTermCredentials;

/// How long the server is asked to keep an allocation without hearing of us.
const LIFETIME: Duration = Duration::from_secs(600);
/// How often it hears of us. That also keeps the way to it open, and shows whether it has forgotten us.
const REFRESH_EVERY: Duration = Duration::from_secs(25);
/// After so long without a word from it, while something is sent, it is asked whether it still knows us.
const DOUBT_AFTER: Duration = Duration::from_secs(5);
/// A request is sent again after this, then after twice as long, and so on (RFC 8489, 6.2.1).
const SEND_AGAIN: Duration = Duration::from_millis(500);
/// How often it is sent.
const SENDS: u32 = 5;
/// How often a request is signed anew because the server says so.
const SIGNS: u32 = 3;
/// Requests without an outcome at a time.
const PENDING: usize = 256;
/// How long to wait after a failure: the first time, and at most.
const BACKOFF: Duration = Duration::from_secs(1);
const BACKOFF_MOST: Duration = Duration::from_secs(300);

/// Why a server gives no address.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum Failure {
    #[error("it does not answer")]
    Silent,
    #[error("it refuses the user name or the password (401)")]
    Credentials,
    #[error("this user has as many relayed addresses as it may (486)")]
    Quota,
    #[error("it has no address left (508)")]
    Capacity,
    #[error("it refuses (error {0})")]
    Refused(u16),
    #[error("its answer makes no sense")]
    Senseless,
}

impl Failure {
    fn of_code(code: u16) -> Self {
        match code {
            UNAUTHORIZED => Self::Credentials,
            QUOTA_REACHED => Self::Quota,
            CAPACITY => Self::Capacity,
            other => Self::Refused(other),
        }
    }

    /// How long it takes at least until it may be better.
    fn pause(self) -> Duration {
        match self {
            Self::Credentials => BACKOFF_MOST,
            _ => BACKOFF,
        }
    }
}

struct Pending {
    id: Transaction,
    what: Request,
    bytes: Vec<u8>,
    again: Instant,
    sends: u32,
    signs: u32,
}

/// An address at the server.
pub(super) struct Allocation {
    /// Where it receives for us.
    pub relayed: SocketAddr,
    /// How it sees us.
    pub mapped: Option<SocketAddr>,
    /// The address of this host that it knows us by.
    pub local: SocketAddr,
    routes: Routes,
    until: Instant,
    refresh: Instant,
    heard: Instant,
}

enum Stage {
    /// It is not asked for anything before then.
    Idle(Instant),
    /// It is being asked for an address. It may know one of ours from before, which has to go first.
    Asking {
        was_cleared: bool,
    },
    Held(Box<Allocation>),
}

/// One server.
pub(super) struct Session {
    server: TurnServer,
    auth: LongTermClientAuth,
    /// Whether it has said what to sign with.
    has_nonce: bool,
    stage: Stage,
    pending: Vec<Pending>,
    /// Why it gave nothing when it was asked last.
    pub failure: Option<Failure>,
    /// What was said about that already.
    said: Option<Failure>,
    backoff: Duration,
    wanted: Vec<Request>,
    /// Datagrams for the server.
    pub out: Vec<Vec<u8>>,
}

impl Session {
    pub fn new(now: Instant, server: TurnServer) -> Self {
        Self {
            auth: auth(&server),
            has_nonce: false,
            server,
            stage: Stage::Idle(now),
            pending: Vec::new(),
            failure: None,
            said: None,
            backoff: Duration::ZERO,
            wanted: Vec::new(),
            out: Vec::new(),
        }
    }

    pub fn address(&self) -> SocketAddr {
        self.server.address
    }

    pub fn allocation(&self) -> Option<&Allocation> {
        match &self.stage {
            Stage::Held(allocation) => Some(allocation),
            _ => None,
        }
    }

    /// When it wants to be woken. `is_needed` says whether an address there would be of use.
    pub fn next(&self, is_needed: bool) -> Option<Instant> {
        let own = match &self.stage {
            Stage::Idle(until) => is_needed.then_some(*until),
            Stage::Asking { .. } => None,
            Stage::Held(allocation) => Some(allocation.refresh.min(allocation.until)),
        };
        self.pending.iter().map(|pending| pending.again).chain(own).min()
    }

    /// Does what is due.
    pub fn fire(&mut self, now: Instant, is_needed: bool) {
        while let Some(at) = self.pending.iter().position(|pending| pending.again <= now) {
            let pending = &mut self.pending[at];
            if pending.sends < SENDS {
                pending.again = now + SEND_AGAIN * 2_u32.pow(pending.sends);
                pending.sends += 1;
                self.out.push(pending.bytes.clone());
            } else {
                let what = self.pending.swap_remove(at).what;
                self.fail_request(now, what, Failure::Silent);
            }
        }
        match &mut self.stage {
            Stage::Idle(until) if is_needed && *until <= now => {
                self.stage = Stage::Asking { was_cleared: false };
                self.pending.clear();
                self.auth = auth(&self.server);
                self.has_nonce = false;
                self.ask(now, Request::Allocate);
            }
            Stage::Held(allocation) if allocation.until <= now => self.end(now, Failure::Silent),
            Stage::Held(allocation) if allocation.refresh <= now => self.refresh(now),
            _ => {}
        }
    }

    /// Gives the address up.
    pub fn release(&mut self, now: Instant) {
        if self.allocation().is_some() {
            self.pending.clear();
            self.stage = Stage::Idle(now);
            self.ask(now, Request::Refresh(Duration::ZERO));
        }
    }

    /// Wraps a datagram for a peer into `datagram`; whether it can be sent. What goes before it is in `out`.
    pub fn wrap(&mut self, now: Instant, peer: SocketAddr, contents: &[u8], datagram: &mut Vec<u8>) -> bool {
        let Stage::Held(allocation) = &mut self.stage else { return false };
        if peer.is_ipv4() != allocation.relayed.is_ipv4() {
            return false;
        }
        let is_doubtful = now.duration_since(allocation.heard) >= DOUBT_AFTER;
        let is_bulky = contents.first().is_some_and(|first| *first >= 20);
        let way = allocation.routes.to(now, peer, is_bulky, &mut self.wanted);
        for what in std::mem::take(&mut self.wanted) {
            self.ask(now, what);
        }
        if is_doubtful && !self.pending.iter().any(|pending| matches!(pending.what, Request::Refresh(_))) {
            self.refresh(now);
        }
        match way {
            Way::Closed => false,
            Way::Channel(number) => frame(number, contents, datagram).is_some(),
            Way::Named => indication(peer, contents).map(|bytes| *datagram = bytes).is_some(),
        }
    }

    /// A datagram came from the server's address to this one of ours.
    pub fn handle<'a>(&mut self, now: Instant, local: SocketAddr, datagram: &'a [u8]) -> Heard<'a> {
        if let Some(id) = answers(datagram) {
            let Some(at) = self.pending.iter().position(|pending| pending.id == id) else {
                return Heard::Nothing;
            };
            self.handle_answer(now, at, local, datagram);
            return Heard::Taken;
        }
        let Stage::Held(allocation) = &mut self.stage else { return Heard::Nothing };
        let framed = framed(datagram)
            .and_then(|(number, contents)| allocation.routes.peer(number).map(|peer| (peer, contents)));
        let known = |(peer, _): &(SocketAddr, &[u8])| allocation.routes.knows(&peer.ip());
        match framed.or_else(|| indicated(datagram).filter(known)) {
            Some((peer, contents)) => {
                allocation.heard = now;
                Heard::From(peer, contents)
            }
            None => Heard::Nothing,
        }
    }

    fn handle_answer(&mut self, now: Instant, at: usize, local: SocketAddr, datagram: &[u8]) {
        let signs = self.pending[at].signs;
        let Some(answer) = answer(&mut self.auth, signs > 0, datagram) else { return };
        let what = self.pending.swap_remove(at).what;
        if let Stage::Held(allocation) = &mut self.stage {
            allocation.heard = now;
        }
        match answer {
            Answer::Again if signs >= SIGNS => self.fail_request(now, what, Failure::Credentials),
            Answer::Again => {
                self.has_nonce = true;
                self.ask_signed(now, what, signs + 1);
            }
            Answer::Refused(code) => self.handle_refusal(now, what, code),
            Answer::Granted { relayed, mapped, lifetime } => match (what, relayed) {
                (Request::Allocate, Some(relayed)) => {
                    self.hold(now, local, relayed, mapped, lifetime.unwrap_or(LIFETIME));
                }
                (Request::Allocate, None) => self.end(now, Failure::Senseless),
                (Request::Refresh(_), _) => self.handle_refreshed(now, lifetime.unwrap_or(LIFETIME)),
                _ => {
                    if let Stage::Held(allocation) = &mut self.stage {
                        allocation.routes.granted(now, what);
                    }
                }
            },
        }
    }

    fn handle_refusal(&mut self, now: Instant, what: Request, code: u16) {
        match (&mut self.stage, what) {
            // It knows an allocation of ours from before a restart, or from a request whose answer was lost.
            (Stage::Asking { was_cleared: false }, Request::Allocate) if code == ALLOCATION_MISMATCH => {
                self.stage = Stage::Asking { was_cleared: true };
                self.ask(now, Request::Refresh(Duration::ZERO));
            }
            (Stage::Held(_), _) if code == ALLOCATION_MISMATCH => self.end(now, Failure::Refused(code)),
            _ => self.fail_request(now, what, Failure::of_code(code)),
        }
    }

    fn fail_request(&mut self, now: Instant, what: Request, failure: Failure) {
        match (&mut self.stage, what) {
            (Stage::Asking { .. }, Request::Allocate) => self.end(now, failure),
            (Stage::Asking { .. }, Request::Refresh(_)) => self.ask(now, Request::Allocate),
            (Stage::Held(_), Request::Refresh(_)) => self.end(now, failure),
            (Stage::Held(allocation), what) => allocation.routes.refused(now, what),
            _ => {}
        }
    }

    fn handle_refreshed(&mut self, now: Instant, lifetime: Duration) {
        match &mut self.stage {
            Stage::Asking { .. } => self.ask(now, Request::Allocate),
            Stage::Held(allocation) => {
                allocation.until = now + lifetime.min(LIFETIME);
                allocation.refresh = now + REFRESH_EVERY;
            }
            Stage::Idle(_) => {}
        }
    }

    fn hold(
        &mut self,
        now: Instant,
        local: SocketAddr,
        relayed: SocketAddr,
        mapped: Option<SocketAddr>,
        lifetime: Duration,
    ) {
        tracing::info!(server = %self.server.address, %relayed, "relayed");
        self.stage = Stage::Held(Box::new(Allocation {
            relayed,
            mapped,
            local,
            routes: Routes::new(),
            until: now + lifetime.min(LIFETIME),
            refresh: now + REFRESH_EVERY,
            heard: now,
        }));
        self.backoff = Duration::ZERO;
        self.failure = None;
        self.said = None;
    }

    /// There is no address, or not any more. What was held is asked for again in a moment, what never was after a while.
    fn end(&mut self, now: Instant, failure: Failure) {
        let was_held = self.allocation().is_some();
        self.pending.clear();
        self.failure = Some(failure);
        if !was_held {
            self.backoff = (self.backoff * 2).clamp(failure.pause(), BACKOFF_MOST);
            if self.said.replace(failure) != Some(failure) {
                tracing::warn!(server = %self.server.address, "TURN server gives no relayed address: {failure}");
            }
        }
        self.stage = Stage::Idle(now + self.backoff.max(SEND_AGAIN));
    }

    fn refresh(&mut self, now: Instant) {
        if let Stage::Held(allocation) = &mut self.stage {
            allocation.refresh = now + REFRESH_EVERY;
        }
        self.ask(now, Request::Refresh(LIFETIME));
    }

    fn ask(&mut self, now: Instant, what: Request) {
        // The first is not signed: what to sign with, the server says in its answer.
        self.ask_signed(now, what, u32::from(self.has_nonce));
    }

    fn ask_signed(&mut self, now: Instant, what: Request, signs: u32) {
        if self.pending.len() >= PENDING {
            return;
        }
        match request(&mut self.auth, what) {
            Some((id, bytes)) => {
                self.out.push(bytes.clone());
                self.pending.push(Pending { id, what, bytes, again: now + SEND_AGAIN, sends: 1, signs });
            }
            None => self.fail_request(now, what, Failure::Senseless),
        }
    }
}

fn auth(server: &TurnServer) -> LongTermClientAuth {
    let mut auth = LongTermClientAuth::new();
    auth.set_credentials(LongTermCredentials::new(server.user.clone(), server.password.clone()));
    auth
}
