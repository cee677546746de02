//! One peer's conversation, without a channel: what arrives goes in, what to do comes out.
//!
//! It announces what is held, serves one request at a time and fetches one segment at a time. Its driver owns the data
//! channel, the store and the clock: it calls [`Session::handle`] with what happens and carries out the [`Action`]s in
//! order, each once.
//!
//! The invariants: nothing the other side sends panics; what is kept for it has a bound ([`Config`]); no byte of a segment is
//! announced or sent that the driver does not hold; after [`Action::Close`] nothing more comes out.
//!
//! ```
//! use std::time::Duration;
//! use node::pml::session::{Action, Config, Holdings, Input, Session};
//! use node::pml::wire::{Command, RequestId, SegmentId};
//!
//! let film = Holdings::new([SegmentId::from(7)], []);
//! let mut out = Vec::new();
//! let mut session = Session::open(Config::default(), film, &mut out);
//! assert!(matches!(&out[..], [Action::Send(_)]));
//!
//! let request = Command::Request { segment: SegmentId::from(7), request: RequestId(1), from: 0 };
//! let message = request.messages(65535).remove(0);
//! out.clear();
//! session.handle(Duration::ZERO, Input::Message(message), &mut out);
//! assert_eq!(out, [Action::Read(SegmentId::from(7))]);
//! ```

mod announce;
mod download;
mod upload;

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;

use super::wire::{Command, Incoming, Joiner, SegmentId};
use announce::Announcer;
pub use announce::Holdings;
use download::Download;
pub use download::{Missed, Want};
use upload::{Order, Upload};

/// Bounds and delays of one conversation. The defaults are those of the releases, where they have one.
#[derive(Clone, Debug)]
pub struct Config {
    /// The longest message sent, in bytes.
    pub max_message: usize,
    /// Media waits while the channel holds this many unsent bytes.
    pub room: usize,
    /// A channel that holds more unsent bytes than this is closed: the peer asks and does not read.
    pub max_buffered: usize,
    /// The longest segment accepted, in bytes.
    pub max_segment: u32,
    /// A download without a byte for this long is cancelled.
    pub silence: Duration,
    /// This many cancelled downloads without one that succeeds end the conversation.
    pub silences: u32,
}

impl Default for Config {
    fn default() -> Self {
        Config {
            max_message: super::wire::DEFAULT_MESSAGE,
            room: 64 << 10,
            max_buffered: 1 << 20,
            max_segment: 64 << 20,
            silence: Duration::from_secs(2),
            silences: 3,
        }
    }
}

/// What happens to a conversation.
#[derive(Clone, Debug)]
pub enum Input {
    /// The channel brought a message.
    Message(Bytes),
    /// The channel holds this many bytes that are not sent yet. To be told whenever that falls.
    Room {
        /// In bytes.
        buffered: usize,
    },
    /// What is held or being fetched has changed.
    Holdings(Arc<Holdings>),
    /// The answer to [`Action::Read`]: the whole segment, or nothing when it is not there any more.
    Read {
        /// Which segment.
        segment: SegmentId,
        /// Its bytes.
        bytes: Option<Bytes>,
    },
    /// Time has passed: due at [`Session::wake_at`], harmless at any time.
    Tick,
}

/// What a conversation wants done.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Action {
    /// Put this message on the channel.
    Send(Bytes),
    /// Bring the bytes of a segment that is held, by [`Input::Read`]. There is one such at a time.
    Read(SegmentId),
    /// The peer has said what it has: see [`Session::offers`].
    Announced,
    /// A wanted segment came whole: its bytes from where it was wanted. They are as the peer sent them: check them, and
    /// close the channel when they are wrong.
    Received {
        /// Which segment.
        segment: SegmentId,
        /// The place of the first byte in the segment.
        from: u32,
        /// To the segment's end.
        bytes: Vec<u8>,
    },
    /// A wanted segment will not come from this peer.
    Missed {
        /// Which segment.
        segment: SegmentId,
        /// Why.
        why: Missed,
        /// The place of the first byte in the segment.
        from: u32,
        /// What came, unchecked: another source can go on after it.
        bytes: Vec<u8>,
    },
    /// Close the channel. What was wanted will not come, and what came of it is not to be used.
    Close(Broken),
}

/// Why a peer is dropped.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum Broken {
    /// It sends a command without end.
    #[error("a command is too long")]
    TooLong,
    /// It asks and does not read.
    #[error("too much waits to be sent")]
    Stuck,
    /// The length it gave is zero, too great, or not what is left of the segment.
    #[error("a segment of the wrong length")]
    Length,
    /// It sent more than it said.
    #[error("more bytes than announced")]
    Overflow,
    /// It ended a segment before all bytes had come.
    #[error("fewer bytes than announced")]
    Short,
    /// It ended another segment than the one it was sending.
    #[error("the end of another segment")]
    Completion,
    /// It was silent too often.
    #[error("it does not answer")]
    Silent,
}

/// One peer's conversation, from the opening of its channel on.
#[derive(Debug)]
pub struct Session {
    config: Config,
    joiner: Joiner,
    announcer: Announcer,
    upload: Upload,
    download: Download,
    /// Unsent bytes, as last told and with what was sent since.
    buffered: usize,
    closed: bool,
}

impl Session {
    /// The channel is open: says what is held, be it nothing.
    pub fn open(config: Config, holdings: Arc<Holdings>, out: &mut Vec<Action>) -> Self {
        let mut session = Session {
            config,
            joiner: Joiner::default(),
            announcer: Announcer::new(holdings),
            upload: Upload::default(),
            download: Download::default(),
            buffered: 0,
            closed: false,
        };
        session.pump(out);
        session
    }

    /// Takes in what happened at `now`, a time since any fixed start, and adds what is to be done.
    pub fn handle(&mut self, now: Duration, input: Input, out: &mut Vec<Action>) {
        if self.closed {
            return;
        }
        let outcome = match input {
            Input::Message(message) => self.message(now, message, out),
            Input::Room { buffered } => {
                self.buffered = buffered;
                Ok(())
            }
            Input::Holdings(holdings) => {
                self.announcer.hold(holdings);
                Ok(())
            }
            Input::Read { segment, bytes } => {
                let step = self.upload.read(segment, bytes);
                self.follow(step, out);
                Ok(())
            }
            Input::Tick => self.tick(now, out),
        };
        let outcome = outcome.and_then(|()| {
            self.pump(out);
            if self.buffered > self.config.max_buffered { Err(Broken::Stuck) } else { Ok(()) }
        });
        if let Err(broken) = outcome {
            self.closed = true;
            self.upload = Upload::default();
            self.download = Download::default();
            out.push(Action::Close(broken));
        }
    }

    /// Asks the peer for a segment. False, and nothing happens, when it is asked for another one, when the segment has no
    /// bytes left to want or when the conversation is over. What it has announced is the caller's to look at.
    pub fn want(&mut self, now: Duration, want: Want, out: &mut Vec<Action>) -> bool {
        if self.closed {
            return false;
        }
        let Some(command) = self.download.want(now, want, &self.config) else { return false };
        self.send(&command, out);
        true
    }

    /// What was wanted is not wanted any more. What came of it is forgotten.
    pub fn unwant(&mut self, out: &mut Vec<Action>) {
        if let Some(command) = self.download.cancel() {
            self.send(&command, out);
        }
    }

    /// The segment that is being waited for.
    pub fn wanted(&self) -> Option<SegmentId> {
        self.download.wanted()
    }

    /// Whether the peer has said that it holds the segment, and has not denied it since.
    pub fn offers(&self, segment: SegmentId) -> bool {
        self.download.offers(segment)
    }

    /// Whether the peer has said that it is fetching the segment from the origin.
    pub fn fetches(&self, segment: SegmentId) -> bool {
        self.download.fetches(segment)
    }

    /// Whether a segment is being sent, or read to be sent.
    pub fn is_serving(&self) -> bool {
        self.upload.is_serving()
    }

    /// When [`Input::Tick`] is due.
    pub fn wake_at(&self) -> Option<Duration> {
        self.download.deadline()
    }

    fn message(&mut self, now: Duration, message: Bytes, out: &mut Vec<Action>) -> Result<(), Broken> {
        match self.joiner.take(message).map_err(|_| Broken::TooLong)? {
            Some(Incoming::Command(command)) => self.command(now, command, out),
            Some(Incoming::Chunk(bytes)) => self.download.chunk(now, &bytes, &self.config),
            None => Ok(()),
        }
    }

    fn command(&mut self, now: Duration, command: Command, out: &mut Vec<Action>) -> Result<(), Broken> {
        match command {
            Command::Announcement { held, fetching } => {
                self.download.announced(held, fetching);
                out.push(Action::Announced);
            }
            Command::Request { segment, request, from } => {
                self.announcer.near(segment);
                let held = self.announcer.holds(segment);
                let step = self.upload.request(Order { segment, request, from }, held);
                self.follow(step, out);
            }
            Command::Cancel { request, .. } => self.upload.cancel(request),
            Command::Data { segment, request, bytes } => {
                self.download.data(now, segment, request, bytes, &self.config)?;
            }
            Command::Completed { segment, request } => {
                out.extend(self.download.completed(segment, request)?);
            }
            Command::Absent { segment, request } => out.extend(self.download.absent(segment, request)),
        }
        Ok(())
    }

    fn tick(&mut self, now: Duration, out: &mut Vec<Action>) -> Result<(), Broken> {
        if self.download.deadline().is_none_or(|deadline| now < deadline) {
            return Ok(());
        }
        if let Some((command, missed)) = self.download.silent() {
            self.send(&command, out);
            out.push(missed);
        }
        if self.download.silences() >= self.config.silences { Err(Broken::Silent) } else { Ok(()) }
    }

    /// Translates what the upload half wants.
    fn follow(&mut self, step: upload::Step, out: &mut Vec<Action>) {
        match step {
            upload::Step::Nothing => {}
            upload::Step::Read(segment) => out.push(Action::Read(segment)),
            upload::Step::Say(command) => self.send(&command, out),
        }
    }

    /// Sends what waits for room.
    fn pump(&mut self, out: &mut Vec<Action>) {
        while self.buffered < self.config.room {
            if let Some(command) = self.announcer.next() {
                self.send(&command, out);
            } else if let Some(chunk) = self.upload.chunk(self.config.max_message) {
                self.buffered += chunk.len();
                out.push(Action::Send(chunk));
                if let Some(command) = self.upload.completed() {
                    self.send(&command, out);
                }
            } else {
                return;
            }
        }
    }

    fn send(&mut self, command: &Command, out: &mut Vec<Action>) {
        for message in command.messages(self.config.max_message) {
            self.buffered += message.len();
            out.push(Action::Send(message));
        }
    }
}
