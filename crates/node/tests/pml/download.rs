//! What a peer that also fetches takes from a page, told one rule at a time.

use std::time::Duration;

use node::pml::session::{Action, Broken, Config, Holdings, Input, Missed, Want};
use node::pml::wire::{Command, RequestId};

use crate::{Talk, commands, id, ids};

fn want(segment: u32) -> Want {
    Want { segment: id(segment), from: 0, total: None }
}

/// Asks for a segment; the number of the request.
fn ask(talk: &mut Talk, want: Want) -> RequestId {
    let mut out = Vec::new();
    assert!(talk.session.want(talk.now, want, &mut out));
    match commands(&out)[..] {
        [Command::Request { segment, request, from }] => {
            assert_eq!((segment, from), (want.segment, want.from));
            request
        }
        ref other => panic!("{other:?}"),
    }
}

fn data(segment: u32, request: RequestId, bytes: u32) -> Command {
    Command::Data { segment: id(segment), request, bytes }
}

fn completed(segment: u32, request: RequestId) -> Command {
    Command::Completed { segment: id(segment), request }
}

fn absent(segment: u32, request: RequestId) -> Command {
    Command::Absent { segment: id(segment), request }
}

fn received(segment: u32, bytes: &[u8]) -> Action {
    Action::Received { segment: id(segment), from: 0, bytes: bytes.to_vec() }
}

#[test]
fn what_a_page_announces_replaces_what_it_said_before() {
    let mut talk = Talk::holding([]);
    let first = Command::Announcement { held: ids([9, 5]), fetching: ids([6]) };
    assert_eq!(talk.hear(first), [Action::Announced]);
    assert!(talk.session.offers(id(5)) && talk.session.offers(id(9)) && talk.session.fetches(id(6)));
    talk.hear(Command::Announcement { held: ids([6]), fetching: Vec::new() });
    assert!(talk.session.offers(id(6)) && !talk.session.offers(id(5)) && !talk.session.fetches(id(6)));
}

#[test]
fn a_segment_comes_whole_and_once() {
    let mut talk = Talk::holding([]);
    let request = ask(&mut talk, want(5));
    assert_eq!(talk.session.wanted(), Some(id(5)));
    assert_eq!(talk.hear(data(5, request, 6)), []);
    assert_eq!(talk.chunk(b"abc"), []);
    assert_eq!(talk.chunk(b"def"), []);
    assert_eq!(talk.hear(completed(5, request)), [received(5, b"abcdef")]);
    assert_eq!(talk.hear(completed(5, request)), []);
    assert_eq!(talk.session.wanted(), None);
}

#[test]
fn one_segment_is_wanted_at_a_time_and_none_without_bytes_to_come() {
    let mut talk = Talk::holding([]);
    let mut out = Vec::new();
    assert!(!talk.session.want(talk.now, Want { from: 9, total: Some(9), ..want(5) }, &mut out));
    ask(&mut talk, want(5));
    assert!(!talk.session.want(talk.now, want(6), &mut out));
    assert_eq!(out, []);
}

#[test]
fn the_rest_of_a_segment_comes_from_where_it_is_wanted() {
    let mut talk = Talk::holding([]);
    let request = ask(&mut talk, Want { from: 4, total: Some(7), ..want(5) });
    talk.hear(data(5, request, 3));
    talk.chunk(b"xyz");
    let whole = Action::Received { segment: id(5), from: 4, bytes: b"xyz".to_vec() };
    assert_eq!(talk.hear(completed(5, request)), [whole]);
}

#[test]
fn chunks_before_the_answer_belong_to_what_was_given_up() {
    let mut talk = Talk::holding([]);
    let old = ask(&mut talk, want(5));
    talk.hear(data(5, old, 100));
    let mut out = Vec::new();
    talk.session.unwant(&mut out);
    assert_eq!(commands(&out), [Command::Cancel { segment: id(5), request: old }]);

    let request = ask(&mut talk, want(5));
    assert_ne!(request, old);
    talk.chunk(b"late");
    talk.hear(completed(5, old));
    talk.hear(data(5, request, 3));
    talk.chunk(b"new");
    assert_eq!(talk.hear(completed(5, request)), [received(5, b"new")]);
}

#[test]
fn the_head_of_another_segment_or_request_is_overlooked() {
    let mut talk = Talk::holding([]);
    let request = ask(&mut talk, want(5));
    talk.hear(data(6, request, 3));
    talk.hear(data(5, RequestId(request.0 + 1), 3));
    talk.chunk(b"not wanted");
    talk.hear(data(5, request, 1));
    talk.hear(data(5, request, 3));
    talk.chunk(b"a");
    assert_eq!(talk.hear(completed(5, request)), [received(5, b"a")], "the first head counts");
}

#[test]
fn a_page_that_has_not_the_segment_is_not_asked_again() {
    let mut talk = Talk::holding([]);
    talk.hear(Command::Announcement { held: ids([5, 6]), fetching: Vec::new() });
    let request = ask(&mut talk, want(5));
    assert_eq!(talk.hear(absent(6, request)), []);
    assert!(talk.session.offers(id(6)));
    let missed = Action::Missed { segment: id(5), why: Missed::Absent, from: 0, bytes: Vec::new() };
    assert_eq!(talk.hear(absent(5, request)), [missed]);
    assert!(!talk.session.offers(id(5)) && talk.session.offers(id(6)));
}

#[test]
fn a_length_that_cannot_be_ends_the_conversation() {
    let whole = want(5);
    let rest = Want { from: 4, total: Some(7), ..whole };
    for (want, bytes) in [(whole, 0), (whole, (64 << 20) + 1), (rest, 7), (rest, 2), (rest, u32::MAX)] {
        let mut talk = Talk::holding([]);
        let request = ask(&mut talk, want);
        assert_eq!(talk.hear(data(5, request, bytes)), [Action::Close(Broken::Length)], "{bytes}");
    }
}

#[test]
fn more_bytes_than_said_end_the_conversation() {
    let mut talk = Talk::holding([]);
    let request = ask(&mut talk, want(5));
    talk.hear(data(5, request, 3));
    talk.chunk(b"ab");
    assert_eq!(talk.chunk(b"cd"), [Action::Close(Broken::Overflow)]);
}

#[test]
fn an_end_before_all_bytes_ends_the_conversation() {
    let mut talk = Talk::holding([]);
    let request = ask(&mut talk, want(5));
    talk.hear(data(5, request, 3));
    talk.chunk(b"ab");
    assert_eq!(talk.hear(completed(5, request)), [Action::Close(Broken::Short)]);
}

#[test]
fn the_end_of_another_segment_ends_the_conversation() {
    for (segment, ahead) in [(6, 0), (5, 1)] {
        let mut talk = Talk::holding([]);
        let request = ask(&mut talk, want(5));
        talk.hear(data(5, request, 3));
        talk.chunk(b"abc");
        let end = completed(segment, RequestId(request.0 + ahead));
        assert_eq!(talk.hear(end), [Action::Close(Broken::Completion)]);
    }
}

#[test]
fn two_seconds_without_a_byte_cancel_the_request_and_give_back_what_came() {
    let mut talk = Talk::holding([]);
    let request = ask(&mut talk, want(5));
    assert_eq!(talk.session.wake_at(), Some(Duration::from_secs(2)));
    talk.now = Duration::from_millis(1500);
    talk.hear(data(5, request, 100));
    talk.now = Duration::from_millis(3000);
    talk.chunk(b"abc");
    talk.now = Duration::from_millis(4999);
    talk.chunk(b"");
    assert_eq!(talk.give(Input::Tick), []);
    assert_eq!(talk.session.wake_at(), Some(Duration::from_millis(5000)));
    talk.now = Duration::from_millis(5000);
    let out = talk.give(Input::Tick);
    assert_eq!(commands(&out), [Command::Cancel { segment: id(5), request }]);
    let missed = Action::Missed { segment: id(5), why: Missed::Silent, from: 0, bytes: b"abc".to_vec() };
    assert_eq!(out.last(), Some(&missed));
    assert_eq!(talk.session.wake_at(), None);
}

/// A request that is not answered; what comes of it.
fn silence(talk: &mut Talk) -> Vec<Action> {
    ask(talk, want(5));
    talk.now += Duration::from_secs(2);
    talk.give(Input::Tick)
}

#[test]
fn three_silences_end_the_conversation() {
    let mut talk = Talk::holding([]);
    let closed = Action::Close(Broken::Silent);
    assert!(!silence(&mut talk).contains(&closed));
    assert!(!silence(&mut talk).contains(&closed));
    assert_eq!(silence(&mut talk).last(), Some(&closed));
}

#[test]
fn a_segment_that_comes_makes_up_for_silences() {
    let mut talk = Talk::holding([]);
    silence(&mut talk);
    silence(&mut talk);
    let request = ask(&mut talk, want(5));
    talk.hear(data(5, request, 1));
    talk.chunk(b"a");
    talk.hear(completed(5, request));
    silence(&mut talk);
    assert_eq!(silence(&mut talk).len(), 2, "cancelled and missed, no more");
}

#[test]
fn after_the_end_nothing_more_comes_out() {
    let mut talk = Talk::holding([1]);
    let request = ask(&mut talk, want(5));
    talk.hear(data(5, request, 0));
    let mut out = talk.hear(Command::Request { segment: id(1), request, from: 0 });
    out.extend(talk.give(Input::Holdings(Holdings::new(ids([1, 2]), []))));
    out.extend(talk.room(0));
    assert!(!talk.session.want(talk.now, want(5), &mut out));
    talk.session.unwant(&mut out);
    assert_eq!(out, []);
    assert_eq!(talk.session.wake_at(), None);
}

#[test]
fn a_segment_is_fetched_while_another_is_served() {
    let (mut talk, _) = Talk::open(Config::default(), Holdings::new(ids([1]), []));
    let request = ask(&mut talk, want(5));
    talk.hear(data(5, request, 2));
    talk.chunk(b"a");
    let out = talk.request(1, 9, 0, &bytes::Bytes::from_static(b"mine"));
    assert_eq!(crate::media(&out), b"mine");
    talk.chunk(b"b");
    assert_eq!(talk.hear(completed(5, request)), [received(5, b"ab")]);
}
