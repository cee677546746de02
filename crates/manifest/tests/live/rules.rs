//! The viewer's rules, one story each.

use crate::stream::*;
use manifest::live::*;
use manifest::{Hash, SecretKey, SegmentId, digest};

const TARGET_MS: u64 = 2000;

#[test]
fn heads_in_order_are_taken_and_every_piece_can_be_checked() {
    let mut chain = viewer(1);
    assert_eq!(chain.position(), Some((1, 0)));
    for (n, bytes) in (1..).zip(story(1, 20)) {
        let accepted = chain.accept(at(n), &bytes).unwrap();
        let id = SegmentId::new(0, n as u32);
        assert_eq!((accepted.step, &accepted.born[..]), (Step::Next, &[id][..]));
        assert_eq!((chain.position(), chain.newest()), (Some((1, n)), Some(&bytes[..])));
        let media = media(0, n as u32);
        assert_eq!(chain.segment(id).unwrap().root, digest::root(&media));
        let leaves = &accepted.head.entries[0].leaves;
        for (i, piece) in media.chunks(PIECE_LEN as usize).enumerate() {
            let leaf = digest::leaf(piece, i as u32, leaves.len() as u32, PIECE_LEN);
            assert_eq!(leaf, leaves[i]);
        }
    }
}

#[test]
fn what_was_taken_is_known_and_what_is_older_is_a_rollback() {
    let heads = story(1, 12);
    let mut chain = viewer(1);
    assert_eq!(stranger().accept(at(1), &heads[0]), Err(Refused::NoDelegation));
    for (n, bytes) in (1..).zip(&heads) {
        chain.accept(at(n), bytes).unwrap();
    }
    let before = state(&chain);
    for (i, bytes) in heads.iter().enumerate() {
        let recent = i >= heads.len() - RECENT_HEADS;
        let refused = if recent { Refused::Known } else { Refused::Rollback };
        assert_eq!(chain.accept(at(12), bytes), Err(refused), "head {}", i + 1);
    }
    assert_eq!(state(&chain), before);
}

#[test]
fn heads_that_were_missed_are_never_taken_later() {
    let heads = story(1, 6);
    let mut chain = viewer(1);
    assert_eq!(chain.accept(at(3), &heads[2]).unwrap().step, Step::Resync);
    assert_eq!(chain.accept(at(3), &heads[1]), Err(Refused::Rollback));
    assert_eq!(chain.accept(at(6), &heads[5]).unwrap().step, Step::Resync);
    assert_eq!(chain.accept(at(6), &heads[3]), Err(Refused::Rollback));
    assert_eq!(chain.segment(SegmentId::new(0, 4)), None);
}

#[test]
fn what_a_gap_hid_may_be_repeated() {
    let mut signer = signer(1);
    let mut chain = viewer(1);
    let first = signer.publish(at(1), &[1, 1], vec![entry(0, 1)]).unwrap();
    chain.accept(at(1), &first).unwrap();
    signer.publish(at(2), &[1, 1], vec![entry(0, 2)]).unwrap();
    let third = signer.publish(at(3), &[1, 1], vec![entry(0, 3)]).unwrap();
    assert_eq!(chain.accept(at(3), &third).unwrap().step, Step::Resync);
    let all = (1..=4).map(|n| entry(0, n)).collect();
    let fourth = signer.publish(at(4), &[1, 1], all).unwrap();
    let accepted = chain.accept(at(4), &fourth).unwrap();
    assert_eq!(
        (accepted.step, accepted.born),
        (Step::Next, vec![SegmentId::new(0, 2), SegmentId::new(0, 4)])
    );
}

/// Bytes 5 to 69 are the signature.
fn unsigned(head: &[u8]) -> Vec<u8> {
    let mut head = head.to_vec();
    head[5..69].fill(0);
    head
}

#[test]
fn who_comes_checks_one_signature_for_all_that_its_head_names() {
    // Heads live 12 s.
    let whole = story(1, 5);
    let heads: Vec<Vec<u8>> =
        whole.iter().enumerate().map(|(i, head)| if i < 4 { unsigned(head) } else { head.clone() }).collect();
    let run: Vec<&[u8]> = heads.iter().map(|head| &head[..]).collect();
    let mut chain = viewer(1);
    assert_eq!(chain.accept(at(5), run[0]), Err(Refused::BadSignature));
    chain.vouch(&run);
    for (i, head) in run.iter().enumerate() {
        let accepted = chain.accept(at(5), head).unwrap();
        assert_eq!((accepted.step, accepted.is_signed), (Step::Next, i == 4));
    }

    // One that the next does not name, or one before it, has its own signature only; and a last one that is not signed vouches for none.
    let other = story(2, 5);
    for run in [[run[0], &other[1], run[2], run[3], run[4]], [run[0], run[1], run[2], run[3], run[3]]] {
        let mut chain = viewer(1);
        chain.vouch(&run);
        assert_eq!(chain.accept(at(5), run[0]), Err(Refused::BadSignature));
    }
    let mut chain = stranger();
    chain.vouch(&run); // nobody is trusted yet
    chain.accept_delegation(at(0), &delegation(1)).unwrap();
    assert_eq!(chain.accept(at(5), run[0]), Err(Refused::BadSignature));
}

#[test]
fn what_others_vouched_for_convicts_nobody() {
    let mut signer = signer(1);
    let first = signer.publish(at(1), &[1, 1], Vec::new()).unwrap();
    let mut liar = signer.clone();
    let ours = unsigned(&signer.publish(at(2), &[1, 1], vec![entry(0, 1)]).unwrap());
    let third = signer.publish(at(3), &[1, 1], Vec::new()).unwrap();
    let theirs = liar.publish(at(2), &[1, 1], vec![other_entry(0, 1)]).unwrap();
    let mut chain = viewer(1);
    chain.vouch(&[&first, &ours, &third]);
    for head in [&first, &ours, &third] {
        chain.accept(at(3), head).unwrap();
    }
    assert_eq!(chain.accept(at(3), &theirs), Err(Refused::Equivocation));
    assert_eq!(chain.evidence(), None, "one of the two has no signature to show");
}

#[test]
fn two_heads_of_one_number_convict_their_signer() {
    let mut signer = signer(1);
    let mut chain = viewer(1);
    let first = signer.publish(at(1), &[1, 1], Vec::new()).unwrap();
    let mut liar = signer.clone();
    let ours = signer.publish(at(2), &[1, 1], vec![entry(0, 1)]).unwrap();
    let theirs = liar.publish(at(2), &[1, 1], vec![other_entry(0, 1)]).unwrap();
    chain.accept(at(1), &first).unwrap();
    chain.accept(at(2), &ours).unwrap();
    let before = state(&chain);
    assert_eq!(chain.accept(at(2), &theirs), Err(Refused::Equivocation));
    assert_eq!(state(&chain), before);
    let heads = [ours.clone(), theirs.clone()];
    let evidence = Evidence::Heads { delegation: delegation(1), heads };
    assert_eq!(chain.evidence(), Some(&evidence));
    assert!(evidence.proves(&publisher().public(), &STREAM));

    // It convicts nobody else, and no honest pair is one.
    assert!(!evidence.proves(&session(1).public(), &STREAM));
    assert!(!evidence.proves(&publisher().public(), &[0; 20]));
    let pair = |a: &Vec<u8>, b: &Vec<u8>| Evidence::Heads {
        delegation: delegation(1),
        heads: [a.clone(), b.clone()],
    };
    for (a, b) in [(&first, &ours), (&ours, &first), (&ours, &ours), (&first, &theirs)] {
        assert!(!pair(a, b).proves(&publisher().public(), &STREAM));
    }
    let third = signer.publish(at(3), &[1, 1], Vec::new()).unwrap();
    assert!(!pair(&ours, &third).proves(&publisher().public(), &STREAM));
    assert!(pair(&theirs, &third).proves(&publisher().public(), &STREAM));
    assert!(!pair(&first, &third).proves(&publisher().public(), &STREAM));
    // Neither is a forgery.
    let forged = Head::peek(&theirs).unwrap().seal(&SecretKey::from_seed([66; 32]));
    assert!(!pair(&ours, &forged).proves(&publisher().public(), &STREAM));
    // An older one of the recent is remembered, too.
    chain.accept(at(3), &third).unwrap();
    assert_eq!(chain.accept(at(3), &theirs), Err(Refused::Equivocation));
}

#[test]
fn a_head_that_follows_another_history_is_a_fork() {
    let mut signer = signer(1);
    let mut chain = viewer(1);
    let mut liar = signer.clone();
    let ours = signer.publish(at(1), &[1, 1], vec![entry(0, 1)]).unwrap();
    liar.publish(at(1), &[1, 1], vec![other_entry(0, 1)]).unwrap();
    let theirs = liar.publish(at(2), &[1, 1], Vec::new()).unwrap();
    chain.accept(at(1), &ours).unwrap();
    let before = state(&chain);
    assert_eq!(chain.accept(at(2), &theirs), Err(Refused::Forked));
    assert_eq!(state(&chain), before);
    assert!(chain.evidence().unwrap().proves(&publisher().public(), &STREAM));
}

#[test]
fn a_head_counts_in_its_time_only() {
    let bytes = &story(1, 1)[0];
    let expires = at(1) + LIFETIME_MS;
    assert_eq!(viewer(1).accept(expires, bytes), Err(Refused::Expired));
    assert!(viewer(1).accept(expires - 1, bytes).is_ok());
    assert!(viewer(1).accept(at(1) - CLOCK_TOLERANCE_MS, bytes).is_ok());
    assert_eq!(viewer(1).accept(at(1) - CLOCK_TOLERANCE_MS - 1, bytes), Err(Refused::Early));
    assert_eq!(viewer(1).accept(u64::MAX, bytes), Err(Refused::Expired));

    let sealed = |change: fn(&mut Head)| {
        let mut head = head(1, Hash([0; 32]), Vec::new());
        change(&mut head);
        head.seal(&session(1))
    };
    let before = sealed(|h| h.at_ms = START_MS - 1);
    assert_eq!(viewer(1).accept(START_MS, &before), Err(Refused::OutsideDelegation));
    let after = sealed(|h| {
        h.at_ms = START_MS + 24 * HOUR_MS - 1;
        h.expires_ms = h.at_ms + 2;
    });
    assert_eq!(viewer(1).accept(START_MS + 24 * HOUR_MS - 1, &after), Err(Refused::OutsideDelegation));

    let mut chain = viewer(1);
    chain.accept(at(1), bytes).unwrap();
    let mut dated = head(2, digest(bytes), Vec::new());
    dated.at_ms = at(1) - 1;
    assert_eq!(chain.accept(at(2), &dated.seal(&session(1))), Err(Refused::TimeBackwards));
}

#[test]
fn another_stream_is_another_stream_even_by_the_same_keys() {
    let mut head = head(1, Hash([0; 32]), Vec::new());
    head.stream = [7; 20];
    let mut chain = viewer(1);
    assert_eq!(chain.accept(at(1), &head.seal(&session(1))), Err(Refused::OtherStream));
    let other = Delegation { stream: [7; 20], ..terms(2) };
    assert_eq!(chain.accept_delegation(at(1), &other.seal(&publisher())), Err(Refused::OtherStream));
    assert_eq!(chain.position(), Some((1, 0)));
}

#[test]
fn an_epoch_has_one_key() {
    let mut chain = viewer(2);
    let by = |epoch, key: &SecretKey| Head { epoch, ..head(1, Hash([0; 32]), Vec::new()) }.seal(key);
    assert_eq!(chain.accept(at(1), &by(2, &session(1))), Err(Refused::BadSignature));
    assert_eq!(chain.accept(at(1), &by(2, &publisher())), Err(Refused::BadSignature));
    assert_eq!(chain.accept(at(1), &by(1, &session(1))), Err(Refused::OldEpoch));
    assert_eq!(chain.accept(at(1), &by(3, &session(3))), Err(Refused::NoDelegation));
    assert!(chain.accept(at(1), &by(2, &session(2))).is_ok());
}

#[test]
fn only_the_publisher_opens_an_epoch_and_it_never_closes_backwards() {
    let mut chain = viewer(2);
    let forged = terms(3).seal(&session(2));
    assert_eq!(chain.accept_delegation(START_MS, &forged), Err(Refused::BadSignature));
    assert_eq!(chain.accept_delegation(START_MS, &delegation(1)), Err(Refused::Rollback));
    assert_eq!(chain.accept_delegation(START_MS, &delegation(2)), Err(Refused::Known));
    let early = Delegation { not_before_ms: START_MS + CLOCK_TOLERANCE_MS + 1, ..terms(3) };
    assert_eq!(chain.accept_delegation(START_MS, &early.seal(&publisher())), Err(Refused::Early));
    let over = Delegation { expires_ms: START_MS + 9, ..terms(3) }.seal(&publisher());
    assert_eq!(chain.accept_delegation(START_MS + 9, &over), Err(Refused::Expired));
    let twice = Delegation { key: session(9).public(), ..terms(2) }.seal(&publisher());
    assert_eq!(chain.accept_delegation(START_MS, &twice), Err(Refused::Equivocation));
    let evidence = chain.evidence().unwrap();
    assert_eq!(evidence, &Evidence::Delegations([delegation(2), twice]));
    assert!(evidence.proves(&publisher().public(), &STREAM));
    for honest in [[delegation(1), delegation(2)], [delegation(2), delegation(2)]] {
        assert!(!Evidence::Delegations(honest).proves(&publisher().public(), &STREAM));
    }
    assert_eq!(chain.delegation(), Some(&terms(2)));
}

#[test]
fn a_new_epoch_heals_what_a_stolen_session_key_did() {
    let mut chain = viewer(1);
    chain.accept(at(1), &story(1, 1)[0]).unwrap();
    // The thief runs ahead with numbers, sequences and windows, and lies about a segment.
    let last = Entry { segment: SegmentId::new(1, u32::MAX), ..entry(1, 1) };
    let far = Head {
        number: u64::MAX,
        first: vec![1, u32::MAX],
        ..head(2, Hash([5; 32]), vec![other_entry(0, 2), last])
    };
    assert_eq!(chain.accept(at(2), &far.seal(&session(1))).unwrap().step, Step::Resync);
    assert_eq!(chain.accept(at(3), &story(1, 3)[2]), Err(Refused::Rollback));

    chain.accept_delegation(at(3), &delegation(2)).unwrap();
    assert_eq!(chain.position(), Some((2, 0)));
    assert_eq!(chain.segment(SegmentId::new(0, 2)), None);
    let mut signer = signer(2);
    let healed = signer.publish(at(3), &[1, 1], vec![entry(0, 2), entry(0, 3)]).unwrap();
    let accepted = chain.accept(at(3), &healed).unwrap();
    assert_eq!((accepted.step, accepted.born.len()), (Step::Epoch, 2));
    assert_eq!(chain.accept(at(3), &far.seal(&session(1))), Err(Refused::OldEpoch));
    let next = signer.publish(at(4), &[1, 1], Vec::new()).unwrap();
    assert_eq!(chain.accept(at(4), &next).unwrap().step, Step::Next);
}

#[test]
fn entries_that_do_not_fit_are_refused_by_name() {
    let heads = story(1, 3);
    let mut chain = viewer(1);
    for (n, bytes) in (1..).zip(&heads) {
        chain.accept(at(n), bytes).unwrap();
    }
    let before = state(&chain);
    let mut offer = |change: &dyn Fn(&mut Head)| {
        let mut head = head(4, digest(&heads[2]), Vec::new());
        change(&mut head);
        let refused = chain.accept(at(4), &head.seal(&session(1))).unwrap_err();
        assert_eq!(state(&chain), before);
        refused
    };
    let id = SegmentId::new;
    assert_eq!(offer(&|h| h.entries = vec![other_entry(0, 2)]), Refused::Contradiction(id(0, 2)));
    let longer = Entry { duration_ms: 2001, ..entry(0, 2) };
    assert_eq!(offer(&|h| h.entries = vec![longer.clone()]), Refused::Contradiction(id(0, 2)));
    let later = Entry { start_ms: 9999, ..entry(0, 2) };
    assert_eq!(offer(&|h| h.entries = vec![later.clone()]), Refused::Contradiction(id(0, 2)));
    let cut = Cut { ends_segment: true, ..Cut::default() };
    let otherwise = Entry { cut, ..entry(0, 2) };
    assert_eq!(offer(&|h| h.entries = vec![otherwise.clone()]), Refused::Contradiction(id(0, 2)));
    assert_eq!(offer(&|h| h.first = vec![1]), Refused::Renditions);
    assert_eq!(offer(&|h| h.first = vec![1, 1, 1]), Refused::Renditions);
    let outside = |h: &mut Head| {
        h.first = vec![3, 1];
        h.entries = vec![entry(0, 2)];
    };
    assert_eq!(offer(&outside), Refused::OutsideWindow(id(0, 2)));
    let far = Entry { segment: id(1, 1 + MAX_WINDOW), ..entry(1, 1) };
    assert_eq!(offer(&|h| h.entries = vec![far.clone()]), Refused::OutsideWindow(far.segment));
    let short = Entry { size: PIECE_LEN, ..entry(0, 4) };
    assert_eq!(offer(&|h| h.entries = vec![short.clone()]), Refused::Leaves(id(0, 4)));
    // One bad entry among good ones spoils them all.
    assert_eq!(
        offer(&|h| h.entries = vec![entry(0, 4), Entry { size: 1, ..entry(1, 1) }]),
        Refused::Leaves(id(1, 1))
    );

    let window = head(4, digest(&heads[2]), vec![entry(0, 5)]);
    let window = Head { first: vec![3, 1], ..window }.seal(&session(1));
    chain.accept(at(4), &window).unwrap();
    assert_eq!((chain.first(0), chain.first(1), chain.first(2)), (Some(3), Some(1), None));
    assert_eq!(chain.segment(id(0, 2)), None);
    assert!(chain.segment(id(0, 3)).is_some());
    let follow = |first, entries| Head { first, ..head(5, digest(&window), entries) }.seal(&session(1));
    let back = follow(vec![2, 1], Vec::new());
    assert_eq!(chain.accept(at(5), &back), Err(Refused::WindowBackwards(0)));
    // 4 was left out when 5 was born.
    let late = follow(vec![3, 1], vec![entry(0, 4)]);
    assert_eq!(chain.accept(at(5), &late), Err(Refused::Backwards(id(0, 4))));
    let again = follow(vec![3, 1], vec![entry(0, 3), entry(0, 5), entry(0, 6)]);
    assert_eq!(chain.accept(at(5), &again).unwrap().born, [id(0, 6)]);
}

#[test]
fn a_frozen_stream_is_noticed_within_three_target_durations() {
    let heads = story(1, 3);
    let mut chain = viewer(1);
    assert!(chain.is_frozen(START_MS, TARGET_MS), "nothing is known yet");
    chain.accept(at(1), &heads[0]).unwrap();
    assert!(!chain.is_frozen(at(1), TARGET_MS));
    assert!(!chain.is_frozen(at(1) + 3 * TARGET_MS, TARGET_MS));
    assert!(chain.is_frozen(at(1) + 3 * TARGET_MS + 1, TARGET_MS));
    // What is already known keeps nothing alive, nor does what is refused.
    assert_eq!(chain.accept(at(4), &heads[0]), Err(Refused::Known));
    assert!(chain.is_frozen(at(4) + 2 * TARGET_MS, TARGET_MS));
    chain.accept(at(4), &heads[1]).unwrap();
    assert!(!chain.is_frozen(at(4), TARGET_MS));
    // However long the target duration.
    assert!(!chain.is_frozen(at(2) + LIFETIME_MS - 1, u64::MAX));
    assert!(chain.is_frozen(at(2) + LIFETIME_MS, u64::MAX));
    assert!(chain.is_frozen(START_MS - HOUR_MS, TARGET_MS), "the clock was set back");
    // A new epoch is no sign of life; its first head is.
    chain.accept_delegation(at(4), &delegation(2)).unwrap();
    assert!(!chain.is_frozen(at(4) + 3 * TARGET_MS, TARGET_MS));
    assert!(chain.is_frozen(at(4) + 3 * TARGET_MS + 1, TARGET_MS));
}
