//! Streams of others that are left where they are: only what is said of them comes from here.

mod common;

use cmaf::Kind;
use common::live::{config, film, passthrough};
use common::stage::{Believer, List, Theatre, short, until};
use common::upstream::{Growing, Reel, Upstream};
use origin::live::{Config, PullConfig};
use origin::slug::Slug;
use std::path::Path;
use std::process::Command;
use std::time::Duration;
use tokio::time::sleep;

fn indexing(upstream: &Upstream, playlist: &str) -> Config {
    let pull = PullConfig::parse(&format!("pulled={}", upstream.url(playlist)), true).unwrap();
    let pull = PullConfig { index_only: true, ..pull };
    Config { pulls: vec![pull], ..config(passthrough()) }
}

fn reels(film: &Path) -> [Reel; 2] {
    [Kind::Video, Kind::Audio].map(|kind| Reel::of(film, kind))
}

#[tokio::test(flavor = "multi_thread")]
async fn viewers_are_told_of_segments_and_get_them_where_they_were_published() {
    let temp = tempfile::tempdir().unwrap();
    let first = reels(&film(&temp, 8, "first.mp4"));
    let second = reels(&common::clip(
        temp.path(),
        "-f lavfi -i testsrc=size=320x180:rate=25:duration=4 -f lavfi -i sine=frequency=880:duration=4 \
         -c:v libx264 -preset ultrafast -bf 0 -g 25 -pix_fmt yuv420p -c:a aac -ar 48000 -ac 2 -shortest",
        "second.mp4",
    ));
    let upstream = Upstream::open();
    upstream.write(
        "master.m3u8",
        b"#EXTM3U\n#EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID=\"a\",NAME=\"a\",LANGUAGE=\"fi\",DEFAULT=YES,URI=\"a.m3u8\"\n\
          #EXT-X-MEDIA:TYPE=SUBTITLES,GROUP-ID=\"s\",NAME=\"Suomi\",LANGUAGE=\"fi\",DEFAULT=NO,FORCED=YES,URI=\"s.m3u8\"\n\
          #EXT-X-STREAM-INF:BANDWIDTH=1000000,AUDIO=\"a\",SUBTITLES=\"s\"\nv.m3u8\n",
    );
    let mut lists = [Growing::new("v"), Growing::new("a")];
    let push = |lists: &mut [Growing; 2], reels: &[Reel; 2], name: &str, segment: usize, tag: &str| {
        for (list, reel) in lists.iter_mut().zip(reels) {
            list.push(&upstream, (name, reel), segment, tag);
        }
    };
    for segment in 0..3 {
        push(&mut lists, &first, "x", segment, "");
    }
    let theatre = Theatre::with(short(), indexing(&upstream, "master.m3u8")).await;
    let channel = theatre.channel("pulled").await;
    let viewer = theatre.viewer("pulled");
    let feeding = async {
        for segment in 3..6 {
            sleep(Duration::from_secs(1)).await;
            let tag = if segment == 4 { "#EXT-X-CUE-OUT:2\n" } else { "" };
            push(&mut lists, &first, "x", segment, tag);
        }
        for segment in 0..3 {
            sleep(Duration::from_secs(1)).await;
            let tag = if segment == 0 { "#EXT-X-DISCONTINUITY\n" } else { "" };
            push(&mut lists, &second, "y", segment, tag);
        }
        lists.iter_mut().for_each(|list| list.end(&upstream));
    };
    let believing = async {
        let mut believer = Believer::come(&viewer).await;
        let mut parts = 0;
        while !believer.over {
            for part in believer.ask(&viewer).await {
                let path = believer.path(part);
                let sent = viewer.ask_only(&path).await;
                assert_eq!(sent.status, 302, "{path}");
                assert!(
                    sent.headers["location"].starts_with(&upstream.url("")),
                    "{}",
                    sent.headers["location"]
                );
                assert!(believer.believes(part, &viewer.ok(&path).await.body), "{path}");
                parts += 1;
            }
        }
        (believer, parts)
    };
    // Where the marker stands, each time that it is listed.
    let texts = std::sync::Mutex::new(Vec::new());
    let reading = async {
        while !channel.is_over() {
            let text = viewer.ok("v0/media.m3u8").await.text();
            let after = text.split_once("#EXT-X-CUE-OUT:2\n").map(|(_, after)| after.to_owned());
            let next =
                after.and_then(|after| after.lines().find(|line| !line.starts_with('#')).map(str::to_owned));
            texts.lock().unwrap().extend(next);
            sleep(Duration::from_millis(200)).await;
        }
    };
    // Finds nothing wrong with the playlists.
    let (lists, (believer, parts), (), ()) =
        tokio::join!(viewer.follow(["v0", "a0"]), believing, reading, feeding);
    assert_eq!((parts, channel.parts()), (18, 18));
    assert_eq!(
        (theatre.origin.metrics().media_bytes(), channel.memory()),
        (0, 0),
        "nothing is held or served here"
    );
    for lists in lists.values() {
        let named: std::collections::BTreeSet<_> = lists.iter().flat_map(|list| &list.segments).collect();
        assert_eq!(named.len(), 9, "{named:?}");
        assert!(lists.iter().all(|list| list.discontinuities <= 1));
        // No more than was listed there when it began.
        assert!(lists.iter().all(|list| list.segments.len() <= 4));
    }
    let marked = texts.into_inner().unwrap();
    assert!(!marked.is_empty() && marked.iter().all(|segment| segment.starts_with("5.m4s")), "{marked:?}");
    let master = viewer.ok("master.m3u8").await.text();
    assert!(master.contains("LANGUAGE=\"fi\"") && master.contains("RESOLUTION=320x180"), "{master}");
    let captions = format!(
        "NAME=\"Suomi\",LANGUAGE=\"fi\",DEFAULT=NO,AUTOSELECT=YES,FORCED=YES,URI=\"{}\"",
        upstream.url("s.m3u8")
    );
    assert!(master.contains(&captions) && master.contains(",SUBTITLES=\"subtitles\""), "{master}");
    assert_eq!(believer.description.renditions[0].inits.len(), 1);
    let now = Believer::come(&viewer).await;
    for (line, rendition) in now.description.renditions.iter().enumerate() {
        for (number, init) in (1..).zip(&rendition.inits) {
            let path = format!("{}/init/{number}.mp4", rendition.id);
            assert_eq!(viewer.ask_only(&path).await.status, 302, "{path}");
            assert_eq!(manifest::digest::root(&viewer.ok(&path).await.body), *init, "{line}: {path}");
        }
    }
    assert_eq!(now.description.renditions[0].inits.len(), 2);
    assert_eq!(viewer.get("manifest.mpd").await.status, 404);
    // Once for the index, once for the viewer.
    let mut served = upstream.served(".m4s");
    served.retain(|name, _| !name.starts_with("bytes=0-0 "));
    assert!(served.len() == 18 && served.values().all(|&count| count == 2), "{served:?}");
}

/// ffmpeg publishes a film as a live HLS, and leaves it as it is at the end.
fn hls(upstream: &Upstream, film: &Path, args: &str) {
    let status = Command::new("ffmpeg")
        .args("-hide_banner -loglevel error -nostdin -i".split(' '))
        .arg(film)
        .args("-c copy -f hls -hls_time 1 -hls_list_size 0 -hls_flags".split(' '))
        .args(args.split(' '))
        .arg("one.m3u8")
        .current_dir(upstream.path(""))
        .status();
    assert!(status.unwrap().success());
}

#[tokio::test(flavor = "multi_thread")]
async fn pictures_and_sound_in_one_are_one_rendition() {
    let temp = tempfile::tempdir().unwrap();
    let film = film(&temp, 6, "film.mp4");
    let upstream = Upstream::open();
    hls(&upstream, &film, "omit_endlist -hls_segment_type fmp4");
    let theatre = Theatre::with(short(), indexing(&upstream, "one.m3u8")).await;
    theatre.channel("pulled").await;
    let viewer = theatre.viewer("pulled");
    let master = viewer.ok("master.m3u8").await.text();
    assert!(master.contains("mp4a.40.2") && master.contains("avc1."), "{master}");
    let text = viewer.ok("v0/media.m3u8").await.text();
    let list = List::of(&text);
    assert_eq!(list.segments.len(), 3, "{text}");
    let published = std::fs::read(upstream.path("one5.m4s")).unwrap();
    assert!(viewer.ok("v0/3.m4s").await.body == published);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_left_where_it_is_is_refused() {
    let temp = tempfile::tempdir().unwrap();
    let film = film(&temp, 4, "film.mp4");
    // In one file by ranges; as MPEG-TS, which has no init segments.
    for (args, ending) in
        [("omit_endlist+single_file -hls_segment_type fmp4", ".m4s"), ("omit_endlist", ".ts")]
    {
        let upstream = Upstream::open();
        hls(&upstream, &film, args);
        let theatre = Theatre::with(short(), indexing(&upstream, "one.m3u8")).await;
        until("a segment that is asked for", || (!upstream.served(ending).is_empty()).then_some(())).await;
        // It was asked for again, so the first attempt is over.
        until("a second attempt", || (upstream.served("one.m3u8").values().sum::<usize>() > 2).then_some(()))
            .await;
        assert!(theatre.origin.channel(&Slug::parse("pulled").unwrap()).is_none(), "{args}");
    }
}
