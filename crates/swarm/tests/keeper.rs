//! Peers that keep for others: what they fetch, for whom, how often, and what it costs when they do not.

mod common;
use common::stage::Stage;
use common::{AUDIO, Manner, World, film};
use manifest::SegmentId;
use proptest::prelude::*;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;
use swarm::{Config, Input, Link, Output, Player, Source, Verdict};
use wire::{Have, Message, Playing, Refusal, Run};

const GIGABIT: u64 = 1_000_000_000;

/// A film among viewers who come with a keeper there, each so long after the one before.
fn film_with(keeper: Config, manner: Manner, viewers: usize, apart: Duration) -> World {
    let mut world = World::new(45);
    let keeper = world.join_with(manner, keeper, GIGABIT);
    world.viewers[keeper].watches = false;
    world.run_for(Duration::from_secs(1));
    for _ in 0..viewers {
        world.join(Manner::Honest);
        world.run_for(apart);
    }
    world.run_for(Duration::from_secs(195));
    for (at, viewer) in world.viewers.iter().enumerate().skip(1) {
        assert!(world.is_over(at), "viewer {at} saw the whole film");
        assert_eq!(viewer.stalls, 0, "viewer {at}");
        let started = viewer.started.expect("it played").since(viewer.joined);
        assert!(started < Duration::from_millis(600), "viewer {at} started after {started:?}");
    }
    world
}

#[test]
fn what_viewers_want_is_fetched_once_by_the_keeper() {
    let world = film_with(Config::keeper(), Manner::Honest, 2, Duration::from_secs(60));
    let mut times: BTreeMap<SegmentId, u32> = BTreeMap::new();
    for (_, segment) in world.fetched.iter().filter(|(at, _)| *at == 0) {
        *times.entry(*segment).or_default() += 1;
    }
    assert!(times.values().all(|&times| times == 1), "{times:?}");
    assert!(world.copies() < 1.1, "{:.2} copies", world.copies());
    let by_viewers: u64 = world.viewers[1..].iter().map(|v| v.from_origin).sum();
    assert!(by_viewers * 10 < world.viewers[0].from_origin, "{by_viewers} were fetched by viewers");
}

#[test]
fn viewers_at_different_places_are_each_kept_for() {
    let mut world = World::new(60);
    let keeper = world.join_with(Manner::Honest, Config::keeper(), GIGABIT);
    world.viewers[keeper].watches = false;
    for minute in 0..3 {
        let at = world.join(Manner::Honest);
        world.run_for(Duration::from_secs(2));
        world.seek(at, Duration::from_secs(60 * minute));
    }
    world.run_for(Duration::from_secs(50));
    let by_viewers: u64 = world.viewers[1..].iter().map(|v| v.from_origin).sum();
    let kept = world.viewers[0].from_origin;
    assert!(by_viewers * 3 < kept, "{by_viewers} were fetched by viewers, {kept} by the keeper");
    assert!(world.viewers[1..].iter().all(|v| v.stalled < Duration::from_millis(1500)));
}

/// Copies of the film that came over a line of two streams, and for how long pictures stood.
fn office(viewers: usize, keeps: bool, follows: bool) -> (f64, Duration) {
    let mut world = World::new(30);
    world.origin_bps = 3_400_000;
    if keeps {
        let keeper = world.join_with(Manner::Honest, Config::keeper(), GIGABIT);
        world.viewers[keeper].watches = false;
        world.run_for(Duration::from_secs(1));
    }
    for _ in 0..viewers {
        let viewer = world.join(Manner::Honest);
        world.viewers[viewer].follows = follows;
        world.run_for(Duration::from_secs(2));
    }
    world.run_for(Duration::from_secs(150));
    let viewers = || world.viewers.iter().filter(|v| v.watches);
    (world.copies(), viewers().map(|v| v.stalled).sum())
}

#[test]
fn an_office_behind_a_thin_line_is_better_off_with_a_keeper() {
    for viewers in [10, 20] {
        let without = office(viewers, false, false);
        let (copies, stalled) = office(viewers, true, true);
        let is_better = stalled < without.1 / 2 || stalled.is_zero();
        assert!(copies < 1.05 && is_better, "{viewers}: {copies:.2} copies, {stalled:?}, not {without:?}");
        // Who will have nothing but the best is no worse off than without one.
        let insisting = office(viewers, true, false);
        assert!(insisting.1 <= without.1, "{viewers}: {insisting:?}, not {without:?}");
    }
}

#[test]
fn a_keeper_that_comes_late_takes_from_viewers_what_they_have() {
    let mut world = World::new(45);
    world.join(Manner::Honest);
    world.run_for(Duration::from_secs(20));
    let keeper = world.join_with(Manner::Honest, Config::keeper(), GIGABIT);
    world.viewers[keeper].watches = false;
    world.run_for(Duration::from_secs(100));
    let keeper = &world.viewers[keeper];
    assert!(keeper.from_peers > 1_000_000, "{} bytes from the viewer", keeper.from_peers);
    assert!(world.copies() < 1.1, "{:.2} copies", world.copies());
}

#[test]
fn a_keeper_that_fetches_nothing_stalls_nobody() {
    let asleep = Config { fetches_max: 0, ..Config::keeper() };
    let world = film_with(asleep, Manner::Honest, 3, Duration::from_secs(2));
    assert_eq!(world.viewers[0].from_origin, 0);
    assert!(world.copies() < 2.0, "{:.2} copies", world.copies());
}

#[test]
fn a_keeper_that_lies_stalls_nobody() {
    for manner in [Manner::Liar, Manner::Silent, Manner::Forger] {
        film_with(Config::keeper(), manner, 3, Duration::from_secs(2));
    }
}

/// A keeper without neighbours.
fn keeper() -> Stage {
    Stage::new(Config::keeper())
}

/// It has found out that there is room for several qualities on its line.
fn behind_a_fast_line(stage: &mut Stage) {
    let first = SegmentId::new(2, 1);
    stage.feed(Input::Want(first));
    stage.pass(50);
    for piece in 0..film(30).piece_count(first) {
        let (from, verdict) = (Source::Origin, Verdict::Verified);
        stage.feed(Input::Arrived { segment: first, piece, from, verdict });
    }
    stage.feed(Input::FetchEnded { segment: first, complete: true });
}

/// One that [`Stage::greet`]'s neighbours play at once, and one that they will want.
const WANTED: SegmentId = SegmentId::new(2, 3);
const LATER: SegmentId = SegmentId::new(2, 8);

fn playing(position_ms: u32) -> Message {
    Message::Playing(Playing { position_ms, window_end_ms: position_ms + 40_000, video: 2, audio: AUDIO })
}

#[test]
fn what_a_keeper_itself_is_asked_for_is_fetched_at_once() {
    let mut stage = keeper();
    stage.feed(Input::Want(WANTED));
    assert!(stage.fetched(WANTED));
}

#[test]
fn a_keeper_says_so_and_plays_nothing() {
    let mut stage = keeper();
    stage.greet(1, false, 8000);
    stage.feed(Input::Want(WANTED));
    stage.pass(2000);
    let told = |wanted: &dyn Fn(&Message) -> bool| {
        stage.out.iter().any(|o| matches!(o, Output::Send(Link(1), message) if wanted(message)))
    };
    assert!(told(&|message| matches!(message, Message::Hello(hello) if hello.keeps)));
    assert!(told(&|message| matches!(message, Message::Playing(p) if (p.video, p.audio) == (255, 255))));
    assert!(!told(&|message| matches!(message, Message::Playing(p) if (p.position_ms, p.audio) != (0, 255))));
}

#[test]
fn what_was_held_before_is_served_and_what_is_lost_is_refused_and_comes_again() {
    let mut stage = keeper();
    behind_a_fast_line(&mut stage);
    for segment in (1..=30).flat_map(|sequence| [2, AUDIO].map(|r| SegmentId::new(r, sequence))) {
        stage.feed(Input::Held(segment));
    }
    stage.greet(1, false, 8000);
    stage.pass(500);
    let (whole, all) = (Run { first: WANTED, count: 1 }, Run { first: SegmentId::new(2, 1), count: 30 });
    let told = |stage: &Stage, wanted: &dyn Fn(&Have) -> bool| {
        stage.out.iter().any(|o| matches!(o, Output::Send(_, Message::Have(have)) if wanted(have)))
    };
    assert!(told(&stage, &|have| have.whole.contains(&all)));
    assert!(!stage.fetched(WANTED));
    stage.ask_of_it(1, 7, WANTED, 3, 1000);
    assert_eq!(stage.served(), [1]);
    // Two more wait for room while it is lost.
    stage.feed(Input::LinkRoom { link: Link(1), room: 0 });
    (8..10).for_each(|id| stage.ask_of_it(1, id, WANTED, id, 1000));
    stage.feed(Input::Lost(WANTED));
    for id in 8..10 {
        let refusal = Output::Send(Link(1), Message::Refuse { id, why: Refusal::Absent });
        assert!(stage.out.contains(&refusal), "{id}");
    }
    stage.pass(500);
    assert!(told(&stage, &|have| have.gone.contains(&whole)));
    assert!(!stage.fetched(WANTED), "who needs it at once fetches it itself");
    stage.feed(Input::Lost(LATER));
    stage.pass(500);
    assert!(!stage.fetched(LATER), "it may only pass through this quality");
    stage.pass(8000);
    assert!(stage.fetched(LATER), "its neighbour will want it");
    assert!(stage.served().is_empty());
}

#[test]
fn viewers_leave_the_fetching_ahead_to_a_keeper_until_time_runs_out() {
    let fetched_within = |keeper: bool, millis| {
        let mut stage = Stage::new(Config::default());
        stage.feed(Input::Audience(1));
        stage.play(8000, 12_000);
        if keeper {
            stage.greet_keeper(1, 1_000_000);
        }
        stage.pass(6000);
        stage.play(8000, 12_000);
        let next = SegmentId::new(2, 6);
        stage.feed(Input::Want(next));
        stage.pass(millis);
        stage.fetched(next)
    };
    assert!(fetched_within(false, 100));
    assert!(!fetched_within(true, 2000), "it is the keeper's part");
    assert!(fetched_within(true, 6000), "which it does not do");
}

#[test]
fn a_viewer_that_was_given_its_start_leaves_the_rest_to_the_keeper_before_it_plays() {
    let mut stage = Stage::new(Config::default());
    stage.feed(Input::Audience(1));
    stage.greet_keeper(1, 1_000_000);
    let stands =
        Player { position: Duration::ZERO, buffered: Duration::ZERO, playing: false, rate_permille: 1000 };
    stage.feed(Input::Player(stands));
    let (first, next) = (SegmentId::new(2, 1), SegmentId::new(2, 2));
    stage.feed(Input::Want(first));
    stage.pass(100);
    assert!(stage.fetched(first), "it begins by itself");
    for piece in 0..film(30).piece_count(first) {
        let (from, verdict) = (Source::Origin, Verdict::Verified);
        stage.feed(Input::Arrived { segment: first, piece, from, verdict });
    }
    stage.feed(Input::FetchEnded { segment: first, complete: true });
    stage.feed(Input::Want(next));
    stage.pass(2000);
    assert!(!stage.fetched(next));
}

#[test]
fn of_two_keepers_one_fetches() {
    let mut world = World::new(30);
    for _ in 0..2 {
        let keeper = world.join_with(Manner::Honest, Config::keeper(), GIGABIT);
        world.viewers[keeper].watches = false;
        world.run_for(Duration::from_secs(1));
    }
    world.join(Manner::Honest);
    world.run_for(Duration::from_secs(130));
    assert_eq!(world.viewers[2].stalls, 0);
    assert!(world.viewers[..2].iter().all(|keeper| keeper.from_origin > world.film_bytes(2) / 5));
    assert!(world.copies() < 1.15, "{:.2} copies", world.copies());
}

#[test]
fn a_keeper_says_what_its_line_carries_and_viewers_hear_it_once_it_gives_them_that() {
    let offered = |origin_bps: u64, uplink_bps: u64| {
        let mut world = World::new(30);
        world.origin_bps = origin_bps;
        let keeper = world.join_with(Manner::Honest, Config::keeper(), uplink_bps);
        world.viewers[keeper].watches = false;
        world.run_for(Duration::from_secs(1));
        let viewer = world.join(Manner::Honest);
        world.run_for(Duration::from_secs(40));
        let offered = world.viewers[viewer].core.offered();
        offered.map(|offered| Some(offered.rendition).filter(|_| !offered.for_all))
    };
    assert_eq!(offered(20_000_000, GIGABIT), Some(Some(2)));
    assert_eq!(offered(2_200_000, GIGABIT), Some(None), "a thin line carries nothing beside it");
    assert_eq!(offered(20_000_000, 2_000_000), None, "it gives what it has too slowly for that");
}

#[test]
fn what_a_keeper_says_that_gave_nothing_is_not_counted_on() {
    let mut stage = Stage::new(Config::default());
    stage.greet_keeper(1, 1_000_000);
    stage.say(1, offers(20_000));
    assert_eq!(stage.core.snapshot().offered, None);
}

/// A keeper says that it can get the best for all, over a line of so many kbit/s.
fn offers(line_kbps: u32) -> Message {
    Message::Playing(Playing { position_ms: 0, window_end_ms: line_kbps, video: 2, audio: 255 })
}

#[test]
fn behind_a_thin_line_what_a_keeper_has_already_goes_before_what_it_can_get() {
    let offered = |line_kbps: u32| {
        let mut stage = Stage::new(Config::default());
        stage.greet_keeper(1, 1_000_000);
        stage.say(1, offers(line_kbps));
        let (first, next) = (SegmentId::new(0, 3), SegmentId::new(0, 4));
        let whole = vec![Run { first, count: 1 }, Run { first: next, count: 1 }];
        stage.say(1, Message::Have(Have { whole, ..Have::default() }));
        stage.play(0, 8000);
        stage.feed(Input::Want(first));
        for _ in 0..100 {
            stage.pass(10);
            for piece in stage.asked(1) {
                stage.bring(1, piece, Verdict::Verified);
            }
        }
        stage.play(0, 12_000);
        let offered = stage.core.snapshot().offered.expect("it gives fast");
        (offered.rendition, offered.for_all)
    };
    assert_eq!(offered(2400), (0, true));
    assert_eq!(offered(20_000), (2, false));
}

#[test]
fn who_goes_on_asking_for_another_quality_than_is_here_gets_it() {
    let mut stage = keeper();
    stage.feed(Input::Held(SegmentId::new(0, WANTED.sequence)));
    stage.greet(1, false, 8000);
    stage.pass(500);
    assert!(!stage.fetched(WANTED), "it may not have heard yet what is here");
    stage.pass(1500);
    assert!(stage.fetched(WANTED));
}

/// Whether a viewer follows a keeper that names the lowest quality on a line of 3 Mbit/s, after so many seconds with so much in hand.
fn follows(seconds: u64, buffered_ms: u64, origin: Option<u32>) -> bool {
    let mut stage = Stage::new(Config::default());
    stage.greet_keeper(1, 1_000_000);
    stage.say(1, Message::Playing(Playing { position_ms: 0, window_end_ms: 3000, video: 0, audio: 255 }));
    for segment in [WANTED, SegmentId::new(AUDIO, WANTED.sequence)] {
        stage.feed(Input::Want(segment));
    }
    origin.into_iter().for_each(|rate| stage.feed(Input::OriginRate(rate)));
    for quarter in 0..seconds * 4 {
        stage.play(quarter * 250, buffered_ms);
        stage.pass(250);
    }
    stage.core.offered().is_some_and(|offered| offered.for_all)
}

#[test]
fn a_keeper_that_holds_viewers_back_is_not_followed_for_long() {
    assert!(follows(100, 12_000, None), "others may have less in hand");
    assert!(follows(55, 30_000, None));
    assert!(!follows(70, 30_000, None));
    assert!(!follows(5, 12_000, Some(1_000_000)), "the origin is fast: that line is another");
}

#[test]
fn who_is_kept_for_leaves_the_line_to_the_keeper_while_that_is_at_work() {
    let calls_after = |works: bool| {
        let mut stage = Stage::new(Config::default());
        stage.feed(Input::Audience(1));
        stage.feed(Input::OriginRate(100_000)); // four seconds of it come in eight
        stage.greet_keeper(1, 1_000_000);
        let whole = vec![Run { first: WANTED, count: 1 }];
        stage.say(1, Message::Have(Have { whole, ..Have::default() }));
        stage.play(0, 8000);
        stage.feed(Input::Want(WANTED));
        for _ in 0..100 {
            stage.pass(10);
            for piece in stage.asked(1).into_iter().filter(|_| works) {
                stage.bring(1, piece, Verdict::Verified);
            }
        }
        let next = SegmentId::new(2, 4);
        stage.feed(Input::Want(next));
        let calls = (1..120).find(|_| {
            stage.pass(100);
            stage.fetched(next)
        });
        calls.expect("it does in the end")
    };
    let (alone, kept) = (calls_after(false), calls_after(true));
    assert!(alone <= 10, "nobody is at work for it: {alone}");
    assert!((60..90).contains(&kept), "until nothing has come for a while: {kept}");
}

#[test]
fn one_that_jumps_about_is_not_fetched_for_without_end() {
    let mut stage = keeper();
    stage.greet(1, false, 8000);
    let mut fetched = Duration::ZERO;
    for second in 0..60u32 {
        stage.say(1, playing(second * 37 % 110 * 1000));
        for _ in 0..10 {
            stage.pass(100);
            let fetches: Vec<(SegmentId, u32)> = stage
                .out
                .drain(..)
                .filter_map(|o| match o {
                    Output::Fetch { segment, end, .. } => Some((segment, end)),
                    _ => None,
                })
                .collect();
            for (segment, end) in fetches {
                fetched += Duration::from_secs(4);
                for piece in 0..end {
                    let (from, verdict) = (Source::Origin, Verdict::Verified);
                    stage.feed(Input::Arrived { segment, piece, from, verdict });
                }
                stage.feed(Input::FetchEnded { segment, complete: true });
                stage.feed(Input::Lost(segment)); // so that there is no end to what is to be fetched
            }
        }
    }
    // Pictures and sound are counted apart: 40 s at once, and a minute.
    assert!(fetched <= Duration::from_secs(4 * 100 + 40), "{fetched:?}");
    assert!(fetched > Duration::from_secs(120), "{fetched:?}");
}

#[derive(Clone, Debug)]
enum Step {
    Pass(u64),
    Greet(u32, u32, bool),
    Go(u32),
    Plays(u32, u32, u32, u8, u8),
    Holds(u32, SegmentId, u32),
    Fetches(u32, Vec<SegmentId>),
    Asks(u32, u32, SegmentId, u32),
    Held(SegmentId),
    Lost(SegmentId),
    Want(SegmentId),
    Unwant(SegmentId),
    Bring(u32, SegmentId, u32, bool),
    Ended(SegmentId, bool),
    Sharing(Option<u32>),
}

fn segments() -> impl Strategy<Value = SegmentId> {
    (0..5u8, 0..33u32).prop_map(|(rendition, sequence)| SegmentId::new(rendition, sequence))
}

fn steps() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => (0..3000u64).prop_map(Step::Pass),
        2 => (1..6u32, 0..50_000u32, any::<bool>()).prop_map(|(link, kbps, keeps)| Step::Greet(link, kbps, keeps)),
        1 => (1..6u32).prop_map(Step::Go),
        3 => (1..6u32, any::<u32>(), any::<u32>(), 0..5u8, 0..5u8).prop_map(|(link, a, b, video, audio)| {
            let (a, b) = if a % 2 == 0 { (a % 130_000, b % 200_000) } else { (a, b) };
            Step::Plays(link, a.min(b), a.max(b), video, audio)
        }),
        2 => (1..6u32, segments(), 1..30u32).prop_map(|(link, first, count)| Step::Holds(link, first, count)),
        1 => (1..6u32, proptest::collection::vec(segments(), 0..4)).prop_map(|(link, of)| Step::Fetches(link, of)),
        3 => (1..6u32, 0..50u32, segments(), 0..30u32).prop_map(|(link, id, of, piece)| Step::Asks(link, id, of, piece)),
        2 => segments().prop_map(Step::Held),
        2 => segments().prop_map(Step::Lost),
        2 => segments().prop_map(Step::Want),
        1 => segments().prop_map(Step::Unwant),
        2 => (0..6u32, segments(), 0..30u32, any::<bool>()).prop_map(|(link, of, piece, good)| Step::Bring(link, of, piece, good)),
        2 => (segments(), any::<bool>()).prop_map(|(of, complete)| Step::Ended(of, complete)),
        1 => proptest::option::of(0..10_000_000u32).prop_map(Step::Sharing),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]
    /// Whatever neighbours and the driver say: only what is held is served, only what there is is fetched, within the bounds.
    #[test]
    fn a_keeper_stays_within_its_bounds(steps in proptest::collection::vec(steps(), 1..120), keeps in any::<bool>()) {
        let config = if keeps { Config::keeper() } else { Config::default() };
        let film = film(30);
        let mut stage = Stage::new(config.clone());
        let mut held: BTreeSet<(SegmentId, u32)> = BTreeSet::new();
        let mut open: BTreeSet<SegmentId> = BTreeSet::new();
        for step in steps {
            match step {
                Step::Pass(millis) => stage.pass(millis),
                Step::Greet(link, kbps, true) => stage.greet_keeper(link, kbps),
                Step::Greet(link, kbps, false) => stage.greet(link, link % 2 == 0, kbps),
                Step::Go(link) => stage.feed(Input::LinkDown(Link(link))),
                Step::Plays(link, position_ms, window_end_ms, video, audio) => {
                    stage.say(link, Message::Playing(Playing { position_ms, window_end_ms, video, audio }));
                }
                Step::Holds(link, first, count) => {
                    stage.say(link, Message::Have(Have { whole: vec![Run { first, count }], ..Have::default() }));
                }
                Step::Fetches(link, fetching) => {
                    stage.say(link, Message::Have(Have { fetching, ..Have::default() }));
                }
                Step::Asks(link, id, segment, piece) => stage.ask_of_it(link, id, segment, piece, 2000),
                Step::Held(segment) => {
                    held.extend((0..film.piece_count(segment)).map(|piece| (segment, piece)));
                    stage.feed(Input::Held(segment));
                }
                Step::Lost(segment) => {
                    held.retain(|(other, _)| *other != segment);
                    stage.feed(Input::Lost(segment));
                }
                Step::Want(segment) => stage.feed(Input::Want(segment)),
                Step::Unwant(segment) => stage.feed(Input::Unwant(segment)),
                Step::Bring(link, segment, piece, good) => {
                    let verdict = if good { Verdict::Verified } else { Verdict::Forged };
                    if good && film.piece_range(segment, piece).is_some() {
                        held.insert((segment, piece));
                    }
                    let from = if link == 0 { Source::Origin } else { Source::Peer(Link(link)) };
                    stage.feed(Input::Arrived { segment, piece, from, verdict });
                }
                Step::Ended(segment, complete) => {
                    open.remove(&segment);
                    stage.feed(Input::FetchEnded { segment, complete });
                }
                Step::Sharing(limit) => stage.feed(Input::Sharing(limit)),
            }
            for output in stage.out.drain(..) {
                match output {
                    Output::SendPiece { segment, piece, .. } => {
                        prop_assert!(held.contains(&(segment, piece)), "only what is held is served");
                    }
                    Output::Fetch { segment, first, end } => {
                        prop_assert!(first < end && end <= film.piece_count(segment));
                        prop_assert!(open.insert(segment), "{:?} is being fetched", segment);
                    }
                    Output::CancelFetch(segment) => prop_assert!(open.remove(&segment)),
                    Output::Deliver(segment) => {
                        let whole = (0..film.piece_count(segment)).all(|piece| held.contains(&(segment, piece)));
                        prop_assert!(whole, "only what is whole is delivered");
                    }
                    Output::Evict(segment) => held.retain(|(other, _)| *other != segment),
                    _ => {}
                }
            }
            let bytes = |&(segment, piece): &(SegmentId, u32)| {
                film.piece_range(segment, piece).map_or(0, |range| u64::from(range.end - range.start))
            };
            let snapshot = stage.core.snapshot();
            prop_assert_eq!(snapshot.held_bytes, held.iter().map(bytes).sum::<u64>());
            prop_assert!(snapshot.fetching <= config.fetches_max + snapshot.wants);
        }
    }
}
