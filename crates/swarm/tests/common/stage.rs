//! One real core in mid-film, whose neighbours are nothing but what a story says in their names.

use manifest::SegmentId;
use std::time::Duration;
use swarm::{Config, Hangup, Input, Link, Output, Peer, Player, Source, Time, Verdict};
use wire::{Hello, Message, Playing};

use super::{AUDIO, film, peer_id};

/// The core, and in `out` what it wants. A neighbour has the number of its link.
pub struct Stage {
    pub core: Peer,
    pub now: Time,
    pub out: Vec<Output>,
}

impl Stage {
    pub fn new(config: Config) -> Self {
        let core = Peer::new(peer_id(0), config, 1);
        let mut stage = Self { core, now: Time::from_millis(100_000), out: Vec::new() };
        stage.feed(Input::Film(&film(30)));
        stage
    }

    pub fn feed(&mut self, input: Input<'_>) {
        self.core.handle(self.now, input, &mut self.out);
    }

    pub fn pass(&mut self, millis: u64) {
        for _ in 0..millis / 10 {
            self.now = self.now + Duration::from_millis(10);
            self.feed(Input::Wake);
        }
    }

    pub fn play(&mut self, position_ms: u64, buffered_ms: u64) {
        self.feed(Input::Player(Player {
            position: Duration::from_millis(position_ms),
            buffered: Duration::from_millis(buffered_ms),
            playing: true,
            rate_permille: 1000,
        }));
    }

    pub fn link_up(&mut self, link: u32, dialled: bool) {
        self.feed(Input::LinkUp { link: Link(link), peer: peer_id(link as usize), dialled });
    }

    /// A new neighbour with room on its link greets: it watches the same, and says that it uploads so much.
    pub fn greet(&mut self, link: u32, dialled: bool, upload_kbps: u32) {
        self.link_up(link, dialled);
        self.feed(Input::LinkRoom { link: Link(link), room: 128 * 1024 });
        self.greeting(link, upload_kbps, false);
        let playing = Playing { position_ms: 8000, window_end_ms: 60_000, video: 2, audio: AUDIO };
        self.say(link, Message::Playing(playing));
    }

    /// One that says that it keeps for others.
    pub fn greet_keeper(&mut self, link: u32, upload_kbps: u32) {
        self.link_up(link, true);
        self.feed(Input::LinkRoom { link: Link(link), room: 128 * 1024 });
        self.greeting(link, upload_kbps, true);
        let nowhere = Playing { position_ms: 0, window_end_ms: 0, video: 255, audio: 255 };
        self.say(link, Message::Playing(nowhere));
    }

    pub fn greeting(&mut self, link: u32, upload_kbps: u32, keeps: bool) {
        let hello = Hello { version: 1, swarm: film(30).swarm_id(), upload_kbps, keeps };
        self.say(link, Message::Hello(hello));
    }

    pub fn say(&mut self, link: u32, message: Message) {
        self.feed(Input::Message(Link(link), message));
    }

    pub fn ask_of_it(&mut self, link: u32, id: u32, segment: SegmentId, piece: u32, within_ms: u32) {
        self.say(link, Message::Request { id, segment, piece, within_ms, leaves: false });
    }

    pub fn bring(&mut self, link: u32, (segment, piece): (SegmentId, u32), verdict: Verdict) {
        self.feed(Input::Arrived { segment, piece, from: Source::Peer(Link(link)), verdict });
    }

    pub fn fetched(&self, segment: SegmentId) -> bool {
        self.out.iter().any(|o| matches!(o, Output::Fetch { segment: s, .. } if *s == segment))
    }

    pub fn hung_up(&self, link: u32) -> Option<Hangup> {
        self.out.iter().find_map(|o| match o {
            Output::Hangup(l, why) if *l == Link(link) => Some(*why),
            _ => None,
        })
    }

    /// What a neighbour has been asked for since the last time anybody looked.
    pub fn asked(&mut self, of: u32) -> Vec<(SegmentId, u32)> {
        let asked = self.out.drain(..).filter_map(|output| match output {
            Output::Send(link, Message::Request { segment, piece, .. }) if link == Link(of) => {
                Some((segment, piece))
            }
            _ => None,
        });
        asked.collect()
    }

    /// Who has been served since then, piece by piece.
    pub fn served(&mut self) -> Vec<u32> {
        let served = self.out.drain(..).filter_map(|output| match output {
            Output::SendPiece { link, .. } => Some(link.0),
            _ => None,
        });
        served.collect()
    }
}
