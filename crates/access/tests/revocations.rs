//! Lists of takedowns: what is signed is what is read, and no list ever goes back.

use std::collections::BTreeMap;

use access::revocations::{
    Entry, ListError, MAX_ENTRIES, MAX_LIST_BYTES, Reason, Revocations, Taken, Target,
};
use access::{Authority, Stream, Streams, SwarmId, Timestamp};
use manifest::{PublicKey, SecretKey};
use proptest::prelude::*;

fn operator() -> SecretKey {
    SecretKey::from_seed([9; 32])
}

fn entry(reason: u8) -> Entry {
    Entry { reason: Reason(reason), at: Timestamp(1_800_000_000) }
}

fn list(number: u64, names: &[&str]) -> Revocations {
    let entries = names.iter().map(|name| (Target::Name((*name).into()), entry(2))).collect();
    Revocations { number, at: Timestamp(1_800_000_000 + number), entries }
}

fn sealed(list: &Revocations) -> Vec<u8> {
    list.seal(&operator()).expect("it names streams")
}

fn named(name: &'static str) -> Stream<'static> {
    Stream { swarm: SwarmId([1; 20]), name: Some(name) }
}

fn lists() -> impl Strategy<Value = Revocations> {
    let target = prop_oneof![
        any::<[u8; 20]>().prop_map(|swarm| Target::Swarm(SwarmId(swarm))),
        "[A-Za-z0-9_-]{1,39}".prop_map(Target::Name),
    ];
    let entry =
        any::<(u8, u64)>().prop_map(|(reason, at)| Entry { reason: Reason(reason), at: Timestamp(at) });
    (any::<(u64, u64)>(), prop::collection::btree_map(target, entry, 0..20))
        .prop_map(|((number, at), entries)| Revocations { number, at: Timestamp(at), entries })
}

proptest! {
    #[test]
    fn what_is_sealed_opens_to_the_same(list in lists()) {
        let bytes = sealed(&list);
        prop_assert!(bytes.len() <= MAX_LIST_BYTES);
        prop_assert_eq!(Revocations::open(&bytes, &operator().public()), Ok(list.clone()));
        for (target, entry) in &list.entries {
            let stream = match target {
                Target::Swarm(swarm) => Stream { swarm: *swarm, name: None },
                Target::Name(name) => Stream { swarm: SwarmId([0; 20]), name: Some(name) },
            };
            prop_assert_eq!(list.revoked(&stream), Some(entry.reason));
        }
    }

    #[test]
    fn no_list_goes_back_whatever_comes_in_whatever_order(order in prop::collection::vec((0..6u64, 0..2usize), 1..40)) {
        let mut authority = Authority::new(operator().public(), None);
        let mut held: Option<(u64, usize)> = None;
        for (number, contents) in order {
            let list = list(number, [&["a"][..], &["b"]][contents]);
            let taken = authority.take(&sealed(&list));
            match held {
                Some((newest, _)) if number < newest => prop_assert_eq!(taken, Err(ListError::Rollback(number))),
                Some(same) if same == (number, contents) => prop_assert_eq!(taken, Ok(Taken::Known)),
                Some((newest, _)) if number == newest => prop_assert_eq!(taken, Err(ListError::Equivocation(number))),
                _ => {
                    prop_assert_eq!(taken, Ok(Taken::New));
                    held = Some((number, contents));
                }
            }
            let (newest, contents) = held.expect("the first is always taken");
            prop_assert_eq!(authority.number(), Some(newest));
            prop_assert_eq!(authority.revoked(&named("a")).is_some(), contents == 0);
            prop_assert_eq!(authority.revoked(&named("b")).is_some(), contents == 1);
        }
    }
}

#[test]
fn every_flipped_bit_is_noticed() {
    let mut entries = list(1, &["film", "other"]).entries;
    entries.insert(Target::Swarm(SwarmId([3; 20])), entry(3));
    let bytes = sealed(&Revocations { entries, ..list(1, &[]) });
    for bit in 0..bytes.len() * 8 {
        let mut bad = bytes.clone();
        bad[bit / 8] ^= 1 << (bit % 8);
        assert!(Revocations::open(&bad, &operator().public()).is_err(), "bit {bit}");
    }
}

#[test]
fn a_cut_or_lengthened_list_is_refused() {
    let bytes = sealed(&list(1, &["film"]));
    for end in 0..bytes.len() {
        assert!(Revocations::open(&bytes[..end], &operator().public()).is_err(), "cut at {end}");
    }
    assert!(Revocations::open(&[&bytes[..], &[0]].concat(), &operator().public()).is_err());
}

#[test]
fn a_list_that_is_not_written_in_the_one_way_is_refused_even_when_it_is_signed() {
    let head = |count: u32| [&[0; 16][..], &count.to_le_bytes()].concat();
    let name = |name: &[u8]| [&[1, name.len() as u8], name, &[2], &[0; 8]].concat();
    let swarm = [&[0][..], &[3; 20], &[2], &[0; 8]].concat();
    let open = |parts: &[&[u8]]| {
        let body = [operator().public().as_bytes(), &parts.concat()[..]].concat();
        let signature = operator().sign(&[b"braidcast revocations v1\n", &body[..]].concat());
        Revocations::open(&[b"BCRV\x01", &signature[..], &body].concat(), &operator().public())
    };
    assert_eq!(open(&[&head(2), &swarm, &name(b"film")]).map(|list| list.entries.len()), Ok(2));
    for bad in [
        &[&head(2)[..], &name(b"film"), &swarm][..], // swarms come first
        &[&head(2), &name(b"b"), &name(b"a")],       // names rise
        &[&head(2), &name(b"a"), &name(b"a")],       // each is there once
        &[&head(1), &name(b"a b")],                  // no name
        &[&head(1), &name(b"")],                     // nor this
        &[&head(1), &name(b"*")],                    // takedowns have no patterns
        &[&head(1), &name(&[0xff])],                 // nor is it text
        &[&head(1), &name(&[b'a'; 65])],             // a long one
        &[&head(1), &name(&[b'a'; 40])],             // a swarm id in letters
        &[&head(1), &[2], &[3; 20], &[2], &[0; 8]],  // no such kind
        &[&head(1)],                                 // fewer than it says
        &[&head(0), &swarm],                         // more
        &[&head(u32::MAX), &swarm],                  // many more
    ] {
        assert_eq!(open(bad), Err(ListError::Malformed), "{bad:?}");
    }
}

#[test]
fn a_list_by_somebody_else_or_of_another_version_is_refused() {
    let other: PublicKey = SecretKey::from_seed([8; 32]).public();
    let mut bytes = sealed(&list(1, &["film"]));
    assert_eq!(Revocations::open(&bytes, &other), Err(ListError::OtherKey));
    bytes[4] = 2;
    assert_eq!(Revocations::open(&bytes, &operator().public()), Err(ListError::Version(2)));
}

#[test]
fn a_signature_over_anything_else_is_none_over_a_list() {
    let mut bytes = sealed(&list(1, &["film"]));
    let signature = operator().sign(&[b"braidcast index v1\n", &bytes[69..]].concat());
    bytes[5..69].copy_from_slice(&signature);
    assert_eq!(Revocations::open(&bytes, &operator().public()), Err(ListError::BadSignature));
}

#[test]
fn a_publisher_takes_down_its_own_streams_only() {
    let own = Streams::parse(["acme-*"]).unwrap();
    let mut publisher = Authority::new(operator().public(), Some(own));
    assert_eq!(publisher.take(&sealed(&list(1, &["acme-film", "other-film"]))), Ok(Taken::New));
    assert_eq!(publisher.revoked(&named("acme-film")), Some(Reason::COPYRIGHT));
    assert_eq!(publisher.revoked(&named("other-film")), None);
}

#[test]
fn a_list_has_65536_entries_at_most() {
    let entries = |count: usize| -> BTreeMap<_, _> {
        (0..count).map(|n| (Target::Name(format!("{n:064}")), entry(0))).collect()
    };
    let full = Revocations { number: 1, at: Timestamp(0), entries: entries(MAX_ENTRIES) };
    let bytes = sealed(&full);
    assert_eq!(bytes.len(), MAX_LIST_BYTES, "names as long as there are");
    assert_eq!(Revocations::open(&bytes, &operator().public()), Ok(full));
    let more = Revocations { number: 1, at: Timestamp(0), entries: entries(MAX_ENTRIES + 1) };
    assert_eq!(more.seal(&operator()), Err(ListError::Impossible));
    assert_eq!(list(1, &["a b"]).seal(&operator()), Err(ListError::Impossible));
}
