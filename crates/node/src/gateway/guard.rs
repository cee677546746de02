//! Who may ask: programs of this machine, by an address of this machine.

use axum::http::{HeaderMap, header};
use std::net::SocketAddr;

/// Names under which the gateway may be asked.
#[derive(Debug)]
pub(super) struct Guard {
    hosts: [String; 2],
}

impl Guard {
    pub(super) fn new(address: SocketAddr) -> Self {
        Self { hosts: [address.to_string(), format!("localhost:{}", address.port())] }
    }

    /// Whether a request with these headers is let in: its `Host` is ours, and so is its `Origin` if it has one.
    pub(super) fn admits(&self, headers: &HeaderMap) -> bool {
        let is_ours = |name: &str| self.hosts.iter().any(|host| host.eq_ignore_ascii_case(name));
        let mut hosts = headers.get_all(header::HOST).iter();
        let host = hosts.next().and_then(|host| host.to_str().ok());
        let by_name = hosts.next().is_none() && host.is_some_and(is_ours);
        let from_here = headers.get_all(header::ORIGIN).iter().all(|origin| {
            origin.to_str().ok().and_then(|origin| origin.strip_prefix("http://")).is_some_and(is_ours)
        });
        by_name && from_here
    }
}

/// 128 bits that nobody can guess, as a part of a path.
pub(super) fn token() -> String {
    let mut bytes = [0u8; 16];
    getrandom::fill(&mut bytes).expect("the system has randomness");
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn other_names_and_other_origins_are_refused() {
        let guard = Guard::new("127.0.0.1:9000".parse().unwrap());
        let with = |pairs: &[(&'static str, &str)]| {
            let mut headers = HeaderMap::new();
            for (name, value) in pairs {
                headers.append(*name, value.parse().unwrap());
            }
            guard.admits(&headers)
        };
        assert!(with(&[("host", "127.0.0.1:9000")]) && with(&[("host", "LOCALHOST:9000")]));
        assert!(with(&[("host", "127.0.0.1:9000"), ("origin", "http://localhost:9000")]));
        for bad in ["127.0.0.1", "127.0.0.1:9001", "evil.example:9000", "127.0.0.1:9000.evil.example"] {
            assert!(!with(&[("host", bad)]), "{bad}");
        }
        assert!(!with(&[]) && !with(&[("host", "127.0.0.1:9000"), ("host", "evil.example")]));
        for bad in ["null", "http://evil.example", "https://127.0.0.1:9000", "http://127.0.0.1:9001"] {
            assert!(!with(&[("host", "127.0.0.1:9000"), ("origin", bad)]), "{bad}");
        }
    }
}
