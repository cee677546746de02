//! Where settings come from, and which of them wins.

mod common;

use common::{Place, Running, text};
use std::fs;

/// The address that a start with these ends up on.
fn address(place: &Place, file: Option<&str>, env: Option<&str>, flag: Option<&str>) -> String {
    let config = place.path("braidcast.toml");
    fs::remove_file(&config).ok(); // it may not be there
    if let Some(listen) = file {
        fs::write(config, format!("listen = \"{listen}\"\nno-transcode = true\n")).unwrap();
    }
    let mut command = place.command("serve f.mp4 --no-transcode");
    command.envs(env.map(|e| ("BRAIDCAST_LISTEN", e)));
    command.args(flag.iter().flat_map(|f| ["--listen", f]));
    Running::new(command).base()
}

#[test]
fn flags_win_over_the_environment_that_over_the_file_and_that_over_defaults() {
    let place = Place::new();
    place.clip("f.mp4", 2);
    let (file, env, flag) = (Some("127.0.0.2:0"), Some("127.0.0.3:0"), Some("127.0.0.4:0"));
    assert!(address(&place, file, None, None).starts_with("http://127.0.0.2:"));
    assert!(address(&place, file, env, None).starts_with("http://127.0.0.3:"));
    assert!(address(&place, file, env, flag).starts_with("http://127.0.0.4:"));
    assert!(address(&place, None, env, None).starts_with("http://127.0.0.3:"));
}

#[test]
fn the_file_in_the_home_folder_counts_where_there_is_none_beside() {
    let place = Place::new();
    place.clip("f.mp4", 2);
    fs::create_dir_all(place.path(".config/braidcast")).unwrap();
    let config = "listen = \"127.0.0.5:0\"\ndata = \"elsewhere\"\nno-transcode = true\n";
    fs::write(place.path(".config/braidcast/config.toml"), config).unwrap();
    let mut serve = place.start("serve f.mp4");
    assert!(serve.base().starts_with("http://127.0.0.5:"));
    serve.wait_for("ready");
    assert!(place.path("elsewhere/streams/f/index.bci").exists());
}

#[test]
fn a_default_never_hides_what_the_file_says() {
    let place = Place::new();
    place.clip("f.mp4", 2);
    fs::write(place.path("braidcast.toml"), "no-transcode = true\n").unwrap();
    assert!(place.run("package f.mp4 --out as-it-is").status.success());
    let record = fs::read_to_string(place.path("as-it-is/package.json")).unwrap();
    assert!(record.contains("remuxed"), "{record}");
    let back =
        place.run("package f.mp4 --out encoded --no-transcode=false --preset ultrafast --ladder 90:100k");
    assert!(back.status.success(), "{}", text(&back.stderr));
    let record = fs::read_to_string(place.path("encoded/package.json")).unwrap();
    assert!(record.contains("ladder 90:100k, preset ultrafast"), "{record}");
}

#[test]
fn a_misspelt_setting_is_named() {
    let place = Place::new();
    fs::write(place.path("braidcast.toml"), "listne = \"127.0.0.1:0\"\n").unwrap();
    let output = place.run("keys show");
    assert_eq!(output.status.code(), Some(2));
    let told = text(&output.stderr);
    assert!(told.contains("braidcast.toml") && told.contains("listne"), "{told}");
}
