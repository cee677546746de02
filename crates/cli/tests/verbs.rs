//! `package`, `keys`, `check`, and what `--help` says.

mod common;

use common::{Place, encoders_of, eventually, text};
use std::fs;

#[test]
fn package_makes_a_folder_once_and_check_finds_nothing_in_it() {
    let place = Place::new();
    place.clip("Film.mp4", 5);
    let args = "package Film.mp4 --out out/film --preset ultrafast --ladder 90:100k,180:300k";
    let made = place.run(args);
    assert!(made.status.success(), "{}", text(&made.stderr));
    let key = text(&place.run("keys show").stdout).trim().to_owned();
    assert!(text(&made.stdout).contains(&key));
    assert!(text(&place.run(args).stdout).contains("up to date"));
    let check = place.run(&format!("check out/film --key {key}"));
    assert!(check.status.success(), "{}", text(&check.stdout));
    assert!(text(&check.stdout).contains("nothing wrong"));

    let path = place.path("out/film/a0/1.m4s");
    let mut bytes = fs::read(&path).unwrap();
    bytes[99] ^= 4;
    fs::write(path, bytes).unwrap();
    let check = place.run("check out/film");
    assert_eq!(check.status.code(), Some(1));
    assert!(text(&check.stdout).contains("error: a0/1.m4s: is not the bytes"), "{}", text(&check.stdout));
}

#[test]
fn package_does_not_touch_a_folder_of_something_else() {
    let place = Place::new();
    place.clip("f.mp4", 2);
    fs::create_dir(place.path("photos")).unwrap();
    fs::write(place.path("photos/one.jpg"), "precious").unwrap();
    let output = place.run("package f.mp4 --out photos --no-transcode");
    assert_eq!(output.status.code(), Some(2));
    assert!(text(&output.stderr).contains("no Braidcast package"), "{}", text(&output.stderr));
    assert_eq!(fs::read_to_string(place.path("photos/one.jpg")).unwrap(), "precious");
    fs::create_dir(place.path("new")).unwrap();
    assert!(place.run("package f.mp4 --out new --no-transcode").status.success(), "an empty folder is free");
}

#[test]
fn package_deletes_nothing_that_it_has_not_made() {
    let place = Place::new();
    place.clip("f.mp4", 2);
    assert!(place.run("package f.mp4 --out film --no-transcode").status.success());
    let replace = "package f.mp4 --out film --preset ultrafast --ladder 90:100k";
    for foreign in ["notes.txt", "v0/notes.txt", "extra/notes.txt", "v0/x/notes.txt"] {
        let path = place.path("film").join(foreign);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, "precious").unwrap();
        let output = place.run(replace);
        assert_eq!(output.status.code(), Some(2), "{foreign}");
        assert!(text(&output.stderr).contains("move it elsewhere"), "{}", text(&output.stderr));
        assert_eq!(fs::read_to_string(&path).unwrap(), "precious");
        fs::remove_file(&path).unwrap();
        for folder in ["extra", "v0/x"] {
            fs::remove_dir(place.path("film").join(folder)).ok(); // where this round made it
        }
    }
    assert!(place.run(replace).status.success(), "its own package it replaces");
    assert!(place.path("film/poster.jpg").exists());
}

#[test]
fn what_a_killed_package_left_goes_with_the_next() {
    let place = Place::new();
    place.clip("f.mp4", 2);
    let long = place.clip("long.mp4", 120);
    let names = || {
        let mut names: Vec<String> = fs::read_dir(place.temp.path())
            .unwrap()
            .map(|e| e.unwrap().file_name().into_string().unwrap())
            .filter(|name| name.starts_with("out"))
            .collect();
        names.sort();
        names
    };
    let mut killed = place.start("package long.mp4 --out out --preset veryslow");
    eventually("an encoder", || encoders_of(&long) > 0);
    for kept in ["out.partial-mine", "out2.partial-0123abcd"] {
        fs::create_dir(place.path(kept)).unwrap();
    }
    assert!(place.run("package f.mp4 --out out2 --no-transcode").status.success());
    assert!(names().iter().filter(|n| n.starts_with("out.partial-")).count() == 2, "{:?}", names());
    killed.signal("KILL");
    killed.ended();
    assert!(place.run("package f.mp4 --out out --no-transcode").status.success());
    assert_eq!(names(), ["out", "out.partial-mine", "out2"]);
}

#[test]
fn ctrl_c_stops_package_without_a_trace() {
    let place = Place::new();
    let film = place.clip("long.mp4", 120);
    let mut package = place.start("package long.mp4 --out out --preset veryslow");
    eventually("an encoder", || encoders_of(&film) > 0);
    package.signal("INT");
    assert_eq!(package.ended().code(), Some(130));
    eventually("no encoder", || encoders_of(&film) == 0);
    let left: Vec<_> = fs::read_dir(place.temp.path())
        .unwrap()
        .map(|e| e.unwrap().file_name().into_string().unwrap())
        .filter(|name| name.starts_with("out"))
        .collect();
    assert_eq!(left, [""; 0]);
}

/// One key in 64 begins with a hyphen (base64url).
#[test]
fn a_key_may_begin_with_a_hyphen() {
    let place = Place::new();
    for args in [
        "check http://127.0.0.1:9/film --key -short",
        "watch http://127.0.0.1:9/film --key -short",
        "edge --upstream http://127.0.0.1:9/film --key -short",
        "live --key -short",
    ] {
        let said = text(&place.run(args).stderr);
        assert!(said.contains("a key is 43 characters") || said.contains("8 to 128"), "{args}: {said}");
    }
}

#[test]
fn keys_are_made_once_and_refused_when_others_can_read_them() {
    let place = Place::new();
    let none = place.run("keys show");
    assert_eq!(none.status.code(), Some(1));
    assert!(text(&none.stderr).contains("cannot read the key"), "{}", text(&none.stderr));
    let made = place.run("keys new --key my.key");
    assert_eq!(text(&made.stdout).trim().len(), 43);
    assert!(!text(&made.stdout).contains(fs::read_to_string(place.path("my.key")).unwrap().trim()));
    assert_eq!(place.run("keys show --key my.key").stdout, made.stdout);
    assert_eq!(place.run("keys new --key my.key").status.code(), Some(1), "never overwritten");
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        fs::set_permissions(place.path("my.key"), fs::Permissions::from_mode(0o644)).unwrap();
        let open = place.run("keys show --key my.key");
        assert!(text(&open.stderr).contains("chmod 600"), "{}", text(&open.stderr));
        assert_eq!(open.status.code(), Some(1));
    }
}

#[test]
fn check_refuses_what_is_neither_folder_nor_address() {
    let place = Place::new();
    for args in ["check nowhere", "check ftp://example.org/", "check . --key short"] {
        assert_eq!(place.run(args).status.code(), Some(2), "{args}");
    }
    assert_eq!(place.run("check http://127.0.0.1:1/s/film/").status.code(), Some(1));
}

#[test]
fn help_shows_examples_and_where_settings_come_from() {
    let place = Place::new();
    let help = text(&place.run("--help").stdout);
    for part in ["braidcast serve film.mp4", "braidcast.toml", "BRAIDCAST_LISTEN", "check"] {
        assert!(help.contains(part), "{part} in {help}");
    }
    let help = text(&place.run("serve --help").stdout);
    for flag in
        ["--ladder", "--preset", "--no-transcode", "--data", "--key", "--public-url", "BRAIDCAST_LADDER"]
    {
        assert!(help.contains(flag), "{flag} in {help}");
    }
    assert!(text(&place.run("--version").stdout).starts_with("braidcast 0."));
}
