//! Files that change while a server runs: certificates are renewed, and networks change hands.

use crate::stop::Hangup;
use std::time::Duration;
use tracker::tls::Tls;
use tracker::{Asns, Tracker};

/// How often they are looked at.
const OFTEN: Duration = Duration::from_secs(3600);

/// What may be read again.
#[derive(Clone, Debug, Default)]
pub struct Files {
    pub tls: Option<Tls>,
    pub asns: Option<Asns>,
}

impl Files {
    /// Those of a tracker, and of the TLS before it.
    pub fn of(tracker: &Tracker, tls: Option<Tls>) -> Self {
        Self { tls, asns: tracker.whereabouts().asns().cloned() }
    }

    /// Reads all of them again. What cannot be read stays as it was, and is named.
    pub fn reload(&self) -> Result<(), String> {
        let tls = self.tls.iter().filter_map(|tls| tls.reload().err()).map(|why| why.to_string());
        let asns = self.asns.iter().filter_map(|asns| asns.reload().err()).map(|why| why.to_string());
        let wrong: Vec<String> = tls.chain(asns).collect();
        if wrong.is_empty() { Ok(()) } else { Err(wrong.join("; ")) }
    }

    /// Reads them again at SIGHUP, and once an hour. Where there are none the signal keeps its meaning.
    pub async fn follow(&self) {
        if self.tls.is_none() && self.asns.is_none() {
            return std::future::pending().await;
        }
        let mut hangup = Hangup::new();
        loop {
            tokio::select! {
                () = hangup.told() => {}
                () = tokio::time::sleep(OFTEN) => {}
            }
            if let Err(why) = self.reload() {
                tracing::error!(%why, "not read again; what was read before stays");
            }
        }
    }
}
