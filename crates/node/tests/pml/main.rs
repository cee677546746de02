//! A peer among pages that run p2p-media-loader.

mod download;
mod hostile;
mod identity;
mod serve;
mod vectors;
mod wire;

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use node::pml::session::{Action, Config, Holdings, Input, Session};
use node::pml::wire::{Command, Incoming, Joiner, RequestId, SegmentId};

fn id(id: u32) -> SegmentId {
    SegmentId::from(id)
}

fn ids(ids: impl IntoIterator<Item = u32>) -> Vec<SegmentId> {
    ids.into_iter().map(SegmentId::from).collect()
}

/// A conversation at a time that the test moves, with what it asked for.
struct Talk {
    session: Session,
    now: Duration,
}

impl Talk {
    /// An open one, and what it said first.
    fn open(config: Config, holdings: Arc<Holdings>) -> (Self, Vec<Action>) {
        let mut out = Vec::new();
        let session = Session::open(config, holdings, &mut out);
        (Talk { session, now: Duration::ZERO }, out)
    }

    /// An open one that holds these segments.
    fn holding(held: impl IntoIterator<Item = u32>) -> Self {
        Self::open(Config::default(), Holdings::new(ids(held), [])).0
    }

    fn give(&mut self, input: Input) -> Vec<Action> {
        let mut out = Vec::new();
        self.session.handle(self.now, input, &mut out);
        out
    }

    fn hear(&mut self, command: Command) -> Vec<Action> {
        command.messages(65535).into_iter().flat_map(|message| self.give(Input::Message(message))).collect()
    }

    fn chunk(&mut self, bytes: &'static [u8]) -> Vec<Action> {
        self.give(Input::Message(Bytes::from_static(bytes)))
    }

    fn room(&mut self, buffered: usize) -> Vec<Action> {
        self.give(Input::Room { buffered })
    }

    /// Asks for a segment as a page does, and gives the bytes when they are asked for.
    fn request(&mut self, segment: u32, request: u32, from: u32, bytes: &Bytes) -> Vec<Action> {
        let mut out = self.hear(Command::Request { segment: id(segment), request: RequestId(request), from });
        if out.contains(&Action::Read(id(segment))) {
            out.extend(self.give(Input::Read { segment: id(segment), bytes: Some(bytes.clone()) }));
        }
        out
    }
}

/// What the messages among `actions` say to a page.
fn said(actions: &[Action]) -> Vec<Incoming> {
    let mut joiner = Joiner::default();
    let sent = actions.iter().filter_map(|action| match action {
        Action::Send(message) => joiner.take(message.clone()).unwrap(),
        _ => None,
    });
    sent.collect()
}

fn commands(actions: &[Action]) -> Vec<Command> {
    let commands = said(actions).into_iter().filter_map(|said| match said {
        Incoming::Command(command) => Some(command),
        Incoming::Chunk(_) => None,
    });
    commands.collect()
}

/// The media among `actions`, as a page puts it together.
fn media(actions: &[Action]) -> Vec<u8> {
    let chunks = said(actions).into_iter().filter_map(|said| match said {
        Incoming::Chunk(bytes) => Some(bytes),
        Incoming::Command(_) => None,
    });
    chunks.collect::<Vec<_>>().concat()
}
