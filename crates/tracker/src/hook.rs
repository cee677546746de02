//! Another server that says who may join: it is asked by HTTP, and its answers are remembered for a while.
//!
//! The invariant: no more than [`Config::in_flight`] questions are out at a time, no more than [`Config::waiting`] wait for their
//! turn, and each is over within [`Config::within`], one way or the other.

use std::{
    collections::{BTreeMap, VecDeque},
    net::IpAddr,
    sync::{Mutex, PoisonError},
    time::Duration,
};

use crate::neighbourhoods::prefix;
use rendezvous::{Denial, InfoHash, PeerId};
use reqwest::{Client, StatusCode, Url, header::CONTENT_TYPE, redirect};
use serde_json::json;
use tokio::{
    sync::Semaphore,
    time::{Instant, timeout},
};

/// Whoever could not be judged is to try again after so long.
const RETRY: Duration = Duration::from_secs(10);
/// Longest token that is passed on, in bytes.
const MAX_TOKEN: usize = 2048;

/// Who is asked, and how.
#[derive(Clone, Debug)]
pub struct Config {
    /// Where questions are posted to.
    pub url: Url,
    /// Time for an answer, with the wait for its turn.
    pub within: Duration,
    /// Whether those may join about whom no answer came, or another one than 200, 204 and 403.
    pub allows_without_answer: bool,
    /// For how long an answer counts for the same question.
    pub remember: Duration,
    /// Most answers that are remembered; the oldest goes first.
    pub remembered: usize,
    /// Most questions out at a time.
    pub in_flight: usize,
    /// Most questions that wait for their turn. Beyond it they count as not answered.
    pub waiting: usize,
}

impl Config {
    /// The defaults: 5 s, 64 at a time, refused without an answer, remembered for a minute.
    pub fn new(url: Url) -> Self {
        Self {
            url,
            within: Duration::from_secs(5),
            allows_without_answer: false,
            remember: Duration::from_secs(60),
            remembered: 16_384,
            in_flight: 64,
            waiting: 1024,
        }
    }
}

/// All that the other server is told.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Asked {
    pub(crate) info_hash: InfoHash,
    pub(crate) name: Option<String>,
    pub(crate) peer_id: PeerId,
    pub(crate) origin: Option<Box<str>>,
    pub(crate) address: IpAddr,
    pub(crate) token: Option<String>,
}

#[derive(Debug)]
pub(crate) struct Hook {
    config: Config,
    client: Option<Client>,
    turns: Semaphore,
    waiting: Semaphore,
    answers: Mutex<Answers>,
}

impl Hook {
    pub(crate) fn new(config: Config) -> Self {
        // Where an answer sends somebody on to is not asked: the operator named one address.
        let client = Client::builder().redirect(redirect::Policy::none()).build();
        let client = client.inspect_err(|error| tracing::error!(%error, "nobody can be asked")).ok();
        let (turns, waiting) = (Semaphore::new(config.in_flight), Semaphore::new(config.waiting));
        Self { config, client, turns, waiting, answers: Mutex::default() }
    }

    /// Asks, unless the same was asked lately.
    pub(crate) async fn ask(&self, mut asked: Asked) -> Result<(), Denial> {
        asked.address = prefix(asked.address);
        if asked.token.as_ref().is_some_and(|token| token.len() > MAX_TOKEN) {
            return Err(refused());
        }
        let known = self.answers().get(&asked, Instant::now());
        let answer = match known {
            Some(known) => Some(known),
            None => {
                let answer = self.answer(&asked).await;
                if let Some(allows) = answer {
                    let Config { remember, remembered, .. } = self.config;
                    self.answers().add(asked, allows, Instant::now(), remember, remembered);
                }
                answer
            }
        };
        match answer {
            Some(true) => Ok(()),
            Some(false) => Err(refused()),
            None if self.config.allows_without_answer => Ok(()),
            None => Err(Denial {
                code: "unanswered",
                reason: "whether you may join could not be found out: try again later".to_owned(),
                challenge: None,
                retry: Some(RETRY),
            }),
        }
    }

    /// `None`: there is no answer.
    async fn answer(&self, asked: &Asked) -> Option<bool> {
        let _place = self.waiting.try_acquire().ok()?;
        let Asked { info_hash, name, peer_id, origin, address, token } = asked;
        let body = json!({
            "info_hash": hex(&info_hash.0),
            "name": name,
            "peer_id": hex(&peer_id.0),
            "origin": origin,
            "address": address,
            "token": token,
        });
        let post = async {
            let _turn = self.turns.acquire().await.ok()?;
            let request = self.client.as_ref()?.post(self.config.url.clone());
            let request = request.header(CONTENT_TYPE, "application/json").body(body.to_string());
            match request.send().await {
                Ok(answer) => Some(answer.status()),
                Err(error) => {
                    tracing::warn!(error = %error.without_url(), "the admission hook does not answer");
                    None
                }
            }
        };
        match timeout(self.config.within, post).await.ok()?? {
            StatusCode::OK | StatusCode::NO_CONTENT => Some(true),
            StatusCode::FORBIDDEN => Some(false),
            status => {
                tracing::warn!(%status, "the admission hook answers neither 200, 204 nor 403");
                None
            }
        }
    }

    fn answers(&self) -> std::sync::MutexGuard<'_, Answers> {
        self.answers.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn refused() -> Denial {
    Denial {
        code: "refused",
        reason: "this site does not let you join".to_owned(),
        challenge: None,
        retry: None,
    }
}

fn hex(bytes: &[u8; 20]) -> String {
    access::SwarmId(*bytes).to_string()
}

/// Answers that still count. All count for the same time, so they end in the order in which they came.
#[derive(Debug, Default)]
struct Answers {
    of: BTreeMap<Asked, bool>,
    ends: VecDeque<(Instant, Asked)>,
}

impl Answers {
    fn get(&mut self, asked: &Asked, now: Instant) -> Option<bool> {
        while self.ends.front().is_some_and(|(end, _)| *end <= now) {
            self.forget_oldest();
        }
        self.of.get(asked).copied()
    }

    fn add(&mut self, asked: Asked, allows: bool, now: Instant, remember: Duration, most: usize) {
        // The first of several answers to the same question that come at once counts.
        if self.get(&asked, now).is_some() || most == 0 {
            return;
        }
        if self.of.len() >= most {
            self.forget_oldest();
        }
        self.of.insert(asked.clone(), allows);
        self.ends.push_back((now + remember, asked));
    }

    fn forget_oldest(&mut self) {
        if let Some((_, asked)) = self.ends.pop_front() {
            self.of.remove(&asked);
        }
    }
}
