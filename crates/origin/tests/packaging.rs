//! Source files in, packages out.

mod common;

use cmaf::ingest::{Event, FragmentReader};
use common::{PICTURE_AND_TONE, clip, make, quick, secret};
use manifest::{Index, OpenError, SecretKey, digest, text};
use origin::check::{Target, run};
use origin::http::{Limits, Origin, serve};
use origin::library::Library;
use origin::package::{Card, Mode, Record, resign};
use origin::slug::Slug;
use origin::tools::Tools;
use std::fs;
use std::path::Path;
use tokio::net::TcpListener;
use tokio::process::Command;

fn card(dir: &Path) -> Card {
    serde_json::from_slice(&fs::read(dir.join("stream.json")).unwrap()).unwrap()
}

fn index(dir: &Path) -> Index {
    Index::open(&fs::read(dir.join("index.bci")).unwrap(), Some(&secret().public())).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_film_becomes_a_ladder_whose_every_byte_is_in_the_signed_index() {
    let temp = tempfile::tempdir().unwrap();
    let film = clip(temp.path(), PICTURE_AND_TONE, "My Film.mp4");
    let library = Library::open(&temp.path().join("data")).unwrap();
    let (dir, notes) = make(&library, &film, &quick(), Tools::find().as_ref()).await.unwrap();
    assert_eq!(notes, [""; 0]);
    assert_eq!(dir.file_name().unwrap(), "my-film");

    let card = card(&dir);
    assert_eq!((card.slug.as_str(), card.title.as_str()), ("my-film", "My Film"));
    assert!((8.3..8.6).contains(&card.duration_s), "{}", card.duration_s);
    let ids: Vec<&str> = card.renditions.iter().map(|r| r.id.as_str()).collect();
    assert_eq!(ids, ["v0", "v1", "a0"]);
    assert_eq!((card.renditions[0].width, card.renditions[0].height), (Some(160), Some(90)));
    assert_eq!(card.renditions[1].frame_rate, Some(25.0));
    assert!(card.renditions[1].codecs.starts_with("avc1."));

    let index = index(&dir);
    assert_eq!(index.renditions.len(), 3);
    for rendition in &index.renditions {
        let folder = dir.join(&rendition.id);
        assert_eq!(digest::root(&fs::read(folder.join("init.mp4")).unwrap()), rendition.init);
        assert_eq!(rendition.segments.len(), 3, "8.4 s on a 4 s grid");
        for (i, segment) in rendition.segments.iter().enumerate() {
            let bytes = fs::read(folder.join(format!("{}.m4s", i + 1))).unwrap();
            assert_eq!((bytes.len(), digest::root(&bytes)), (segment.size as usize, segment.root));
        }
        assert!(!folder.join("4.m4s").exists());
    }
    // Both rungs are cut at the same times.
    let times = |i: usize| index.renditions[i].segments.iter().map(|s| s.duration_ms).collect::<Vec<_>>();
    assert_eq!(times(0), [4000, 4000, 400]);
    assert_eq!(times(1), times(0));
    for file in ["master.m3u8", "manifest.mpd", "poster.jpg", "thumbs.jpg", "thumbs.vtt", "v1/iframes.m3u8"] {
        assert!(fs::metadata(dir.join(file)).unwrap().len() > 0, "{file}");
    }
    assert_eq!(Record::read(&dir).unwrap().mode, Mode::Encoded);
}

#[tokio::test(flavor = "multi_thread")]
async fn encoded_sound_is_as_early_as_the_picture_and_ends_with_it() {
    let temp = tempfile::tempdir().unwrap();
    let args = "-f lavfi -i testsrc2=size=128x72:rate=25:duration=20 -f lavfi -i sine=duration=20:sample_rate=48000 \
        -c:v libx264 -preset ultrafast -c:a aac";
    let film = clip(temp.path(), args, "f.mp4");
    let library = Library::open(&temp.path().join("data")).unwrap();
    let (dir, _) = make(&library, &film, &quick(), Tools::find().as_ref()).await.unwrap();
    let mut reader = FragmentReader::new();
    let mut track = None;
    for file in ["a0/init.mp4", "a0/1.m4s"] {
        for event in reader.push(&fs::read(dir.join(file)).unwrap()).unwrap() {
            if let Event::Track(found) = event {
                track = Some(found);
            }
        }
    }
    assert_eq!(track.unwrap().priming, 1024, "a frame of the encoder's delay is not part of the film");
    for rendition in &index(&dir).renditions {
        assert_eq!(rendition.segments.len(), 5, "{}: 20 s on a 4 s grid", rendition.id);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn ffmpeg_plays_what_was_packaged_to_the_end() {
    let temp = tempfile::tempdir().unwrap();
    let film = clip(temp.path(), PICTURE_AND_TONE, "f.mp4");
    let library = Library::open(&temp.path().join("data")).unwrap();
    let (dir, _) = make(&library, &film, &quick(), Tools::find().as_ref()).await.unwrap();
    let origin = Origin::new(secret().public(), 64 << 20, Default::default());
    origin.publish(&dir, &Slug::parse("f").unwrap()).unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(serve(listener, origin, Limits::default(), std::future::pending()));
    for manifest in ["master.m3u8", "manifest.mpd"] {
        let output = Command::new("ffmpeg")
            .args("-v warning -nostdin -i".split(' '))
            .arg(format!("http://{address}/s/f/{manifest}"))
            .args("-map 0:v -map 0:a -f framemd5 -".split(' '))
            .output()
            .await
            .unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let text = String::from_utf8(output.stdout).unwrap();
        for stream in [0, 1] {
            let frames = text.lines().filter(|l| l.starts_with(&format!("{stream},"))).count();
            assert_eq!(frames, 210, "{manifest} stream {stream}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn without_ffmpeg_an_mp4_goes_out_as_it_is_and_the_publisher_is_told() {
    let temp = tempfile::tempdir().unwrap();
    let film = clip(temp.path(), PICTURE_AND_TONE, "f.mp4");
    let library = Library::open(&temp.path().join("data")).unwrap();
    let (dir, notes) = make(&library, &film, &quick(), None).await.unwrap();
    assert!(notes[0].contains("ffmpeg was not found"), "{notes:?}");
    let card = card(&dir);
    assert_eq!(card.renditions.len(), 2);
    assert_eq!((card.renditions[0].height, card.poster), (Some(180), None));
    assert_eq!(index(&dir).renditions[0].segments.len(), 3);
    assert_eq!(Record::read(&dir).unwrap().mode, Mode::Remuxed);
}

#[tokio::test(flavor = "multi_thread")]
async fn without_ffmpeg_another_codec_is_refused_with_advice() {
    let temp = tempfile::tempdir().unwrap();
    let args = "-f lavfi -i testsrc2=size=64x64:rate=10:duration=1 -c:v mpeg4";
    let film = clip(temp.path(), args, "old.mp4");
    let library = Library::open(&temp.path().join("data")).unwrap();
    let error = make(&library, &film, &quick(), None).await.unwrap_err().to_string();
    assert!(error.contains("mp4v") && error.contains("Install ffmpeg"), "{error}");
    assert_eq!(fs::read_dir(temp.path().join("data/streams")).unwrap().count(), 0, "nothing is left behind");
}

#[tokio::test(flavor = "multi_thread")]
async fn sound_tracks_and_subtitles_keep_their_languages() {
    let temp = tempfile::tempdir().unwrap();
    fs::write(temp.path().join("a.srt"), "1\n00:00:01,000 --> 00:00:02,000\nHello there\n").unwrap();
    let args = "-f lavfi -i testsrc2=size=128x72:rate=25:duration=5 -f lavfi -i sine=duration=5 -f lavfi -i sine=300:duration=5 \
        -i a.srt -map 0 -map 1 -map 2 -map 3 -c:v libx264 -preset ultrafast -c:a libmp3lame -c:s srt \
        -metadata:s:a:0 language=eng -metadata:s:a:1 language=ger -metadata:s:s:0 language=fre";
    let film = clip(temp.path(), args, "f.mkv");
    let library = Library::open(&temp.path().join("data")).unwrap();
    let (dir, notes) = make(&library, &film, &quick(), Tools::find().as_ref()).await.unwrap();
    assert_eq!(notes, [""; 0]);
    let languages: Vec<_> = card(&dir).renditions.iter().map(|r| r.language.clone()).collect();
    assert_eq!(languages[1..], [Some("en".to_owned()), Some("de".to_owned())]);
    let master = fs::read_to_string(dir.join("master.m3u8")).unwrap();
    for part in ["NAME=\"English\"", "NAME=\"Deutsch\"", "LANGUAGE=\"fr\"", "TYPE=SUBTITLES"] {
        assert!(master.contains(part), "{part} in {master}");
    }
    let vtt = fs::read_to_string(dir.join("t0/subs.vtt")).unwrap();
    assert!(vtt.starts_with("WEBVTT") && vtt.contains("Hello there"));
    // They are signed with the film, and anew with it.
    let signed = |key: &SecretKey| {
        let index = Index::open(&fs::read(dir.join("index.bci")).unwrap(), Some(&key.public()))?;
        let vtt = fs::read(dir.join("t0/subs.vtt")).unwrap();
        Ok::<_, OpenError>(text::open(&vtt, &index.swarm_id(), "t0/subs.vtt", &key.public()).is_ok())
    };
    let (key, other) = (secret(), SecretKey::from_seed([8; 32]));
    assert_eq!(signed(&key), Ok(true));
    resign(&dir, &other).unwrap();
    assert_eq!((signed(&key), signed(&other)), (Err(OpenError::OtherKey), Ok(true)));
    resign(&dir, &key).unwrap();
    assert_eq!(fs::read_to_string(dir.join("t0/subs.vtt")).unwrap(), vtt, "nothing is added twice");
    let judged = run(&Target::Folder(dir.clone()), Some(&key.public()), &mut |_| {});
    assert_eq!(judged.findings, []);
    fs::write(dir.join("t0/subs.vtt"), vtt.replace("Hello there", "Hello, you")).unwrap();
    let judged = run(&Target::Folder(dir.clone()), Some(&key.public()), &mut |_| {});
    let told: Vec<String> = judged.findings.iter().map(ToString::to_string).collect();
    assert!(told.len() == 1 && told[0].contains("t0/subs.vtt: the text's signature"), "{told:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sound_track_without_sound_is_left_out_and_the_publisher_is_told() {
    let temp = tempfile::tempdir().unwrap();
    let args = "-f lavfi -i testsrc2=size=128x72:rate=25:duration=5 -f lavfi -i sine=duration=5 \
        -filter_complex [1:a]asplit[x][y];[y]atrim=start=100[z] -map 0 -map [x] -map [z] \
        -c:v libx264 -preset ultrafast -c:a pcm_s16le";
    let film = clip(temp.path(), args, "f.mkv");
    let library = Library::open(&temp.path().join("data")).unwrap();
    let (dir, notes) = make(&library, &film, &quick(), Tools::find().as_ref()).await.unwrap();
    assert!(notes.len() == 1 && notes[0].contains("empty and left out"), "{notes:?}");
    let ids: Vec<String> = card(&dir).renditions.iter().map(|r| r.id.clone()).collect();
    assert_eq!(ids, ["v0", "a0"]);
    assert!(!dir.join("a1").exists());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_name_is_never_an_option_or_a_protocol() {
    let temp = tempfile::tempdir().unwrap();
    let args = "-f lavfi -i testsrc2=size=64x64:rate=10:duration=1 -c:v libx264 -f mp4";
    for name in ["-x.mp4", "concat:a|b.mp4", "http:--example.mp4", "[0:v]split;\n.mp4"] {
        let film = clip(temp.path(), args, name);
        let library = Library::open(&temp.path().join("data")).unwrap();
        let made = make(&library, &film, &quick(), Tools::find().as_ref()).await;
        assert!(made.is_ok(), "{name}: {made:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_playlist_that_names_other_files_opens_none_of_them() {
    let temp = tempfile::tempdir().unwrap();
    let canary = clip(temp.path(), PICTURE_AND_TONE, "canary.ts");
    let library = Library::open(&temp.path().join("data")).unwrap();
    let texts = [
        (
            "list.m3u8",
            format!("#EXTM3U\n#EXT-X-TARGETDURATION:9\n#EXTINF:9,\n{}\n#EXT-X-ENDLIST\n", canary.display()),
        ),
        ("list.mp4", format!("ffconcat version 1.0\nfile '{}'\n", canary.display())),
        ("list.txt", format!("ffconcat version 1.0\nfile 'file:{}'\n", canary.display())),
        (
            "list.sdp",
            "v=0\no=- 0 0 IN IP4 127.0.0.1\ns=x\nc=IN IP4 127.0.0.1\nt=0 0\nm=video 9 RTP/AVP 96\n".into(),
        ),
    ];
    for (name, text) in texts {
        let list = temp.path().join(name);
        fs::write(&list, text).unwrap();
        let error = make(&library, &list, &quick(), Tools::find().as_ref()).await.unwrap_err().to_string();
        assert!(error.contains("no film that ffmpeg can read"), "{name}: {error}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_film_is_refused_in_words() {
    let temp = tempfile::tempdir().unwrap();
    let library = Library::open(&temp.path().join("data")).unwrap();
    let tools = Tools::find();
    let told =
        async |path: &Path| make(&library, path, &quick(), tools.as_ref()).await.unwrap_err().to_string();
    assert!(told(&temp.path().join("none.mp4")).await.contains("cannot read"));
    assert!(told(temp.path()).await.contains("not a file"));
    let path = temp.path().join("empty.mp4");
    fs::write(&path, "").unwrap();
    assert!(told(&path).await.contains("is empty"));
    let path = temp.path().join("noise.mp4");
    fs::write(&path, vec![0xa5; 100_000]).unwrap();
    assert!(told(&path).await.contains("no film"));
    let path = clip(temp.path(), "-f lavfi -i sine=duration=1", "tone.m4a");
    assert!(told(&path).await.contains("no video"));
}
