//! Writes the first corpus: valid inputs, small, the same every time. `cargo run --bin seeds` in `fuzz/`; needs ffmpeg for
//! the film seeds. What fuzzing adds is named by its hash and stays.

use braidcast_fuzz::{Film, gate, live, live_parts, rtmp_story};
use manifest::live::{Chain, Delegation, Entry, Head, Signer};
use manifest::{Kind, SecretKey, SegmentId, digest, text};
use std::collections::VecDeque;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;
use swarm::{Config, Input, Link, Output, Peer, PeerId, Player, Source, Time, Verdict, trace};
use wire::{Bits, Have, Hello, Message, Partial, Playing, Refusal, Run, Said, Seat, Signal, VERSION};

fn main() {
    let film = Film::new();
    put("manifest_index", "unsigned", &film.index.seal_unsigned());
    put("manifest_index", "signed", &film.index.seal(&SecretKey::from_seed([7; 32])));
    put("manifest_index", "cut", &film.index.seal_unsigned()[..60]);
    let said = b"WEBVTT\n\n00:01.000 --> 00:02.000\nGood evening\n\n";
    let signed = text::seal(said, &live::STREAM, "t0/1.vtt", &live::publisher());
    put("manifest_text", "signed", &signed);
    put("manifest_text", "other_name", &text::seal(said, &live::STREAM, "t0/2.vtt", &live::publisher()));
    put("manifest_text", "unsigned", said);
    put("manifest_text", "cut", &signed[..signed.len() - 1]);
    heads();
    for name in [
        "master.m3u8",
        "index.bci",
        "v0/init.mp4",
        "a1/17.m4s",
        "t0/subs.vtt",
        "v0/../key",
        "v00/1.m4s",
        "v0/01.m4s",
    ] {
        put("origin_names", &name.replace('/', "_"), name.as_bytes());
    }
    frames(&film);
    let (operations, traced) = story(&film);
    put("swarm_operations", "story", &operations);
    put("swarm_trace", "story", &traced);
    let (operations, traced) = live_story();
    put("swarm_live", "story", &operations);
    put("swarm_trace", "live", &traced);
    table();
    websocket();
    put("session_calls", "story", &session(&film));
    films();
    live_answers();
    for (name, bytes) in gate::seeds() {
        put("access_gate", name, &bytes);
    }
}

/// What clients of a tracker send: the first byte is the length of the pieces in which it comes.
fn websocket() {
    let frame = |first: u8, payload: &[u8]| {
        let len = match u8::try_from(payload.len()) {
            Ok(len) if len < 126 => vec![0x80 | len],
            _ => [&[0xfe][..], &(payload.len() as u16).to_be_bytes()].concat(),
        };
        let mask = [1, 2, 3, 250];
        let masked = payload.iter().zip(mask.iter().cycle()).map(|(byte, mask)| byte ^ mask);
        [&[first][..], &len, &mask, &masked.collect::<Vec<u8>>()].concat()
    };
    let parts = [
        frame(0x01, b"{\"a\":"),
        frame(0x89, b"here?"),
        frame(0x00, b"1"),
        frame(0x80, b"}"),
        frame(0x88, &[3, 232]),
    ];
    put("tracker_frames", "parts", &[&[5][..], &parts.concat()].concat());
    put("tracker_frames", "long", &[&[200][..], &frame(0x82, &[7; 900]), &frame(0x8a, b"")].concat());
    let many: Vec<u8> = (0..5).flat_map(|n| frame(u8::from(n == 0), b"x")).collect();
    put("tracker_frames", "fragments", &[&[255][..], &many].concat());
    put("tracker_frames", "claim", b"\x03\x81\xff\xff\xff\xff\xff\xff\xff\xff\xff\0\0\0\0");
    put("tracker_frames", "unmasked", b"\x03\x81\x02{}");
    put("tracker_frames", "reserved", b"\x03\xf1\x80\0\0\0\0");
}

/// Three answers of a live stream, the second a delta update, the third of another rendition.
fn live_answers() {
    let start = "#EXTM3U\n#EXT-X-VERSION:9\n#EXT-X-TARGETDURATION:2\n#EXT-X-SERVER-CONTROL:CAN-BLOCK-RELOAD=YES,\
                 PART-HOLD-BACK=3.0,HOLD-BACK=6.0,CAN-SKIP-UNTIL=12.0\n#EXT-X-PART-INF:PART-TARGET=1.0\n";
    let segment = |n: u32| {
        let date = format!("#EXT-X-PROGRAM-DATE-TIME:2026-01-31T12:00:{:02}.000Z\n", n * 2);
        let part = |p: u32| format!("#EXT-X-PART:DURATION=1.0,URI=\"part/{p}.m4s\",INDEPENDENT=YES\n");
        format!("{date}{}{}#EXTINF:2.0,\n{n}.m4s\n", part(2 * n - 1), part(2 * n))
    };
    let end = |n: u32| {
        let hint = format!("#EXT-X-PRELOAD-HINT:TYPE=PART,URI=\"part/{}.m4s\"\n", 2 * n + 1);
        format!("{hint}#EXT-X-RENDITION-REPORT:URI=\"../a0/media.m3u8\",LAST-MSN={n},LAST-PART=1\n")
    };
    let map = "#EXT-X-MEDIA-SEQUENCE:1\n#EXT-X-DISCONTINUITY-SEQUENCE:4\n#EXT-X-MAP:URI=\"init/1.mp4\"\n";
    let list = |range: std::ops::RangeInclusive<u32>| range.map(segment).collect::<String>();
    let whole = format!("{start}{map}{}{}", list(1..=8), end(8));
    let skip = "#EXT-X-MEDIA-SEQUENCE:1\n#EXT-X-DISCONTINUITY-SEQUENCE:4\n#EXT-X-SKIP:SKIPPED-SEGMENTS=3\n";
    let delta = format!("{start}{skip}{}#EXT-X-DISCONTINUITY\n{}{}", list(4..=8), list(9..=9), end(9));
    let other = format!("{start}{map}{}#EXT-X-ENDLIST\n", list(1..=9));
    put("cmaf_live", "answers", [whole, delta, other].join("\0").as_bytes());
}

fn put(target: &str, name: &str, bytes: &[u8]) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus").join(target);
    fs::create_dir_all(&folder).expect("the corpus folder can be made");
    fs::write(folder.join(name), bytes).expect("a seed can be written");
}

/// A stream that changes its key after four heads, once as it was signed and once as bare bodies to be signed.
fn heads() {
    let second = Delegation { epoch: 2, ..live::terms() };
    let sign = |terms: &Delegation, heads: std::ops::Range<u32>| {
        let bytes = terms.seal(&live::publisher());
        let mut chain = Chain::new(live::publisher().public(), live::STREAM, live::PIECE_LEN);
        chain.accept_delegation(live::START_MS, &bytes).expect("its time has come");
        let mut signer = Signer::new(chain, live::session(), 12_000).expect("its key is delegated");
        let sealed: Vec<Vec<u8>> = heads
            .map(|n| {
                let sequences = n.saturating_sub(1).max(1)..=n; // each entry stands in two heads
                let entry = |n| {
                    Entry::new(
                        SegmentId::new(0, n),
                        n * 2000,
                        2000,
                        &vec![n as u8; 9000 * n as usize],
                        live::PIECE_LEN,
                    )
                };
                let now_ms = live::START_MS + u64::from(n) * 300;
                signer.publish(now_ms, &[n.saturating_sub(2).max(1), 1], sequences.map(entry).collect())
            })
            .collect::<Result<_, _>>()
            .expect("viewers take them");
        (bytes, sealed)
    };
    let message =
        |what: u8, bytes: &[u8]| [&[what + 5 * 8][..], &(bytes.len() as u16).to_le_bytes(), bytes].concat();
    let ((_, old), (renewed, new)) = (sign(&live::terms(), 1..5), sign(&second, 4..7));
    let mut signed = Vec::new();
    let mut bodies = Vec::new();
    let mut following = Vec::new();
    for bytes in &old {
        signed.extend(message(0, bytes));
        bodies.extend(message(2, &bytes[69..]));
        following.extend(message(4, &bytes[69..]));
    }
    signed.extend(message(1, &renewed));
    bodies.extend(message(3, &renewed[69..]));
    following.extend(message(3, &renewed[69..]));
    for bytes in &new {
        signed.extend(message(0, bytes));
        bodies.extend(message(2, &bytes[69..]));
        following.extend(message(4, &bytes[69..]));
    }
    put("manifest_head", "signed", &signed);
    put("manifest_head", "bodies", &bodies);
    put("manifest_head", "following", &following);
    let mut other = Head::peek(&old[1]).expect("it can be read");
    other.entries.clear();
    let two = [message(0, &old[0]), message(0, &old[1]), message(0, &other.seal(&live::session()))];
    put("manifest_head", "equivocation", &two.concat());
    let gap = [message(0, &old[0]), message(0, &old[3]), message(0, &old[1]), message(0, &old[3])];
    put("manifest_head", "gap", &gap.concat());
}

fn messages(film: &Film) -> Vec<Message> {
    let segment = SegmentId::new(0, 1);
    let mut pieces = Bits::none(3);
    pieces.set(1);
    let runs =
        vec![Run { first: SegmentId::new(0, 2), count: 2 }, Run { first: SegmentId::new(1, 1), count: 4 }];
    vec![
        Message::Hello(Hello {
            version: VERSION,
            swarm: film.index.swarm_id(),
            upload_kbps: 5000,
            keeps: true,
        }),
        Message::Have(Have {
            whole: runs.clone(),
            partial: vec![Partial { segment, pieces }],
            gone: runs,
            fetching: vec![segment],
        }),
        Message::Playing(Playing { position_ms: 1000, window_end_ms: 16_000, video: 0, audio: 1 }),
        Message::Request { id: 1, segment, piece: 1, within_ms: 4000, leaves: true },
        Message::Cancel { id: 1 },
        Message::Refuse { id: 1, why: Refusal::Busy },
        Message::Seats(vec![Seat { stripe: 3, room: 2, path: vec![1, 2] }]),
        Message::Follow { stripes: 9 },
        Message::Feed { stripes: 1 },
        Message::Behind { head: 300 },
        Message::Meet { want: 6 },
        Message::Peers(vec![[b'b'; 20], [b'c'; 20]]),
        Message::Carry(signal(Said::Offer("v=0".into()))),
        Message::Carried(signal(Said::Answer("v=0".into()))),
        Message::Carried(signal(Said::Nobody)),
        Message::Goodbye,
    ]
}

fn signal(what: Said) -> Signal {
    Signal { peer: [b'a'; 20], offer_id: [b'o'; 20], what }
}

fn frames(film: &Film) {
    let mut all = Vec::new();
    for message in messages(film) {
        wire::put_message(&mut all, &message);
    }
    put("wire_frames", "messages", &all);
    let segment = SegmentId::new(1, 4);
    let mut media = Vec::new();
    let bytes = film.segment(segment).expect("the film has it");
    wire::put_leaves(&mut media, segment, &digest::leaves(bytes, film.index.piece_len));
    wire::put_piece(&mut media, 3, segment, 0, bytes);
    put("wire_frames", "media", &media);
}

/// Two viewers of the film, one link, one origin: what the first is told, as operations and as a recorded trace.
fn story(film: &Film) -> (Vec<u8>, Vec<u8>) {
    let ids = [PeerId([b'm'; 20]), PeerId([b'a'; 20])];
    let config = Config::default();
    let mut peers = ids.map(|id| Peer::new(id, config.clone(), 7));
    let mut operations = Vec::new();
    let mut recorder = trace::Recorder::new(ids[0], &config, 7);
    let mut now = Time(0);
    // `swarm_operations` tells the first three of these by itself.
    let mut queue: VecDeque<(usize, Input<'_>, bool)> = VecDeque::new();
    for who in [0, 1] {
        queue.push_back((who, Input::Film(&film.index), true));
        let start =
            Player { position: Duration::ZERO, buffered: Duration::ZERO, playing: true, rate_permille: 1000 };
        queue.push_back((who, Input::Player(start), true));
        queue.push_back((who, Input::LinkUp { link: Link(0), peer: ids[1 - who], dialled: who == 0 }, true));
        queue.push_back((who, Input::LinkRoom { link: Link(0), room: 128 * 1024 }, false));
    }
    for sequence in 1..=4 {
        for (who, rendition) in [(1, 0), (1, 1), (0, 0), (0, 1)] {
            queue.push_back((who, Input::Want(SegmentId::new(rendition, sequence)), false));
        }
        queue.push_back((0, Input::Wake, false));
        queue.push_back((1, Input::Wake, false));
    }
    queue.push_back((0, Input::Sharing(None), false));
    queue.push_back((0, Input::LinkDown(Link(0)), false));

    let mut calls = 0;
    while let Some((who, input, given)) = queue.pop_front() {
        calls += 1;
        if calls > 400 {
            break;
        }
        now = now + Duration::from_millis(40);
        let mut outputs = Vec::new();
        peers[who].handle(now, input.clone(), &mut outputs);
        if who == 0 {
            recorder.record(now, &input, &outputs);
            if !given {
                wire::put_varint(&mut operations, 40);
                trace::put_input(&mut operations, &input);
            }
        }
        for output in outputs.into_iter().rev() {
            let arrived =
                |segment, piece, from| Input::Arrived { segment, piece, from, verdict: Verdict::Verified };
            match output {
                Output::Send(link, message) => {
                    queue.push_front((1 - who, Input::Message(link, message), false))
                }
                Output::SendPiece { link, segment, piece, .. } => {
                    queue.push_front((1 - who, arrived(segment, piece, Source::Peer(link)), false));
                }
                Output::Fetch { segment, first, end } => {
                    queue.push_front((who, Input::FetchEnded { segment, complete: true }, false));
                    for piece in (first..end).rev() {
                        queue.push_front((who, arrived(segment, piece, Source::Origin), false));
                    }
                }
                _ => {}
            }
        }
    }
    (operations, recorder.bytes().to_vec())
}

/// A viewer of a live stream who follows one neighbour and is followed by another: as operations, which begin with all that
/// `swarm_live` does not tell by itself, and as a recorded trace.
fn live_story() -> (Vec<u8>, Vec<u8>) {
    let (me, config) = (PeerId([b'm'; 20]), Config::default());
    let mut peer = Peer::new(me, config.clone(), 7);
    let mut recorder = trace::Recorder::new(me, &config, 7);
    let mut operations = Vec::new();
    let mut now = Time(0);
    let mut tell = |ms: u32, input: Input<'_>, given: bool| {
        now = now + Duration::from_millis(u64::from(ms));
        let mut outputs = Vec::new();
        peer.handle(now, input.clone(), &mut outputs);
        recorder.record(now, &input, &outputs);
        if !given {
            wire::put_varint(&mut operations, ms);
            trace::put_input(&mut operations, &input);
        }
    };
    let kinds = [Kind::Video, Kind::Audio];
    tell(1, Input::Live { swarm: live::STREAM, piece_len: 16 * 1024, kinds: &kinds }, true);
    tell(1, Input::Head { from: Source::Origin, number: 5, parts: &live_parts(1..=5) }, true);
    let player =
        Player { position: Duration::ZERO, buffered: Duration::ZERO, playing: true, rate_permille: 1000 };
    tell(1, Input::Player(player), true);
    tell(1, Input::Audience(2), false);
    for (link, peer) in [(Link(0), PeerId([b'a'; 20])), (Link(1), PeerId([b'b'; 20]))] {
        tell(1, Input::LinkUp { link, peer, dialled: link == Link(0) }, true);
        tell(1, Input::LinkRoom { link, room: 128 * 1024 }, false);
        let hello = Hello { version: VERSION, swarm: live::STREAM, upload_kbps: 9000, keeps: false };
        let playing = Playing { position_ms: 0, window_end_ms: 40_000, video: 0, audio: 1 };
        tell(5, Input::Message(link, Message::Hello(hello)), false);
        tell(0, Input::Message(link, Message::Playing(playing)), false);
    }
    let seats = (0..4).map(|stripe| Seat { stripe, room: 3, path: vec![9, 8] }).collect();
    tell(20, Input::Message(Link(0), Message::Seats(seats)), false);
    for rendition in [0, 1] {
        tell(9, Input::Want(SegmentId::new(rendition, 5)), false);
    }
    tell(300, Input::Wake, false);
    tell(40, Input::Message(Link(0), Message::Feed { stripes: 0x0f }), false);
    tell(40, Input::Message(Link(1), Message::Follow { stripes: 0x0f }), false);
    for number in 6..10 {
        let from = Source::Peer(Link(0));
        tell(200, Input::Head { from, number, parts: &live_parts(number..=number) }, false);
        let pieces = (0..7).map(|piece| (SegmentId::new(0, number), piece));
        for (segment, piece) in pieces.chain([(SegmentId::new(1, number), 0)]) {
            tell(9, Input::Arrived { segment, piece, from, verdict: Verdict::Verified }, false);
        }
        tell(50, Input::Want(SegmentId::new(0, number)), false);
    }
    let from = Source::Peer(Link(0));
    tell(40, Input::Head { from, number: 20, parts: &live_parts(20..=20) }, false);
    tell(40, Input::Message(Link(1), Message::Behind { head: 2 }), false);
    let own = vec![Seat { stripe: 1, room: 0, path: vec![7; 16] }];
    tell(40, Input::Message(Link(0), Message::Seats(own)), false);
    tell(40, Input::LinkDown(Link(0)), false);
    tell(3500, Input::Wake, false);
    tell(2500, Input::Head { from: Source::Origin, number: 400, parts: &live_parts(395..=400) }, false);
    tell(40, Input::Sharing(None), false);
    (operations, recorder.bytes().to_vec())
}

fn table() {
    let announce = |peer: &str, rest: &str| {
        format!(
            r#"{{"action":"announce","info_hash":"aaaaaaaaaaaaaaaaaaaa","peer_id":"-BC0001-00000000000{peer}"{rest}}}"#
        )
    };
    let print = ["AB"; 32].join(":");
    let sdp = format!(
        r"v=0\r\nm=application 9 UDP/DTLS/SCTP webrtc-datachannel\r\na=candidate:1 1 udp 1 127.0.0.1 5000 typ host\r\na=ice-ufrag:ufrg\r\na=ice-pwd:a/password+of/22/chars\r\na=fingerprint:sha-256 {print}\r\na=setup:actpass\r\na=mid:0\r\n"
    );
    let offer = format!(
        r#","numwant":1,"offers":[{{"offer_id":"oooooooooooooooooooo","offer":{{"type":"offer","sdp":"{sdp}"}}}}]"#
    );
    let answer = format!(
        r#","to_peer_id":"-BC0001-000000000001","offer_id":"oooooooooooooooooooo","answer":{{"type":"answer","sdp":"{sdp}"}}"#
    );
    let directed = format!(
        r#","to_peer_id":"-BC0001-000000000001","offer_id":"pppppppppppppppppppp","offer":{{"type":"offer","sdp":"{sdp}"}}"#
    );
    let lines = [
        "0+".to_owned(),
        "1+".to_owned(),
        format!("0m{}", announce("1", r#","event":"started","left":0"#)),
        format!("1m{}", announce("2", &offer)),
        format!("0m{}", announce("2", &answer)),
        format!("1m{}", announce("2", r#","want":20"#)),
        format!("1m{}", announce("2", &directed)),
        r#"1m{"action":"scrape","info_hash":"aaaaaaaaaaaaaaaaaaaa"}"#.to_owned(),
        format!("0m{}", announce("1", r#","event":"stopped""#)),
        "0t~".to_owned(),
        "1-".to_owned(),
    ];
    for (name, sdp) in [
        ("chromium", include_str!("../../../crates/rendezvous/tests/descriptions/chromium.sdp")),
        ("chromium-2018", include_str!("../../../crates/rendezvous/tests/descriptions/chromium-2018.sdp")),
        ("firefox", include_str!("../../../crates/rendezvous/tests/descriptions/firefox.sdp")),
        ("libdatachannel", include_str!("../../../crates/rendezvous/tests/descriptions/libdatachannel.sdp")),
        ("str0m", include_str!("../../../crates/rendezvous/tests/descriptions/str0m.sdp")),
    ] {
        // Seen at one public address, for somebody at another.
        put("rendezvous_sdp", name, &[&[2, 3], sdp.as_bytes()].concat());
    }
    put("rendezvous_table", "story", lines.join("\n").as_bytes());
    put("rendezvous_table", "broken", b"0+\n0m{\"action\":\"announce\",\"info_hash\":[]}\n0m{\n0m\xff");
}

/// Calls in the bytes of `session_calls`: a want, a link, messages, a forged and a real piece, the origin.
fn session(film: &Film) -> Vec<u8> {
    let mut bytes = vec![4, 1, 0, 1, 1, 1, 0, 1];
    for message in messages(film) {
        let mut frame = Vec::new();
        wire::put_message(&mut frame, &message);
        bytes.extend([6, 1, 0]);
        wire::put_varint(&mut bytes, frame.len() as u32);
        bytes.extend(frame);
    }
    for id in 0..4 {
        bytes.extend([0, 60, 7, 1, 0, 0, 1, 0, id, 0, 7, 1, 0, 0, 1, 1, id, 1]);
    }
    bytes.extend([
        8, 1, 0, 1, 0, 0, 8, 1, 0, 1, 1, 0, 8, 1, 0, 1, 2, 0, 9, 1, 0, 1, 1, 0, 14, 1, 3, 9, 2, 1, 0, 11, 1,
        0, 2, 0, 11, 1, 0, 3, 1, 12, 1, 0, 2, 13, 1, 1, 5,
    ]);
    bytes
}

/// The smallest films that ffmpeg makes, and playlists.
fn films() {
    let folder = std::env::temp_dir().join(format!("braidcast-seeds-{}", std::process::id()));
    fs::create_dir_all(&folder).expect("a scratch folder can be made");
    let make = |name: &str, options: &[&str]| -> PathBuf {
        let path = folder.join(name);
        let video = ["-f", "lavfi", "-i", "color=size=32x32:rate=5:duration=0.6"];
        let audio = ["-f", "lavfi", "-i", "anullsrc=r=48000:cl=mono:d=0.1"];
        let status = Command::new("ffmpeg")
            .args(["-nostdin", "-v", "error", "-y", "-fflags", "+bitexact"])
            .args(video)
            .args(audio)
            .args([
                "-c:v",
                "libx264",
                "-x264-params",
                "bframes=1:no-info=1:keyint=2",
                "-c:a",
                "aac",
                "-b:a",
                "16k",
            ])
            .args(["-flags:v", "+bitexact", "-flags:a", "+bitexact"])
            .args(options)
            .arg(&path)
            .status()
            .expect("ffmpeg starts");
        assert!(status.success(), "ffmpeg failed");
        path
    };
    let read = |path: PathBuf| fs::read(path).expect("ffmpeg wrote it");
    put("cmaf_demux", "film", &read(make("film.mp4", &[])));
    put("cmaf_demux", "moov-first", &read(make("fast.mp4", &["-movflags", "+faststart"])));
    put("cmaf_demux", "sound", &read(make("sound.mp4", &["-vn"])));
    let cmaf = "+cmaf+frag_keyframe+empty_moov+default_base_moof+skip_trailer+delay_moov";
    let video = read(make("video.cmfv", &["-an", "-movflags", cmaf, "-f", "mp4"]));
    let sound = read(make("sound.cmfa", &["-vn", "-movflags", cmaf, "-f", "mp4"]));
    let flv = read(make(
        "film.flv",
        &["-flvflags", "no_duration_filesize", "-bsf:v", "filter_units=remove_types=6"],
    ));
    put("live_flv", "film", &flv);
    put("live_rtmp", "story", &rtmp_story(&flv));
    put("live_pull", "video", &video);
    put("live_pull", "stream", &read(make("film.ts", &["-f", "mpegts"])));
    put(
        "live_pull",
        "master",
        b"#EXTM3U\n#EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID=\"a\",NAME=\"x\",LANGUAGE=\"fi\",DEFAULT=YES,URI=\"a.m3u8\"\n#EXT-X-STREAM-INF:BANDWIDTH=400000,CODECS=\"avc1.640015,mp4a.40.2\",AUDIO=\"a\"\nv.m3u8\n",
    );
    put(
        "live_pull",
        "media",
        b"#EXTM3U\n#EXT-X-TARGETDURATION:4\n#EXT-X-MEDIA-SEQUENCE:7\n#EXT-X-KEY:METHOD=NONE\n#EXT-X-MAP:URI=\"i.mp4\",BYTERANGE=\"9@0\"\n#EXTINF:4,\n#EXT-X-BYTERANGE:5@9\n1.m4s\n#EXT-X-DISCONTINUITY\n#EXT-X-GAP\n#EXTINF:4,\n2.m4s\n",
    );
    put(
        "live_pull",
        "captions",
        b"WEBVTT\nX-TIMESTAMP-MAP=LOCAL:00:00:01.000,MPEGTS:900000\n\nSTYLE\n::cue { color: lime }\n\nNOTE no cue\n\n7\n00:01.000 --> 00:02.500 line:0\n<i>Hello</i>\nthere\n\n100:00:00.000 --> 100:00:01.000\nLater\n",
    );
    put(
        "live_pull",
        "mpd",
        b"<MPD type=\"dynamic\" availabilityStartTime=\"2026-01-01T00:00:00Z\"><Period start=\"PT0S\"><AdaptationSet mimeType=\"video/mp4\"><SegmentTemplate timescale=\"10\" initialization=\"$RepresentationID$\" media=\"$Number%03d$\"><SegmentTimeline><S t=\"0\" d=\"20\" r=\"3\"/></SegmentTimeline></SegmentTemplate><Representation id=\"v\" bandwidth=\"1\" codecs=\"avc1.640015\"/></AdaptationSet><AdaptationSet contentType=\"audio\"><SegmentTemplate duration=\"2\" initialization=\"i\" media=\"$Number$\"/><Representation id=\"a\"/></AdaptationSet></Period></MPD>",
    );
    put("cmaf_ingest", "video", &video);
    put("cmaf_ingest", "sound", &sound);
    put("cmaf_progressive", "video", &video);
    put("cmaf_progressive", "sound", &sound);
    put("cmaf_check", "fragments", &video);
    put(
        "cmaf_check",
        "master",
        b"#EXTM3U\n#EXT-X-VERSION:7\n#EXT-X-INDEPENDENT-SEGMENTS\n#EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID=\"a\",NAME=\"x\",DEFAULT=YES,URI=\"a0/media.m3u8\"\n#EXT-X-STREAM-INF:BANDWIDTH=400000,AVERAGE-BANDWIDTH=300000,CODECS=\"avc1.640015,mp4a.40.2\",RESOLUTION=480x270,FRAME-RATE=24.000,AUDIO=\"a\"\nv0/media.m3u8\n",
    );
    put(
        "cmaf_check",
        "media",
        b"#EXTM3U\n#EXT-X-VERSION:7\n#EXT-X-TARGETDURATION:4\n#EXT-X-MEDIA-SEQUENCE:1\n#EXT-X-PLAYLIST-TYPE:VOD\n#EXT-X-MAP:URI=\"init.mp4\"\n#EXTINF:4.000000,\n1.m4s\n#EXT-X-ENDLIST\n",
    );
    put(
        "cmaf_check",
        "mpd",
        br#"<?xml version="1.0"?><MPD xmlns="urn:mpeg:dash:schema:mpd:2011" type="static" mediaPresentationDuration="PT8S"><Period><AdaptationSet mimeType="video/mp4"><SegmentTemplate timescale="1000" media="$RepresentationID$/$Number$.m4s" initialization="$RepresentationID$/init.mp4" startNumber="1"><SegmentTimeline><S t="0" d="4000" r="1"/></SegmentTimeline></SegmentTemplate><Representation id="v0" bandwidth="400000" codecs="avc1.640015"/></AdaptationSet></Period></MPD>"#,
    );
    let _ = fs::remove_dir_all(&folder);
}
