//! The checker finds nothing wrong with our packages, and each fault that is put into one.

mod common;

use std::collections::BTreeMap;
use std::sync::OnceLock;
use std::time::Duration;

use cmaf::check::{Finding, Severity, package};
use common::{Scratch, cut, film, write_package};

type Package = BTreeMap<String, Vec<u8>>;

/// A package of two rungs, sound and subtitles, by URL.
fn whole() -> &'static Package {
    static PACKAGE: OnceLock<Package> = OnceLock::new();
    PACKAGE.get_or_init(|| {
        let scratch = Scratch::new("check");
        let (one, two) = (scratch.path("one.mp4"), scratch.path("two.mp4"));
        film(&one, 9.0, "");
        common::ffmpeg(&format!(
            "-i {} -c:v libx264 -preset ultrafast -bf 0 -g 50 -s 160x90 -an {}",
            one.display(),
            two.display()
        ));
        let mut cuts = cut(&two, Duration::from_secs(4));
        cuts.extend(cut(&one, Duration::from_secs(4)));
        cuts[1].rendition.id = "v1".to_owned();
        let mut presentation = write_package(scratch.root(), &cuts);
        let mut package = Package::new();
        for folder in ["", "v0", "v1", "a0"] {
            for entry in std::fs::read_dir(scratch.path(folder)).expect("written") {
                let path = entry.expect("readable").path();
                if path.is_file()
                    && path.extension().is_none_or(|e| path.parent() != Some(scratch.root()) || e != "mp4")
                {
                    let name = path.strip_prefix(scratch.root()).expect("inside").display().to_string();
                    package.insert(name, std::fs::read(path).expect("readable"));
                }
            }
        }
        let vtt = b"WEBVTT\n\n00:00.000 --> 00:01.000\nHello\n".to_vec();
        presentation.subtitles.push(cmaf::Subtitle {
            id: "t0".to_owned(),
            language: None,
            name: "Text".to_owned(),
            uri: "t0/subs.vtt".to_owned(),
            duration: presentation.play_time(),
            bytes: vtt.len() as u64,
        });
        let list = cmaf::hls::subtitle(&presentation.subtitles[0]);
        package.insert("t0/subs.vtt".to_owned(), vtt);
        package.insert("t0/media.m3u8".to_owned(), list.into_bytes());
        package.insert("master.m3u8".to_owned(), cmaf::hls::master(&presentation).into_bytes());
        package.insert("manifest.mpd".to_owned(), cmaf::dash::mpd(&presentation).into_bytes());
        package
    })
}

fn check(all: &Package) -> Vec<Finding> {
    package(|url| all.get(url).cloned().ok_or_else(|| "not found".to_owned()))
}

/// Replaces text in one resource and expects a finding there or elsewhere that says `what`.
fn edit(url: &str, from: &str, to: &str, what: &str) {
    fault(
        url,
        |bytes| {
            let text = String::from_utf8(bytes.clone()).expect("text");
            assert!(text.contains(from), "{url} does not hold {from}:\n{text}");
            *bytes = text.replacen(from, to, 1).into_bytes();
        },
        what,
    );
}

fn fault(url: &str, make: impl FnOnce(&mut Vec<u8>), what: &str) {
    let mut all = whole().clone();
    make(all.get_mut(url).unwrap_or_else(|| panic!("no {url}")));
    let found: Vec<String> = check(&all).iter().map(Finding::to_string).collect();
    assert!(found.iter().any(|f| f.contains(what)), "'{what}' is not among {found:#?}");
}

fn find(bytes: &[u8], name: &[u8; 4]) -> usize {
    bytes.windows(4).position(|w| w == name).expect("the box is there")
}

#[test]
fn our_own_package_is_without_fault() {
    assert_eq!(check(whole()), []);
}

#[test]
fn what_is_missing_is_named() {
    for url in whole().keys() {
        let mut all = whole().clone();
        all.remove(url);
        let found = check(&all);
        assert!(found.iter().any(|f| f.place == *url && f.severity == Severity::Error), "{url}: {found:?}");
    }
}

#[test]
fn faults_in_playlists_are_found() {
    edit("v0/media.m3u8", "#EXTM3U", "#EXTM3", "must start with #EXTM3U");
    edit("v0/media.m3u8", "TARGETDURATION:4", "TARGETDURATION:2", "more than the target duration");
    edit("v0/media.m3u8", "#EXTINF:4.000000", "#EXTINF:3.500000", "but lasts 4.000 s");
    edit("v0/media.m3u8", "#EXTINF:4.000000,\n2.m4s\n", "", "decode time jumps");
    edit("v0/media.m3u8", "#EXT-X-ENDLIST", "", "EXT-X-ENDLIST is missing");
    edit("v0/media.m3u8", "#EXT-X-MAP:URI=\"init.mp4\"\n", "", "no EXT-X-MAP");
    edit("v0/media.m3u8", "#EXT-X-INDEPENDENT-SEGMENTS", "#EXT-X-NONSENSE", "unknown tag EXT-X-NONSENSE");
    edit("v0/iframes.m3u8", "@28", "@20", "does not start with 'moof'");
    edit("v0/iframes.m3u8", "#EXT-X-BYTERANGE:", "#EXT-X-BYTERANGE:9999", "outside its");
    edit("master.m3u8", "CODECS=\"avc1.", "CODECS=\"avc1.9", "but the init segment avc1.");
    edit("master.m3u8", "RESOLUTION=160x90", "RESOLUTION=1600x900", "the pictures are 160x90");
    edit("master.m3u8", ",AUDIO=\"audio\"", ",AUDIO=\"sound\"", "a group that does not exist");
    edit("master.m3u8", "BANDWIDTH=", "BANDWIDTH=9", "was measured");
    edit("t0/subs.vtt", "WEBVTT", "WEBVT", "does not start with WEBVTT");
}

#[test]
fn a_bandwidth_below_what_is_measured_is_a_lie() {
    let master = String::from_utf8(whole()["master.m3u8"].clone()).expect("text");
    let said = master.split("STREAM-INF:BANDWIDTH=").nth(1).and_then(|r| r.split(',').next()).expect("there");
    edit("master.m3u8", &format!(":BANDWIDTH={said}"), ":BANDWIDTH=1000", "BANDWIDTH says 1000");
}

#[test]
fn faults_in_segments_are_found() {
    let url = "v1/2.m4s";
    fault(
        url,
        |b| {
            let at = find(b, b"tfdt");
            b[at + 15] ^= 1
        },
        "decode time jumps",
    );
    fault(
        url,
        |b| {
            let at = find(b, b"tfhd");
            b[at + 5] = 0
        },
        "default-base-is-moof",
    );
    fault(
        url,
        |b| {
            let at = find(b, b"tfdt");
            b[at..at + 4].copy_from_slice(b"free")
        },
        "lacks 'tfdt'",
    );
    fault(
        url,
        |b| {
            let at = find(b, b"trun");
            b[at + 15] ^= 8
        },
        "outside the 'mdat'",
    );
    fault(
        url,
        |b| {
            let at = find(b, b"mdat");
            b[at..at + 4].copy_from_slice(b"free")
        },
        "without 'mdat' between",
    );
    fault(url, |b| b.truncate(b.len() - 1), "impossible size");
    fault(url, |b| b.clear(), "no samples");
    fault(
        url,
        |b| {
            let at = find(b, b"styp");
            b[at..at + 4].copy_from_slice(b"moov")
        },
        "must not hold 'moov'",
    );
    fault(
        "v1/init.mp4",
        |b| {
            let at = find(b, b"mvex");
            b[at..at + 4].copy_from_slice(b"free")
        },
        "lacks 'mvex'",
    );
    fault("v1/init.mp4", |b| b.truncate(100), "impossible size");
    fault(
        "v1/init.mp4",
        |b| {
            let at = find(b, b"avcC");
            b[at + 5] ^= 1
        },
        "but the init segment avc1.",
    );
}

#[test]
fn rungs_that_do_not_line_up_are_found() {
    let mut all = whole().clone();
    // The second rung starts its second segment where the first one starts its third.
    for (name, from) in [("v0/2.m4s", "v0/3.m4s"), ("v0/3.m4s", "v0/2.m4s")] {
        all.insert(name.to_owned(), whole()[from].clone());
    }
    assert!(check(&all).iter().any(|f| f.what.contains("but the same segment of")));
}

#[test]
fn faults_in_the_mpd_are_found() {
    let url = "manifest.mpd";
    edit(url, "</Period>", "", "not well-formed");
    edit(url, "type=\"static\" mediaPresentationDuration=\"PT9S\"", "type=\"static\"", "must say how long");
    edit(
        url,
        "mediaPresentationDuration=\"PT9S\"",
        "mediaPresentationDuration=\"PT90S\"",
        "says it lasts 90 s",
    );
    edit(url, "codecs=\"avc1.", "codecs=\"avc1.9", "but the init segment avc1.");
    edit(url, "startNumber=\"1\"", "startNumber=\"2\"", "but in HLS it is v0/1.m4s");
    edit(url, " r=\"1\"", " r=\"5\"", "lists 7 segments");
    edit(url, "<S t=\"0\"", "<S t=\"500\"", "is said to start at");
    edit(url, "bandwidth=\"", "bandwidth=\"x", "bandwidth is missing or zero");
    edit(url, "Representation id=\"v0\"", "Representation id=\"v1\"", "used twice");
    edit(url, "t0/subs.vtt", "t0/none.vtt", "cannot be read");
    edit(url, "<MPD ", "<!DOCTYPE MPD [<!ENTITY a \"b\">]><MPD ", "document type");
}

#[test]
fn a_url_below_a_host_is_asked_for_in_full() {
    let mut asked = Vec::new();
    let mut checker = cmaf::check::Checker::new(|url: &str| {
        asked.push(url.to_owned());
        whole()
            .get(url.trim_start_matches("https://example.org/s/film/"))
            .cloned()
            .ok_or_else(|| "no".to_owned())
    });
    checker.hls("https://example.org/s/film/master.m3u8");
    assert!(checker.segments_checked() >= 9);
    assert_eq!(checker.finish(), []);
    assert!(asked.contains(&"https://example.org/s/film/v1/3.m4s".to_owned()));
}
