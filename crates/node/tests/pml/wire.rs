//! What is written is read back, whole or in parts.

use bytes::Bytes;
use node::pml::peer_id::PeerId;
use node::pml::wire::{
    Command, Incoming, Joiner, MAX_GROUPS, MAX_JOINED, Malformed, RequestId, SegmentId, TooLong, chunk_len,
    is_framed, window,
};
use proptest::collection::vec;
use proptest::prelude::*;

use crate::{id, ids};

fn segment() -> impl Strategy<Value = SegmentId> {
    prop_oneof![
        any::<u32>().prop_map(SegmentId::from),
        (-SegmentId::MAX..=SegmentId::MAX).prop_map(|id| SegmentId::new(id).unwrap()),
    ]
}

/// Neighbours and strangers, no more groups than one list carries.
fn segments() -> impl Strategy<Value = Vec<SegmentId>> {
    let run = (any::<u32>(), 0..600u32).prop_map(|(first, count)| ids((0..count).map(|n| first / 2 + n)));
    vec(prop_oneof![run, segment().prop_map(|id| vec![id])], 0..30).prop_map(|runs| runs.concat())
}

fn command() -> impl Strategy<Value = Command> {
    let named = (segment(), any::<u32>().prop_map(RequestId));
    prop_oneof![
        (segments(), segments()).prop_map(|(held, fetching)| Command::Announcement { held, fetching }),
        (named, any::<u32>(), 0..5).prop_map(|((segment, request), number, code)| match code {
            0 => Command::Request { segment, request, from: number },
            1 => Command::Data { segment, request, bytes: number },
            2 => Command::Completed { segment, request },
            3 => Command::Absent { segment, request },
            _ => Command::Cancel { segment, request },
        }),
    ]
}

fn read(payload: &[u8]) -> Result<Option<Command>, Malformed> {
    Command::decode(payload)
}

proptest! {
    #[test]
    fn a_command_comes_back_through_messages_of_any_length(command in command(), max in 0usize..70_000) {
        let mut joiner = Joiner::default();
        let messages = command.messages(max);
        let last = messages.len() - 1;
        for (at, message) in messages.into_iter().enumerate() {
            prop_assert!(message.len() <= max.max(64));
            prop_assert!(is_framed(&message));
            let joined = joiner.take(message).unwrap();
            prop_assert_eq!(joined, (at == last).then(|| Incoming::Command(command.clone())));
        }
    }

    #[test]
    fn media_that_looks_like_frames_is_cut_into_chunks_that_do_not(
        parts in vec(prop_oneof![
            Just(&b"cstr"[..]), Just(&b"dstr"[..]), Just(&b"cend"[..]), Just(&b"dend"[..]), Just(&b"d"[..]),
            Just(&[0; 52][..]), Just(&[0; 56][..]),
        ], 0..60),
        max in 64usize..200,
    ) {
        let media = parts.concat();
        let (mut rest, mut joiner, mut arrived) = (&media[..], Joiner::default(), Vec::new());
        while !rest.is_empty() {
            let (chunk, after) = rest.split_at(chunk_len(rest, max));
            prop_assert!(!chunk.is_empty() && chunk.len() <= max);
            match joiner.take(Bytes::copy_from_slice(chunk)).unwrap() {
                Some(Incoming::Chunk(bytes)) => arrived.extend_from_slice(&bytes),
                other => prop_assert!(false, "{:?}", other),
            }
            rest = after;
        }
        prop_assert_eq!(arrived, media);
    }

    #[test]
    fn what_one_announcement_names_is_as_much_as_fits_and_holds_what_is_near(
        steps in vec(1u32..400, 1..2000),
        at in any::<prop::sample::Index>(),
    ) {
        let all: Vec<SegmentId> = steps.iter().scan(0, |id, step| { *id += step; Some(*id) }).map(id).collect();
        let near = all[at.index(all.len())];
        let part = &all[window(&all, near)];
        prop_assert!(part.contains(&near));
        let command = Command::Announcement { held: part.to_vec(), fetching: Vec::new() };
        prop_assert_eq!(read(&command.encode()), Ok(Some(command)));
        prop_assert!(part.len() == all.len() || part.len() >= MAX_GROUPS);
    }
}

#[test]
fn a_full_group_is_two_groups_that_every_release_reads() {
    let held = ids(256..512);
    let bytes = Command::Announcement { held: held.clone(), fetching: Vec::new() }.encode();
    assert_eq!(bytes[..7], [0, b'l', 0x10, 2, 2, 0x01, 0xff]);
    assert_eq!(bytes[262..], [2, 0x01, 1, 0xff]);
    assert_eq!(read(&bytes), Ok(Some(Command::Announcement { held, fetching: Vec::new() })));
}

#[test]
fn a_group_of_256_is_read_as_newer_releases_write_it() {
    let mut bytes = vec![0, b'l', 0x10, 1, 2, 0x01, 0x00];
    bytes.extend(0..=255);
    assert_eq!(read(&bytes), Ok(Some(Command::Announcement { held: ids(256..512), fetching: Vec::new() })));
}

#[test]
fn fields_of_unknown_name_are_skipped_whatever_their_type() {
    let mut bytes = vec![3, b'd', 0x10, 1, 1, 2, 7, 8, b'z', 0x20, 3, b'a', 0xff, b'b', b'y', 7];
    bytes.extend([0x7f; 7]);
    bytes.extend([b'r', 1, 9, b'i', 1, 5]);
    assert_eq!(read(&bytes), Ok(Some(Command::Completed { segment: id(5), request: RequestId(9) })));
}

#[test]
fn a_command_of_a_later_version_is_no_mistake() {
    assert_eq!(read(&[6]), Ok(None));
    assert_eq!(Joiner::default().take(Bytes::from_static(b"cstr\x06cend")), Ok(None));
}

#[test]
fn what_cannot_be_is_no_command() {
    let request = |field: &[u8]| read(&[&[1, b'r', 1, 1][..], field].concat());
    assert_eq!(read(&[]), Err(Malformed::Short));
    assert_eq!(request(&[b'i', 2, 1]), Err(Malformed::Short));
    assert_eq!(request(b"i"), Err(Malformed::Short));
    assert_eq!(request(&[b'i', 0]), Err(Malformed::Type));
    assert_eq!(request(&[b'i', 8, 0, 0, 0, 0, 0, 0, 0, 1]), Err(Malformed::Type));
    assert_eq!(request(&[b'i', 0x30]), Err(Malformed::Type));
    assert_eq!(request(&[b'i', 0x10, 0]), Err(Malformed::Field));
    assert_eq!(request(&[]), Err(Malformed::Field));
    assert_eq!(request(&[b'i', 7, 0x20, 0, 0, 0, 0, 0, 0]), Err(Malformed::Range));
    assert_eq!(request(&[b'i', 1, 1, b'b', 1, 0x81]), Err(Malformed::Range));
    assert_eq!(read(&[2, b'i', 1, 1, b'r', 1, 1]), Err(Malformed::Field));
    // More ids promised than there are bytes.
    assert_eq!(read(&[0, b'l', 0x10, 255, 1, 127, 1, 2, 3]), Err(Malformed::Short));
}

#[test]
fn a_new_command_takes_the_place_of_one_that_was_never_ended() {
    let mut joiner = Joiner::default();
    assert_eq!(joiner.take(Bytes::from_static(b"dstr\x00cend")), Ok(None));
    assert_eq!(joiner.take(Bytes::from_static(b"cstr\x03i\x01dend")), Ok(None));
    let media = Bytes::from_static(b"media in between");
    assert_eq!(joiner.take(media.clone()), Ok(Some(Incoming::Chunk(media))));
    let absent = Command::Absent { segment: id(2), request: RequestId(3) };
    assert_eq!(joiner.take(absent.messages(99).remove(0)), Ok(Some(Incoming::Command(absent))));
    assert_eq!(joiner.take(Bytes::from_static(b"dstr\x05r\x01\x01cend")), Ok(None));
}

#[test]
fn a_command_without_end_is_given_up() {
    let mut joiner = Joiner::default();
    let part = |letters: &[u8]| Bytes::from([letters, &[0; 65527], b"dend"].concat());
    assert_eq!(joiner.take(part(b"cstr")), Ok(None));
    let taken = (1..MAX_JOINED / 65527).map(|_| joiner.take(part(b"dstr"))).collect::<Vec<_>>();
    assert!(taken.iter().all(|taken| *taken == Ok(None)));
    assert_eq!(joiner.take(part(b"dstr")), Err(TooLong));
    assert_eq!(joiner.take(Bytes::from_static(b"dstr\x00cend")), Ok(None), "all of it is forgotten");
}

#[test]
fn a_peer_id_says_which_release_it_is_of() {
    let peer = PeerId::new(2, 3, [0, 25, 26, 51, 52, 61, 62, 255, 1, 2, 3, 4]);
    assert_eq!(peer.to_string(), "-PM0203-AZaz09AHBCDE");
    assert_eq!(peer.version(), (2, 3));
    assert_eq!(PeerId::parse(peer.as_bytes()), Some(peer));
    assert_eq!(PeerId::new(200, 12, [0; 12]).version(), (99, 12));
    for other in [&b"-WW0203-AZaz09AHBCDE"[..], b"-PM02x3-AZaz09AHBCDE", b"-PM0203-AZaz09AHBCD+", b"-PM0203-"]
    {
        assert_eq!(PeerId::parse(other), None);
    }
}
