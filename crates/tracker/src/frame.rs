//! WebSocket frames as a server reads and writes them (RFC 6455, section 5), without a socket and without a copy of what
//! comes whole.
//!
//! The invariant: nothing is held but the beginning of one frame and of one message, and of these never more than the
//! longest message and the head of a frame. Between messages nothing is held at all.

mod fuzz;

pub use fuzz::fuzz;

/// Longest payload of a ping, a pong or a close (5.5).
const CONTROL: usize = 125;

/// Longest head of a frame, with its mask.
const HEAD: usize = 14;

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
    /// The frames of a message that is not whole, with their masks taken off. Seldom there, and boxed: there is one place for it in
    /// every connection.
    message: Option<Box<Message>>,
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
                    self.message = Some(Box::new(Message { text, bytes: payload.to_vec(), fragments: 1 }));
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
mod tests;
