//! Who may join: the [`access::Gate`] of a tracker, what its streams are called, and takedowns.
//!
//! The invariant: nobody is let into a swarm but under the gate's lock, and a takedown holds it from when it is in force until the
//! swarms are empty. So nobody slips in between.

use std::{
    collections::BTreeMap,
    net::IpAddr,
    sync::{Mutex, MutexGuard, PoisonError},
    time::{Duration, SystemTime},
};

use access::{
    Authority, Challenge, Denied, Gate, Grant, Noted, Policy, Request, Stream, SwarmId, Timestamp, Use,
    revocations::{self, ListError, Reason, Taken},
};
use rendezvous::{
    Denial, InfoHash, Question, TokenId,
    cluster::{Notice, Topic},
};

use crate::hook::{self, Hook};

/// Most streams that have names.
pub const MAX_NAMES: usize = access::MAX_STREAMS;
/// Who comes when the memory of used tokens is full is to try again after so long.
const FULL_RETRY: Duration = Duration::from_secs(60);
/// Longest `Origin` header that is looked at, in bytes: a scheme, a name of the DNS, a port.
const MAX_ORIGIN: usize = 300;

/// Whom a tracker lets in, where that is not everybody.
#[derive(Clone, Debug)]
pub struct Admission {
    /// Limits of the gate.
    pub gate: access::Config,
    /// Whom it admits.
    pub policy: Policy,
    /// Who may take streams down; those beyond [`access::Config::authorities`] do not count.
    pub authorities: Vec<Authority>,
    /// Who is asked beside that, by HTTP.
    pub hook: Option<hook::Config>,
}

impl Admission {
    /// By these rules, with nobody who may take down anything.
    pub fn new(policy: Policy) -> Self {
        Self { gate: access::Config::default(), policy, authorities: Vec::new(), hook: None }
    }
}

/// Names are not taken in: there are [`MAX_NAMES`], or the name is none.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a stream's name has 1 to 64 letters, digits, - or _, and at most {MAX_NAMES} streams have one")]
pub struct NoName;

#[derive(Debug)]
pub(crate) struct Door {
    pub(crate) hook: Option<Hook>,
    /// Who may take anything down, by their keys.
    pub(crate) authorities: Vec<Topic>,
    state: Mutex<State>,
}

/// The gate while nobody else is at it.
#[derive(Debug)]
pub(crate) struct State {
    gate: Gate,
    needs_tokens: bool,
    names: BTreeMap<InfoHash, String>,
    /// The latest that the clock has said: it may be set back, and the gate's time must not go back.
    now: Timestamp,
}

/// What is kept of a connection to judge it by.
#[derive(Debug)]
pub(crate) struct Visitor {
    pub(crate) challenge: Challenge,
    pub(crate) origin: Option<Box<str>>,
    pub(crate) address: IpAddr,
}

impl Visitor {
    /// `None` without the system's entropy.
    pub(crate) fn new(address: IpAddr, origin: Option<&str>) -> Option<Self> {
        let mut challenge = [0; 32];
        getrandom::fill(&mut challenge).ok()?;
        let origin = origin.filter(|origin| origin.len() <= MAX_ORIGIN).map(Box::from);
        Some(Self { challenge: Challenge(challenge), origin, address })
    }

    /// What it is told first where tokens are needed.
    pub(crate) fn welcome(&self) -> String {
        format!(r#"{{"action":"challenge","challenge":"{}"}}"#, self.challenge)
    }
}

impl Door {
    pub(crate) fn new(admission: Admission) -> Self {
        let needs_tokens = matches!(admission.policy, Policy::Tokens(_));
        let mut gate = Gate::new(admission.gate, admission.policy);
        let authorities = admission.authorities.iter().map(|one| *one.key().as_bytes()).collect();
        for authority in admission.authorities {
            if let Err(why) = gate.trust(authority) {
                tracing::error!(%why, "the rest is left out");
                break;
            }
        }
        let state = State { gate, needs_tokens, names: BTreeMap::new(), now: Timestamp(0) };
        Self { hook: admission.hook.map(Hook::new), authorities, state: Mutex::new(state) }
    }

    pub(crate) fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    pub(crate) fn needs_tokens(&self) -> bool {
        self.needs_tokens
    }

    pub(crate) fn set_policy(&mut self, policy: Policy) {
        self.needs_tokens = matches!(policy, Policy::Tokens(_));
        self.gate.set_policy(policy);
    }

    pub(crate) fn set_name(&mut self, info_hash: InfoHash, name: Option<&str>) -> Result<(), NoName> {
        let Some(name) = name else {
            self.names.remove(&info_hash);
            return Ok(());
        };
        let known = self.names.contains_key(&info_hash);
        if !access::is_name(name) || !known && self.names.len() >= MAX_NAMES {
            return Err(NoName);
        }
        self.names.insert(info_hash, name.to_owned());
        Ok(())
    }

    pub(crate) fn name(&self, info_hash: InfoHash) -> Option<&str> {
        self.names.get(&info_hash).map(String::as_str)
    }

    /// Judges by list or token, and by takedowns; a token is used up by it.
    pub(crate) fn admit(&mut self, question: &Question, visitor: &Visitor) -> Result<Grant, Denial> {
        let now = self.now();
        let Self { gate, needs_tokens, names, .. } = self;
        let request = Request {
            stream: stream(names, question.info_hash),
            peer: access::PeerId(question.peer_id.0),
            challenge: visitor.challenge,
            site: visitor.origin.as_deref(),
            token: question.token.as_deref(),
            proof: question.proof.as_deref(),
        };
        let challenge = needs_tokens.then_some(&visitor.challenge);
        gate.admit(now, &request).map_err(|why| denial(&why, challenge))
    }

    /// What is over by now is no longer than this ago; never earlier than before.
    pub(crate) fn now(&mut self) -> Timestamp {
        let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        self.now = self.now.max(Timestamp(since.as_secs()));
        self.now
    }

    pub(crate) fn take_revocations(&mut self, list: &[u8]) -> Result<Taken, ListError> {
        self.gate.take_revocations(list)
    }

    /// Another tracker has let somebody in by a token. Whether this one did so as well.
    pub(crate) fn note_use(&mut self, token: TokenId, until: Timestamp) -> bool {
        let now = self.now();
        self.gate.note_use(now, Use(token.0), until) == Noted::UsedHere
    }

    /// Why a stream was taken down, if it was.
    pub(crate) fn revoked(&self, info_hash: InfoHash) -> Option<Reason> {
        self.gate.revoked(&stream(&self.names, info_hash))
    }
}

/// A list that was taken in, as other trackers get it.
pub(crate) fn notice(list: &[u8]) -> Option<Notice> {
    let (key, number) = revocations::heading(list)?;
    Some(Notice { topic: *key.as_bytes(), number, bytes: list.into() })
}

/// What those are told who want into, or are in, a swarm that was taken down.
pub(crate) fn taken_down(reason: Reason) -> Denial {
    denial(&Denied::Revoked(reason), None)
}

fn stream(names: &BTreeMap<InfoHash, String>, info_hash: InfoHash) -> Stream<'_> {
    Stream { swarm: SwarmId(info_hash.0), name: names.get(&info_hash).map(String::as_str) }
}

fn denial(why: &Denied, challenge: Option<&Challenge>) -> Denial {
    Denial {
        code: why.code(),
        reason: why.to_string(),
        challenge: challenge.filter(|_| !matches!(why, Denied::Revoked(_))).map(Challenge::to_string),
        retry: (*why == Denied::Full).then_some(FULL_RETRY),
    }
}
