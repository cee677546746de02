//! Clips and commands the tests share. ffmpeg makes the clips; what it decodes is the judge.
#![allow(dead_code, reason = "each test file uses a part")]

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use cmaf::{Kind, Presentation, Rendition, Segment, Segmenter, demux::Demuxer, init_segment};

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
        write(format!("{id}/media.m3u8"), cmaf::hls::media(&cut.rendition).as_bytes());
        if cut.rendition.track.kind == Kind::Video {
            write(format!("{id}/iframes.m3u8"), cmaf::hls::iframes(&cut.rendition).as_bytes());
        }
    }
    write("master.m3u8".to_owned(), cmaf::hls::master(&presentation).as_bytes());
    write("manifest.mpd".to_owned(), cmaf::dash::mpd(&presentation).as_bytes());
    presentation
}
