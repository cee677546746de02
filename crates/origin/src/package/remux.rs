//! A film as it is, cut into a package without decoding anything: H.264 and AAC in MP4 or MOV. Needs no ffmpeg.

use super::Step;
use super::error::PackageError;
use super::writer::{Writer, Written};
use crate::language;
use crate::probe::MAX_AUDIO;
use cmaf::Kind;
use cmaf::demux::Demuxer;
use std::fs::File;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

/// Samples between two looks at the clock and at whether all this is still wanted.
const SAMPLES_A_TURN: u64 = 256;

/// What came out.
#[derive(Debug)]
pub(crate) struct Remuxed {
    pub written: Vec<Written>,
    pub notes: Vec<String>,
}

/// Cuts `source` (an absolute path) into folders of `root`. Dropping the future stops the work.
pub(crate) async fn remux(
    source: &Path,
    root: &Path,
    advice: &'static str,
    report: Arc<dyn Fn(Step) + Send + Sync>,
) -> Result<Remuxed, PackageError> {
    let unwanted = Arc::new(AtomicBool::new(false));
    let _stop = StopOnDrop(Arc::clone(&unwanted));
    let (source, root) = (source.to_owned(), root.to_owned());
    let work = move || remux_blocking(&source, &root, advice, &unwanted, &*report);
    match tokio::task::spawn_blocking(work).await {
        Ok(result) => result,
        Err(panic) => {
            Err(PackageError::Track { track: "v0".into(), reason: format!("cutting it failed: {panic}") })
        }
    }
}

struct StopOnDrop(Arc<AtomicBool>);

impl Drop for StopOnDrop {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

fn remux_blocking(
    source: &Path,
    root: &Path,
    advice: &'static str,
    unwanted: &AtomicBool,
    report: &(dyn Fn(Step) + Send + Sync),
) -> Result<Remuxed, PackageError> {
    let refused = |reason: String| PackageError::Remux { path: source.to_owned(), reason, advice };
    let file = File::open(source).map_err(|e| PackageError::Source { path: source.to_owned(), source: e })?;
    let mut film = Demuxer::open(file).map_err(|e| refused(e.to_string()))?;
    let duration = film.duration();
    let mut notes: Vec<String> =
        film.skipped().iter().map(|s| format!("a track in {} is left out", s.codec)).collect();
    let numbered: Vec<usize> = (0..film.tracks().len()).collect();
    let of = |kind| numbered.iter().copied().filter(|&n| film.tracks()[n].kind == kind).collect::<Vec<_>>();
    let (videos, audios) = (of(Kind::Video), of(Kind::Audio));
    let Some(&video) = videos.first() else { return Err(refused("there is no video in it".into())) };
    if videos.len() > 1 {
        notes.push(format!("{} further video tracks are left out", videos.len() - 1));
    }
    if audios.len() > MAX_AUDIO {
        notes.push(format!("{} audio tracks are left out", audios.len() - MAX_AUDIO));
    }
    let mut wanted = vec![(video, "v0".to_owned(), String::new())];
    for (i, &n) in audios.iter().take(MAX_AUDIO).enumerate() {
        let name = language::track_name(None, film.tracks()[n].language.as_deref(), "Audio", i);
        wanted.push((n, format!("a{i}"), name));
    }
    wanted[0].2 = format!("{}p", film.tracks()[video].height);
    language::make_distinct(wanted.iter_mut().map(|w| &mut w.2));
    let mut written = Vec::new();
    let share = 1.0 / wanted.len() as f64;
    for (turn, (n, id, name)) in wanted.iter().enumerate() {
        let track = film.tracks()[*n].clone();
        let timescale = track.timescale;
        let mut writer = Writer::new(root, id, name, track)?;
        let mut count = 0u64;
        while let Some(sample) = film.next_sample(*n).map_err(|e| refused(e.to_string()))? {
            if count.is_multiple_of(SAMPLES_A_TURN) {
                if unwanted.load(Ordering::Relaxed) {
                    return Err(PackageError::CutShort(id.clone()));
                }
                let in_track = cmaf::ticks_to_duration(sample.dts, timescale);
                let done = done(duration, turn, in_track, share);
                report(Step::Encoding { done, length: duration, speed: None });
            }
            count += 1;
            writer.push(sample)?;
        }
        match writer.finish()? {
            Some(track) => written.push(track),
            None if *n == video => return Err(refused("there is no picture in its video track".into())),
            None => notes.push(format!("sound track {name} is empty and left out")),
        }
    }
    Ok(Remuxed { written, notes })
}

/// What of the whole work is done at `in_track` of track number `turn`, each of which is a `share`. A file can claim any
/// length: nothing here may overflow.
fn done(duration: Duration, turn: usize, in_track: Duration, share: f64) -> Duration {
    let seconds = (duration.as_secs_f64() * turn as f64 + in_track.as_secs_f64()) * share;
    Duration::try_from_secs_f64(seconds).unwrap_or(duration).min(duration)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_film_of_any_claimed_length_has_progress() {
        let endless = Duration::MAX;
        assert_eq!(done(endless, 7, endless, 1.0), endless);
        assert!(done(endless, 1, Duration::ZERO, 0.5) <= endless);
        assert_eq!(done(Duration::ZERO, 3, endless, 0.1), Duration::ZERO);
        let minute = Duration::from_secs(60);
        assert_eq!(done(minute, 1, Duration::from_secs(30), 0.5), Duration::from_secs(45));
    }
}
