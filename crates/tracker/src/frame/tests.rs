use proptest::prelude::*;
use tokio_tungstenite::tungstenite::protocol::frame::{
    Frame,
    coding::{Data, OpCode},
};

use super::*;

const LIMIT: usize = 70_000;
const FRAGMENTS: usize = 16;

/// What a client of the field's library sends.
fn frame(opcode: Data, last: bool, payload: &[u8]) -> Vec<u8> {
    masked(Frame::message(payload.to_vec(), OpCode::Data(opcode), last))
}

fn masked(mut frame: Frame) -> Vec<u8> {
    frame.header_mut().mask = Some([1, 2, 3, 250]);
    let mut bytes = Vec::new();
    frame.format(&mut bytes).unwrap();
    bytes
}

/// What is told when these bytes come in pieces of so many.
fn told(bytes: &[u8], piece: usize) -> (Vec<String>, Result<(), Broken>, Reader) {
    let (mut reader, mut all) = (Reader::new(LIMIT, FRAGMENTS), Vec::new());
    let mut bytes = bytes.to_vec();
    let result = bytes.chunks_mut(piece).try_for_each(|piece| {
        reader.take(piece, |event| {
            all.push(match event {
                Event::Message(bytes) => format!("message {}", bytes.escape_ascii()),
                Event::Ping(bytes) => format!("ping {}", bytes.escape_ascii()),
                other => format!("{other:?}"),
            });
            Ok::<_, Broken>(())
        })
    });
    (all, result, reader)
}

proptest! {
    #[test]
    fn messages_come_out_as_they_went_in_however_they_are_cut(
        messages in proptest::collection::vec((".{0,300}", 0..4usize, any::<bool>()), 1..6),
        piece in 1..2000usize,
    ) {
        let (mut bytes, mut sent) = (Vec::new(), Vec::new());
        for (text, cuts, ping) in &messages {
            let pieces: Vec<&[u8]> = text.as_bytes().chunks((text.len() / (cuts + 1)).max(1)).collect();
            let pieces = if pieces.is_empty() { vec![&[][..]] } else { pieces };
            for (index, part) in pieces.iter().enumerate() {
                let opcode = if index == 0 { Data::Text } else { Data::Continue };
                bytes.extend(frame(opcode, index + 1 == pieces.len(), part));
                if *ping && index == 0 {
                    bytes.extend(masked(Frame::ping(&b"here?"[..])));
                    sent.push("ping here?".to_owned());
                }
            }
            sent.push(format!("message {}", text.as_bytes().escape_ascii()));
            if *ping && pieces.len() == 1 {
                // It went out after the message.
                let last = sent.len() - 1;
                sent.swap(last, last - 1);
            }
        }
        let (all, result, reader) = told(&bytes, piece);
        prop_assert_eq!(result, Ok(()));
        prop_assert_eq!(all, sent);
        prop_assert!(reader.frame.capacity() == 0 && reader.message.is_none());
    }

    #[test]
    fn any_bytes_are_taken_without_a_panic_and_never_more_is_held_than_a_message(
        bytes in proptest::collection::vec(any::<u8>(), 0..4000),
        piece in 1..500usize,
    ) {
        fuzz(&bytes);
        let (_, _, reader) = told(&bytes, piece);
        prop_assert!(reader.frame.len() <= LIMIT + 14);
        prop_assert!(reader.message.is_none_or(|message| message.bytes.len() <= LIMIT));
    }
}

#[test]
fn what_no_client_sends_is_told_at_its_head() {
    let broken: [&[u8]; 7] = [
        b"\x81\x01",                 // not masked
        b"\xc1\x80",                 // compressed
        b"\x83\x80",                 // an opcode nobody knows
        b"\x80\x80",                 // goes on with nothing
        b"\x09\x80",                 // a ping in pieces
        b"\x89\xfe\x00\x7e",         // a long ping
        b"\x01\x80\0\0\0\0\x81\x80", // a message within another
    ];
    for bytes in broken {
        assert_eq!(told(bytes, 1).1, Err(Broken::Frame), "{}", bytes.escape_ascii());
    }
    let text = frame(Data::Text, true, b"\xff");
    assert_eq!(told(&text, 100).1, Err(Broken::Frame));
    let bytes = frame(Data::Binary, true, b"\xff");
    assert_eq!(told(&bytes, 100).0, ["message \\xff"]);
}

#[test]
fn a_message_beyond_the_limit_is_told_before_it_comes() {
    let mut head = vec![0x81, 0xff];
    head.extend((LIMIT as u64 + 1).to_be_bytes());
    assert_eq!(told(&head, 100).1, Err(Broken::TooBig));
    head.splice(2.., u64::MAX.to_be_bytes());
    assert_eq!(told(&head, 100).1, Err(Broken::TooBig));
    let mut pieces = frame(Data::Text, false, &[b'x'; LIMIT]);
    assert_eq!(told(&pieces, 100).1, Ok(()));
    pieces.extend(&frame(Data::Continue, false, b"y")[..2]);
    assert_eq!(told(&pieces, 100).1, Err(Broken::TooBig));
}

#[test]
fn a_message_in_too_many_frames_is_told_at_the_first_that_is_too_many() {
    let mut pieces = frame(Data::Text, false, b"");
    for _ in 2..FRAGMENTS {
        pieces.extend(frame(Data::Continue, false, b"x"));
    }
    let whole = [&pieces[..], &frame(Data::Continue, true, b"x")].concat();
    assert_eq!(told(&whole, 3).1, Ok(()));
    pieces.extend(frame(Data::Continue, false, b"x"));
    pieces.extend(&frame(Data::Continue, true, b"x")[..2]);
    assert_eq!(told(&pieces, 3).1, Err(Broken::Fragments));
}

#[test]
fn what_is_written_is_read_by_the_fields_library() {
    for len in [0, 125, 126, 65_535, 65_536] {
        let mut out = Vec::new();
        let text = "x".repeat(len);
        push_text(&mut out, &text);
        let mut socket = tokio_tungstenite::tungstenite::WebSocket::from_raw_socket(
            std::io::Cursor::new(out),
            tokio_tungstenite::tungstenite::protocol::Role::Client,
            None,
        );
        assert_eq!(socket.read().unwrap().into_text().unwrap().as_str(), text);
    }
    let mut out = Vec::new();
    push_ping(&mut out);
    push_pong(&mut out, b"abc");
    push_close(&mut out, Some((1001, "bye")));
    assert_eq!(out, b"\x89\x00\x8a\x03abc\x88\x05\x03\xe9bye");
}
