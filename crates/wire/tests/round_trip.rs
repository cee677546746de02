//! What is written is read back, and what is read is written back the same.

use manifest::{Hash, SegmentId};
use proptest::collection::vec;
use proptest::prelude::*;
use wire::{
    Bits, Frame, Frames, Have, Hello, MAX_NAMED, MAX_PATH, MAX_SDP_BYTES, MAX_STRIPES, Message, PUSHED,
    Partial, Playing, Refusal, Run, Said, Seat, Signal, put_head, put_leaves, put_message, put_piece,
};

fn segment() -> impl Strategy<Value = SegmentId> {
    (any::<u8>(), any::<u32>()).prop_map(|(r, s)| SegmentId::new(r, s))
}

fn run() -> impl Strategy<Value = Run> {
    (any::<u8>(), 0u32..1 << 30, 1u32..1 << 30)
        .prop_map(|(r, first, count)| Run { first: SegmentId::new(r, first), count })
}

fn partial() -> impl Strategy<Value = Partial> {
    (segment(), vec(any::<bool>(), 0..2048)).prop_map(|(segment, held)| {
        let mut pieces = Bits::none(held.len() as u32);
        held.iter().enumerate().filter(|(_, h)| **h).for_each(|(i, _)| {
            pieces.set(i as u32);
        });
        Partial { segment, pieces }
    })
}

fn signal() -> impl Strategy<Value = Signal> {
    (any::<[u8; 20]>(), any::<[u8; 20]>(), "[\\PC\r\n]{1,200}", 0..3).prop_map(
        |(peer, offer_id, sdp, kind)| {
            let what = match kind {
                0 => Said::Offer(sdp),
                1 => Said::Answer(sdp),
                _ => Said::Nobody,
            };
            Signal { peer, offer_id, what }
        },
    )
}

fn message() -> impl Strategy<Value = Message> {
    prop_oneof![
        (any::<u8>(), any::<[u8; 20]>(), any::<u32>(), any::<bool>()).prop_map(
            |(version, swarm, upload_kbps, keeps)| Message::Hello(Hello {
                version,
                swarm,
                upload_kbps,
                keeps
            })
        ),
        (vec(run(), 0..9), vec(partial(), 0..5), vec(run(), 0..9), vec(segment(), 0..9)).prop_map(
            |(whole, partial, gone, fetching)| Message::Have(Have { whole, partial, gone, fetching })
        ),
        (any::<u32>(), any::<u32>(), any::<u8>(), any::<u8>()).prop_map(|(a, b, video, audio)| {
            Message::Playing(Playing { position_ms: a.min(b), window_end_ms: a.max(b), video, audio })
        }),
        (0..PUSHED, segment(), any::<u32>(), any::<u32>(), any::<bool>()).prop_map(
            |(id, segment, piece, within_ms, leaves)| Message::Request {
                id,
                segment,
                piece,
                within_ms,
                leaves
            }
        ),
        any::<u32>().prop_map(|id| Message::Cancel { id }),
        (any::<u32>(), 0..3usize).prop_map(|(id, why)| Message::Refuse {
            id,
            why: [Refusal::Absent, Refusal::Busy, Refusal::NotSharing][why]
        }),
        vec((0..MAX_STRIPES, any::<u8>(), vec(any::<u32>(), 0..=MAX_PATH)), 0..=8).prop_map(|seats| {
            Message::Seats(
                seats.into_iter().map(|(stripe, room, path)| Seat { stripe, room, path }).collect(),
            )
        }),
        any::<u8>().prop_map(|stripes| Message::Follow { stripes }),
        any::<u8>().prop_map(|stripes| Message::Feed { stripes }),
        any::<u32>().prop_map(|head| Message::Behind { head }),
        any::<u8>().prop_map(|want| Message::Meet { want }),
        vec(any::<[u8; 20]>(), 0..=MAX_NAMED).prop_map(Message::Peers),
        signal().prop_map(Message::Carry),
        signal().prop_map(Message::Carried),
        Just(Message::Goodbye),
    ]
}

proptest! {
    #[test]
    fn messages_come_back_as_they_went(messages in vec(message(), 1..6)) {
        let mut bytes = Vec::new();
        messages.iter().for_each(|m| put_message(&mut bytes, m));
        let read: Vec<_> = Frames::new(&bytes).collect::<Result<_, _>>().expect("well formed");
        prop_assert_eq!(read, messages.into_iter().map(Frame::Message).collect::<Vec<_>>());
    }

    #[test]
    fn pieces_and_leaves_come_back(segment in segment(), leaves in vec(any::<[u8; 32]>(), 1..70), id: u32, piece: u32, payload in vec(any::<u8>(), 1..3000)) {
        let leaves: Vec<Hash> = leaves.into_iter().map(Hash).collect();
        let mut bytes = Vec::new();
        put_leaves(&mut bytes, segment, &leaves);
        put_piece(&mut bytes, id, segment, piece, &payload);
        let read: Vec<_> = Frames::new(&bytes).collect::<Result<_, _>>().expect("well formed");
        prop_assert_eq!(read, [Frame::Leaves { segment, leaves }, Frame::Piece { id, segment, piece, payload: &payload }]);
        bytes.clear();
        put_head(&mut bytes, &payload);
        prop_assert_eq!(Frames::new(&bytes).collect::<Vec<_>>(), [Ok(Frame::Head(&payload))]);
    }

    #[test]
    fn whatever_is_accepted_encodes_to_the_same_bytes(bytes in vec(any::<u8>(), 0..300)) {
        let mut again = Vec::new();
        let mut whole = true;
        for frame in Frames::new(&bytes) {
            match frame {
                Ok(Frame::Message(message)) => put_message(&mut again, &message),
                Ok(Frame::Leaves { segment, leaves }) => put_leaves(&mut again, segment, &leaves),
                Ok(Frame::Piece { id, segment, piece, payload }) => put_piece(&mut again, id, segment, piece, payload),
                Ok(Frame::Head(head)) => put_head(&mut again, head),
                Err(_) => whole = false,
            }
        }
        // Frames of unknown kind are passed over, so only a prefix of known frames can be compared.
        if whole && bytes.first().is_some_and(|kind| (1..=18).contains(kind)) && again.len() == bytes.len() {
            prop_assert_eq!(again, bytes);
        }
    }
}

#[test]
fn unknown_kinds_are_passed_over_and_malformed_ones_end_the_message() {
    let mut bytes = vec![200, 3, 1, 2, 3];
    put_message(&mut bytes, &Message::Goodbye);
    assert_eq!(Frames::new(&bytes).collect::<Vec<_>>(), [Ok(Frame::Message(Message::Goodbye))]);
    let mut bytes = vec![5, 0]; // a Cancel without an id
    put_message(&mut bytes, &Message::Goodbye);
    let read: Vec<_> = Frames::new(&bytes).collect();
    assert_eq!((read.len(), read[0].is_err()), (1, true));
}

#[test]
fn no_request_has_the_id_of_what_is_pushed() {
    let segment = SegmentId::new(0, 1);
    for id in [PUSHED, PUSHED - 1] {
        let mut bytes = Vec::new();
        put_message(&mut bytes, &Message::Request { id, segment, piece: 0, within_ms: 0, leaves: false });
        assert_eq!(Frames::new(&bytes).next().is_some_and(|frame| frame.is_err()), id == PUSHED);
    }
}

#[test]
fn descriptions_and_lists_of_peers_have_bounds() {
    let is_read = |message: Message| {
        let mut bytes = Vec::new();
        put_message(&mut bytes, &message);
        Frames::new(&bytes).next() == Some(Ok(Frame::Message(message)))
    };
    let with = |sdp: String| Signal { peer: [1; 20], offer_id: [2; 20], what: Said::Offer(sdp) };
    for (len, good) in [(0, false), (1, true), (MAX_SDP_BYTES, true), (MAX_SDP_BYTES + 1, false)] {
        assert_eq!(is_read(Message::Carry(with("x".repeat(len)))), good, "{len}");
    }
    assert!(is_read(Message::Peers(vec![[3; 20]; MAX_NAMED])));
    assert!(!is_read(Message::Peers(vec![[3; 20]; MAX_NAMED + 1])));
}

#[test]
fn the_bytes_of_an_exchange_are_these() {
    let mut bytes = Vec::new();
    let signal = |what| Signal { peer: [b'p'; 20], offer_id: [b'o'; 20], what };
    put_message(&mut bytes, &Message::Meet { want: 6 });
    put_message(&mut bytes, &Message::Peers(vec![[b'a'; 20], [b'b'; 20]]));
    put_message(&mut bytes, &Message::Carry(signal(Said::Offer("v=0".into()))));
    put_message(&mut bytes, &Message::Carried(signal(Said::Nobody)));
    let (p, o, a, b) = ("p".repeat(20), "o".repeat(20), "a".repeat(20), "b".repeat(20));
    let expected = format!("\x0f\x01\x06\x10\x29\x02{a}{b}\x11\x2c\x00{p}{o}v=0\x12\x29\x02{p}{o}");
    assert_eq!(bytes, expected.as_bytes());
    // Kinds that there are not, text that is none, and words after nobody's.
    for (place, byte, more) in [(48, 3, &[][..]), (89, 0xff, &[]), (93, 0x2a, &[0])] {
        let mut wrong = [&bytes, more].concat();
        wrong[place] = byte;
        assert!(Frames::new(&wrong).any(|frame| frame.is_err()), "{place}");
    }
}

#[test]
fn lengths_that_promise_more_than_there_is_cost_nothing() {
    // A Have that claims 4096 runs, a piece that claims 4 GiB, leaves of no whole number.
    for bytes in
        [&[2, 3, 0x80, 0x20, 0][..], &[9, 0xff, 0xff, 0xff, 0xff, 0x0f, 1][..], &[8, 4, 0, 1, 7, 7][..]]
    {
        assert_eq!(Frames::new(bytes).collect::<Vec<_>>().len(), 1);
        assert!(Frames::new(bytes).next().is_some_and(|f| f.is_err()));
    }
}
