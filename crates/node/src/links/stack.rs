//! The WebRTC stack of one connection, str0m: how it is set up, and how it is called. Invariant: neither its errors nor its
//! panics go beyond [`guard`].

use std::fmt::{self, Display};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Instant;
use str0m::config::DtlsCert;
use str0m::{Candidate, CandidateKind, IceCreds, Rtc};
use wire::MAX_MESSAGE_BYTES;

/// STUN checks without an answer until a path counts as failed: after about 18 s.
const STUN_RETRANSMITS: usize = 8;

/// The connection is of no use any more.
#[derive(Debug)]
pub(super) struct Broken;

/// What all connections have in common.
pub(super) struct Common<'a> {
    pub cert: &'a DtlsCert,
    pub candidates: &'a [Candidate],
    pub send_buffer: usize,
    /// Whether it waits for checks and makes none.
    pub lite: bool,
}

impl Common<'_> {
    /// A stack that is yet to negotiate, and the fragment by which requests name it.
    pub fn stack(&self, now: Instant) -> Result<(Box<Rtc>, String), Broken> {
        guard(|| {
            let creds = IceCreds::new();
            let ufrag = creds.ufrag.clone();
            let mut config = Rtc::builder()
                .set_local_ice_credentials(creds)
                .set_dtls_cert(self.cert.clone())
                .set_ice_lite(self.lite)
                .clear_codecs()
                // One message beyond the buffer, for those that go alone.
                .set_sctp_max_buffered_amount(self.send_buffer + MAX_MESSAGE_BYTES);
            config.set_max_stun_retransmits(STUN_RETRANSMITS);
            let mut rtc = Box::new(config.build(now));
            // An agent that makes no checks has no use for others: what they lead to is an address of its own.
            let is_fit = |candidate: &&Candidate| !self.lite || candidate.kind() == CandidateKind::Host;
            for candidate in self.candidates.iter().filter(is_fit) {
                rtc.add_local_candidate(candidate.clone());
            }
            Ok::<_, Broken>((rtc, ufrag))
        })
    }
}

/// Runs something of the stack. Its errors and its panics mean the same: the connection is of no use any more.
pub(super) fn guard<T, E: Display>(run: impl FnOnce() -> Result<T, E>) -> Result<T, Broken> {
    match catch_unwind(AssertUnwindSafe(run)) {
        Ok(Ok(value)) => Ok(value),
        Ok(Err(error)) => {
            tracing::debug!(%error, "a connection broke");
            Err(Broken)
        }
        Err(_) => {
            tracing::warn!("the WebRTC stack panicked");
            Err(Broken)
        }
    }
}

impl Display for Broken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("broken")
    }
}
