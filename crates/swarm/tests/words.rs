//! Neighbours that cost nothing but words: what they say must not keep a viewer from the origin, nor cost it much.

mod common;
use manifest::SegmentId;
use std::time::Duration;
use swarm::{Config, Hangup, Input, Link, Output, Peer, Player, Source, Time, Verdict};
use wire::{Bits, Have, Hello, Message, Partial, Playing, Refusal, Run};

const WANTED: SegmentId = SegmentId::new(2, 3);

/// A viewer in mid-film, linked to `neighbours` that have greeted and say they upload 32 Mbit/s.
struct Stage {
    core: Peer,
    now: Time,
    out: Vec<Output>,
}

impl Stage {
    fn with(neighbours: u32) -> Self {
        let core = Peer::new(common::peer_id(0), Config::default(), 1);
        let mut stage = Self { core, now: Time::from_millis(100_000), out: Vec::new() };
        let film = common::film(30);
        stage.feed(Input::Film(&film));
        stage.feed(Input::Audience(neighbours));
        for n in 1..=neighbours {
            stage.feed(Input::LinkUp { link: Link(n), peer: common::peer_id(n as usize), dialled: false });
            stage.feed(Input::LinkRoom { link: Link(n), room: 128 * 1024 });
            let hello = Hello { version: 1, swarm: film.swarm_id(), upload_kbps: 32_000 };
            stage.say(n, Message::Hello(hello));
            let playing = Playing { position_ms: 8000, window_end_ms: 60_000, video: 2, audio: 3 };
            stage.say(n, Message::Playing(playing));
        }
        stage.play(8000, 500);
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

    fn pass(&mut self, millis: u64) {
        for _ in 0..millis / 50 {
            self.now = self.now + Duration::from_millis(50);
            self.feed(Input::Wake);
        }
    }

    fn fetched(&self, segment: SegmentId) -> bool {
        self.out.iter().any(|o| matches!(o, Output::Fetch { segment: s, .. } if *s == segment))
    }

    fn hung_up(&self, link: u32) -> Option<Hangup> {
        self.out.iter().find_map(|o| match o {
            Output::Hangup(l, why) if *l == Link(link) => Some(*why),
            _ => None,
        })
    }
}

#[test]
fn promises_renewed_for_ever_do_not_keep_a_starving_viewer_waiting() {
    let mut stage = Stage::with(2);
    let begun = Partial { segment: WANTED, pieces: Bits::none(common::film(30).piece_count(WANTED)) };
    stage.feed(Input::Want(WANTED));
    for round in 0..40 {
        for link in [1 + round % 2, 2 - round % 2] {
            let fetching = if link == 1 + round % 2 { vec![WANTED] } else { vec![] };
            stage
                .say(link, Message::Have(Have { partial: vec![begun.clone()], fetching, ..Have::default() }));
        }
        stage.pass(150);
    }
    assert!(stage.fetched(WANTED), "within six seconds the origin is asked");
}

#[test]
fn holders_that_are_always_busy_do_not_keep_a_starving_viewer_waiting() {
    let mut stage = Stage::with(3);
    let whole = vec![Run { first: SegmentId::new(2, 1), count: 30 }];
    for link in 1..=3 {
        stage.say(link, Message::Have(Have { whole: whole.clone(), ..Have::default() }));
    }
    stage.feed(Input::Want(WANTED));
    for _ in 0..60 {
        stage.pass(50);
        let asked: Vec<(Link, u32)> = stage
            .out
            .drain(..)
            .filter_map(|o| match o {
                Output::Send(link, Message::Request { id, .. }) => Some((link, id)),
                Output::Fetch { .. } => Some((Link(0), 0)),
                _ => None,
            })
            .collect();
        if asked.contains(&(Link(0), 0)) {
            return;
        }
        for (link, id) in asked {
            stage.say(link.0, Message::Refuse { id, why: Refusal::Busy });
        }
    }
    panic!("three seconds, and the origin was not asked");
}

#[test]
fn far_away_fetches_of_others_do_not_stop_a_viewer_from_fetching_ahead() {
    let mut stage = Stage::with(1);
    let far = vec![SegmentId::new(0, 29), SegmentId::new(0, 30)];
    stage.say(1, Message::Have(Have { fetching: far, ..Have::default() }));
    stage.play(8000, 9000);
    let next = SegmentId::new(2, 5);
    stage.feed(Input::Want(next));
    stage.pass(4000);
    assert!(stage.fetched(next));
}

#[test]
fn links_that_never_greet_are_closed() {
    let mut stage = Stage::with(0);
    for n in 1..=24 {
        stage.feed(Input::LinkUp { link: Link(n), peer: common::peer_id(n as usize), dialled: false });
    }
    stage.pass(10_000);
    // The last places are kept for those whom the viewer dials itself.
    assert!((22..=24).all(|n| stage.hung_up(n) == Some(Hangup::Full)));
    assert!((1..=21).all(|n| stage.hung_up(n) == Some(Hangup::Unresponsive)));
}

#[test]
fn nothing_is_heard_before_a_greeting() {
    let mut stage = Stage::with(0);
    stage.feed(Input::LinkUp { link: Link(1), peer: common::peer_id(1), dialled: false });
    stage.say(1, Message::Have(Have::default()));
    assert_eq!(stage.hung_up(1), Some(Hangup::Stranger));
}

#[test]
fn a_flood_of_reports_is_cut_off() {
    let mut stage = Stage::with(1);
    let whole: Vec<Run> = (0..200).map(|_| Run { first: SegmentId::new(0, 1), count: 30 }).collect();
    for _ in 0..1000 {
        stage.say(1, Message::Have(Have { whole: whole.clone(), ..Have::default() }));
    }
    assert_eq!(stage.hung_up(1), Some(Hangup::Forger));
}

#[test]
fn a_second_link_under_the_same_name_does_not_replace_one_that_stands() {
    let mut stage = Stage::with(1);
    stage.pass(6000);
    stage.out.clear();
    stage.feed(Input::LinkUp { link: Link(9), peer: common::peer_id(1), dialled: true });
    assert_eq!((stage.hung_up(9), stage.hung_up(1)), (Some(Hangup::Duplicate), None));
}

#[test]
fn links_that_take_nothing_do_not_hold_up_the_others() {
    let mut stage = Stage::with(3);
    let held = SegmentId::new(2, 2);
    for piece in 0..25 {
        let (from, verdict) = (swarm::Source::Origin, swarm::Verdict::Verified);
        stage.feed(Input::Arrived { segment: held, piece, from, verdict });
    }
    let ask = |stage: &mut Stage, link, count| {
        for piece in 0..count {
            let request =
                Message::Request { id: piece, segment: held, piece, within_ms: 1000, leaves: false };
            stage.say(link, request);
        }
    };
    ask(&mut stage, 1, 6);
    ask(&mut stage, 2, 6);
    stage.pass(3000); // neither reports room
    stage.out.clear();
    ask(&mut stage, 3, 2);
    stage.pass(500);
    let served = stage.out.iter().filter(|o| matches!(o, Output::SendPiece { link: Link(3), .. })).count();
    assert_eq!(served, 2);
    stage.pass(15_000);
    assert_eq!(stage.hung_up(1), Some(Hangup::Unresponsive));
}

const LATE: SegmentId = SegmentId::new(2, 10);

/// A viewer of a large audience that has nothing to play but what the origin brings, beside a neighbour that has given it a piece
/// within 50 ms, or nothing.
fn starving(is_helped: bool) -> Stage {
    let mut stage = Stage::with(3);
    stage.play(8000, 28_000);
    if is_helped {
        let mut pieces = Bits::none(common::film(30).piece_count(LATE));
        pieces.set(0);
        let partial = vec![Partial { segment: LATE, pieces }];
        stage.say(1, Message::Have(Have { partial, ..Have::default() }));
    }
    stage.feed(Input::Want(LATE));
    stage.pass(50);
    if is_helped {
        let (from, verdict) = (Source::Peer(Link(1)), Verdict::Verified);
        stage.feed(Input::Arrived { segment: LATE, piece: 0, from, verdict });
    }
    stage.feed(Input::Audience(10_000));
    stage.play(36_000, 0);
    stage.pass(2000);
    assert!(stage.fetched(LATE));
    stage
}

fn gave_up(stage: &Stage) -> bool {
    stage.out.iter().any(|o| matches!(o, Output::CancelFetch(LATE)))
}

#[test]
fn who_was_helped_faster_than_the_origin_brings_it_leaves_that_to_a_few() {
    let mut stage = starving(true);
    assert!(!stage.core.origin_is_slow(stage.now) && !gave_up(&stage), "two seconds are not late");
    stage.pass(6000);
    assert!(stage.core.origin_is_slow(stage.now) && gave_up(&stage));
}

#[test]
fn neighbours_that_say_they_wait_do_not_take_the_origin_from_who_is_helped_by_nobody() {
    let mut stage = starving(false);
    for link in 1..=3 {
        stage.say(link, Message::Have(Have { fetching: vec![LATE], ..Have::default() }));
    }
    stage.pass(6000);
    assert!(stage.core.origin_is_slow(stage.now) && !gave_up(&stage));
}
