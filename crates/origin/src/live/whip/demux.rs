//! Which session a datagram is for. One socket has them all.
//!
//! The invariant: whoever does not know a session's fragment, which only its publisher was told, reaches none; and a session has few
//! addresses.

use bytes::Bytes;
use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::mpsc;

/// Addresses of one session.
const MAX_PATHS: usize = 8;

const COOKIE: [u8; 4] = [0x21, 0x12, 0xa4, 0x42];
const USERNAME: u16 = 6;

/// Where a session's datagrams go.
pub(super) type Inbox = mpsc::Sender<(SocketAddr, Bytes)>;

/// The table of sessions.
#[derive(Clone, Debug, Default)]
pub(super) struct Demux(Arc<Mutex<Table>>);

#[derive(Debug, Default)]
struct Table {
    /// By the fragment that requests name first.
    sessions: HashMap<String, (Inbox, Vec<SocketAddr>)>,
    paths: HashMap<SocketAddr, String>,
}

impl Demux {
    fn lock(&self) -> MutexGuard<'_, Table> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub fn insert(&self, fragment: String, inbox: Inbox) {
        self.lock().sessions.insert(fragment, (inbox, Vec::new()));
    }

    pub fn remove(&self, fragment: &str) {
        let mut table = self.lock();
        table.sessions.remove(fragment);
        table.paths.retain(|_, of| of != fragment);
    }

    /// Hands a datagram over; one that nobody waits for is lost.
    pub fn deliver(&self, from: SocketAddr, datagram: &[u8]) {
        let mut table = self.lock();
        let fragment = match (username(datagram), table.paths.get(&from)) {
            (Some(name), _) => name.split(':').next().unwrap_or_default().to_owned(),
            (None, Some(fragment)) => fragment.clone(),
            (None, None) => return,
        };
        let Table { sessions, paths } = &mut *table;
        let Some((inbox, known)) = sessions.get_mut(&fragment) else { return };
        if !known.contains(&from) {
            if known.len() >= MAX_PATHS {
                return;
            }
            known.push(from);
            paths.insert(from, fragment);
        }
        // A full inbox loses it, as a full socket would.
        inbox.try_send((from, Bytes::copy_from_slice(datagram))).ok();
    }
}

/// The user name in a STUN request (RFC 8489 section 14.3).
fn username(datagram: &[u8]) -> Option<&str> {
    if datagram.get(..2)? != [0, 1] || datagram.get(4..8)? != COOKIE {
        return None;
    }
    let mut rest = datagram.get(20..)?;
    while let Some(&[k0, k1, l0, l1]) = rest.first_chunk::<4>() {
        let len = usize::from(u16::from_be_bytes([l0, l1]));
        let value = rest.get(4..4 + len)?;
        if u16::from_be_bytes([k0, k1]) == USERNAME {
            return std::str::from_utf8(value).ok();
        }
        rest = rest.get(4 + len.next_multiple_of(4)..)?;
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_session_is_found_by_its_fragment_and_then_by_its_address() {
        let demux = Demux::default();
        let (inbox, mut datagrams) = mpsc::channel(4);
        demux.insert("abcd".to_owned(), inbox);
        let (here, there) = ("10.0.0.1:5".parse().unwrap(), "10.0.0.2:5".parse().unwrap());
        let mut request = vec![0, 1, 0, 16];
        request.extend(COOKIE);
        request.extend([0; 12]);
        request.extend([0, 6, 0, 9]);
        request.extend(b"abcd:wxyz\0\0\0");
        demux.deliver(there, &[20; 30]);
        demux.deliver(here, &request);
        demux.deliver(here, &[20; 30]);
        assert_eq!(datagrams.recv().await.unwrap().1, request);
        assert_eq!(datagrams.recv().await.unwrap(), (here, Bytes::from(vec![20; 30])));
        demux.remove("abcd");
        demux.deliver(here, &request);
        assert!(datagrams.recv().await.is_none());
        assert_eq!(username(&[0, 1, 0, 0]), None);
    }
}
