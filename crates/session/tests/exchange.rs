//! Two sessions, a link of bytes between them.

mod common;

use common::{FIRST, LINK, PIECE, Page, comfortable, film, pair, run};
use manifest::SecretKey;
use session::{Options, Session};
use swarm::trace::{Replay, replay};
use swarm::{Config, Hangup, PeerId, Time};

#[test]
fn a_segment_goes_from_one_viewer_to_the_other() {
    let (index, media) = film(&[150_001, 90_000]);
    let (mut full, mut empty) = pair(&index, &media);
    run(&mut full, &mut empty, 10, 500, |_| {});
    for &segment in media.keys().filter(|&&s| s >= FIRST) {
        empty.at(|s| s.want(Time::from_millis(600), segment));
    }
    run(&mut full, &mut empty, 610, 1500, |_| {});
    assert!(empty.fetches.is_empty(), "the origin was asked");
    assert_eq!(empty.delivered.len(), 2);
    for (&segment, bytes) in media.range(FIRST..) {
        assert_eq!(&empty.bytes_of(segment), bytes);
    }
    assert_eq!((empty.refused, empty.dropped), (0, 0));
}

#[test]
fn both_sides_replay_to_the_same_outputs() {
    let (index, media) = film(&[150_001, 90_000]);
    let (mut full, mut empty) = pair(&index, &media);
    run(&mut full, &mut empty, 10, 300, |_| {});
    empty.at(|s| s.want(Time::from_millis(400), FIRST));
    run(&mut full, &mut empty, 410, 1500, |_| {});
    for page in [&full, &empty] {
        assert!(matches!(replay(page.session.trace()), Replay::Same { calls } if calls > 100));
    }
}

#[test]
fn a_forged_piece_is_refused_and_its_sender_hung_up_on() {
    let (index, media) = film(&[150_001]);
    let (mut full, mut empty) = pair(&index, &media);
    run(&mut full, &mut empty, 10, 300, |_| {});
    empty.at(|s| s.want(Time::from_millis(400), FIRST));
    run(&mut full, &mut empty, 410, 1500, |message| {
        if message.len() > PIECE as usize {
            *message.last_mut().unwrap() ^= 1;
        }
    });
    assert_eq!((empty.refused, &empty.hangups[..]), (1, &[Hangup::Forger][..]));
    assert!(empty.store.is_empty(), "a forged piece was stored");
    // The viewer is none the worse: the origin brings it.
    empty.at(|s| s.audience(Time::from_millis(1990), 0));
    empty.at(|s| {
        s.player(Time::from_millis(2000), swarm::Player { buffered: Default::default(), ..comfortable() })
    });
    assert!(empty.fetch_one(Time::from_millis(2010), &media));
    assert_eq!(empty.bytes_of(FIRST), media[&FIRST]);
}

#[test]
fn false_leaves_end_the_link() {
    let (index, media) = film(&[150_001]);
    let (mut full, mut empty) = pair(&index, &media);
    run(&mut full, &mut empty, 10, 300, |_| {});
    empty.at(|s| s.want(Time::from_millis(400), FIRST));
    run(&mut full, &mut empty, 410, 1500, |message| {
        // A leaves frame: kind 8, two bytes of length, rendition, sequence, and the first leaf.
        if message[0] == 8 {
            message[6] ^= 1;
        }
    });
    assert_eq!(&empty.hangups[..], [Hangup::Forger]);
    assert!(empty.store.is_empty());
}

#[test]
fn leaves_that_were_asked_for_and_left_out_end_the_link() {
    let (index, media) = film(&[150_001]);
    let (mut full, mut empty) = pair(&index, &media);
    run(&mut full, &mut empty, 10, 300, |_| {});
    empty.at(|s| s.want(Time::from_millis(400), FIRST));
    run(&mut full, &mut empty, 410, 1500, |message| {
        if message[0] == 8 {
            message.drain(..3 + 2 + 5 * 32);
        }
    });
    assert_eq!(&empty.hangups[..], [Hangup::Forger]);
    assert!(empty.store.is_empty());
}

#[test]
fn what_nobody_asked_for_is_dropped_unread_and_ends_the_link_if_it_goes_on() {
    let (index, media) = film(&[150_001]);
    let (mut full, mut empty) = pair(&index, &media);
    run(&mut full, &mut empty, 10, 300, |_| {});
    let mut message = Vec::new();
    wire::put_leaves(&mut message, FIRST, &manifest::digest::leaves(&media[&FIRST], PIECE));
    wire::put_piece(&mut message, 77, FIRST, 0, &media[&FIRST][..PIECE as usize]);
    empty.receive(Time::from_millis(400), &message);
    assert_eq!((empty.dropped, empty.store.len(), empty.hangups.len()), (0, 0, 0));
    for _ in 0..8 {
        empty.receive(Time::from_millis(400), &message);
    }
    assert_eq!((empty.store.len(), &empty.hangups[..]), (0, &[Hangup::Forger][..]));
}

#[test]
fn the_right_piece_under_another_number_is_forged() {
    let (index, media) = film(&[150_001]);
    let (mut full, mut empty) = pair(&index, &media);
    run(&mut full, &mut empty, 10, 300, |_| {});
    empty.at(|s| s.want(Time::from_millis(400), FIRST));
    let swapped = media[&FIRST][PIECE as usize..2 * PIECE as usize].to_vec();
    run(&mut full, &mut empty, 410, 1500, |message| {
        if message.len() > PIECE as usize {
            let at = message.len() - PIECE as usize;
            message[at..].copy_from_slice(&swapped);
        }
    });
    // Piece 1 itself is right where it belongs; whichever other came first ended the link.
    assert_eq!((empty.refused, &empty.hangups[..]), (1, &[Hangup::Forger][..]));
    assert!(empty.store.keys().all(|&(_, piece)| piece == 1));
}

#[test]
fn a_message_that_is_none_ends_the_link() {
    let (index, media) = film(&[40_000]);
    for garbage in [&[4u8, 3, 0][..], &[1, 200], &[2, 1, 255], &vec![0; 200 * 1024]] {
        let (_, mut empty) = pair(&index, &media);
        empty.receive(Time::from_millis(5), garbage);
        assert_eq!(&empty.hangups[..], [Hangup::Forger], "{:?}", &garbage[..2]);
        // What comes after that is not even looked at.
        empty.outbox.clear();
        empty.receive(Time::from_millis(6), &[4, 3, 0]);
        assert_eq!(empty.hangups.len(), 1);
    }
}

#[test]
fn a_damaged_fetch_reaches_nobody_and_a_good_one_heals_it() {
    let (index, media) = film(&[150_001]);
    let mut page = Page::open(1, &index);
    let mut damaged = media.clone();
    damaged.get_mut(&FIRST).unwrap()[100_000] ^= 1;
    let now = Time::from_millis(5);
    page.at(|s| s.audience(now, 0));
    page.at(|s| s.want(now, FIRST));
    page.at(|s| s.player(now, swarm::Player { buffered: Default::default(), ..comfortable() }));
    assert!(!page.fetch_one(now, &damaged));
    assert!(page.store.is_empty() && page.delivered.is_empty());
    page.at(|s| s.wake(Time::from_millis(60_000)));
    assert!(page.fetch_one(Time::from_millis(60_001), &media));
    assert_eq!(page.bytes_of(FIRST), media[&FIRST]);
    assert!(page.delivered.contains(&FIRST));
}

#[test]
fn a_session_with_a_key_opens_only_what_that_key_signed() {
    let (index, _) = film(&[40_000]);
    let key = SecretKey::from_seed([7; 32]);
    let options = || Options { me: PeerId([1; 20]), seed: 1, config: Config::default(), record: false };
    let open = |bytes: &[u8]| Session::open(Time::default(), bytes, Some(&key.public()), options());
    assert!(open(&index.seal(&key)).is_ok());
    assert!(open(&index.seal_unsigned()).is_err());
    assert!(open(&index.seal(&SecretKey::from_seed([8; 32]))).is_err());
}

#[test]
fn init_and_whole_segments_are_known_by_their_hash() {
    let (index, media) = film(&[40_000]);
    let page = Page::open(1, &index);
    assert!(
        page.session.is_init(0, b"init")
            && !page.session.is_init(0, b"Init")
            && !page.session.is_init(1, b"init")
    );
    assert!(page.session.is_segment(FIRST, &media[&FIRST]) && !page.session.is_segment(FIRST, b""));
}

#[test]
fn calls_about_links_that_are_gone_change_nothing() {
    let (index, media) = film(&[40_000]);
    let (_, mut empty) = pair(&index, &media);
    let now = Time::from_millis(9);
    empty.at(|s| s.link_down(now, LINK));
    for _ in 0..2 {
        empty.at(|s| s.link_down(now, LINK));
        empty.at(|s| s.link_room(now, LINK, 5));
        empty.receive(now, &[7, 0]);
        assert!(empty.session.orders().is_empty());
    }
}
