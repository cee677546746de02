//! Session descriptions of a data channel as Chromium writes them, as JSON strings: they differ in all that differs
//! between two peers, and are long by having many candidates.

use std::fmt::Write;

/// Descriptions made beforehand: each offer and answer takes the next.
#[derive(Debug)]
pub struct Pool(Vec<String>);

/// So many different ones.
const POOL: u64 = 256;

impl Pool {
    /// Offers or answers, each about `bytes` long as a JSON string.
    pub fn new(setup: &str, bytes: usize) -> Self {
        Self((0..POOL).map(|number| sdp(number, setup, bytes)).collect())
    }

    /// The description of one offer, quotes included.
    pub fn get(&self, number: u64) -> &str {
        &self.0[(number % POOL) as usize]
    }
}

/// Different bits for every number (splitmix64).
fn mix(number: u64) -> u64 {
    let mut z = number.wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

/// Letters and digits, as ICE takes them (RFC 8839, 5.4).
fn token(number: u64, len: usize) -> String {
    const LETTERS: &[u8; 62] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
    (0..len as u64).map(|at| char::from(LETTERS[(mix(number ^ (at << 40)) % 62) as usize])).collect()
}

fn candidate(number: u64, index: u64) -> String {
    let bits = mix(number ^ (index << 48));
    let (port, foundation) = (10_000 + bits % 50_000, (bits >> 20) as u32);
    let [a, b, ..] = bits.to_be_bytes();
    let tail = "generation 0 network-id 1 network-cost 10";
    match index % 4 {
        0 => format!(
            "{foundation} 1 udp 2113937151 {:08x}-{a:02x}{b:02x}-4{:03x}-9{:03x}-{:012x}.local {port} typ host {tail}",
            bits as u32,
            bits % 4096,
            (bits >> 12) % 4096,
            bits >> 16
        ),
        1 => format!(
            "{foundation} 1 udp 1677729535 93.184.{a}.{b} {port} typ srflx raddr 0.0.0.0 rport 0 {tail}"
        ),
        2 => format!("{foundation} 1 udp 2122260223 192.168.{a}.{} {port} typ host {tail}", b.max(1)),
        _ => format!(
            "{foundation} 1 udp 2122197247 2a00:1450:4001:{:x}::{a:x}{b:02x} {port} typ host {tail}",
            bits as u16
        ),
    }
}

/// One description. `setup` is `actpass` in an offer, `active` in an answer.
fn sdp(number: u64, setup: &str, bytes: usize) -> String {
    let mut lines = vec![
        "v=0".to_owned(),
        format!("o=- {} 2 IN IP4 127.0.0.1", mix(number) >> 1),
        "s=-".to_owned(),
        "t=0 0".to_owned(),
        "a=group:BUNDLE 0".to_owned(),
        "a=extmap-allow-mixed".to_owned(),
        "a=msid-semantic: WMS".to_owned(),
        "m=application 9 UDP/DTLS/SCTP webrtc-datachannel".to_owned(),
        "c=IN IP4 0.0.0.0".to_owned(),
    ];
    let mut fingerprint = String::new();
    for at in 0..32 {
        // Writing to a string cannot fail.
        let _ =
            write!(fingerprint, "{}{:02X}", if at > 0 { ":" } else { "" }, mix(number ^ (at << 32)) as u8);
    }
    let rest = [
        format!("a=ice-ufrag:{}", token(number, 4)),
        format!("a=ice-pwd:{}", token(!number, 24)),
        "a=ice-options:trickle".to_owned(),
        format!("a=fingerprint:sha-256 {fingerprint}"),
        format!("a=setup:{setup}"),
        "a=mid:0".to_owned(),
        "a=sctp-port:5000".to_owned(),
        "a=max-message-size:262144".to_owned(),
    ];
    // Each line ends in `\r\n`, four characters as JSON.
    let written = |lines: &[String]| lines.iter().map(|line| line.len() + 4).sum::<usize>();
    for index in 0.. {
        let line = format!("a=candidate:{}", candidate(number, index));
        if index > 0 && written(&lines) + written(&rest) + line.len() / 2 > bytes {
            break;
        }
        lines.push(line);
    }
    lines.extend(rest);
    format!("\"{}\\r\\n\"", lines.join("\\r\\n"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_description_is_a_json_string_of_about_the_length_that_was_asked_for() {
        for bytes in [600, 1200, 3000] {
            for number in 0..POOL {
                let json = sdp(number, "actpass", bytes);
                assert!(json.len().abs_diff(bytes) < 160, "{} for {bytes}", json.len());
                let text: String = serde_json::from_str(&json).unwrap();
                assert!(text.starts_with("v=0\r\n") && text.ends_with("a=max-message-size:262144\r\n"));
                assert!(text.lines().all(|line| line.as_bytes()[1] == b'='), "{text}");
                assert!(text.lines().any(|line| line.starts_with("a=candidate:")), "{text}");
            }
        }
    }

    #[test]
    fn two_peers_have_nothing_in_common_that_must_differ() {
        let pool = Pool::new("active", 1200);
        for field in ["o=", "a=ice-ufrag:", "a=ice-pwd:", "a=fingerprint:"] {
            let of = |number| {
                let sdp: String = serde_json::from_str(pool.get(number)).unwrap();
                sdp.lines().find(|line| line.starts_with(field)).unwrap().to_owned()
            };
            assert_ne!(of(1), of(2));
            assert_eq!(of(1), of(1 + POOL));
        }
    }
}
