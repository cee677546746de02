//! `braidcast live` as people run it: encoders by RTMP, viewers over HTTP.

mod common;

use common::encoder::{Encoder, clip, printed};
use common::{Place, Running, eventually, get, text};
use manifest::SegmentId;
use manifest::live::{Description, Head};
use session::{Options, Order, Session};
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};
use swarm::{Config, PeerId, Player, Time};

const START: &str = "live --ingest rtmp://127.0.0.1:0 --ingest http --listen 127.0.0.1:0 --passthrough --segment 1s --part 200ms";

#[test]
fn what_is_printed_is_what_an_encoder_needs_and_the_end_is_clean() {
    let place = Place::new();
    let film = clip(&place, 30);
    let mut live = place.start(&format!("{START} --record"));
    let base = live.base();
    let (server, key) = (printed(&mut live, "server"), printed(&mut live, "stream key"));
    assert!(live.wait_for("/watch/live").contains(&base));
    assert_eq!(get(&format!("{base}/watch/live")).0, 404);
    let wrong = Encoder::start(&film, &server, "no-key-at-all-no");
    assert!(!wrong.end());
    let _encoder = Encoder::start(&film, &server, &key);
    live.wait_for("on air");
    eventually("a playable list", || get(&format!("{base}/s/live/v0/media.m3u8")).0 == 200);
    assert_ne!(get(&format!("{base}/watch/live")).0, 404);
    let card = text(&get(&format!("{base}/s/live/stream.json")).1);
    assert!(card.contains("\"live\":true") && card.contains("\"index\":\"live.bcs\""), "{card}");
    std::thread::sleep(Duration::from_secs(3));
    live.signal("INT");
    assert_eq!(live.ended().code(), Some(130));
    let films = place.streams();
    assert!(films.len() == 1 && films[0].starts_with("live-20"), "{films:?}");
    let left = std::fs::read_dir(place.path("braidcast-data/live")).map_or(0, |entries| entries.count());
    assert_eq!(left, 0, "nothing is left of what was live");
    let check = place.run(&format!("check braidcast-data/streams/{}", films[0]));
    assert!(check.status.success(), "{}", text(&check.stdout));
}

/// A program whose stream is on air, its encoder, and its address.
fn on_air(place: &Place) -> (Running, Encoder, String) {
    let film = clip(place, 40);
    let mut live = place.start(START);
    let upstream = live.base();
    let (server, key) = (printed(&mut live, "server"), printed(&mut live, "stream key"));
    let encoder = Encoder::start(&film, &server, &key);
    live.wait_for("on air");
    (live, encoder, upstream)
}

#[test]
fn a_second_program_pulls_and_shows_no_secret() {
    let (place, second) = (Place::new(), Place::new());
    let (_live, _encoder, upstream) = on_air(&place);
    let url = upstream.replace("http://", "http://me:pass-word@") + "/s/live/master.m3u8?token=to-ken";
    let mut pulling = second.start(&format!("live --pull again={url} --pull-private --listen 127.0.0.1:0"));
    let base = pulling.base();
    let line = pulling.wait_for("pull ");
    assert!(line.contains("/s/live/master.m3u8") && line.contains("(again)"), "{line}");
    assert!(!line.contains("pass-word") && !line.contains("to-ken"), "{line}");
    pulling.wait_for("/watch/again");
    pulling.wait_for("on air");
    eventually("a playable list", || get(&format!("{base}/s/again/v0/media.m3u8")).0 == 200);
    // Nobody may publish it from outside.
    assert_eq!(get(&format!("{base}/ingest/again/video")).0, 404);
    let wrong = second.run("live --pull ftp://me:pass-word@example.org/x");
    let words = text(&wrong.stderr);
    assert!(!wrong.status.success() && !words.contains("pass-word"), "{words}");
}

#[test]
fn a_stream_that_is_left_where_it_is_costs_this_machine_no_media() {
    let (place, second) = (Place::new(), Place::new());
    let (_live, _encoder, upstream) = on_air(&place);
    let url = format!("{upstream}/s/live/master.m3u8");
    let mut indexing =
        second.start(&format!("live --pull again={url} --pull-private --index-only --listen 127.0.0.1:0"));
    let base = indexing.base();
    assert!(indexing.wait_for("pull ").contains("its media stays there"));
    let playlist = format!("{base}/s/again/v0/media.m3u8");
    eventually("a playable list", || get(&playlist).0 == 200);
    let (status, segment) = get(&format!("{base}/s/again/v0/1.m4s"));
    assert!(status == 200 && !segment.is_empty());
    let metrics = String::from_utf8(get(&format!("{base}/metrics")).1).unwrap();
    assert!(metrics.contains("braidcast_live_memory_bytes 0"), "{metrics}");
    assert!(!metrics.contains("stream=\"again\",kind=\"media\""), "{metrics}");
    for args in ["--index-only", "--pull https://h.example/m.m3u8 --index-only --record"] {
        let wrong = second.run(&format!("live {args}"));
        let words = text(&wrong.stderr);
        assert!(!wrong.status.success() && words.contains("--index-only"), "{words}");
    }
}

#[test]
fn a_session_verifies_every_part_and_refuses_one_with_a_flipped_bit() {
    let place = Place::new();
    let film = clip(&place, 20);
    let mut live = place.start(&format!("{START} --key stage=the-key-of-the-stage"));
    let base = format!("{}/s/stage", live.base());
    let server = printed(&mut live, "server");
    let _encoder = Encoder::start(&film, &server, "the-key-of-the-stage");
    live.wait_for("on air");
    eventually("a description", || get(&format!("{base}/live.bcs")).0 == 200);
    let sealed = get(&format!("{base}/live.bcs")).1;
    let description = Description::open(&sealed, None).unwrap();

    let begun = Instant::now();
    let now = || Time::from_millis(1 + begun.elapsed().as_millis() as u64);
    let wall_ms = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis() as u64;
    let options = Options { me: PeerId([1; 20]), seed: 1, config: Config::default(), record: false };
    let key = description.publisher;
    let mut session = Session::open_live(now(), wall_ms, &sealed, Some(&key), options).unwrap();
    session.audience(now(), 0);
    let (mut delivered, mut refused) = (BTreeSet::new(), 0);
    let mut forge = true;
    let mut orders = VecDeque::new();
    let (mut wanted, mut waits, mut starts) = ([0u32; 2], BTreeSet::new(), BTreeMap::new());
    while delivered.len() < 40 || refused == 0 {
        assert!(begun.elapsed() < common::PATIENCE, "{} delivered, {refused} refused", delivered.len());
        // It plays what it waits for.
        let position = waits.difference(&delivered).filter_map(|id| starts.get(id)).min();
        let position = Duration::from_millis(u64::from(position.copied().unwrap_or(0)));
        let playing = Player { position, buffered: Duration::ZERO, playing: true, rate_permille: 1000 };
        session.player(now(), playing);
        // What a call wants done is gone with the next one.
        orders.extend(session.take_orders());
        session.wake(now());
        orders.extend(session.take_orders());
        // Each answer leads to the next question: that one waits until what was born is wanted.
        let (mut asked, mut later) = (false, VecDeque::new());
        while let Some(order) = orders.pop_front() {
            match order {
                Order::AskHeads { .. } if asked => later.push_back(order),
                Order::AskHeads { epoch, number } => {
                    asked = true;
                    let (status, answer) = get(&format!("{base}/heads?epoch={epoch}&after={number}"));
                    assert_eq!(status, 200, "the end: {} delivered, {refused} refused", delivered.len());
                    let mut signed = Vec::new();
                    let mut rest = &answer[..];
                    while let Some((len, after)) = rest.split_first_chunk() {
                        let (one, after) = after.split_at(u32::from_le_bytes(*len) as usize);
                        signed.push(one);
                        let entries = Head::peek(one).map_or_else(|_| Vec::new(), |head| head.entries);
                        starts.extend(entries.iter().map(|entry| (entry.segment, entry.start_ms)));
                        rest = after;
                    }
                    session.heads(now(), signed).unwrap();
                    orders.extend(session.take_orders());
                }
                Order::Fetch { segment, first, end } => {
                    let id = &description.renditions[usize::from(segment.rendition)].id;
                    let (status, mut bytes) = get(&format!("{base}/{id}/part/{}.m4s", segment.sequence));
                    assert_eq!(status, 200);
                    if std::mem::take(&mut forge) {
                        bytes[100] ^= 1;
                    }
                    let mut good = true;
                    for (at, piece) in (0..).zip(bytes.chunks(description.piece_len as usize)) {
                        if good && (first..end).contains(&at) {
                            good = session.origin_piece(now(), segment, at, piece);
                            orders.extend(session.take_orders());
                        }
                    }
                    session.origin_end(now(), segment, good, !good);
                    orders.extend(session.take_orders());
                }
                Order::Refused { .. } => refused += 1,
                Order::Deliver(segment) => drop(delivered.insert(segment)),
                _ => {}
            }
        }
        orders = later;
        // A player that wants each part that heads have told of.
        for (rendition, last) in (0..).zip(&mut wanted) {
            let next = SegmentId::new(rendition, *last + 1);
            if *last == 0 || session.part_size(next) > 0 {
                let first =
                    (1..10_000).map(|s| SegmentId::new(rendition, s)).find(|id| session.part_size(*id) > 0);
                let Some(next) = (if *last == 0 { first } else { Some(next) }) else { continue };
                *last = next.sequence;
                waits.insert(next);
                session.want(now(), next);
                orders.extend(session.take_orders());
            }
        }
        std::thread::sleep(Duration::from_millis(5));
    }
    assert_eq!(refused, 1);
    let init = get(&format!("{base}/v0/init/1.mp4")).1;
    assert!(session.is_init(0, &init) && !session.is_init(0, &init[1..]));
}

#[test]
fn wrong_settings_are_told_before_anything_is_opened() {
    let place = Place::new();
    for (args, words) in [
        ("live --part 2s", "--part 2s"),
        ("live --ingest rtsp://x", "--ingest rtsp://x"),
        ("live --ingest whip://0.0.0.0 --whip-external example.org", "--whip-external example.org"),
        ("live --whip-external 192.0.2.1", "--ingest whip://"),
        ("live --key stage=short", "--key of stage"),
        ("live --dvr 2d", "--dvr"),
        ("live --key Stage=long-enough-key", "Stage"),
        ("live --ingest srt://127.0.0.1:9000/nobody --key a=long-enough-key", "nobody"),
    ] {
        let output = place.run(args);
        assert_eq!(output.status.code(), Some(2), "{args}: {}", text(&output.stderr));
        assert!(text(&output.stderr).contains(words), "{args}: {}", text(&output.stderr));
    }
    let help = text(&place.run("live --help").stdout);
    for words in ["--ingest", "--key", "--dvr", "--record", "In OBS"] {
        assert!(help.contains(words), "{words} is not in {help}");
    }
}
