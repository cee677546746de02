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

/// A figure of a running program, if it has it.
fn figure(metrics: &str, name: &str) -> Option<u64> {
    let text = text(&common::get(metrics).1);
    let line = text.lines().find(|line| line.starts_with(&format!("{name} ")))?.to_owned();
    Some(line.rsplit(' ').next().unwrap().parse().unwrap())
}

#[test]
fn a_viewer_and_a_seeder_take_all_settings_from_the_file() {
    let place = Place::new();
    place.clip("f.mp4", 5);
    let mut serve = place.start("serve f.mp4 --listen 127.0.0.1:0 --no-transcode");
    let base = serve.base();
    serve.wait_for("ready");
    let tracker = base.replacen("http", "ws", 1) + "/tracker";
    let common = format!(
        "bind = \"127.0.0.1:0\"\nexternal = \"127.0.0.9\"\nstun = []\ntcp = \"127.0.0.1:0\"\n\
         tracker = [\"{tracker}\"]\nadmin = \"127.0.0.1:0\"\ndrain = \"3s\"\nmetered = false\n"
    );
    let config = place.path("braidcast.toml");
    let watch =
        "player = \"none\"\ngateway-port = 0\nupload = [\"8M\", \"00:00-12:00=8M\", \"12:00-24:00=8M\"]\n";
    fs::write(&config, format!("{common}{watch}")).unwrap();
    let mut watch = place.start(&format!("watch {base}/s/f/"));
    let metrics = watch.wait_for("admin").split_whitespace().last().unwrap().to_owned();
    assert_eq!(figure(&metrics, "braidcast_uplink_cap_bytes_per_second"), Some(1_000_000));
    common::eventually("a tracker", || figure(&metrics, "braidcast_watch_trackers") == Some(1));
    drop(watch);

    let seed = format!(
        "hls = \"{base}/s/f/master.m3u8\"\ncompat = \"p2p-media-loader\"\nfamily = [\"a\", \"b\"]\nswarm-id = \"f\"\n\
         cache = \"kept\"\ncache-size = \"100MB\"\nup = \"16M\"\nviewers = 5\n"
    );
    fs::write(&config, format!("{common}{seed}")).unwrap();
    let mut one = place.start("seed");
    let metrics = one.wait_for("admin").split_whitespace().last().unwrap().to_owned();
    one.wait_for("in 4 swarms");
    assert_eq!(figure(&metrics, "braidcast_uplink_cap_bytes_per_second"), Some(2_000_000));
    assert!(place.path("kept").is_dir());
    drop(one);
    // The environment wins over the file, the flag over both.
    let mut command = place.command("seed");
    command.env("BRAIDCAST_UP", "24M,00:00-12:00=24M,12:00-24:00=24M").env("BRAIDCAST_FAMILY", "c");
    let mut two = Running::new(command);
    let metrics = two.wait_for("admin").split_whitespace().last().unwrap().to_owned();
    two.wait_for("in 2 swarms");
    assert_eq!(figure(&metrics, "braidcast_uplink_cap_bytes_per_second"), Some(3_000_000));
    drop(two);
    let mut three = place.start("seed --up unlimited --family a,b,c");
    let metrics = three.wait_for("admin").split_whitespace().last().unwrap().to_owned();
    three.wait_for("in 6 swarms");
    assert_eq!(figure(&metrics, "braidcast_uplink_cap_bytes_per_second"), None);
}

#[test]
fn rates_and_hours_that_make_no_sense_are_told() {
    let place = Place::new();
    let seed = "seed --hls http://127.0.0.1:9/x.m3u8 --tracker ws://127.0.0.1:9";
    let watch = "watch http://127.0.0.1:9/s/f/ --player none";
    for (args, help) in [
        (format!("{seed} --up fast"), "say 5M"),
        (format!("{seed} --up 5"), "bits a second"),
        (format!("{seed} --up 22:00=1M"), "say 22:00-06:00=1M"),
        (format!("{seed} --up 5M --up 6M"), "both"),
        (format!("{seed} --up 0"), "nothing to do"),
        (format!("{seed} --metered"), "--up 22:00-06:00=20M"),
        (format!("{seed} --metered --up 5M"), "--up 22:00-06:00=20M"),
        (format!("{seed} --drain soon"), "say 10s"),
        (format!("{watch} --upload 5M --upload 25:00-26:00=1M"), "--upload"),
        (format!("{watch} --upload 5M,1M"), "both"),
        (format!("{watch} --drain 2h"), "up to an hour"),
    ] {
        let output = place.run(&args);
        let error = text(&output.stderr);
        assert!(error.contains(help), "{args}: {error}");
        assert_eq!(output.status.code(), Some(2), "{args}: {error}");
    }
    // A schedule says otherwise: it goes on, and finds no playlist.
    let output = place.run(&format!("{seed} --metered --up 22:00-06:00=unlimited"));
    assert_eq!(output.status.code(), Some(1), "{}", text(&output.stderr));
    fs::write(place.path("braidcast.toml"), "up = 5\n").unwrap();
    let output = place.run(seed);
    let error = text(&output.stderr);
    assert!(output.status.code() == Some(2) && error.contains("list of them"), "{error}");
}
