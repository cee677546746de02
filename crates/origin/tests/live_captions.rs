//! Captions of streams that are pulled: ffmpeg's, and what goes wrong with somebody else's.

mod common;

use bytes::Bytes;
use cmaf::Kind;
use cmaf::ingest::{Event, FragmentReader};
use cmaf::webvtt::{self, Cue, TimestampMap};
use common::live::{HANG, Publisher, config, film, passthrough};
use common::secret;
use common::stage::{Theatre, Viewer, short, until};
use common::upstream::{Growing, Reel, Upstream};
use manifest::live::Description;
use manifest::text::{self, TextRefused};
use manifest::{Index, PublicKey};
use origin::live::{ChannelConfig, Config, PullConfig};
use std::collections::BTreeMap;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};
use tempfile::TempDir;
use tokio::time::sleep;

fn pulling(url: &str) -> Config {
    let pull = PullConfig::parse(&format!("pulled={url}"), true).unwrap();
    Config { pulls: vec![pull], ..config(passthrough()) }
}

/// ffmpeg's HLS of a film with a caption each second. MPEG-TS begins at 1.4 s unless it is told otherwise, which ffmpeg's captions do not know.
fn publish(upstream: &Upstream, (film, seconds): (&Path, u32), temp: &TempDir, kind: &str) -> Publisher {
    let caption = |at: u32| format!("{at}\n00:00:{at:02},000 --> 00:00:{at:02},900\nsecond {at}\n\n");
    let subs = temp.path().join("subs.srt");
    std::fs::write(&subs, (0..seconds).map(caption).collect::<String>()).unwrap();
    let child = Command::new("ffmpeg")
        .args("-hide_banner -loglevel error -nostdin -re -i".split(' '))
        .arg(film)
        .arg("-i")
        .arg(subs)
        .args(
            "-map 0:v -map 0:a -map 1:s -c:v copy -c:a copy -c:s webvtt -muxdelay 0 -muxpreload 0".split(' '),
        )
        .args(
            "-f hls -hls_time 1 -hls_list_size 5 -hls_flags temp_file -master_pl_name master.m3u8".split(' '),
        )
        .args(["-hls_segment_type", kind])
        .args(["-var_stream_map", "v:0,a:0,s:0,sgroup:subs,language:fi,name:x", "%v.m3u8"])
        .current_dir(upstream.path(""))
        .stdin(Stdio::null())
        .stderr(Stdio::piped())
        .spawn();
    Publisher(child.expect("ffmpeg is installed"))
}

/// Waits until all lists of [`publish`] are there.
async fn begun(upstream: &Upstream) {
    for list in ["x.m3u8", "x_vtt.m3u8", "master.m3u8"] {
        let path = upstream.path(list);
        until("a list", || std::fs::metadata(&path).ok()).await;
    }
}

/// A text of captions, and the segment of media that it is of.
struct Shown {
    segment: String,
    starts: Duration,
    ends: Duration,
    cues: Vec<Cue>,
}

/// Whom viewers trust, and the stream as its signed description names it.
async fn trusted(viewer: &Viewer) -> (PublicKey, [u8; 20]) {
    let key = secret().public();
    let description = Description::open(&viewer.ok("live.bcs").await.body, Some(&key)).unwrap();
    (key, description.stream())
}

/// Reads captions that are over, text by text, each signed under its name; the media playlist of them says the same as that of the pictures.
async fn read(viewer: &Viewer, captions: &str) -> Vec<Shown> {
    let same = |text: &str| -> Vec<String> {
        let said = ["#EXTINF", "#EXT-X-DISCONTINUITY", "#EXT-X-MEDIA-SEQUENCE", "#EXT-X-PROGRAM-DATE-TIME"];
        text.lines().filter(|line| said.iter().any(|tag| line.starts_with(tag))).map(str::to_owned).collect()
    };
    let list = viewer.ok(&format!("{captions}/media.m3u8")).await.text();
    let pictures = viewer.ok("v0/media.m3u8?parts=no").await.text();
    assert_eq!(same(&list), same(&pictures));
    assert!(list.contains("#EXT-X-ENDLIST"), "{list}");
    let (key, stream) = trusted(viewer).await;
    let mut shown = Vec::new();
    for segment in list.lines().filter(|line| !line.starts_with('#')) {
        let answer = viewer.ok(&format!("{captions}/{segment}")).await;
        assert_eq!(answer.headers["content-type"], "text/vtt; charset=utf-8");
        assert!(answer.headers["cache-control"].contains("immutable"));
        let text = webvtt::read(&answer.body).unwrap();
        assert_eq!(text.map, Some(TimestampMap { mpegts: 90, local: Duration::from_millis(1) }));
        // When it plays, from the media itself.
        let (number, query) = segment.split_once(".vtt").unwrap();
        let open = |name: &str| text::open(&answer.body, &stream, name, &key);
        assert!(open(&format!("{captions}/{number}.vtt")).is_ok());
        assert_eq!(open(&format!("{captions}/{number}0.vtt")), Err(TextRefused::BadSignature));
        let media = viewer.ok(&format!("v0/{number}.m4s{query}")).await.body;
        let init = viewer.ok("v0/init/1.mp4").await.body;
        let (starts, ends) = span(&init, &media);
        shown.push(Shown { segment: number.to_owned(), starts, ends, cues: text.cues });
    }
    shown
}

/// From when to when a segment of pictures plays.
fn span(init: &[u8], media: &[u8]) -> (Duration, Duration) {
    let mut reader = FragmentReader::default();
    let (mut scale, mut times) = (0, Vec::new());
    for event in [init, media].into_iter().flat_map(|bytes| reader.push(bytes).unwrap()) {
        match event {
            Event::Track(track) => scale = track.timescale,
            Event::Sample(sample) => times.extend([sample.dts, sample.dts + u64::from(sample.duration)]),
        }
    }
    let time = |ticks: u64| cmaf::ticks_to_duration(ticks, scale);
    (time(times[0]), time(times[times.len() - 1]))
}

/// Each cue that is shown while a segment plays is in the text of that segment, with the same times in all. Gives when each begins.
fn whole(shown: &[Shown]) -> BTreeMap<String, Duration> {
    let mut all: BTreeMap<String, Cue> = BTreeMap::new();
    for cue in shown.iter().flat_map(|text| &text.cues) {
        assert_eq!(all.entry(cue.text.clone()).or_insert_with(|| cue.clone()), cue, "one cue is one");
    }
    for text in shown {
        for cue in all.values().filter(|cue| cue.start < text.ends && cue.end > text.starts) {
            assert!(text.cues.contains(cue), "{} lacks {cue:?}", text.segment);
        }
    }
    all.into_iter().map(|(text, cue)| (text, cue.start)).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn captions_of_ffmpeg_come_out_when_they_are_said() {
    let temp = tempfile::tempdir().unwrap();
    let film = film(&temp, 8, "film.mp4");
    for kind in ["fmp4", "mpegts"] {
        let upstream = Upstream::open();
        let publisher = publish(&upstream, (&film, 8), &temp, kind);
        begun(&upstream).await;
        let recorded = ChannelConfig { record: true, ..short() };
        let mut theatre = Theatre::with(recorded, pulling(&upstream.url("master.m3u8"))).await;
        let channel = theatre.channel("pulled").await;
        let viewer = theatre.viewer("pulled");
        let master = viewer.ok("master.m3u8").await.text();
        let line = "TYPE=SUBTITLES,GROUP-ID=\"subtitles\",NAME=\"subtitle_0\",LANGUAGE=\"fi\",DEFAULT=YES,AUTOSELECT=YES,URI=\"t0/media.m3u8\"";
        assert!(master.contains(line) && master.contains(",SUBTITLES=\"subtitles\""), "{master}");
        assert!(publisher.end().await.0);
        until("its end", || channel.is_over().then_some(())).await;
        let shown = read(&viewer, "t0").await;
        assert_eq!(shown.len(), 8, "segments");
        let said = whole(&shown);
        assert_eq!(said.len(), 8, "{said:?}");
        for (at, text) in shown.iter().enumerate() {
            let begins = said[&format!("second {at}")];
            assert!(
                begins.abs_diff(text.starts) < Duration::from_millis(100), // ffmpeg shows reordered pictures two frames late
                "{kind} {at}: {begins:?} {:?}",
                text.starts
            );
        }
        let texts = upstream.served(".vtt");
        assert!(texts.len() == 8 && texts.values().all(|&count| count == 1), "{texts:?}");
        assert_eq!(viewer.get("t1/media.m3u8").await.status, 404);
        let film = theatre.shows.recv().await.unwrap().films[0].to_string();
        let recorded = theatre.viewer(&film);
        assert!(recorded.ok("master.m3u8").await.text().contains("LANGUAGE=\"fi\""));
        let subtitles = recorded.ok("t0/subs.vtt").await.body;
        let key = secret().public();
        let index = Index::open(&recorded.ok("index.bci").await.body, Some(&key)).unwrap();
        assert!(text::open(&subtitles, &index.swarm_id(), "t0/subs.vtt", &key).is_ok());
        let text = webvtt::read(&subtitles).unwrap();
        let times: Vec<_> = text.cues.iter().map(|cue| (cue.text.clone(), cue.start)).collect();
        let live = |at: usize| (format!("second {at}"), said[&format!("second {at}")]);
        assert_eq!(times, (0..8).map(live).collect::<Vec<_>>());
        assert_eq!(viewer.get("t0/99.vtt").await.status, 404);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn captions_that_fail_come_late_or_begin_anew_leave_the_media_alone() {
    let temp = tempfile::tempdir().unwrap();
    let reels = |film: &std::path::Path| [Kind::Video, Kind::Audio].map(|kind| Reel::of(film, kind));
    let film = reels(&film(&temp, 8, "film.mp4"));
    let upstream = Upstream::open();
    upstream.write(
        "master.m3u8",
        b"#EXTM3U\n#EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID=\"a\",NAME=\"a\",DEFAULT=YES,URI=\"a.m3u8\"\n\
          #EXT-X-MEDIA:TYPE=SUBTITLES,GROUP-ID=\"s\",NAME=\"Suomi\",LANGUAGE=\"fi\",DEFAULT=NO,AUTOSELECT=YES,FORCED=YES,URI=\"s.m3u8\"\n\
          #EXT-X-MEDIA:TYPE=SUBTITLES,GROUP-ID=\"s\",NAME=\"English\",LANGUAGE=\"en\",CHARACTERISTICS=\"public.easy-to-read\",URI=\"none.m3u8\"\n\
          #EXT-X-STREAM-INF:BANDWIDTH=1000000,AUDIO=\"a\",SUBTITLES=\"s\"\nv.m3u8\n",
    );
    let mut lists = [Growing::new("v"), Growing::new("a")];
    let mut texts = String::new();
    let mut push = |segment: usize| {
        let again = segment >= 7;
        let tag = if segment == 7 { "#EXT-X-DISCONTINUITY\n" } else { "" };
        // After the discontinuity the same film, at the same times.
        let (name, at) = if again { ("y", segment - 7) } else { ("x", segment) };
        for (list, reel) in lists.iter_mut().zip(&film) {
            list.push(&upstream, (name, reel), at, tag);
        }
        let file = format!("s{segment}.vtt");
        // What is said before a discontinuity is not shown after it.
        let ends = if segment == 6 { "00:00:06.900".into() } else { format!("00:00:{:02}.300", at + 1) };
        let text = format!(
            "WEBVTT\nX-TIMESTAMP-MAP=LOCAL:00:00:{at:02}.000,MPEGTS:{}\n\nSTYLE\n::cue {{ color: lime }}\n\n\
             00:00:{at:02}.100 --> {ends} line:0\nsaid {segment}\n",
            at * 90_000
        );
        match segment {
            2 => {} // it is not there
            3 => upstream.write(&file, &vec![b'x'; 300 << 10]),
            4 => upstream.write(&file, b"\x47 none of captions"),
            _ => upstream.write(&file, text.as_bytes()),
        }
        texts += &format!("{tag}#EXTINF:1.0,\n{file}\n");
        let head = "#EXTM3U\n#EXT-X-VERSION:7\n#EXT-X-TARGETDURATION:1\n#EXT-X-MEDIA-SEQUENCE:0\n";
        upstream.write("s.m3u8", format!("{head}{texts}").as_bytes());
        lists.iter_mut().filter(|_| segment == 10).for_each(|list| list.end(&upstream));
    };
    (0..3).for_each(&mut push);
    let theatre = Theatre::with(short(), pulling(&upstream.url("master.m3u8"))).await;
    let channel = theatre.channel("pulled").await;
    let viewer = theatre.viewer("pulled");
    let feeding = async {
        for segment in 3..11 {
            sleep(Duration::from_secs(1)).await;
            push(segment);
        }
    };
    // Finds nothing wrong with the media.
    tokio::join!(viewer.follow(["v0", "a0"]), feeding);
    until("its end", || channel.is_over().then_some(())).await;
    let master = viewer.ok("master.m3u8").await.text();
    for line in [
        "NAME=\"Suomi\",LANGUAGE=\"fi\",DEFAULT=NO,AUTOSELECT=YES,FORCED=YES,URI=\"t0/media.m3u8\"",
        "NAME=\"English\",LANGUAGE=\"en\",DEFAULT=NO,AUTOSELECT=YES,CHARACTERISTICS=\"public.easy-to-read\",URI=\"t1/media.m3u8\"",
    ] {
        assert!(master.contains(line), "{master}");
    }
    let shown = read(&viewer, "t0").await;
    assert_eq!(shown.len(), 11);
    let said = whole(&shown);
    let names: Vec<&str> = said.keys().map(String::as_str).collect();
    assert_eq!(names, ["said 0", "said 1", "said 10", "said 5", "said 6", "said 7", "said 8", "said 9"]);
    for (at, text) in shown.iter().enumerate().filter(|(at, _)| ![2, 3, 4].contains(at)) {
        let begins = said[&format!("said {at}")];
        let since = begins.saturating_sub(text.starts);
        assert!(since > Duration::from_millis(40) && since < Duration::from_millis(160), "{at}: {since:?}");
    }
    let one = viewer.ok("t0/2.vtt").await.text();
    assert!(one.contains("STYLE\n::cue { color: lime }\n\n") && one.contains(" line:0\n"), "{one}");
    assert!(read(&viewer, "t1").await.iter().all(|text| text.cues.is_empty()));
}

/// Of each text that is listed now: the first picture of its segment, and when cues of it begin after that.
async fn listed(viewer: &Viewer) -> Vec<(Bytes, BTreeMap<String, i128>)> {
    let list = viewer.ok("t0/media.m3u8").await.text();
    let init = viewer.ok("v0/init/1.mp4").await.body;
    let mut all = Vec::new();
    for segment in list.lines().filter(|line| !line.starts_with('#')) {
        let text = webvtt::read(&viewer.ok(&format!("t0/{segment}")).await.body).unwrap();
        let (number, query) = segment.split_once(".vtt").unwrap();
        let media = viewer.ok(&format!("v0/{number}.m4s{query}")).await.body;
        let (starts, _) = span(&init, &media);
        let since = |cue: &Cue| cue.start.as_millis() as i128 - starts.as_millis() as i128;
        let cues = text.cues.iter().map(|cue| (cue.text.clone(), since(cue))).collect();
        all.push((first(&init, &media), cues));
    }
    all
}

fn first(init: &[u8], media: &[u8]) -> Bytes {
    let mut reader = FragmentReader::default();
    let mut events = [init, media].into_iter().flat_map(|bytes| reader.push(bytes).unwrap());
    let sample = |event| if let Event::Sample(sample) = event { Some(sample.data) } else { None };
    events.find_map(sample).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn captions_go_out_as_dash_and_come_in_again() {
    let temp = tempfile::tempdir().unwrap();
    let film = film(&temp, 16, "film.mp4");
    let upstream = Upstream::open();
    let _publisher = publish(&upstream, (&film, 16), &temp, "fmp4");
    begun(&upstream).await;
    let theatre = Theatre::with(short(), pulling(&upstream.url("master.m3u8"))).await;
    theatre.channel("pulled").await;
    let viewer = theatre.viewer("pulled");
    let mpd = viewer.ok("manifest.mpd").await.text();
    assert!(mpd.contains("contentType=\"text\" mimeType=\"text/vtt\" lang=\"fi\""), "{mpd}");
    let url = format!("http://{}/s/pulled/manifest.mpd", theatre.address);
    let second = Theatre::with(short(), pulling(&url)).await;
    second.channel("pulled").await;
    let other = second.viewer("pulled");
    assert!(other.ok("master.m3u8").await.text().contains("NAME=\"subtitle_0\",LANGUAGE=\"fi\""));
    let begun = Instant::now();
    let there = loop {
        let there = listed(&other).await;
        if there.iter().filter(|(_, cues)| !cues.is_empty()).count() >= 3 {
            break there;
        }
        assert!(begun.elapsed() < HANG, "no captions come: {there:?}");
        sleep(Duration::from_millis(200)).await;
    };
    let here: BTreeMap<Bytes, BTreeMap<String, i128>> = listed(&viewer).await.into_iter().collect();
    let mut same = 0;
    for (picture, cues) in &there {
        for (text, since) in cues {
            let Some(expected) = here[picture].get(text) else { continue };
            assert!((since - expected).abs() <= 2, "{text}: {since} ms, {expected} ms before");
            same += 1;
        }
    }
    assert!(same >= 3, "{there:?} {here:?}");
    // The text of a segment that is not whole yet is waited for.
    let next = loop {
        let list = viewer.ok("v0/media.m3u8").await.text();
        let (before, grows) = list.rsplit_once("#EXTINF").unwrap();
        if grows.contains("#EXT-X-PART:") {
            // They are numbered from 1.
            break before.matches("#EXTINF").count() + 2;
        }
        assert!(!list.contains("#EXT-X-ENDLIST"), "{list}");
        sleep(Duration::from_millis(20)).await;
    };
    assert_eq!(viewer.get(&format!("t0/{next}.vtt")).await.status, 200);
    assert_eq!(viewer.get(&format!("t1/{next}.vtt")).await.status, 404);
}
