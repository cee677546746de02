//! WebSocket frames as a client writes and reads them (RFC 6455, section 5): just enough to be cheap.

/// What a frame is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Opcode {
    /// Part of a message that began before.
    Continuation,
    /// UTF-8.
    Text,
    /// Any bytes.
    Binary,
    /// The end, with a code.
    Close,
    /// To be answered with the same bytes.
    Ping,
    /// The answer.
    Pong,
}

impl Opcode {
    fn bits(self) -> u8 {
        match self {
            Self::Continuation => 0,
            Self::Text => 1,
            Self::Binary => 2,
            Self::Close => 8,
            Self::Ping => 9,
            Self::Pong => 10,
        }
    }

    fn of(bits: u8) -> Option<Self> {
        [Self::Continuation, Self::Text, Self::Binary, Self::Close, Self::Ping, Self::Pong]
            .into_iter()
            .find(|opcode| opcode.bits() == bits)
    }
}

/// What a server must not send: a mask, a reserved bit, an unknown opcode, or more than [`MOST`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Broken;

/// Longest payload taken from a server, in bytes.
pub const MOST: usize = 1 << 20;

/// A frame with its head and mask in front, for `payload` to be appended to and [`finish`]ed: no copy is made.
pub struct Writing {
    mask: [u8; 4],
}

/// Bytes kept for the head: payloads are 126 to 65,535 bytes long, or the head is moved.
const HEAD: usize = 8;

/// Begins a frame in the empty `out`.
pub fn begin(out: &mut Vec<u8>, mask: [u8; 4]) -> Writing {
    out.clear();
    out.extend([0; HEAD]);
    Writing { mask }
}

impl Writing {
    /// Writes the head and masks what was appended. Returns where in `out` the frame starts.
    pub fn finish(self, out: &mut Vec<u8>, opcode: Opcode) -> usize {
        let mask = self.mask;
        let payload = &mut out[HEAD..];
        let len = payload.len();
        let (words, tail) = payload.as_chunks_mut::<4>();
        for word in words {
            *word = (u32::from_ne_bytes(*word) ^ u32::from_ne_bytes(mask)).to_ne_bytes();
        }
        for (byte, mask) in tail.iter_mut().zip(mask) {
            *byte ^= mask;
        }
        let first = 0x80 | opcode.bits();
        match u16::try_from(len) {
            Ok(short) if short < 126 => {
                out[2..4].copy_from_slice(&[first, 0x80 | short as u8]);
                out[4..8].copy_from_slice(&mask);
                2
            }
            Ok(long) => {
                out[..2].copy_from_slice(&[first, 0x80 | 126]);
                out[2..4].copy_from_slice(&long.to_be_bytes());
                out[4..8].copy_from_slice(&mask);
                0
            }
            Err(_) => {
                let mut head = vec![first, 0x80 | 127];
                head.extend((len as u64).to_be_bytes());
                head.extend(mask);
                out.splice(..HEAD, head);
                0
            }
        }
    }
}

/// A whole frame of its own.
pub fn frame(opcode: Opcode, payload: &[u8], mask: [u8; 4]) -> Vec<u8> {
    let mut out = Vec::new();
    let writing = begin(&mut out, mask);
    out.extend(payload);
    let start = writing.finish(&mut out, opcode);
    out.split_off(start)
}

/// A frame of a server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Frame<'a> {
    /// Whether its message ends with it.
    pub last: bool,
    pub opcode: Opcode,
    pub payload: &'a [u8],
    /// Bytes it takes in all.
    pub used: usize,
}

/// The first frame of what a server sent. `None` while it is not whole.
pub fn read(bytes: &[u8]) -> Result<Option<Frame<'_>>, Broken> {
    let [first, second, rest @ ..] = bytes else { return Ok(None) };
    if first & 0x70 != 0 || second & 0x80 != 0 {
        return Err(Broken);
    }
    let opcode = Opcode::of(first & 0x0f).ok_or(Broken)?;
    let (len, rest) = match second & 0x7f {
        126 => match rest.split_first_chunk::<2>() {
            Some((len, rest)) => (usize::from(u16::from_be_bytes(*len)), rest),
            None => return Ok(None),
        },
        127 => match rest.split_first_chunk::<8>() {
            Some((len, rest)) => (usize::try_from(u64::from_be_bytes(*len)).map_err(|_| Broken)?, rest),
            None => return Ok(None),
        },
        short => (usize::from(short), rest),
    };
    if len > MOST {
        return Err(Broken);
    }
    let head = bytes.len() - rest.len();
    let last = first & 0x80 != 0;
    Ok(rest.get(..len).map(|payload| Frame { last, opcode, payload, used: head + len }))
}

/// The code of a close frame, 1005 if it has none (RFC 6455, 7.1.5).
pub fn close_code(payload: &[u8]) -> u16 {
    payload.first_chunk::<2>().map_or(1005, |code| u16::from_be_bytes(*code))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What a server makes of a client's frame: the payload without its mask.
    fn unmasked(frame: &[u8]) -> Vec<u8> {
        let mut frame = frame.to_vec();
        assert_eq!(frame[1] & 0x80, 0x80, "a client masks");
        frame[1] &= 0x7f;
        let at = match frame[1] {
            126 => 4,
            127 => 10,
            _ => 2,
        };
        let mask: Vec<u8> = frame.drain(at..at + 4).collect();
        let Frame { last, opcode, payload, used } = read(&frame).unwrap().expect("whole");
        assert_eq!((last, opcode, used), (true, Opcode::Text, frame.len()));
        payload.iter().zip(mask.iter().cycle()).map(|(byte, mask)| byte ^ mask).collect()
    }

    #[test]
    fn a_payload_of_any_length_comes_back_without_its_mask() {
        for len in [0, 1, 5, 125, 126, 1500, 65_535, 65_536, 70_001] {
            let payload: Vec<u8> = (0..len).map(|n| n as u8).collect();
            assert_eq!(unmasked(&frame(Opcode::Text, &payload, [1, 2, 3, 250])), payload);
        }
    }

    #[test]
    fn a_frame_is_read_only_when_it_is_whole() {
        let mut bytes = vec![0x81, 126, 0, 200];
        bytes.extend([b'x'; 200]);
        for short in 0..bytes.len() {
            assert_eq!(read(&bytes[..short]), Ok(None));
        }
        bytes.push(0x8a);
        let Frame { last, opcode, payload, used } = read(&bytes).unwrap().unwrap();
        assert_eq!((last, opcode, payload.len(), used), (true, Opcode::Text, 200, 204));
    }

    #[test]
    fn what_a_server_must_not_send_is_told() {
        for bytes in
            [&[0x81, 0x80, 0, 0, 0, 0][..], &[0xc1, 0], &[0x83, 0], &[0x82, 127, 255, 0, 0, 0, 0, 0, 0, 0]]
        {
            assert_eq!(read(bytes), Err(Broken));
        }
    }

    #[test]
    fn a_close_without_a_code_has_the_code_for_that() {
        assert_eq!((close_code(b""), close_code(&[0x03, 0xf0, b'x'])), (1005, 1008));
    }
}
