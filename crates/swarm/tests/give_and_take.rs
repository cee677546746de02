//! Newcomers are tried before they are relied upon, and those who give are served before those who only take.

mod common;
use manifest::SegmentId;
use std::time::Duration;
use swarm::{Config, Hangup, Input, Link, Output, Peer, Player, Source, Time, Verdict};
use wire::{Have, Hello, Message, Playing, Run};

const VIDEO: u8 = 2;

/// A viewer in mid-film among neighbours, link by link.
struct Stage {
    core: Peer,
    now: Time,
    out: Vec<Output>,
}

impl Stage {
    fn with(upload: u32) -> Self {
        let core = Peer::new(common::peer_id(0), Config { upload, ..Config::default() }, 1);
        let mut stage = Self { core, now: Time::from_millis(100_000), out: Vec::new() };
        stage.feed(Input::Film(&common::film(30)));
        stage.play(8000, 3000);
        stage
    }

    fn feed(&mut self, input: Input<'_>) {
        self.core.handle(self.now, input, &mut self.out);
    }

    fn say(&mut self, link: u32, message: Message) {
        self.feed(Input::Message(Link(link), message));
    }

    fn play(&mut self, position_ms: u64, buffered_ms: u64) {
        self.feed(Input::Player(Player {
            position: Duration::from_millis(position_ms),
            buffered: Duration::from_millis(buffered_ms),
            playing: true,
            rate_permille: 1000,
        }));
    }

    /// A neighbour that holds the whole film and uploads so much.
    fn meet(&mut self, link: u32, upload_kbps: u32) {
        let swarm = common::film(30).swarm_id();
        self.feed(Input::LinkUp { link: Link(link), peer: common::peer_id(link as usize), dialled: true });
        self.feed(Input::LinkRoom { link: Link(link), room: 128 * 1024 });
        self.say(link, Message::Hello(Hello { version: 1, swarm, upload_kbps }));
        let playing = Playing { position_ms: 8000, window_end_ms: 60_000, video: VIDEO, audio: 3 };
        self.say(link, Message::Playing(playing));
        let whole = (0..4).map(|r| Run { first: SegmentId::new(r, 1), count: 30 }).collect();
        self.say(link, Message::Have(Have { whole, ..Have::default() }));
    }

    fn pass(&mut self, millis: u64) {
        for _ in 0..millis / 10 {
            self.now = self.now + Duration::from_millis(10);
            self.feed(Input::Wake);
        }
    }

    /// What a neighbour has been asked for since the last time anybody looked.
    fn asked(&mut self, of: u32) -> Vec<(SegmentId, u32)> {
        let asked = self.out.drain(..).filter_map(|output| match output {
            Output::Send(link, Message::Request { segment, piece, .. }) if link == Link(of) => {
                Some((segment, piece))
            }
            _ => None,
        });
        asked.collect()
    }

    fn bring(&mut self, link: u32, (segment, piece): (SegmentId, u32), verdict: Verdict) {
        self.feed(Input::Arrived { segment, piece, from: Source::Peer(Link(link)), verdict });
    }

    fn ask_of_it(&mut self, link: u32, id: u32, segment: SegmentId, piece: u32, within_ms: u32) {
        self.say(link, Message::Request { id, segment, piece, within_ms, leaves: false });
    }

    fn served(&mut self) -> Vec<u32> {
        let served = self.out.drain(..).filter_map(|output| match output {
            Output::SendPiece { link, .. } => Some(link.0),
            _ => None,
        });
        served.collect()
    }
}

#[test]
fn a_newcomer_is_asked_for_one_piece_until_it_has_brought_one() {
    let mut stage = Stage::with(0);
    stage.meet(1, 32_000);
    stage.feed(Input::Want(SegmentId::new(VIDEO, 5)));
    stage.pass(50);
    let first = stage.asked(1);
    assert_eq!(first.len(), 1, "{first:?}");
    stage.bring(1, first[0], Verdict::Verified);
    stage.pass(50);
    assert!(stage.asked(1).len() > 1, "now it has shown something");
}

#[test]
fn what_a_forger_wastes_under_any_name_is_one_piece() {
    let mut stage = Stage::with(0);
    let mut wasted = 0;
    for name in 1..=20 {
        stage.meet(name, 32_000);
        stage.feed(Input::Want(SegmentId::new(VIDEO, 5)));
        stage.pass(50);
        let asked = stage.asked(name);
        assert!(asked.len() <= 1, "{asked:?}");
        for piece in asked {
            wasted += 1;
            stage.bring(name, piece, Verdict::Forged);
            assert!(stage.out.contains(&Output::Hangup(Link(name), Hangup::Forger)));
        }
    }
    assert!((1..=20).contains(&wasted));
}

#[test]
fn what_is_needed_soon_is_asked_of_neighbours_that_are_relied_upon() {
    let mut stage = Stage::with(0);
    stage.meet(1, 32_000);
    stage.feed(Input::Want(SegmentId::new(VIDEO, 5)));
    for _ in 0..4 {
        stage.pass(50);
        for piece in stage.asked(1) {
            stage.bring(1, piece, Verdict::Verified);
        }
    }
    // A newcomer that holds all, a piece that is needed in 2.5 s, and one that is not needed for 10 s.
    stage.meet(2, 32_000);
    stage.play(21_500, 0);
    stage.feed(Input::Want(SegmentId::new(VIDEO, 7)));
    stage.feed(Input::Want(SegmentId::new(3, 9)));
    stage.pass(30);
    let asked = stage.asked(2);
    assert!(!asked.iter().any(|(segment, _)| *segment == SegmentId::new(VIDEO, 7)), "{asked:?}");
}

#[test]
fn those_who_share_nothing_are_served_when_nobody_else_waits() {
    let mut stage = Stage::with(65_536);
    let segment = SegmentId::new(VIDEO, 1);
    for piece in 0..20 {
        stage.feed(Input::Arrived { segment, piece, from: Source::Origin, verdict: Verdict::Verified });
    }
    stage.meet(1, 0);
    stage.meet(2, 8_000);
    stage.out.clear();
    // The free rider is in more of a hurry, and came first.
    (0..5).for_each(|n| stage.ask_of_it(1, n, segment, n, 1_000));
    (0..5).for_each(|n| stage.ask_of_it(2, n, segment, n, 10_000));
    for _ in 0..80 {
        stage.pass(100);
        (1..=2).for_each(|n| stage.feed(Input::LinkRoom { link: Link(n), room: 128 * 1024 }));
    }
    let served = stage.served();
    assert_eq!(served.len(), 10, "nobody is cut off: {served:?}");
    let last_giver = served.iter().rposition(|&link| link == 2).unwrap();
    // What could be sent at once went before anybody had looked who stands where.
    assert!(served[4..=last_giver].iter().all(|&link| link == 2), "{served:?}");
}
