//! What a page gets from a peer that serves, told one rule at a time.

use bytes::Bytes;
use node::pml::session::{Action, Broken, Config, Holdings, Input};
use node::pml::wire::{Command, Incoming, RequestId, is_framed};

use crate::{Talk, commands, id, ids, media, said};

fn film(bytes: usize) -> Bytes {
    (0..bytes).map(|n| (n * 7 + n / 251) as u8).collect()
}

fn data(segment: u32, request: u32, bytes: u32) -> Command {
    Command::Data { segment: id(segment), request: RequestId(request), bytes }
}

fn completed(segment: u32, request: u32) -> Command {
    Command::Completed { segment: id(segment), request: RequestId(request) }
}

fn absent(segment: u32, request: u32) -> Command {
    Command::Absent { segment: id(segment), request: RequestId(request) }
}

fn cancel(segment: u32, request: u32) -> Command {
    Command::Cancel { segment: id(segment), request: RequestId(request) }
}

fn announcement(held: &[u32], fetching: &[u32]) -> Command {
    Command::Announcement { held: ids(held.iter().copied()), fetching: ids(fetching.iter().copied()) }
}

#[test]
fn what_is_held_and_being_fetched_is_announced_when_the_channel_opens() {
    let (_, out) = Talk::open(Config::default(), Holdings::new(ids([9, 3, 3]), ids([10, 9])));
    assert_eq!(commands(&out), [announcement(&[3, 9], &[10])]);
    let (_, out) = Talk::open(Config::default(), Holdings::new([], []));
    assert_eq!(commands(&out), [announcement(&[], &[])], "be it nothing");
}

#[test]
fn every_change_is_announced_and_nothing_twice() {
    let mut talk = Talk::holding([1]);
    let out = talk.give(Input::Holdings(Holdings::new(ids([1]), ids([2]))));
    assert_eq!(commands(&out), [announcement(&[1], &[2])]);
    let out = talk.give(Input::Holdings(Holdings::new(ids([1]), ids([2]))));
    assert_eq!(commands(&out), []);
    let out = talk.give(Input::Holdings(Holdings::new(ids([1, 2]), [])));
    assert_eq!(commands(&out), [announcement(&[1, 2], &[])]);
}

#[test]
fn changes_while_the_channel_is_full_become_one_announcement() {
    let mut talk = Talk::holding([1]);
    talk.room(64 << 10);
    for last in 2..50 {
        assert_eq!(talk.give(Input::Holdings(Holdings::new(ids(1..last), []))), []);
    }
    let held: Vec<u32> = (1..49).collect();
    assert_eq!(commands(&talk.room(0)), [announcement(&held, &[])]);
}

#[test]
fn when_not_all_can_be_announced_the_part_that_the_page_has_come_to_is() {
    // As far apart as the segments of a long film that is numbered by time.
    let all: Vec<u32> = (0..400).map(|n| n * 256).collect();
    let (mut talk, out) = Talk::open(Config::default(), Holdings::new(ids(all.iter().copied()), []));
    assert_eq!(commands(&out), [announcement(&all[..255], &[])]);
    let out = talk.request(all[120], 1, 0, &film(10));
    assert!(commands(&out).contains(&announcement(&all[120..375], &[])));
    let out = talk.request(all[390], 2, 0, &film(10));
    assert!(commands(&out).contains(&announcement(&all[145..], &[])));
}

#[test]
fn a_request_is_answered_by_the_length_the_bytes_and_the_end() {
    let mut talk = Talk::holding([5]);
    let film = film(1000);
    let out = talk.request(5, 77, 0, &film);
    assert_eq!(
        said(&out),
        [Incoming::Command(data(5, 77, 1000)), Incoming::Chunk(film), Incoming::Command(completed(5, 77))]
    );
}

#[test]
fn chunks_are_as_long_as_a_message_may_be() {
    let config = Config { max_message: 300, ..Config::default() };
    let (mut talk, _) = Talk::open(config, Holdings::new(ids([5]), []));
    let out = talk.request(5, 1, 0, &film(1000));
    let lengths: Vec<usize> = said(&out)
        .into_iter()
        .filter_map(|said| match said {
            Incoming::Chunk(bytes) => Some(bytes.len()),
            Incoming::Command(_) => None,
        })
        .collect();
    assert_eq!(lengths, [300, 300, 300, 100]);
}

#[test]
fn a_request_from_a_byte_on_gets_the_rest() {
    let mut talk = Talk::holding([5]);
    let film = film(1000);
    let out = talk.request(5, 1, 990, &film);
    assert_eq!(commands(&out), [data(5, 1, 10), completed(5, 1)]);
    assert_eq!(media(&out), film[990..]);
}

#[test]
fn what_is_not_held_is_answered_as_absent() {
    let mut talk = Talk::holding([5]);
    assert_eq!(commands(&talk.request(6, 3, 0, &film(1))), [absent(6, 3)]);
}

#[test]
fn what_was_dropped_while_it_was_asked_for_is_answered_as_absent() {
    let mut talk = Talk::holding([5]);
    let request = Command::Request { segment: id(5), request: RequestId(3), from: 0 };
    assert_eq!(talk.hear(request), [Action::Read(id(5))]);
    let out = talk.give(Input::Read { segment: id(5), bytes: None });
    assert_eq!(commands(&out), [absent(5, 3)]);
}

#[test]
fn a_segment_of_no_bytes_is_refused_and_so_is_its_end() {
    let mut talk = Talk::holding([5]);
    assert_eq!(commands(&talk.request(5, 1, 0, &Bytes::new())), [absent(5, 1)]);
    assert_eq!(commands(&talk.request(5, 2, 10, &film(10))), [absent(5, 2)]);
    assert_eq!(commands(&talk.request(5, 3, 11, &film(10))), [absent(5, 3)]);
}

#[test]
fn media_waits_for_room_and_goes_on_when_there_is() {
    let mut talk = Talk::holding([5]);
    talk.room(0);
    let film = film(300_000);
    let mut out = talk.request(5, 1, 0, &film);
    assert_eq!(media(&out).len(), 65535, "with the head before it, that is more than the bound");
    assert_eq!(talk.room(64 << 10), []);
    let one = talk.room((64 << 10) - 1);
    assert_eq!(one.len(), 1);
    out.extend(one);
    out.extend(talk.room(0));
    assert_eq!(commands(&out), [data(5, 1, 300_000)]);
    out.extend(talk.room(0));
    assert_eq!(commands(&out), [data(5, 1, 300_000), completed(5, 1)]);
    assert_eq!(media(&out), film);
    assert_eq!(talk.room(0), []);
}

#[test]
fn a_new_request_ends_the_running_one() {
    let mut talk = Talk::holding([5, 6]);
    talk.request(5, 1, 0, &film(300_000));
    let mut out = talk.request(6, 2, 0, &film(20));
    out.extend(talk.room(0));
    out.extend(talk.room(0));
    assert_eq!(commands(&out), [data(6, 2, 20), completed(6, 2)]);
    assert_eq!(media(&out).len(), 20);
}

#[test]
fn a_request_for_what_is_not_held_ends_the_running_one_too() {
    let mut talk = Talk::holding([5]);
    talk.request(5, 1, 0, &film(300_000));
    assert_eq!(commands(&talk.request(8, 2, 0, &film(1))), [absent(8, 2)]);
    assert_eq!(talk.room(0), []);
}

#[test]
fn a_cancelled_request_is_served_no_further() {
    let mut talk = Talk::holding([5]);
    talk.request(5, 1, 0, &film(300_000));
    assert_eq!(talk.hear(cancel(5, 1)), []);
    assert_eq!(talk.room(0), []);
}

#[test]
fn a_request_is_cancelled_by_its_own_number_only() {
    let mut talk = Talk::holding([5]);
    let mut out = talk.request(5, 1, 0, &film(200_000));
    talk.hear(cancel(5, 2));
    for _ in 0..3 {
        out.extend(talk.room(0));
    }
    assert_eq!(commands(&out), [data(5, 1, 200_000), completed(5, 1)]);
}

#[test]
fn a_request_cancelled_while_it_is_read_is_not_served() {
    let mut talk = Talk::holding([5]);
    talk.hear(Command::Request { segment: id(5), request: RequestId(1), from: 0 });
    talk.hear(cancel(5, 1));
    assert_eq!(talk.give(Input::Read { segment: id(5), bytes: Some(film(10)) }), []);
    assert_eq!(commands(&talk.request(5, 2, 0, &film(10))), [data(5, 2, 10), completed(5, 2)]);
}

#[test]
fn a_peer_that_asks_a_thousand_times_costs_one_read_at_a_time() {
    let mut talk = Talk::holding(0..1000);
    let mut out = Vec::new();
    for n in 0..1000 {
        out.extend(talk.hear(Command::Request { segment: id(n), request: RequestId(n), from: 0 }));
    }
    assert_eq!(out, [Action::Read(id(0))]);
    assert_eq!(talk.give(Input::Read { segment: id(0), bytes: Some(film(1)) }), [Action::Read(id(999))]);
    let out = talk.give(Input::Read { segment: id(999), bytes: Some(film(1)) });
    assert_eq!(commands(&out), [data(999, 999, 1), completed(999, 999)]);
}

#[test]
fn a_peer_that_asks_and_does_not_read_is_dropped() {
    let mut talk = Talk::holding([]);
    let endless = (0..1_000_000).flat_map(|n| talk.request(1, n % 1000, 0, &Bytes::new()));
    let mut sent = 0;
    let broken = endless.into_iter().find_map(|action| match action {
        Action::Send(message) => {
            sent += message.len();
            None
        }
        action => Some(action),
    });
    assert_eq!(broken, Some(Action::Close(Broken::Stuck)));
    assert!(sent < (1 << 20) + 100, "{sent} bytes wait");
}

#[test]
fn media_that_reads_as_a_command_is_cut_so_that_it_does_not() {
    for (start, end) in [(b"cstr", b"cend"), (b"dstr", b"dend"), (b"cstr", b"dend"), (b"dstr", b"cend")] {
        let config = Config { max_message: 100, ..Config::default() };
        let (mut talk, _) = Talk::open(config, Holdings::new(ids([5]), []));
        // A whole message, a short one, and one that only a cut makes begin so.
        let full = [&start[..], &[1; 92], end].concat();
        let cut = [&start[..], &[1; 91], b"dstr", &[1; 91], end].concat();
        let film = Bytes::from([full.clone(), full, cut, [&start[..], end].concat()].concat());
        let out = talk.request(5, 1, 0, &film);
        assert_eq!(commands(&out), [data(5, 1, film.len() as u32), completed(5, 1)]);
        assert_eq!(media(&out), film);
        let framed =
            out.iter().filter(|action| matches!(action, Action::Send(message) if is_framed(message)));
        assert_eq!(framed.count(), 2);
    }
}
