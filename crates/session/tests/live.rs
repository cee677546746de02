//! A live stream, from its signed heads to verified pieces.

mod common;
use common::{LINK, PIECE, Page};
use manifest::live::{Chain, Delegation, Description, Entry, LiveRendition, Refused, Signer};
use manifest::{Hash, Kind, SecretKey, SegmentId};
use session::{Options, Session, Signed};
use std::collections::BTreeMap;
use swarm::{Config, PeerId, Player, Time};

const BORN_MS: u64 = 1_770_000_000_000;
const PART_MS: u32 = 400;

fn publisher() -> SecretKey {
    SecretKey::from_seed([1; 32])
}

/// A publisher, what it has signed and the bytes of its parts.
struct Publisher {
    description: Description,
    signer: Signer,
    signed: Vec<Vec<u8>>,
    media: BTreeMap<SegmentId, Vec<u8>>,
}

impl Publisher {
    fn new(epoch: u32) -> Self {
        let rendition = LiveRendition {
            id: "v0".into(),
            kind: Kind::Video,
            bandwidth_bps: 1_000_000,
            inits: vec![manifest::digest::root(b"init")],
        };
        let description = Description {
            publisher: publisher().public(),
            born_ms: BORN_MS,
            name: "stage".into(),
            number: 1,
            piece_len: PIECE,
            renditions: vec![rendition],
        };
        let session = SecretKey::from_seed([9; 32]);
        let delegation = Delegation {
            stream: description.stream(),
            epoch,
            key: session.public(),
            not_before_ms: BORN_MS,
            expires_ms: BORN_MS + 3_600_000,
        };
        let delegation = delegation.seal(&publisher());
        let mut chain = Chain::new(publisher().public(), description.stream(), PIECE);
        chain.accept_delegation(BORN_MS, &delegation).expect("it is its own");
        let signer = Signer::new(chain, session, 10_000).expect("the epoch is new");
        Self { description, signer, signed: vec![delegation], media: BTreeMap::new() }
    }

    /// One part of two pieces and a bit is born.
    fn publish(&mut self, sequence: u32) -> Vec<u8> {
        self.publish_at(sequence, sequence * PART_MS)
    }

    /// The same, so late in the life of the stream.
    fn publish_at(&mut self, sequence: u32, now_ms: u32) -> Vec<u8> {
        let id = SegmentId::new(0, sequence);
        let bytes: Vec<u8> = (0..PIECE * 2 + 100).map(|i| (i * 7 + sequence) as u8).collect();
        let entry = Entry::new(id, (sequence - 1) * PART_MS, PART_MS, &bytes, PIECE);
        self.media.insert(id, bytes);
        let now_ms = BORN_MS + u64::from(now_ms);
        let head = self.signer.publish(now_ms, &[1], vec![entry]).expect("it follows");
        self.signed.push(head.clone());
        head
    }

    fn viewer(&self, name: u8) -> Page {
        let options = Options {
            me: PeerId([name; 20]),
            seed: u64::from(name),
            config: Config::default(),
            record: false,
        };
        let card = self.description.seal(&publisher());
        let key = publisher().public();
        let session = Session::open_live(at(1), BORN_MS + PART_MS as u64, &card, Some(&key), options);
        let mut page = Page::of(session.expect("it is signed"));
        page.carry_out(&[]);
        page
    }
}

/// When a part is born, on the viewers' clock.
fn at(sequence: u32) -> Time {
    Time::from_millis(u64::from(sequence * PART_MS))
}

fn tell(page: &mut Page, now: Time, signed: &[Vec<u8>]) -> Result<(), Refused> {
    let outcome = page.session.heads(now, signed.iter().map(|bytes| &bytes[..]));
    page.carry_out(&[]);
    outcome
}

fn meet(a: &mut Page, b: &mut Page, now: Time) {
    a.at(|s| s.link_up(now, LINK, PeerId([2; 20]), false));
    b.at(|s| s.link_up(now, LINK, PeerId([1; 20]), true));
    for page in [a, b] {
        page.at(|s| s.link_room(now, LINK, 128 * 1024));
    }
}

fn run(a: &mut Page, b: &mut Page, from: Time, millis: u64) {
    common::run(a, b, from.0 / 1000, millis, |_| {});
}

/// Two viewers who have met after the first part was born; the second has heard of it.
fn one_who_knows() -> (Publisher, Page, Page) {
    let mut stage = Publisher::new(1);
    let (mut a, mut b) = (stage.viewer(1), stage.viewer(2));
    stage.publish(1);
    tell(&mut b, at(1), &stage.signed).expect("all of it is signed");
    meet(&mut a, &mut b, at(1));
    run(&mut a, &mut b, at(1), 100);
    (stage, a, b)
}

fn piece_message(media: &[u8], segment: SegmentId, piece: u32) -> Vec<u8> {
    let mut message = Vec::new();
    let payload = media.chunks(PIECE as usize).nth(piece as usize).expect("there is such a piece");
    wire::put_piece(&mut message, wire::PUSHED, segment, piece, payload);
    message
}

#[test]
fn a_viewer_asks_for_heads_and_gets_what_they_announce_from_the_origin() {
    let mut stage = Publisher::new(1);
    (1..=5).for_each(|sequence| _ = stage.publish(sequence));
    let mut page = stage.viewer(1);
    page.at(|s| s.audience(at(1), 0));
    page.at(|s| s.wake(at(2)));
    assert_eq!(page.asked_heads.first(), Some(&(0, 0)));
    tell(&mut page, at(5), &stage.signed).expect("all of it is signed");
    assert_eq!(page.session.position(), (1, 5));
    let all: Vec<SegmentId> = (1..=5).map(|sequence| SegmentId::new(0, sequence)).collect();
    assert_eq!(page.told, all);
    tell(&mut page, at(5), &stage.signed).expect("it is known");
    assert_eq!(page.told, all, "what is known is not told again");

    let part = SegmentId::new(0, 3);
    page.at(|s| s.want(at(5), part));
    for _ in 0..100 {
        let now = at(5);
        page.at(|s| s.wake(now));
        if !page.fetches.is_empty() {
            break;
        }
    }
    while !page.fetches.is_empty() {
        assert!(page.fetch_one(at(5), &stage.media));
    }
    assert!(page.delivered.contains(&part));
    assert_eq!(page.bytes_of(part), stage.media[&part]);
    assert!(page.session.is_init(0, b"init") && !page.session.is_init(0, b"tini"));
}

#[test]
fn what_the_origin_forges_is_refused() {
    let mut stage = Publisher::new(1);
    stage.publish(1);
    let mut page = stage.viewer(1);
    page.at(|s| s.audience(at(1), 0));
    tell(&mut page, at(1), &stage.signed).expect("all of it is signed");
    let part = SegmentId::new(0, 1);
    page.at(|s| s.want(at(1), part));
    page.at(|s| s.wake(at(2)));
    if let Some(bytes) = stage.media.get_mut(&part) {
        bytes[40_000] ^= 1;
    }
    assert!(!page.fetch_one(at(2), &stage.media));
    assert!(page.refused > 0 && !page.delivered.contains(&part));
}

#[test]
fn heads_of_others_and_old_ones_change_nothing() {
    let mut stage = Publisher::new(1);
    let mut page = stage.viewer(1);
    let first = stage.publish(1);
    tell(&mut page, at(1), &stage.signed).expect("all of it is signed");
    assert_eq!(tell(&mut page, at(1), &[first]), Ok(()), "it is known");
    let mut other = Publisher::new(1);
    other.publish(1);
    let mut forged = other.publish(2);
    forged[80] ^= 1;
    assert!(tell(&mut page, at(2), &[forged]).is_err());
    assert_eq!(page.session.position(), (1, 1));
    let mut stranger = stage.description.clone();
    stranger.publisher = SecretKey::from_seed([5; 32]).public();
    assert!(!page.session.describe(&stranger.seal(&SecretKey::from_seed([5; 32]))));
    let newer = |init: u8| {
        let mut newer = stage.description.clone();
        newer.number += 1;
        newer.renditions[0].inits.push(Hash([init; 32]));
        newer.seal(&publisher())
    };
    assert!(page.session.describe(&newer(1)) && !page.session.describe(&newer(2)));
}

#[test]
fn who_comes_takes_many_heads_by_one_signature_and_hands_on_those_it_has_checked() {
    let mut stage = Publisher::new(1);
    let (mut a, mut b) = (stage.viewer(1), stage.viewer(2));
    stage.publish(1);
    tell(&mut b, at(1), &stage.signed).expect("all of it is signed");
    // Ten seconds, in smaller steps; what is signed of the older half is garbled.
    (2..=24).for_each(|sequence| _ = stage.publish(sequence));
    (25..=60).for_each(|sequence| _ = stage.publish_at(sequence, 24 * PART_MS + sequence));
    let mut signed = stage.signed.clone();
    signed[1..=28].iter_mut().for_each(|head| head[5..69].fill(7));
    tell(&mut a, at(24), &signed).expect("a signed one names the one before, and that one those before");
    assert_eq!((a.session.position(), a.told.len()), ((1, 60), 60));

    // A neighbour who has only the first asks for what follows, and is sent nothing that it would blame the sender for.
    meet(&mut a, &mut b, at(24));
    run(&mut a, &mut b, at(24), 2000);
    assert!(a.hangups.is_empty() && b.hangups.is_empty());

    signed[60][5..69].fill(7);
    let mut c = stage.viewer(3);
    assert!(tell(&mut c, at(24), &signed[..29]).is_err(), "nobody vouches for these");
    assert_eq!(c.session.position(), (1, 0));
}

#[test]
fn a_new_epoch_of_the_publisher_is_followed() {
    let mut stage = Publisher::new(1);
    stage.publish(1);
    let mut page = stage.viewer(1);
    tell(&mut page, at(1), &stage.signed).expect("all of it is signed");
    let mut again = Publisher::new(2);
    (1..=3).for_each(|sequence| _ = again.publish(sequence));
    tell(&mut page, at(3), &again.signed).expect("a higher epoch");
    assert_eq!(page.session.position(), (2, 3));
    assert!(tell(&mut page, at(3), &stage.signed).is_ok(), "the old one is past");
    assert_eq!(page.session.position(), (2, 3));
}

#[test]
fn a_neighbour_tells_heads_and_gives_pieces_and_none_that_are_not_the_publishers() {
    let mut stage = Publisher::new(1);
    let (mut a, mut b) = (stage.viewer(1), stage.viewer(2));
    stage.publish(1);
    tell(&mut a, at(1), &stage.signed).expect("all of it is signed");
    tell(&mut b, at(1), &stage.signed).expect("all of it is signed");
    meet(&mut a, &mut b, at(1));
    run(&mut a, &mut b, at(1), 400);
    for sequence in 2..=20 {
        let head = stage.publish(sequence);
        tell(&mut a, at(sequence), &[head]).expect("it follows");
        a.at(|s| s.want(at(sequence), SegmentId::new(0, sequence)));
        while !a.fetches.is_empty() {
            assert!(a.fetch_one(at(sequence), &stage.media));
        }
        run(&mut a, &mut b, at(sequence), 400);
    }
    let (_, heard) = b.session.position();
    assert!(heard >= 17, "{heard} heads, by its neighbour alone");
    let part = SegmentId::new(0, 17);
    let playing = Player {
        position: std::time::Duration::from_millis(6400),
        buffered: std::time::Duration::ZERO,
        playing: true,
        rate_permille: 1000,
    };
    b.at(|s| s.player(at(21), playing));
    b.at(|s| s.want(at(21), part));
    run(&mut a, &mut b, at(21), 1000);
    assert_eq!(b.bytes_of(part), stage.media[&part]);
    assert!(a.hangups.is_empty() && b.hangups.is_empty());
}

#[test]
fn a_piece_that_is_pushed_before_its_head_waits_for_it() {
    let (mut stage, _a, mut b) = one_who_knows();
    let head = stage.publish(2);
    let part = SegmentId::new(0, 2);
    let message = piece_message(&stage.media[&part], part, 1);
    b.receive(at(2), &message);
    assert!(b.bytes_of(part).is_empty());
    let mut forged = message.clone();
    *forged.last_mut().expect("it has bytes") ^= 1;
    b.receive(at(2), &forged);
    tell(&mut b, at(2), &[head]).expect("it follows");
    let second = &stage.media[&part][PIECE as usize..2 * PIECE as usize];
    assert_eq!(b.bytes_of(part), second);
    assert_eq!((b.refused, b.hangups.len()), (1, 1), "the forged one costs its sender the link");
}

#[test]
fn pieces_of_nothing_cost_their_sender_the_link() {
    let (stage, mut a, mut b) = one_who_knows();
    let far = SegmentId::new(0, 500);
    let message = piece_message(&vec![0; PIECE as usize], far, 0);
    (0..9).for_each(|_| b.receive(at(1), &message));
    assert_eq!(b.hangups.len(), 1);
    let mut c = stage.viewer(3);
    meet(&mut a, &mut c, at(1));
    let mut frame = Vec::new();
    wire::put_head(&mut frame, b"BCLH and then nothing");
    c.receive(at(1), &frame);
    assert_eq!(c.hangups.len(), 1, "that is no head");
}

#[test]
fn heads_are_read_up_to_what_is_cut_short() {
    let all = |bytes: &[u8]| Signed(bytes).map(<[u8]>::to_vec).collect::<Vec<_>>();
    assert_eq!(all(&[2, 0, 0, 0, 7, 8, 1, 0, 0, 0, 9]), [vec![7, 8], vec![9]]);
    assert_eq!(all(&[1, 0, 0, 0, 7, 255, 255, 255, 255, 9]), [vec![7]]);
    assert_eq!(all(&[0, 0, 0]).len(), 0);
}
