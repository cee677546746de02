//! Datagrams from strangers at the socket do no harm.

use crate::hub::{Hub, local, pair};
use bytes::Bytes;
use std::net::UdpSocket;

/// A deterministic source of rubbish.
struct Dice(u64);

impl Dice {
    fn byte(&mut self) -> u8 {
        self.0 = self.0.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
        (self.0 >> 33) as u8
    }
}

/// A binding request for `user`, with everything that a right one has but for a right integrity.
fn forged(dice: &mut Dice, user: &str) -> Vec<u8> {
    let mut attributes = Vec::new();
    let mut put = |kind: u16, value: &[u8]| {
        attributes.extend(kind.to_be_bytes());
        attributes.extend((value.len() as u16).to_be_bytes());
        attributes.extend(value);
        attributes.resize(attributes.len().next_multiple_of(4), 0);
    };
    put(0x0006, user.as_bytes());
    put(0x0024, &[0x6e, 0, 0, 1]);
    put(0x0025, &[]);
    put(0x8029, &[dice.byte(); 8]);
    put(0x0008, &[dice.byte(); 20]);
    let mut message = vec![0, 1];
    message.extend((attributes.len() as u16).to_be_bytes());
    message.extend([0x21, 0x12, 0xA4, 0x42]);
    message.extend((0..12).map(|_| dice.byte()));
    message.extend(attributes);
    message
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rubbish_and_forged_requests_leave_links_as_they_are() {
    let fragments = std::sync::Arc::new(std::sync::Mutex::new(Vec::new()));
    let seen = fragments.clone();
    let hub = Hub::mangling(std::sync::Arc::new(move |_, sdp: String| {
        let fragment = sdp.lines().find_map(|line| line.strip_prefix("a=ice-ufrag:"));
        seen.lock().expect("no panic").push(fragment.unwrap_or_default().to_owned());
        sdp
    }));
    let ((mut a, at_a), (mut b, at_b)) = pair(&hub, [local(), local()]).await;
    let fragments = fragments.lock().expect("no panic").clone();
    assert!(fragments.len() == 2 && fragments.iter().all(|fragment| !fragment.is_empty()));
    let stranger = UdpSocket::bind("127.0.0.1:0").expect("a socket");
    let mut dice = Dice(7);
    for round in 0..3000_usize {
        let mut datagram = match round % 5 {
            0 => forged(&mut dice, &format!("{}:{}", fragments[0], fragments[1])),
            1 => forged(&mut dice, &format!("{}:{}", fragments[1], fragments[0])),
            2 => forged(&mut dice, "nobody:nowhere"),
            _ => (0..round % 1500).map(|_| dice.byte()).collect(),
        };
        match round % 7 {
            // Cut short, or another kind of message, or made to look like DTLS.
            0 => datagram.truncate(usize::from(dice.byte())),
            1 if !datagram.is_empty() => datagram[0] = 20 + dice.byte() % 44,
            2 if datagram.len() > 1 => datagram[..2].copy_from_slice(&[1, 1]),
            _ => {}
        }
        let to = if round % 2 == 0 { a.links.local_addr() } else { b.links.local_addr() };
        let _ = stranger.send_to(&datagram, to);
        if round % 64 == 0 {
            tokio::task::yield_now().await;
        }
    }
    for n in 0..20_u8 {
        a.links.send(at_a, Bytes::from(vec![n; 30_000]));
        assert_eq!(b.message().await, (at_b, Bytes::from(vec![n; 30_000])));
        b.links.send(at_b, Bytes::from(vec![n; 300]));
        assert_eq!(a.message().await, (at_a, Bytes::from(vec![n; 300])));
    }
}
