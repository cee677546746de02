//! One publisher's connection, without the socket: bytes in, events and bytes out.
//!
//! The invariant: nothing but the handshake and a few short commands is taken from whoever has not shown a key.

use super::amf::{self, Value};
use super::chunks::{
    ACKNOWLEDGEMENT, AUDIO, COMMAND_AMF0, COMMAND_AMF3, ChunkError, ChunkReader, DATA_AMF0, DATA_AMF3,
    Message, PEER_BANDWIDTH, USER_CONTROL, VIDEO, WINDOW_SIZE, put_message,
};
use crate::live::flv::Tag;
use bytes::{Buf, BytesMut};
use thiserror::Error;

/// Bytes of C1, S1, C2 and S2.
const HANDSHAKE: usize = 1536;
/// Bytes between two acknowledgements, unless the publisher wants them more often.
const WINDOW: u32 = 2_500_000;
/// The one message stream there is.
const STREAM: u32 = 1;
/// The name before the key in a publisher's address.
const APP: &str = "live";

/// Why a connection is closed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub(super) enum SessionError {
    #[error("this is no RTMP")]
    NotRtmp,
    #[error("{0}")]
    Chunk(#[from] ChunkError),
    #[error("{0}")]
    Command(#[from] amf::Malformed),
    #[error("a publisher of another application than \"live\"")]
    App,
    #[error("it wants to play, and here is only publishing")]
    Play,
    #[error("it publishes twice")]
    Twice,
}

/// What a publisher did.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Event {
    /// It wants to publish with this key: answer by [`Session::accept`] or [`Session::refuse`].
    Publish(String),
    /// Media.
    Tag(Tag),
    /// What it says of its frame rate.
    FrameRate(f64),
    /// It is done.
    End,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd)]
enum Stage {
    Hello,
    Echo,
    Connecting,
    Asking,
    Publishing,
}

/// See the module.
#[derive(Debug)]
pub(super) struct Session {
    stage: Stage,
    random: [u8; HANDSHAKE],
    hello: BytesMut,
    chunks: ChunkReader,
    max_media: usize,
    received: u32,
    acknowledged: u32,
    window: u32,
    out: Vec<u8>,
}

impl Session {
    /// A session of a new connection; media messages have at most `max_media` bytes, and `random` is what the publisher gets to
    /// echo.
    pub fn new(max_media: usize, random: u64) -> Self {
        let mut filler = [0; HANDSHAKE];
        // Nobody checks more than that it comes back.
        for (at, byte) in filler.iter_mut().enumerate().skip(8) {
            *byte = random.to_le_bytes()[at % 8] ^ at as u8;
        }
        Self {
            stage: Stage::Hello,
            random: filler,
            hello: BytesMut::new(),
            chunks: ChunkReader::new(),
            max_media,
            received: 0,
            acknowledged: 0,
            window: WINDOW,
            out: Vec::new(),
        }
    }

    /// What is to be sent now.
    pub fn take_output(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.out)
    }

    /// Takes what came. Call [`Session::next`] until it gives nothing.
    pub fn push(&mut self, bytes: &[u8]) -> Result<(), SessionError> {
        self.received = self.received.wrapping_add(bytes.len() as u32);
        if self.stage > Stage::Echo {
            self.chunks.push(bytes);
        } else {
            self.hello.extend_from_slice(bytes);
            self.handshake()?;
        }
        if self.stage > Stage::Echo && self.received.wrapping_sub(self.acknowledged) >= self.window {
            self.acknowledged = self.received;
            put_message(&mut self.out, 2, ACKNOWLEDGEMENT, 0, &self.received.to_be_bytes());
        }
        Ok(())
    }

    fn handshake(&mut self) -> Result<(), SessionError> {
        if self.stage == Stage::Hello {
            if self.hello.first().is_some_and(|&version| version != 3) {
                return Err(SessionError::NotRtmp);
            }
            if self.hello.len() <= HANDSHAKE {
                return Ok(());
            }
            self.out.push(3);
            self.out.extend_from_slice(&self.random);
            self.out.extend_from_slice(&self.hello[1..=HANDSHAKE]);
            self.hello.advance(HANDSHAKE + 1);
            self.stage = Stage::Echo;
        }
        if self.hello.len() >= HANDSHAKE {
            self.hello.advance(HANDSHAKE);
            self.chunks.push(&std::mem::take(&mut self.hello));
            self.stage = Stage::Connecting;
        }
        Ok(())
    }

    /// What the publisher did next.
    pub fn next(&mut self) -> Result<Option<Event>, SessionError> {
        if self.stage <= Stage::Echo {
            return Ok(None);
        }
        while let Some(message) = self.chunks.next()? {
            if let Some(event) = self.message(message)? {
                return Ok(Some(event));
            }
        }
        Ok(None)
    }

    /// Lets the publisher publish.
    pub fn accept(&mut self) {
        self.stage = Stage::Publishing;
        self.chunks.allow_media(self.max_media);
        put_message(&mut self.out, 2, USER_CONTROL, 0, &[0, 0, 0, 0, 0, STREAM as u8]);
        self.status("status", "NetStream.Publish.Start", "Publishing.");
    }

    /// Tells the publisher why not.
    pub fn refuse(&mut self, why: &str) {
        self.status("error", "NetStream.Publish.BadName", why);
    }

    /// Tells the publisher that it was cut off.
    pub fn dismiss(&mut self, why: &str) {
        self.status("error", "NetStream.Publish.Denied", why);
    }

    fn message(&mut self, message: Message) -> Result<Option<Event>, SessionError> {
        let Message { kind, timestamp_ms, payload, .. } = message;
        match kind {
            VIDEO => return Ok(Some(Event::Tag(Tag::Video { timestamp_ms, body: payload }))),
            AUDIO => return Ok(Some(Event::Tag(Tag::Audio { timestamp_ms, body: payload }))),
            WINDOW_SIZE => {
                if let Some(size) = payload.first_chunk::<4>() {
                    self.window = u32::from_be_bytes(*size).clamp(64 << 10, WINDOW);
                }
            }
            USER_CONTROL => {
                // A ping, and its answer.
                if let Some(&[0, 6, a, b, c, d]) = payload.first_chunk::<6>() {
                    put_message(&mut self.out, 2, USER_CONTROL, 0, &[0, 7, a, b, c, d]);
                }
            }
            COMMAND_AMF0 => return self.command(&amf::read_all(&payload)?),
            // A byte before it says that version 0 follows.
            COMMAND_AMF3 => return self.command(&amf::read_all(payload.get(1..).unwrap_or_default())?),
            DATA_AMF0 => return Ok(metadata(&payload)),
            DATA_AMF3 => return Ok(metadata(payload.get(1..).unwrap_or_default())),
            _ => {}
        }
        Ok(None)
    }

    fn command(&mut self, values: &[Value]) -> Result<Option<Event>, SessionError> {
        let Some(name) = values.first().and_then(Value::as_str) else { return Ok(None) };
        let transaction = values.get(1).and_then(Value::as_number).unwrap_or_default();
        match (name, self.stage) {
            ("connect", Stage::Connecting) => {
                let app = values.get(2).and_then(|v| v.field("app")).and_then(Value::as_str);
                self.connect(transaction, app.unwrap_or_default())?;
            }
            ("createStream", Stage::Asking) => {
                let id = Value::Number(STREAM.into());
                self.reply(0, &[Value::text("_result"), Value::Number(transaction), Value::Null, id]);
            }
            ("publish", Stage::Asking) => {
                let key = values.get(3).and_then(Value::as_str).unwrap_or_default();
                // Some encoders put further words behind the key.
                let key = key.split('?').next().unwrap_or_default();
                return Ok(Some(Event::Publish(key.to_owned())));
            }
            ("publish", Stage::Publishing) => return Err(SessionError::Twice),
            ("play" | "play2", _) => {
                self.status("error", "NetStream.Play.Failed", "Nothing is played here.");
                return Err(SessionError::Play);
            }
            ("FCUnpublish" | "deleteStream" | "closeStream", Stage::Publishing) => {
                return Ok(Some(Event::End));
            }
            _ => {}
        }
        Ok(None)
    }

    fn connect(&mut self, transaction: f64, app: &str) -> Result<(), SessionError> {
        if app.trim_matches('/') != APP {
            let why = Value::object([
                ("level", Value::text("error")),
                ("code", Value::text("NetConnection.Connect.Rejected")),
                ("description", Value::text("The address ends in /live, and the stream key follows it.")),
            ]);
            self.reply(0, &[Value::text("_error"), Value::Number(transaction), Value::Null, why]);
            return Err(SessionError::App);
        }
        self.stage = Stage::Asking;
        put_message(&mut self.out, 2, WINDOW_SIZE, 0, &WINDOW.to_be_bytes());
        let [a, b, c, d] = WINDOW.to_be_bytes();
        put_message(&mut self.out, 2, PEER_BANDWIDTH, 0, &[a, b, c, d, 2]);
        let properties =
            Value::object([("fmsVer", Value::text("FMS/3,0,1,123")), ("capabilities", Value::Number(31.0))]);
        let status = Value::object([
            ("level", Value::text("status")),
            ("code", Value::text("NetConnection.Connect.Success")),
            ("description", Value::text("Connected.")),
            ("objectEncoding", Value::Number(0.0)),
        ]);
        self.reply(0, &[Value::text("_result"), Value::Number(transaction), properties, status]);
        Ok(())
    }

    fn status(&mut self, level: &str, code: &str, description: &str) {
        let status = Value::object([
            ("level", Value::text(level)),
            ("code", Value::text(code)),
            ("description", Value::text(description)),
        ]);
        self.reply(STREAM, &[Value::text("onStatus"), Value::Number(0.0), Value::Null, status]);
    }

    fn reply(&mut self, stream: u32, values: &[Value]) {
        let mut payload = Vec::new();
        values.iter().for_each(|value| value.write(&mut payload));
        put_message(&mut self.out, 3, COMMAND_AMF0, stream, &payload);
    }
}

/// The frame rate that `onMetaData` may hold. What cannot be read is no reason to send anybody away.
fn metadata(payload: &[u8]) -> Option<Event> {
    let values = amf::read_all(payload).ok()?;
    let names = |name: &str| values.iter().any(|value| value.as_str() == Some(name));
    let fields = values.last().filter(|_| names("onMetaData"))?;
    fields.field("framerate")?.as_number().map(Event::FrameRate)
}

/// Feeds `bytes` as a publisher would, with every key accepted: an entry for fuzzers.
pub(in crate::live) fn fuzz(bytes: &[u8]) {
    let mut session = Session::new(1 << 20, 7);
    for part in bytes.chunks(997) {
        if session.push(part).is_err() {
            return;
        }
        loop {
            match session.next() {
                Ok(Some(Event::Publish(_))) => session.accept(),
                Ok(Some(_)) => {}
                Ok(None) => break,
                Err(_) => return,
            }
        }
        let answered = session.take_output().len();
        assert!(answered < 64 * part.len() + 4096, "an answer of {answered} bytes");
    }
}
