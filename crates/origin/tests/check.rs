//! `check` finds what was planted, and nothing in a good package.

mod common;

use common::web::{Site, site};
use common::{PICTURE_AND_TONE, clip, make, quick, secret};
use manifest::{Index, SecretKey};
use origin::check::{Report, Target, run};
use origin::http::Limits;
use origin::library::Library;
use origin::package::resign;
use origin::tools::Tools;
use std::fs;
use std::path::Path;

fn judge(dir: &Path) -> Report {
    run(&Target::Folder(dir.to_owned()), Some(&secret().public()), &mut |_| {})
}

async fn judge_url(site: &Site, path: &str) -> Report {
    let target = Target::parse(&format!("http://{}{path}", site.address)).unwrap();
    let judge = move || run(&target, Some(&secret().public()), &mut |_| {});
    tokio::task::spawn_blocking(judge).await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_good_package_has_no_findings_and_each_planted_fault_one() {
    let temp = tempfile::tempdir().unwrap();
    let film = clip(temp.path(), PICTURE_AND_TONE, "film.mp4");
    let library = Library::open(&temp.path().join("data")).unwrap();
    let (dir, _) = make(&library, &film, &quick(), Tools::find().as_ref()).await.unwrap();
    let good = judge(&dir);
    assert_eq!(good.findings, []);
    assert_eq!(good.segments, 9);

    let plant = |name: &str, change: &dyn Fn(Vec<u8>) -> Vec<u8>, expected: &str| {
        let path = dir.join(name);
        let bytes = fs::read(&path).unwrap();
        fs::write(&path, change(bytes.clone())).unwrap();
        let found = judge(&dir);
        fs::write(&path, bytes).unwrap();
        let told = found.findings.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n");
        assert!(found.has_errors() && told.contains(expected), "{name}: wanted {expected:?}, got {told}");
    };
    let text = |from: &'static str, to: &'static str| {
        move |bytes: Vec<u8>| String::from_utf8(bytes).unwrap().replacen(from, to, 1).into_bytes()
    };
    let flip_last = |mut bytes: Vec<u8>| {
        *bytes.last_mut().unwrap() ^= 1;
        bytes
    };
    let without_last = |bytes: Vec<u8>| {
        let text = String::from_utf8(bytes).unwrap();
        let kept: Vec<&str> =
            text.lines().filter(|l| !l.contains("0.400000") && !l.contains("3.m4s")).collect();
        (kept.join("\n") + "\n").into_bytes()
    };
    plant("v0/2.m4s", &flip_last, "v0/2.m4s: is not the bytes");
    plant("v0/init.mp4", &flip_last, "v0/init.mp4: is not the bytes");
    plant("a0/1.m4s", &|bytes| [bytes, vec![0]].concat(), "the index says");
    plant("v1/1.m4s", &|bytes| bytes[..bytes.len() / 2].to_vec(), "v1/1.m4s");
    plant("v0/media.m3u8", &text("#EXTINF:4.000000", "#EXTINF:3.000000"), "v0");
    plant("v0/media.m3u8", &text("3.m4s", "4.m4s"), "v0/4.m4s?v=");
    plant("v0/media.m3u8", &without_last, "lists 3 segments, but v0/media.m3u8 2");
    plant("manifest.mpd", &text("PT8.4", "PT9.4"), "manifest.mpd");
    plant("stream.json", &text("8.4", "84.0"), "stream.json: says 84.");
    plant("stream.json", &text("\"v1\"", "\"v7\""), "other renditions");
    plant("index.bci", &flip_last, "signature does not fit");
    plant("index.bci", &|_| Vec::new(), "not a Braidcast index");
    plant(
        "index.bci",
        &|bytes| Index::open(&bytes, None).unwrap().seal(&SecretKey::from_seed([8; 32])),
        "signed by another key",
    );
    plant("index.bci", &|bytes| Index::open(&bytes, None).unwrap().seal_unsigned(), "not signed");

    for name in ["master.m3u8", "manifest.mpd"] {
        fs::rename(dir.join(name), temp.path().join(name)).unwrap();
    }
    let told = judge(&dir).findings.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n");
    assert!(told.contains("v0/3.m4s: is in the index but in no playlist"), "{told}");
    for name in ["master.m3u8", "manifest.mpd"] {
        fs::rename(temp.path().join(name), dir.join(name)).unwrap();
    }

    // Signing anew with the right key heals the last two.
    let bytes = fs::read(dir.join("index.bci")).unwrap();
    let other = Index::open(&bytes, None).unwrap().seal(&SecretKey::from_seed([8; 32]));
    fs::write(dir.join("index.bci"), other).unwrap();
    resign(&dir, &secret()).unwrap();
    assert_eq!(judge(&dir).findings, []);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_package_is_judged_over_http_by_any_of_its_addresses() {
    let site = site(Limits::default()).await;
    for path in ["/watch/film", "/s/film", "/s/film/", "/s/film/master.m3u8?x=1#y"] {
        let report = judge_url(&site, path).await;
        assert_eq!((report.findings, report.segments), (vec![], 6), "{path}");
    }
    assert!(judge_url(&site, "/s/other/").await.has_errors());
}

#[test]
fn a_package_that_names_files_outside_gets_none_of_them() {
    let temp = tempfile::tempdir().unwrap();
    let dir = temp.path().join("p");
    fs::create_dir_all(dir.join("v0")).unwrap();
    fs::write(temp.path().join("canary.m3u8"), "#EXTM3U\n#EXT-X-TARGETDURATION:4\n#EXT-X-ENDLIST\n").unwrap();
    let outside = temp.path().join("canary.m3u8");
    let uris = [
        "../canary.m3u8",
        "v0/../../canary.m3u8",
        outside.to_str().unwrap(),
        "file:///etc/passwd",
        "..\\canary.m3u8",
    ];
    for uri in uris {
        let master = format!("#EXTM3U\n#EXT-X-STREAM-INF:BANDWIDTH=1,CODECS=\"avc1.64001f\"\n{uri}\n");
        fs::write(dir.join("master.m3u8"), master).unwrap();
        let report = run(&Target::Folder(dir.clone()), None, &mut |_| {});
        let told = report.findings.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n");
        assert!(
            told.contains("outside the package") || told.contains("canary.m3u8: cannot be read"),
            "{uri}: {told}"
        );
    }
}

#[test]
fn a_target_is_a_folder_or_an_address() {
    assert!(Target::parse("/nowhere/at/all").is_err());
    assert!(Target::parse("ftp://example.org/film").is_err());
    let url = |text: &str| Target::parse(text).unwrap();
    assert_eq!(url("https://example.org"), Target::Url("https://example.org/".into()));
    assert_eq!(url("https://example.org/a/master.m3u8"), Target::Url("https://example.org/a/".into()));
    assert_eq!(url("http://[::1]:80/watch/film/"), Target::Url("http://[::1]:80/s/film/".into()));
}
