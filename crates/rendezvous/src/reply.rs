//! What the tracker sends, as JSON text.

use std::fmt::Write;

use crate::{
    Counts, InfoHash, Lease, PeerId,
    message::{About, Action, Offer},
    refusal::Refusal,
    sdp::Relation,
};

/// Room for the text round a description, in bytes, where nothing in the names has to be escaped.
const ROUND_BYTES: usize = 176;

/// A member's own answer to an announce.
pub(crate) fn announced(info_hash: InfoHash, interval_secs: u64, counts: Counts) -> String {
    let mut json = String::with_capacity(160);
    json.push_str(r#"{"action":"announce","info_hash":"#);
    info_hash.push_json(&mut json);
    let Counts { complete, incomplete, .. } = counts;
    // Writing to a string cannot fail, here and below.
    let _ = write!(json, r#","interval":{interval_secs},"complete":{complete},"incomplete":{incomplete}}}"#);
    json
}

/// Adds the names of other members to an [`announced`] reply.
pub(crate) fn add_candidates(json: &mut String, candidates: impl Iterator<Item = PeerId>) {
    json.truncate(json.len() - 1);
    json.push_str(r#","candidates":["#);
    for (index, peer) in candidates.enumerate() {
        if index > 0 {
            json.push(',');
        }
        peer.push_json(json);
    }
    json.push_str("]}");
}

/// Adds to an [`announced`] reply that its member is to upload nothing.
pub(crate) fn add_no_upload(json: &mut String) {
    json.truncate(json.len() - 1);
    json.push_str(r#","upload":false}"#);
}

/// Adds to an [`announced`] reply until when the membership lasts.
pub(crate) fn add_lease(json: &mut String, lease: Lease) {
    json.truncate(json.len() - 1);
    let _ = write!(json, r#","token_until":{}}}"#, lease.until_unix_secs);
}

/// An offer or an answer on its way to a peer. `kind` is "offer" or "answer".
pub(crate) fn relayed(
    kind: &str,
    info_hash: InfoHash,
    from: PeerId,
    offer: &Offer,
    relation: &Relation<'_>,
) -> String {
    let mut json = String::with_capacity(ROUND_BYTES + offer.sdp.written_bytes());
    json.push_str(r#"{"action":"announce","info_hash":"#);
    info_hash.push_json(&mut json);
    json.push_str(r#","peer_id":"#);
    from.push_json(&mut json);
    json.push_str(r#","offer_id":"#);
    offer.id.push_json(&mut json);
    for part in [",\"", kind, r#"":{"type":""#, kind, r#"","sdp":"#] {
        json.push_str(part);
    }
    offer.sdp.write_for(&mut json, relation);
    json.push_str("}}");
    json
}

pub(crate) fn scraped(files: impl Iterator<Item = (InfoHash, Counts)>, interval_secs: u64) -> String {
    let mut json = String::from(r#"{"action":"scrape","files":{"#);
    for (index, (info_hash, counts)) in files.enumerate() {
        if index > 0 {
            json.push(',');
        }
        info_hash.push_json(&mut json);
        let Counts { complete, incomplete, downloaded } = counts;
        let _ =
            write!(json, r#":{{"complete":{complete},"incomplete":{incomplete},"downloaded":{downloaded}}}"#);
    }
    let _ = write!(json, r#"}},"flags":{{"min_request_interval":{interval_secs}}}}}"#);
    json
}

/// Clients drop the whole connection over a message without a known action, and take one without a string for the info
/// hash for a fault of their own: it is empty if there was none to be read.
pub(crate) fn refused(about: About<'_>, refusal: &Refusal) -> String {
    let action = match about.action {
        Action::Announce => "announce",
        Action::Scrape => "scrape",
    };
    let info_hash = about.info_hash.unwrap_or("\"\"");
    let mut json = format!(r#"{{"action":"{action}","info_hash":{info_hash}"#);
    for (field, raw) in [("to_peer_id", about.to_peer_id), ("offer_id", about.offer_id)] {
        if let Some(raw) = raw {
            let _ = write!(json, r#","{field}":{raw}"#);
        }
    }
    let reason = serde_json::Value::String(refusal.to_string());
    let _ = write!(json, r#","failure reason":{reason}"#);
    if let Some(why) = refusal.denial() {
        let _ = write!(json, r#","denied":"{}""#, why.code);
        if let Some(challenge) = &why.challenge {
            let challenge = serde_json::Value::from(challenge.as_str());
            let _ = write!(json, r#","challenge":{challenge}"#);
        }
    }
    if let Some(retry) = refusal.retry_in() {
        let _ = write!(json, r#","retry in":{}"#, retry.as_secs());
    }
    json.push('}');
    json
}
