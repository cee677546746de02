//! Clips made by ffmpeg, and packages made of them.
#![allow(dead_code)] // every test file uses a part of it

pub mod live;
pub mod stage;
pub mod upstream;
pub mod web;

use manifest::SecretKey;
use origin::library::Library;
use origin::package::{self, PackageError, Settings, Stamp, Step};
use origin::slug::Slug;
use origin::tools::Tools;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Arc, Mutex};

/// Arguments for a clip of moving pictures and a tone.
pub const PICTURE_AND_TONE: &str = "-f lavfi -i testsrc2=size=320x180:rate=25:duration=8.4 \
    -f lavfi -i sine=frequency=440:duration=8.4 -c:v libx264 -preset ultrafast -bf 2 -g 50 -pix_fmt yuv420p -c:a aac -shortest";

/// Runs ffmpeg in `dir` with the words of `args` and then `name`.
pub fn clip(dir: &Path, args: &str, name: &str) -> PathBuf {
    let path = dir.join(name);
    let status = Command::new("ffmpeg")
        .args("-hide_banner -loglevel error -nostdin -y".split(' '))
        .args(args.split_whitespace())
        .arg(format!("file:{}", path.display()))
        .current_dir(dir)
        .status()
        .expect("ffmpeg is installed");
    assert!(status.success(), "making {name}");
    path
}

/// Small, quick settings.
pub fn quick() -> Settings {
    Settings {
        ladder: Some("90:150k,180:400k".parse().unwrap()),
        preset: "ultrafast".into(),
        audio_bitrate_bps: 64_000,
        ..Settings::default()
    }
}

pub fn secret() -> SecretKey {
    SecretKey::from_seed([7; 32])
}

/// Makes a package of `source` in `library`; returns its folder and the notes made on the way.
pub async fn make(
    library: &Library,
    source: &Path,
    settings: &Settings,
    tools: Option<&Tools>,
) -> Result<(PathBuf, Vec<String>), PackageError> {
    let source = package::absolute(source)?;
    let slug = Slug::of_file(&source);
    let notes = Arc::new(Mutex::new(Vec::new()));
    let heard = Arc::clone(&notes);
    let report = Arc::new(move |step| {
        if let Step::Note(note) = step {
            heard.lock().unwrap().push(note);
        }
    });
    let into = library.begin(&slug)?;
    let placed = package::make(&source, &slug, settings, tools, &secret(), into, report).await?;
    let dir = placed.dir().to_owned();
    let notes = notes.lock().unwrap().clone();
    Ok((dir, notes))
}

/// Name and stamp of each source, as [`Library::names`] wants them.
pub fn stamped(sources: &[&Path]) -> Vec<(PathBuf, Stamp)> {
    sources.iter().map(|s| (s.to_path_buf(), Stamp::of(s).unwrap())).collect()
}
