//! The publisher's side.

use crate::stream::*;
use manifest::live::*;
use manifest::{Hash, SegmentId};

#[test]
fn a_signer_needs_its_key_an_unused_epoch_and_a_lifetime() {
    let new = |chain, key, lifetime| Signer::new(chain, key, lifetime).err();
    assert_eq!(new(stranger(), session(1), 1), Some(NotSigned::NoDelegation));
    assert_eq!(new(viewer(1), session(2), 1), Some(NotSigned::OtherKey));
    assert_eq!(new(viewer(1), session(1), 0), Some(NotSigned::Lifetime));
    assert_eq!(new(viewer(1), session(1), MAX_LIFETIME_MS + 1), Some(NotSigned::Lifetime));
    let mut used = viewer(1);
    used.accept(at(1), &story(1, 1)[0]).unwrap();
    assert_eq!(new(used.clone(), session(1), 1), Some(NotSigned::EpochUsed));
    used.accept_delegation(at(1), &delegation(2)).unwrap();
    assert_eq!(new(used, session(2), 1), None);
}

#[test]
fn entries_come_in_any_order_and_heads_are_chained() {
    let mut signer = signer(1);
    let one = signer.publish(at(1), &[1, 1], vec![entry(1, 1), entry(0, 2), entry(0, 1)]).unwrap();
    let one = Head::open(&one, &session(1).public()).unwrap();
    assert_eq!((one.number, one.previous), (1, Hash([0; 32])));
    assert_eq!(one.expires_ms, at(1) + LIFETIME_MS);
    let two = Head::peek(&signer.publish(at(2), &[1, 1], Vec::new()).unwrap()).unwrap();
    assert_eq!((two.number, two.previous), (2, one.digest()));
    assert_eq!(signer.chain().position(), Some((1, 2)));
}

#[test]
fn what_viewers_would_refuse_is_not_signed_and_takes_no_number() {
    let mut signer = signer(1);
    signer.publish(at(1), &[5, 5], vec![entry(0, 5)]).unwrap();
    let before = state(signer.chain());
    let mut refused = |first: &[u32], entries| signer.publish(at(2), first, entries).unwrap_err();
    let id = SegmentId::new(0, 5);
    assert_eq!(refused(&[5, 5], vec![other_entry(0, 5)]), NotSigned::Refused(Refused::Contradiction(id)));
    assert_eq!(refused(&[4, 5], Vec::new()), NotSigned::Refused(Refused::WindowBackwards(0)));
    // More than its field can count.
    let one = entry(0, 1);
    let many = (0..65_537).map(|i| Entry { segment: SegmentId::new(0, 6 + i), ..one.clone() }).collect();
    assert_eq!(refused(&[5, 5], many), NotSigned::Refused(Refused::Impossible("more than 256 entries")));
    let twice = vec![entry(0, 6), entry(0, 6)];
    assert_eq!(refused(&[5, 5], twice), NotSigned::Refused(Refused::Impossible("entries out of order")));
    assert_eq!(state(signer.chain()), before);
    let next = signer.publish(at(2), &[5, 5], vec![entry(0, 6)]).unwrap();
    assert_eq!(Head::peek(&next).unwrap().number, 2);
}

#[test]
fn a_clock_that_is_set_back_does_not_set_back_the_stream() {
    let mut signer = signer(1);
    let mut chain = viewer(1);
    chain.accept(at(9), &signer.publish(at(9), &[1], Vec::new()).unwrap()).unwrap();
    let bytes = signer.publish(at(2), &[1], Vec::new()).unwrap();
    assert_eq!(chain.accept(at(9), &bytes).unwrap().head.at_ms, at(9));
}

#[test]
fn nothing_outlives_the_delegation() {
    let mut signer = signer(1);
    let end = START_MS + 24 * HOUR_MS;
    let last = signer.publish(end - 5, &[1], Vec::new()).unwrap();
    assert_eq!(Head::peek(&last).unwrap().expires_ms, end);
    let mut chain = viewer(1);
    chain.accept(end - 5, &last).unwrap();
    assert!(chain.is_frozen(end, HOUR_MS));
    assert_eq!(signer.publish(end, &[1], Vec::new()), Err(NotSigned::Refused(Refused::OutsideDelegation)));
    assert_eq!(
        signer.publish(START_MS - 1, &[1], Vec::new()).map(|bytes| Head::peek(&bytes).unwrap().at_ms),
        Ok(end - 5)
    );
}
