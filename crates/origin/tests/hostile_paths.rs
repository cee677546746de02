//! Names that try to leave the package.

mod common;

use common::web::{raw, site};
use origin::http::{Limits, Name};
use std::fs;
use std::path::Path;

const SECRET: &str = "the canary sings";

/// Names of files that are there, written in every way that has ever fooled a server.
fn hostile_names() -> Vec<String> {
    let ups = [
        "..",
        "%2e%2e",
        "%2E.",
        "..%00",
        "%252e%252e",
        "..;",
        "....",
        "%c0%ae%c0%ae",
        "\u{ff0e}\u{ff0e}",
        ".%2e",
        "..%c1%9c",
    ];
    let slashes = ["/", "//", "%2f", "%5c", "\\", "%252f", "/./", "%c0%af", "/.//"];
    let targets = [
        "canary",
        "film/package.json",
        "film/v0/../package.json",
        "../publisher.key",
        "lock",
        "canary%00.m4s",
        "canary;.m4s",
    ];
    let mut names = Vec::new();
    for up in ups {
        for slash in slashes {
            for target in targets {
                for depth in 1..=2 {
                    let climb = format!("{up}{slash}").repeat(depth);
                    names.push(format!("/s/film/{climb}{target}"));
                    names.push(format!("/s/film/v0/{climb}{target}"));
                    names.push(format!("/s/{climb}{target}"));
                    names.push(format!("/player/{climb}{climb}{target}"));
                }
            }
        }
    }
    let single = [
        "/s/film/package.json",
        "/s/film/canary",
        "/s/film/v0/canary",
        "/s/film/v0/01.m4s",
        "/s/film/v0/0.m4s",
        "/s/film/v00/1.m4s",
        "/s/film/v0/1.m4s/",
        "/s/film/v0/1.m4s%00",
        "/s/film/v0/1%2em4s",
        "/s/film//v0/1.m4s",
        "/s/film/v0//1.m4s",
        "/s/film/./v0/1.m4s",
        "/s/FILM/v0/1.m4s",
        "/s/film./v0/1.m4s",
        "/s/film%20/v0/1.m4s",
        "/s/film/V0/1.m4s",
        "/s/film/v0/link.m4s",
        "/s/film/v0/9999999.m4s",
        "/s/film/v0/99999999999999999999.m4s",
        "/s/film/v255/1.m4s",
        "/s/film/v-1/1.m4s",
        "/s/film/v+0/1.m4s",
        "/s/film/v0/+1.m4s",
        "/s/film/v0/1.M4S",
        "/s/film/t0/1.m4s",
        "/s/film/\u{661}.m4s",
        "/s/film.partial-1234/v0/1.m4s",
        "/s/",
        "/s/film",
        "/s/film/",
        "/s//film/v0/1.m4s",
        "/player/",
        "/player/.",
        "/player/..",
        "/player//etc/passwd",
        "/player/C:/canary",
        "/etc/passwd",
        "//etc/passwd",
        "/file:///etc/passwd",
    ];
    names.extend(single.map(str::to_owned));
    names.push(format!("/s/film/{}", "../".repeat(500)));
    names.push(format!("/s/{}/v0/1.m4s", "a".repeat(5000)));
    names.push(format!("/s/film/v0/{}.m4s", "1".repeat(5000)));
    names
}

#[tokio::test(flavor = "multi_thread")]
async fn thousands_of_hostile_names_open_nothing() {
    let site = site(Limits::default()).await;
    let streams = site.package.parent().unwrap();
    for dir in [streams, &site.package, &site.package.join("v0"), streams.parent().unwrap()] {
        fs::write(dir.join("canary"), SECRET).unwrap();
    }
    #[cfg(unix)]
    std::os::unix::fs::symlink(site.package.join("canary"), site.package.join("v0/link.m4s")).unwrap();
    let address = site.address;
    let names = hostile_names();
    assert!(names.len() > 2000);
    let tried = tokio::task::spawn_blocking(move || {
        for name in &names {
            let request = format!("GET {name} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
            let Some(reply) = raw(address, request.as_bytes()) else { continue };
            assert!([400, 404, 414, 431].contains(&reply.status), "{name}: {}", reply.status);
            let body = String::from_utf8_lossy(&reply.body);
            assert!(!body.contains(SECRET) && !body.contains("path_hash"), "{name} opened a file");
        }
    });
    tried.await.unwrap();
    assert_eq!(site.get("/s/film/v0/1.m4s", &[]).await.status, 200, "and the server lives");
}

#[test]
fn a_name_has_exactly_one_text() {
    let names = [
        "master.m3u8",
        "manifest.mpd",
        "index.bci",
        "stream.json",
        "poster.jpg",
        "thumbs.jpg",
        "thumbs.vtt",
        "v0/init.mp4",
        "v12/1.m4s",
        "a0/50000.m4s",
        "a3/media.m3u8",
        "v1/iframes.m3u8",
        "t0/media.m3u8",
        "t15/subs.vtt",
    ];
    for text in names {
        let name = Name::parse(text).unwrap_or_else(|| panic!("{text}"));
        assert_eq!(name.to_string(), text);
        assert_eq!(name.path(Path::new("/p")), Path::new("/p").join(text));
        // Each change of a single byte is another name, or none.
        for i in 0..text.len() {
            for byte in 0..=127u8 {
                let mut other = text.as_bytes().to_vec();
                other[i] = byte;
                let other = String::from_utf8(other).unwrap();
                if let Some(parsed) = Name::parse(&other) {
                    assert_eq!(parsed.to_string(), other);
                }
            }
        }
    }
}
