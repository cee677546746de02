//! The data directory: one process, stable names, nothing half done.

mod common;

use common::{PICTURE_AND_TONE, clip, make, quick, stamped};
use origin::library::{Library, LibraryError};
use origin::package::{Partial, Record, Settings, Stamp};
use origin::tools::Tools;
use std::fs;
use std::path::Path;
use std::time::Duration;

fn entries(dir: &Path) -> Vec<String> {
    let mut names: Vec<String> =
        fs::read_dir(dir).unwrap().map(|e| e.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

#[test]
fn two_processes_do_not_share_a_data_directory() {
    let temp = tempfile::tempdir().unwrap();
    let first = Library::open(temp.path()).unwrap();
    let error = Library::open(temp.path()).unwrap_err();
    assert!(matches!(error, LibraryError::InUse(_)));
    assert!(error.to_string().contains("--data"), "{error}");
    drop(first);
    Library::open(temp.path()).unwrap();
}

#[test]
fn what_a_killed_process_left_is_cleared_away() {
    let temp = tempfile::tempdir().unwrap();
    let streams = temp.path().join("streams");
    for dir in
        ["film.partial-0123abcd/v0", "whole/v0", "moved.old-0123abcd/v0", "kept/v0", "kept.old-0123abcd/v0"]
    {
        fs::create_dir_all(streams.join(dir)).unwrap();
    }
    let _library = Library::open(temp.path()).unwrap();
    assert_eq!(entries(&streams), ["kept", "moved", "whole"]);
}

#[test]
fn a_folder_gets_its_name_only_when_it_is_committed() {
    let temp = tempfile::tempdir().unwrap();
    let target = temp.path().join("film");
    let partial = Partial::begin(&target).unwrap();
    fs::write(partial.path().join("a"), "1").unwrap();
    assert!(!target.exists());
    drop(partial);
    assert_eq!(entries(temp.path()), [""; 0]);

    for content in ["1", "2"] {
        let partial = Partial::begin(&target).unwrap();
        fs::write(partial.path().join(content), content).unwrap();
        let placed = partial.commit().unwrap();
        assert_eq!(placed.dir(), target);
        let left = entries(temp.path()).len();
        assert_eq!(
            left,
            if content == "1" { 1 } else { 2 },
            "the old one stays until the new one is turned to"
        );
        drop(placed);
        assert_eq!(entries(&target), [content], "the old contents are replaced as a whole");
        assert_eq!(entries(temp.path()), ["film"]);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_film_keeps_its_name_whatever_the_order_and_wherever_it_moves() {
    let temp = tempfile::tempdir().unwrap();
    for dir in ["a", "b"] {
        fs::create_dir(temp.path().join(dir)).unwrap();
    }
    let first = clip(&temp.path().join("a"), PICTURE_AND_TONE, "film.mp4");
    let second = clip(&temp.path().join("b"), &format!("{PICTURE_AND_TONE} -t 3"), "film.mp4");
    let library = Library::open(&temp.path().join("data")).unwrap();
    let names = |sources: &[&Path]| {
        library.names(&stamped(sources)).iter().map(ToString::to_string).collect::<Vec<_>>()
    };
    assert_eq!(names(&[&first, &second]), ["film", "film-2"]);
    make(&library, &first, &quick(), None).await.unwrap();
    assert_eq!(names(&[&second, &first]), ["film-2", "film"]);
    assert_eq!(names(&[&second]), ["film-2"], "the name of another film is not free");
    fs::create_dir(temp.path().join("c")).unwrap();
    let moved = temp.path().join("c/film.mp4");
    fs::rename(&first, &moved).unwrap();
    assert_eq!(names(&[&second, &moved]), ["film-2", "film"]);
    assert_eq!(library.packages().unwrap().len(), 1);
    // A gap in the numbers hides nothing that comes after it.
    let streams = temp.path().join("data/streams");
    fs::rename(streams.join("film"), streams.join("film-3")).unwrap();
    assert_eq!(names(&[&moved]), ["film-3"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_package_is_current_until_source_or_settings_change() {
    let temp = tempfile::tempdir().unwrap();
    let film = clip(temp.path(), PICTURE_AND_TONE, "film.mp4");
    let library = Library::open(&temp.path().join("data")).unwrap();
    let (dir, _) = make(&library, &film, &quick(), Tools::find().as_ref()).await.unwrap();
    let current = |settings: &Settings, can_encode| {
        Record::read(&dir).unwrap().is_current(&Stamp::of(&film).unwrap(), settings, can_encode)
    };
    assert!(current(&quick(), true));
    assert!(current(&quick(), false), "a ladder is not thrown away because ffmpeg went");
    assert!(!current(&Settings { preset: "superfast".into(), ..quick() }, true));
    assert!(!current(&Settings { transcode: false, ..quick() }, true));
    assert!(!current(&Settings { ladder: None, ..quick() }, true));

    let file = fs::File::options().append(true).open(&film).unwrap();
    file.set_modified(fs::metadata(&film).unwrap().modified().unwrap() + Duration::from_secs(5)).unwrap();
    assert!(!current(&quick(), true), "the source was touched");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_package_made_for_want_of_ffmpeg_is_made_again_when_it_comes() {
    let temp = tempfile::tempdir().unwrap();
    let film = clip(temp.path(), PICTURE_AND_TONE, "film.mp4");
    let library = Library::open(&temp.path().join("data")).unwrap();
    let (dir, _) = make(&library, &film, &quick(), None).await.unwrap();
    let (record, stamp) = (Record::read(&dir).unwrap(), Stamp::of(&film).unwrap());
    assert!(record.is_current(&stamp, &quick(), false));
    assert!(!record.is_current(&stamp, &quick(), true));
}

#[tokio::test(flavor = "multi_thread")]
async fn stopping_in_the_middle_leaves_nothing() {
    let temp = tempfile::tempdir().unwrap();
    let args = "-f lavfi -i testsrc2=size=640x360:rate=25:duration=60 -c:v libx264 -preset ultrafast -g 25";
    let film = clip(temp.path(), args, "long.mp4");
    let library = Library::open(&temp.path().join("data")).unwrap();
    let slow = Settings { preset: "slower".into(), ..Settings::default() };
    for after_ms in [50, 400, 1200] {
        let tools = Tools::find();
        let work = make(&library, &film, &slow, tools.as_ref());
        tokio::time::timeout(Duration::from_millis(after_ms), work).await.expect_err("it takes longer");
        assert_eq!(entries(&temp.path().join("data/streams")), [""; 0], "after {after_ms} ms");
    }
}
