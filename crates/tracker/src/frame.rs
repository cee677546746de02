//! WebSocket frames as a server reads and writes them (RFC 6455, section 5), without a socket and without a copy of what
//! comes whole.
//!
//! The invariant: nothing is held but the beginning of one frame and of one message, and of these never more than the
//! longest message and the head of a frame. Between messages nothing is held at all.

/// Longest payload of a ping, a pong or a close (5.5).
const CONTROL: usize = 125;

/// Length of the mask.
const MASK: usize = 4;

/// What came, with its mask taken off.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Event<'a> {
    /// A whole message: UTF-8 if it was sent as text, else any bytes.
    Message(&'a [u8]),
    Ping(&'a [u8]),
    Pong,
    Close,
}

/// After this nothing that comes can be understood.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Broken {
    /// No frame of a client, or text that is not UTF-8.
    Frame,
    /// A message longer than may be, told as soon as it says so.
    TooBig,
    /// A message in more frames than may be.
    Fragments,
}

/// Finds the frames in what a client sends.
#[derive(Debug)]
pub(crate) struct Reader {
    message_bytes: usize,
    /// Most frames of a message.
    fragments: usize,
    /// A frame that is not whole, as it came.
    frame: Vec<u8>,
    /// The frames of a message that is not whole, with their masks taken off.
    message: Option<Message>,
}

#[derive(Debug)]
struct Message {
    text: bool,
    bytes: Vec<u8>,
    /// In so many it came until now.
    fragments: usize,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Opcode {
    Continuation,
    Text,
    Binary,
    Close,
    Ping,
    Pong,
}

struct Head {
    last: bool,
    opcode: Opcode,
    /// Where the payload is; the mask is before it.
    payload: std::ops::Range<usize>,
}

impl Reader {
    /// Takes messages of up to so many bytes, in up to so many frames.
    pub(crate) fn new(message_bytes: usize, fragments: usize) -> Self {
        Self { message_bytes, fragments, frame: Vec::new(), message: None }
    }

    /// How many bytes it holds.
    pub(crate) fn held(&self) -> usize {
        self.frame.capacity() + self.message.as_ref().map_or(0, |message| message.bytes.capacity())
    }

    /// Takes in what came and tells what it was, in order, for as long as `event` wants to go on. What it does with the
    /// bytes is undefined for the caller: masks are taken off in place.
    pub(crate) fn take<E: From<Broken>>(
        &mut self,
        bytes: &mut [u8],
        mut event: impl FnMut(Event<'_>) -> Result<(), E>,
    ) -> Result<(), E> {
        if self.frame.is_empty() {
            let used = self.take_frames(bytes, &mut event)?;
            self.frame = bytes[used..].to_vec();
        } else {
            let mut held = std::mem::take(&mut self.frame);
            held.extend_from_slice(bytes);
            let used = self.take_frames(&mut held, &mut event)?;
            self.frame = if used == 0 { held } else { held[used..].to_vec() };
        }
        Ok(())
    }

    /// Returns how many bytes were of whole frames.
    fn take_frames<E: From<Broken>>(
        &mut self,
        bytes: &mut [u8],
        event: &mut impl FnMut(Event<'_>) -> Result<(), E>,
    ) -> Result<usize, E> {
        let mut used = 0;
        loop {
            let rest = &mut bytes[used..];
            let Some(head) = self.head(rest)? else { return Ok(used) };
            let end = head.payload.end;
            if end > rest.len() {
                return Ok(used);
            }
            let (before, payload) = rest[..end].split_at_mut(head.payload.start);
            unmask(payload, before.last_chunk().copied().unwrap_or_default());
            used += end;
            match head.opcode {
                Opcode::Ping => event(Event::Ping(payload))?,
                Opcode::Pong => event(Event::Pong)?,
                Opcode::Close => event(Event::Close)?,
                Opcode::Text | Opcode::Binary if head.last => {
                    event(whole(head.opcode == Opcode::Text, payload)?)?;
                }
                Opcode::Text | Opcode::Binary => {
                    let text = head.opcode == Opcode::Text;
                    self.message = Some(Message { text, bytes: payload.to_vec(), fragments: 1 });
                }
                Opcode::Continuation => {
                    let mut message = self.message.take().ok_or(Broken::Frame)?;
                    message.bytes.extend_from_slice(payload);
                    message.fragments += 1;
                    if head.last {
                        event(whole(message.text, &message.bytes)?)?;
                    } else {
                        self.message = Some(message);
                    }
                }
            }
        }
    }

    /// The head of the first frame. `None` while it is not whole; what is wrong about it is told as early as it is seen.
    fn head(&self, bytes: &[u8]) -> Result<Option<Head>, Broken> {
        let [first, second, rest @ ..] = bytes else { return Ok(None) };
        // The reserved bits are for extensions, and none was agreed to. Clients mask.
        if first & 0x70 != 0 || second & 0x80 == 0 {
            return Err(Broken::Frame);
        }
        let last = first & 0x80 != 0;
        let opcode = match first & 0x0f {
            0 => Opcode::Continuation,
            1 => Opcode::Text,
            2 => Opcode::Binary,
            8 => Opcode::Close,
            9 => Opcode::Ping,
            10 => Opcode::Pong,
            _ => return Err(Broken::Frame),
        };
        let (len, rest) = match second & 0x7f {
            126 => match rest.split_first_chunk::<2>() {
                Some((len, rest)) => (u64::from(u16::from_be_bytes(*len)), rest),
                None => return Ok(None),
            },
            127 => match rest.split_first_chunk::<8>() {
                Some((len, rest)) => (u64::from_be_bytes(*len), rest),
                None => return Ok(None),
            },
            short => (u64::from(short), rest),
        };
        let room = match (opcode, &self.message) {
            (Opcode::Close | Opcode::Ping | Opcode::Pong, _) if !last || len > CONTROL as u64 => {
                return Err(Broken::Frame);
            }
            (Opcode::Continuation, None) | (Opcode::Text | Opcode::Binary, Some(_)) => {
                return Err(Broken::Frame);
            }
            (Opcode::Continuation, Some(message)) if message.fragments >= self.fragments => {
                return Err(Broken::Fragments);
            }
            (Opcode::Continuation, Some(message)) => self.message_bytes - message.bytes.len(),
            _ => self.message_bytes.max(CONTROL),
        };
        let len = usize::try_from(len).ok().filter(|&len| len <= room).ok_or(Broken::TooBig)?;
        let start = bytes.len() - rest.len() + MASK;
        Ok(Some(Head { last, opcode, payload: start..start + len }))
    }
}

fn whole(text: bool, bytes: &[u8]) -> Result<Event<'_>, Broken> {
    if text && std::str::from_utf8(bytes).is_err() {
        return Err(Broken::Frame);
    }
    Ok(Event::Message(bytes))
}

fn unmask(payload: &mut [u8], mask: [u8; MASK]) {
    let (words, tail) = payload.as_chunks_mut::<MASK>();
    for word in words {
        *word = (u32::from_ne_bytes(*word) ^ u32::from_ne_bytes(mask)).to_ne_bytes();
    }
    for (byte, mask) in tail.iter_mut().zip(mask) {
        *byte ^= mask;
    }
}

fn push(out: &mut Vec<u8>, opcode: u8, payload: &[u8]) {
    let first = 0x80 | opcode;
    match u16::try_from(payload.len()) {
        Ok(len) if len < 126 => out.extend([first, len as u8]),
        Ok(len) => {
            out.extend([first, 126]);
            out.extend(len.to_be_bytes());
        }
        Err(_) => {
            out.extend([first, 127]);
            out.extend((payload.len() as u64).to_be_bytes());
        }
    }
    out.extend_from_slice(payload);
}

/// Appends a text message in one frame.
pub(crate) fn push_text(out: &mut Vec<u8>, text: &str) {
    push(out, 1, text.as_bytes());
}

/// Appends a ping.
pub(crate) fn push_ping(out: &mut Vec<u8>) {
    push(out, 9, &[]);
}

/// Appends the answer to a ping.
pub(crate) fn push_pong(out: &mut Vec<u8>, ping: &[u8]) {
    push(out, 10, ping);
}

/// Appends a close with its reason, without one if there is no code.
pub(crate) fn push_close(out: &mut Vec<u8>, code: Option<(u16, &str)>) {
    let mut payload = Vec::new();
    if let Some((code, reason)) = code {
        payload.extend(code.to_be_bytes());
        payload.extend_from_slice(reason.as_bytes());
    }
    push(out, 8, &payload);
}

#[cfg(test)]
mod tests {
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
}
