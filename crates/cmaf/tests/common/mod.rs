//! Clips and commands the tests share. ffmpeg makes the clips; what it decodes is the judge.
#![allow(dead_code, reason = "each test file uses a part")]

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use cmaf::{Kind, Presentation, Rendition, Segment, Segmenter, Track, demux::Demuxer, init_segment};

/// A folder that is removed when dropped.
pub struct Scratch(PathBuf);

impl Scratch {
    pub fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("cmaf-{name}-{}", std::process::id()));
        std::fs::create_dir_all(&path).expect("the temporary folder is writable");
        Self(path)
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }

    pub fn root(&self) -> &Path {
        &self.0
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        // What is left over lies in the temporary folder.
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// Runs ffmpeg with a line of arguments (split at spaces) and gives its standard output.
pub fn ffmpeg(args: &str) -> Vec<u8> {
    run("ffmpeg", &format!("-hide_banner -loglevel error -nostdin -y {args}"))
}

/// Runs a program; a failure is a panic with what it said.
pub fn run(program: &str, args: &str) -> Vec<u8> {
    let output =
        Command::new(program).args(args.split_whitespace()).output().expect("the program is installed");
    assert!(output.status.success(), "{program} {args}: {}", String::from_utf8_lossy(&output.stderr));
    output.stdout
}

/// Pictures with B-frames every 2 s of GOP and a tone.
pub const ENCODE: &str =
    "-c:v libx264 -preset ultrafast -bf 2 -g 50 -pix_fmt yuv420p -threads 2 -c:a aac -b:a 64k";

/// A film of `seconds` at 25 frames a second with B-frames and mono AAC at 48 kHz.
pub fn film(to: &Path, seconds: f64, more: &str) {
    ffmpeg(&format!(
        "-f lavfi -i testsrc2=size=320x180:rate=25:duration={seconds} \
         -f lavfi -i sine=frequency=440:sample_rate=48000:duration={seconds} {ENCODE} {more} {}",
        to.display()
    ));
}

/// All segments of one track of a film.
pub struct Cut {
    pub rendition: Rendition,
    pub init: Vec<u8>,
    pub segments: Vec<Segment>,
}

impl Cut {
    /// The init segment and all segments in one.
    pub fn whole(&self) -> Vec<u8> {
        let mut whole = self.init.clone();
        for segment in &self.segments {
            whole.extend_from_slice(&segment.bytes);
        }
        whole
    }
}

/// Cuts every track of a film into segments of about `target`.
pub fn cut(film: &Path, target: Duration) -> Vec<Cut> {
    let mut demuxer = Demuxer::open(std::fs::File::open(film).expect("the film exists")).expect("a film");
    let mut cuts = Vec::new();
    let (mut videos, mut audios) = (0, 0);
    for (at, track) in demuxer.tracks().to_vec().into_iter().enumerate() {
        let mut segmenter = Segmenter::new(&track, target);
        let mut segments = Vec::new();
        while let Some(sample) = demuxer.next_sample(at).expect("the film is whole") {
            segments.extend(segmenter.push(sample).expect("a film's samples are in order"));
        }
        segments.extend(segmenter.finish());
        let count = if track.kind == Kind::Video { &mut videos } else { &mut audios };
        let id = format!("{}{count}", if track.kind == Kind::Video { "v" } else { "a" });
        *count += 1;
        cuts.push(Cut {
            init: init_segment(&track),
            rendition: Rendition {
                name: id.clone(),
                id,
                track,
                segments: segments.iter().map(Segment::info).collect(),
            },
            segments,
        });
    }
    cuts
}

/// Writes a package as `serve` lays it out, without index and card.
pub fn write_package(root: &Path, cuts: &[Cut]) -> Presentation {
    let presentation = Presentation {
        renditions: cuts.iter().map(|c| c.rendition.clone()).collect(),
        ..Presentation::default()
    };
    let write = |name: String, bytes: &[u8]| std::fs::write(root.join(name), bytes).expect("writable");
    for cut in cuts {
        let id = &cut.rendition.id;
        std::fs::create_dir_all(root.join(id)).expect("writable");
        write(format!("{id}/init.mp4"), &cut.init);
        for segment in &cut.segments {
            write(format!("{id}/{}.m4s", segment.sequence), &segment.bytes);
        }
        write(format!("{id}/media.m3u8"), cmaf::hls::media(&presentation, &cut.rendition).as_bytes());
        if cut.rendition.track.kind == Kind::Video {
            write(format!("{id}/iframes.m3u8"), cmaf::hls::iframes(&presentation, &cut.rendition).as_bytes());
        }
    }
    write("master.m3u8".to_owned(), cmaf::hls::master(&presentation).as_bytes());
    write("manifest.mpd".to_owned(), cmaf::dash::mpd(&presentation).as_bytes());
    presentation
}

/// A box of this type around a payload.
pub fn boxed(kind: &[u8; 4], payload: &[u8]) -> Vec<u8> {
    let mut out = ((payload.len() + 8) as u32).to_be_bytes().to_vec();
    out.extend_from_slice(kind);
    out.extend_from_slice(payload);
    out
}

/// H.264 at 12800 ticks a second, made without an encoder.
pub fn video_track() -> Track {
    let config = [1, 0x64, 0, 0x1f, 0xff, 0xe1, 0, 4, 0x67, 0x64, 0, 0x1f, 1, 0, 2, 0x68, 0xee];
    let mut entry = vec![0, 0, 0, 0, 0, 0, 0, 1];
    entry.resize(24, 0);
    entry.extend_from_slice(&[5, 0, 2, 0xd0, 0, 0x48, 0, 0, 0, 0x48, 0, 0, 0, 0, 0, 0, 0, 1]);
    entry.resize(74, 0);
    entry.extend_from_slice(&[0, 24, 0xff, 0xff]);
    entry.extend_from_slice(&boxed(b"avcC", &config));
    Track {
        kind: Kind::Video,
        timescale: 12800,
        codec: "avc1.64001f".to_owned(),
        sample_entry: boxed(b"avc1", &entry),
        width: 1280,
        height: 720,
        rotation: 0,
        frame_rate: Some((25, 1)),
        channels: 0,
        sample_rate: 0,
        language: None,
        priming: 0,
    }
}

/// Stereo AAC-LC at 48 kHz in English, made without an encoder.
pub fn audio_track() -> Track {
    let esds = [
        0, 0, 0, 0, 3, 25, 0, 0, 0, 4, 17, 0x40, 0x15, 0, 0, 0, 0, 1, 0xf4, 0, 0, 1, 0xf4, 0, 5, 2, 0x11,
        0x90, 6, 1, 2,
    ];
    let mut entry =
        vec![0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 2, 0, 16, 0, 0, 0, 0, 0xbb, 0x80, 0, 0];
    entry.extend_from_slice(&boxed(b"esds", &esds));
    Track {
        kind: Kind::Audio,
        timescale: 48000,
        codec: "mp4a.40.2".to_owned(),
        sample_entry: boxed(b"mp4a", &entry),
        width: 0,
        height: 0,
        rotation: 0,
        frame_rate: None,
        channels: 2,
        sample_rate: 48000,
        language: Some("en".to_owned()),
        priming: 1024,
    }
}
