//! A live stream, from samples to what players read.

#[path = "../common/mod.rs"]
mod common;
mod films;
mod random;
mod stories;
mod watch;

use std::collections::BTreeMap;
use std::time::Duration;

use cmaf::check::{Checker, Finding, Severity, live::Watch};
use cmaf::live::{Answer, CutError, Cutter, Part, Rendition, Targets, Window, dash, hls};
use cmaf::{Sample, Track, init_segment};

/// Wall time of zero on the timeline: 2026-01-31 12:00 UTC.
const ZERO: Duration = Duration::from_secs(1_769_860_800);

/// One rendition.
struct Line {
    id: &'static str,
    cutter: Cutter,
    window: Window,
    parts: Vec<Part>,
}

/// A stream as an origin would run it, which judges every answer it gives.
struct Stage {
    lines: Vec<Line>,
    files: BTreeMap<String, Vec<u8>>,
    /// Their texts are made with the segments of the first rendition.
    captions: Vec<hls::Subtitles>,
    whole: Watch,
    deltas: Watch,
    plain: Watch,
}

impl Stage {
    fn new(tracks: &[(&'static str, Track)], targets: Targets, length: Duration) -> Self {
        let mut files = BTreeMap::new();
        let lines = tracks.iter().map(|(id, track)| {
            let rendition = Rendition {
                id: (*id).to_owned(),
                name: (*id).to_owned(),
                bandwidth: 100_000,
                query: String::new(),
            };
            let mut window = Window::new(rendition, track, targets, length);
            window.set_clock(ZERO);
            files.insert(format!("{id}/init/1.mp4"), init_segment(track));
            Line { id, cutter: Cutter::new(track, targets), window, parts: Vec::new() }
        });
        let lines = lines.collect();
        let captions = Vec::new();
        Self { lines, files, captions, whole: Watch::new(), deltas: Watch::new(), plain: Watch::new() }
    }

    fn push(&mut self, at: usize, sample: Sample) -> Result<(), CutError> {
        let parts = self.lines[at].cutter.push(sample)?;
        self.take(at, parts);
        Ok(())
    }

    /// Feeds all renditions, in the order of decode times.
    fn feed(&mut self, tracks: &[&Track], samples: Vec<Vec<Sample>>) {
        let mut all = Vec::new();
        for (at, samples) in samples.into_iter().enumerate() {
            all.extend(samples.into_iter().map(|s| (tracks[at].duration(s.dts), at, s)));
        }
        all.sort_by_key(|(time, at, _)| (*time, *at));
        for (_, at, sample) in all {
            self.push(at, sample).expect("a sound source");
        }
    }

    fn take(&mut self, at: usize, parts: Vec<Part>) {
        for part in parts {
            let line = &mut self.lines[at];
            let hinted = line.window.next_part();
            assert_eq!(hinted, Some(part.sequence), "what was hinted at comes");
            let ready = |line: &Line| line.window.answer(part.segment, Some(part.index));
            assert_eq!(ready(line), Answer::Wait, "{} {part:?}", line.id);
            if part.index == 0 && part.sequence > 1 {
                let before = line.parts.last().expect("an earlier part");
                let past = line.window.answer(before.segment, Some(before.index + 1));
                assert_eq!(past, Answer::Wait, "a part past the last is the first of the next");
            }
            self.files.insert(format!("{}/part/{}.m4s", line.id, part.sequence), part.bytes.clone());
            let segment = self.files.entry(format!("{}/{}.m4s", line.id, part.segment)).or_default();
            segment.extend_from_slice(&part.bytes);
            for number in 0..self.captions.len().min(if at == 0 { usize::MAX } else { 0 }) {
                let text = "WEBVTT\n\n".into();
                self.files.insert(format!("t{number}/{}.vtt", part.segment), text);
            }
            line.window.push(&part);
            assert_eq!(ready(line), Answer::Ready);
            let look = part.sequence % 37 == 0;
            line.parts.push(part);
            self.answer(at);
            if look {
                assert_eq!(self.dash(), []);
            }
        }
    }

    /// What viewers are told now.
    fn answer(&mut self, at: usize) {
        let windows: Vec<&Window> = self.lines.iter().map(|l| &l.window).collect();
        let url = format!("{}/media.m3u8", self.lines[at].id);
        let [whole, delta, plain] = [hls::Form::LowLatency, hls::Form::Delta, hls::Form::Plain]
            .map(|form| hls::media(windows[at], &windows, form));
        self.whole.playlist(&url, &whole);
        self.whole.delta(&url, &whole, &delta);
        self.deltas.playlist(&url, &delta);
        if plain.contains("#EXTINF") {
            self.plain.playlist(&url, &plain);
        }
    }

    fn restart(&mut self, tracks: &[&Track]) {
        for (at, track) in tracks.iter().enumerate() {
            let parts = self.lines[at].cutter.restart(track);
            self.take(at, parts);
            let line = &mut self.lines[at];
            line.window.restart(track);
            let (number, init) = line.cutter.init();
            self.files.insert(format!("{}/init/{number}.mp4", line.id), init.to_vec());
        }
    }

    fn finish(&mut self) {
        for at in 0..self.lines.len() {
            let parts = self.lines[at].cutter.finish();
            self.take(at, parts);
            self.lines[at].window.end();
            self.answer(at);
        }
    }

    fn windows(&self) -> Vec<&Window> {
        self.lines.iter().map(|l| &l.window).collect()
    }

    fn mpd(&self) -> String {
        let service = dash::Service {
            published: ZERO,
            utc_timing: Some("https://example.org/time?a=1&b=2".to_owned()),
            latency: Duration::from_secs(3),
        };
        dash::mpd(&self.windows(), &self.captions, &service)
    }

    /// What the checks say of the MPD and of all it names, as of now.
    fn dash(&self) -> Vec<Finding> {
        let mpd = self.mpd();
        let mut checker = Checker::new(|url: &str| match url {
            "manifest.mpd" => Ok(mpd.clone().into_bytes()),
            url => self.files.get(url).cloned().ok_or_else(|| "not there".to_owned()),
        });
        checker.dash("manifest.mpd");
        checker.finish()
    }

    /// What the checks say of all answers, and of the stream as it is now; warnings count.
    fn findings(self) -> Vec<Finding> {
        let mut files = self.files.clone();
        let windows = self.windows();
        files.insert("master.m3u8".to_owned(), hls::multivariant(&windows, &[]).into_bytes());
        files.insert("manifest.mpd".to_owned(), self.mpd().into_bytes());
        for window in &windows {
            let text = hls::media(window, &windows, hls::Form::LowLatency);
            files.insert(format!("{}/media.m3u8", window.rendition().id), text.into_bytes());
        }
        let mut checker =
            Checker::new(|url: &str| files.get(url).cloned().ok_or_else(|| "not there".to_owned()));
        checker.hls("master.m3u8");
        checker.dash("manifest.mpd");
        let mut all = checker.finish();
        // More is announced than a tone and a test picture need; and after a restart a variant is what it is by then.
        all.retain(|f| !f.what.contains("but only") && !f.what.contains("RESOLUTION"));
        all.extend(self.whole.finish());
        all.extend(self.deltas.finish());
        all.extend(self.plain.finish());
        all
    }
}

/// Frames of this many ticks, from `from` on.
fn frames(track: &Track, from: u64, count: u64, duration: u32, keyframe_every: u64) -> Vec<Sample> {
    let frame = |n: u64| Sample {
        dts: from + n * u64::from(duration),
        cts_offset: 0,
        duration,
        sync: track.channels > 0 || n.is_multiple_of(keyframe_every),
        data: vec![n as u8; 300 + n as usize % 5].into(),
    };
    (0..count).map(frame).collect()
}

/// Parts of one segment sum to it, and each starts where the one before ends, but for what a restart leaves out.
fn assert_gapless(parts: &[Part]) {
    for pair in parts.windows(2) {
        let [a, b] = pair else { unreachable!() };
        assert_eq!(a.sequence + 1, b.sequence);
        assert!(a.duration > 0 && b.duration > 0);
        if a.segment == b.segment {
            assert!(!a.ends_segment);
            assert_eq!(a.index + 1, b.index);
        } else {
            assert!(a.ends_segment);
            assert_eq!((a.segment + 1, b.index), (b.segment, 0));
        }
        if a.segment == b.segment || !b.discontinuity {
            assert_eq!((a.start + a.duration, a.timescale), (b.start, b.timescale), "{a:?} {b:?}");
        } else {
            let (a_end, b_start) = (u128::from(a.start + a.duration), u128::from(b.start));
            assert!(a_end * u128::from(b.timescale) <= b_start * u128::from(a.timescale), "no overlap");
        }
    }
}

/// Start and duration of each segment, from its parts.
fn segments(parts: &[Part]) -> Vec<(u64, u64)> {
    let mut segments: Vec<(u64, u64)> = Vec::new();
    for part in parts {
        if part.index == 0 {
            segments.push((part.start, 0));
        }
        segments.last_mut().expect("the first part has index 0").1 += part.duration;
    }
    segments
}

fn errors(findings: &[Finding]) -> Vec<String> {
    findings.iter().filter(|f| f.severity == Severity::Error).map(Finding::to_string).collect()
}
