//! One core, and neighbours that say what a test has them say.

use crate::stream::{BEFORE, PIECE, SWARM, parts, peer_id};
use manifest::{Kind, SegmentId};
use std::time::Duration;
use swarm::{Config, Input, Link, Output, Peer, Player, Source, Time};
use wire::{Hello, Message, Playing, Seat};

/// A live viewer and `links` neighbours that have greeted; what it says, in `out`.
pub struct Stage {
    pub core: Peer,
    pub now: Time,
    pub out: Vec<Output>,
}

impl Stage {
    pub fn with(links: u32) -> Self {
        let mut stage = Self::greeted(links);
        stage.play();
        stage
    }

    /// The same before it plays.
    pub fn greeted(links: u32) -> Self {
        let core = Peer::new(peer_id(0), Config::default(), 1);
        let mut stage = Self { core, now: Time::from_millis(1000), out: Vec::new() };
        stage.feed(Input::Live { swarm: SWARM, piece_len: PIECE, kinds: &[Kind::Video] });
        stage.feed(Input::Head { from: Source::Origin, number: BEFORE, parts: &parts(1..=BEFORE) });
        stage.feed(Input::Audience(links));
        for link in 1..=links {
            stage.feed(Input::LinkUp { link: Link(link), peer: peer_id(link as usize), dialled: false });
            stage.feed(Input::LinkRoom { link: Link(link), room: 128 * 1024 });
            stage.say(
                link,
                Message::Hello(Hello { version: 1, swarm: SWARM, upload_kbps: 8000, keeps: false }),
            );
            let playing = Playing { position_ms: 6000, window_end_ms: 46_000, video: 0, audio: 255 };
            stage.say(link, Message::Playing(playing));
        }
        stage
    }

    pub fn feed(&mut self, input: Input<'_>) {
        self.core.handle(self.now, input, &mut self.out);
    }

    pub fn say(&mut self, link: u32, message: Message) {
        self.feed(Input::Message(Link(link), message));
    }

    pub fn play(&mut self) {
        let (position, buffered) = (Duration::from_secs(6), Duration::ZERO);
        self.feed(Input::Player(Player { position, buffered, playing: true, rate_permille: 1000 }));
        (16..18).for_each(|number| self.feed(Input::Want(SegmentId::new(0, number))));
    }

    pub fn pass(&mut self, ms: u64) {
        for _ in 0..ms / 50 {
            self.now = self.now + Duration::from_millis(50);
            self.feed(Input::Wake);
        }
    }

    /// Messages to one link, as they were sent.
    pub fn told(&self, link: u32) -> Vec<&Message> {
        let told = self.out.iter().filter_map(|output| match output {
            Output::Send(to, message) if *to == Link(link) => Some(message),
            _ => None,
        });
        told.collect()
    }
}

/// A place that is offered.
pub fn seat(stripe: u8, room: u8, path: &[u32]) -> Seat {
    Seat { stripe, room, path: path.to_vec() }
}
