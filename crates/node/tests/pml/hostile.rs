//! Whatever a stranger sends, in whatever order: no panic, no bound broken.

use std::time::Duration;

use bytes::Bytes;
use node::pml::session::{Action, Config, Holdings, Input, Session, Want};
use node::pml::wire::{Command, Joiner, RequestId, is_framed};
use proptest::collection::vec;
use proptest::prelude::*;

use crate::{id, ids};

#[derive(Clone, Debug)]
enum Event {
    Bytes(Vec<u8>),
    Framed(Vec<u8>),
    Say(u8, u32, u32, u32),
    Room(usize),
    Held(u32),
    Answer(Option<usize>),
    Want(u32, u32, Option<u32>),
    Unwant,
    Wait(u64),
}

fn event() -> impl Strategy<Value = Event> {
    prop_oneof![
        vec(any::<u8>(), 0..40).prop_map(Event::Bytes),
        vec(any::<u8>(), 0..40).prop_map(Event::Framed),
        (0..6u8, 0..4u32, 0..4u32, 0..40u32).prop_map(|(code, i, r, n)| Event::Say(code, i, r, n)),
        (0..200_000usize).prop_map(Event::Room),
        (0..5u32).prop_map(Event::Held),
        prop::option::of(0..500_000usize).prop_map(Event::Answer),
        (0..4u32, 0..9u32, prop::option::of(0..20u32))
            .prop_map(|(i, from, total)| Event::Want(i, from, total)),
        Just(Event::Unwant),
        (0..3000u64).prop_map(Event::Wait),
    ]
}

fn said(code: u8, segment: u32, request: u32, number: u32) -> Command {
    let (segment, request) = (id(segment), RequestId(request));
    match code {
        0 => Command::Announcement { held: ids(0..number), fetching: ids(number..2 * number) },
        1 => Command::Request { segment, request, from: number },
        2 => Command::Data { segment, request, bytes: number },
        3 => Command::Completed { segment, request },
        4 => Command::Absent { segment, request },
        _ => Command::Cancel { segment, request },
    }
}

proptest! {
    #[test]
    fn any_bytes_are_read_without_panic_and_make_no_more_ids_than_bytes(bytes in vec(any::<u8>(), 0..2000)) {
        if let Ok(Some(Command::Announcement { held, fetching })) = Command::decode(&bytes) {
            prop_assert!(held.len() + fetching.len() <= bytes.len());
        }
    }

    #[test]
    fn a_list_of_any_bytes_makes_no_more_ids_than_bytes(bytes in vec(any::<u8>(), 0..2000)) {
        let list = [&[0, b'l', 0x10][..], &bytes].concat();
        if let Ok(Some(Command::Announcement { held, fetching })) = Command::decode(&list) {
            prop_assert!(held.len() + fetching.len() <= list.len());
        }
    }

    #[test]
    fn any_messages_are_joined_without_panic(
        messages in vec((0..4usize, 0..4usize, vec(any::<u8>(), 0..30)), 0..30),
    ) {
        let mut joiner = Joiner::default();
        for (start, end, body) in messages {
            let start = [&b"cstr"[..], b"dstr", b"cst", b""][start];
            let end = [&b"cend"[..], b"dend", b"end", b""][end];
            let _ = joiner.take(Bytes::from([start, &body, end].concat()));
        }
    }

    #[test]
    fn a_conversation_keeps_its_bounds_whatever_happens(events in vec(event(), 0..200)) {
        let config = Config::default();
        let mut out = Vec::new();
        let mut session = Session::open(config.clone(), Holdings::new(ids(0..2), []), &mut out);
        let mut now = Duration::ZERO;
        let mut reading = None;
        let mut buffered = 0;
        let mut closed = false;
        for event in events {
            out.clear();
            let mut input = None;
            match event {
                Event::Bytes(bytes) => input = Some(Input::Message(bytes.into())),
                Event::Framed(bytes) => {
                    input = Some(Input::Message([&b"cstr"[..], &bytes, b"cend"].concat().into()));
                }
                Event::Say(code, segment, request, number) => {
                    input = Some(Input::Message(said(code, segment, request, number).messages(65535).remove(0)));
                }
                Event::Room(room) => {
                    buffered = room.min(buffered);
                    input = Some(Input::Room { buffered });
                }
                Event::Held(held) => input = Some(Input::Holdings(Holdings::new(ids(0..held), ids(held..6)))),
                Event::Answer(bytes) => {
                    let segment = reading.take().unwrap_or(id(0));
                    let bytes = bytes.map(|length| vec![7; length].into());
                    input = Some(Input::Read { segment, bytes });
                }
                Event::Want(segment, from, total) => {
                    session.want(now, Want { segment: id(segment), from, total }, &mut out);
                }
                Event::Unwant => session.unwant(&mut out),
                Event::Wait(millis) => {
                    now += Duration::from_millis(millis);
                    input = Some(Input::Tick);
                }
            }
            if let Some(input) = input {
                session.handle(now, input, &mut out);
            }

            prop_assert!(!closed || out.is_empty(), "nothing after the end");
            for action in &out {
                match action {
                    Action::Send(message) => {
                        prop_assert!(message.len() <= config.max_message);
                        prop_assert!(is_framed(message) || buffered < config.room, "media waits for room");
                        buffered += message.len();
                    }
                    Action::Read(segment) => prop_assert_eq!(reading.replace(*segment), None),
                    Action::Received { bytes, .. } | Action::Missed { bytes, .. } => {
                        prop_assert!(bytes.len() <= config.max_segment as usize);
                    }
                    Action::Announced => {}
                    Action::Close(_) => closed = true,
                }
            }
            prop_assert!(session.wake_at().is_none() || session.wanted().is_some());
        }
    }
}
