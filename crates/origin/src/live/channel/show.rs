//! From a broadcast to its channel, and from that to a film. The invariant: a stream whose renditions change is over, and another one begins
//! under its name.

use super::disk::{Disk, Folder};
use super::elsewhere::Elsewhere;
use super::heads::HeadError;
use super::on_air::{Cut, OnAir};
use super::record::Recording;
use super::state::{Start, State};
use super::teller::Teller;
use super::{Channel, ChannelConfig, wall_ms};
use crate::http::Origin;
use crate::ladder::{Picture, Rung};
use crate::library::{Library, LibraryError};
use crate::live::bucket::{Bucket, Uploads};
use crate::live::feed::{Beginning, Broadcast, Feed, Figures, RenditionId};
use crate::package::Settings;
use crate::slug::Slug;
use cmaf::live::{Captions, Cutter};
use cmaf::webvtt::Text;
use cmaf::{Kind, Sample, Track};
use manifest::SecretKey;
use std::collections::BTreeMap;
use std::io;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use tokio::task::JoinSet;
use tokio::time::{Instant, timeout_at};

/// How long the tracks of all renditions are waited for, once one has samples.
const TRACKS: Duration = Duration::from_secs(5);
/// Samples, and bytes of them, held meanwhile.
const MAX_HELD: usize = 8192;
const MAX_HELD_BYTES: usize = 64 << 20;
/// Texts held meanwhile.
const MAX_HELD_TEXTS: usize = 64;

/// The longest target duration that a source is granted, in seconds.
const MAX_TARGET_S: u32 = 60;

/// Where streams are shown, and how.
#[derive(Clone, Debug)]
pub struct Stage {
    /// Who serves them.
    pub origin: Origin,
    /// The publisher's key, which signs descriptions and delegations.
    pub key: SecretKey,
    /// How they are cut and kept.
    pub config: ChannelConfig,
    /// What the encoder was told to make, for the bitrates that playlists announce.
    pub encoding: Settings,
    /// Where viewers get media from instead of the origin, if anywhere.
    pub bucket: Option<Bucket>,
    /// Where segments are kept that memory is too small for, and films of what is recorded.
    pub library: Arc<Library>,
}

/// How a broadcast went.
#[derive(Debug, Default)]
pub struct Show {
    /// Films that were made of it.
    pub films: Vec<Slug>,
    /// Why others were not.
    pub failed: Vec<String>,
}

/// Why a stream is not shown.
#[derive(Debug, thiserror::Error)]
pub(super) enum Failed {
    #[error(transparent)]
    Head(#[from] HeadError),
    #[error("no folder for its segments: {0}")]
    Folder(#[from] LibraryError),
    #[error("no folder for its segments: {0}")]
    Io(#[from] io::Error),
}

impl Stage {
    /// Shows `broadcast` from its beginning to its end, and for a while after; then makes a film of it, if it shall be recorded.
    pub async fn show(&self, broadcast: Broadcast) -> Show {
        let Broadcast { stream, mut feed, target, figures } = broadcast;
        let mut stage = self.clone();
        if let Some(target) = target {
            // Its keyframes come where they come.
            let seconds = target.as_secs() + u64::from(target.subsec_nanos() > 0);
            let ours = &mut stage.config.targets.target_duration_s;
            *ours = (*ours).max(u32::try_from(seconds).unwrap_or(u32::MAX).min(MAX_TARGET_S));
        }
        let Some(slug) = Slug::parse(&stream) else { return Show::default() };
        let mut over = JoinSet::new();
        let mut opening: Option<Opening> = None;
        let mut on_air: Option<OnAir> = None;
        loop {
            let until = match (&opening, &on_air) {
                (Some(opening), _) => opening.until,
                (_, Some(air)) => Some(air.teller.next()),
                _ => None,
            };
            let event = match until {
                Some(until) => timeout_at(until, feed.recv()).await.ok(),
                None => Some(feed.recv().await),
            };
            let event = match event {
                Some(Some(event)) => event,
                Some(None) => Feed::End,
                None => {
                    if let Some(held) = opening.take() {
                        on_air = stage.open(&slug, &figures, held).await;
                    } else if let Some(air) = &mut on_air {
                        air.teller.flush().await;
                    }
                    continue;
                }
            };
            match event {
                Feed::Begin(beginning) => {
                    if let Some(air) = on_air.take_if(|air| !air.has(&beginning)) {
                        tracing::info!(%stream, "its renditions are others now: it begins anew");
                        stage.end(air, &mut over).await;
                    }
                    if on_air.is_none() {
                        opening = Some(Opening::new(beginning));
                    }
                }
                Feed::Track(id, track) => {
                    if let Some(opening) = &mut opening {
                        opening.tracks.insert(id, track);
                    } else if let Some(air) = &mut on_air
                        && !air.restart(&id, track).await
                        && let Some(air) = on_air.take()
                    {
                        stage.end(air, &mut over).await;
                    }
                }
                Feed::Sample(id, sample) => {
                    if let Some(held) = &mut opening {
                        if held.hold(id, sample)
                            && let Some(held) = opening.take()
                        {
                            on_air = stage.open(&slug, &figures, held).await;
                        }
                    } else if let Some(air) = &mut on_air {
                        air.push(&id, sample).await;
                    }
                }
                Feed::Mark(id, line) => {
                    if let Some(air) = &mut on_air {
                        air.mark(&id, &line).await;
                    }
                }
                Feed::Text(captions, text) => {
                    if let Some(opening) = &mut opening {
                        opening.say(captions, text);
                    } else if let Some(air) = &mut on_air {
                        air.say(captions, text);
                    }
                }
                Feed::Restart => {
                    opening = None;
                    if let Some(air) = &mut on_air {
                        air.finish().await;
                        air.teller.channel.state().hush();
                    }
                }
                Feed::End => break,
            }
            if let Some(air) = on_air.as_mut().filter(|air| air.teller.is_due()) {
                air.teller.flush().await;
            }
        }
        if let Some(air) = on_air {
            stage.end(air, &mut over).await;
        }
        let mut shown = Show::default();
        while let Some(ended) = over.join_next().await {
            match ended {
                Ok(Show { films, failed }) => {
                    shown.films.extend(films);
                    shown.failed.extend(failed);
                }
                Err(panic) => shown.failed.push(panic.to_string()),
            }
        }
        shown
    }

    /// A new channel of what was held; nothing where it cannot be.
    async fn open(&self, slug: &Slug, figures: &Arc<Figures>, held: Opening) -> Option<OnAir> {
        match self.try_open(slug, figures, held).await {
            Ok(air) => air,
            Err(why) => {
                tracing::error!(stream = %slug, %why, "the stream is not shown");
                None
            }
        }
    }

    async fn try_open(
        &self,
        slug: &Slug,
        figures: &Arc<Figures>,
        held: Opening,
    ) -> Result<Option<OnAir>, Failed> {
        let Opening { beginning, mut tracks, held, texts, .. } = held;
        let zero = beginning.zero;
        let mut cuts = Vec::new();
        let mut starts = Vec::new();
        // Video comes first, as heads and descriptions have it.
        for kind in [Kind::Video, Kind::Audio] {
            for id in &beginning.renditions {
                let Some(track) = tracks.remove(id) else { continue };
                if track.kind != kind {
                    tracks.insert(id.clone(), track);
                    continue;
                }
                let cutter = Cutter::new(&track, self.config.targets);
                let bandwidth = self.bandwidth(&track);
                let init = cutter.init().1.to_vec();
                starts.push(Start { id: id.to_string(), track: track.clone(), init, bandwidth });
                cuts.push(Cut { id: id.clone(), cutter, track });
            }
        }
        if cuts.is_empty() || cuts.len() > manifest::MAX_RENDITIONS {
            return Ok(None);
        }
        let first = held.iter().filter_map(|(id, sample)| {
            let cut = cuts.iter().find(|cut| cut.id == *id)?;
            Some(cut.track.duration(sample.dts))
        });
        let born_ms = wall_ms(zero + first.min().unwrap_or_default());
        let mut state = State::new(slug, &self.config, &self.key, (zero, born_ms), starts)?;
        let captions = if self.config.record { Captions::recorded } else { Captions::default };
        state.captions.resize_with(beginning.captions.len(), captions);
        state.subtitles = beginning.captions;
        texts.into_iter().for_each(|(captions, text)| state.say(captions, text));
        let ids: Vec<String> = cuts.iter().map(|cut| cut.id.to_string()).collect();
        let elsewhere = self.bucket.clone().map(|bucket| {
            let folder = format!("{slug}/{born_ms}");
            Elsewhere::Bucket(Uploads::new(bucket, folder, ids.clone(), self.config.window()))
        });
        let channel = Channel::new(slug.clone(), Arc::clone(figures), self.config.clone(), elsewhere, state);
        let channel = Arc::new(channel);
        let mut teller =
            Teller::new(Arc::clone(&channel), self.origin.clone(), self.config.clone(), ids.clone());
        if self.config.needs_disk() {
            let folder = self.library.live(slug, born_ms)?;
            teller.disk = Some(Disk::open(folder, &ids, channel)?);
        }
        teller.recording = self.config.record.then(Recording::default);
        let mut air = OnAir { teller, cuts, born_ms };
        for (id, sample) in held {
            air.push(&id, sample).await;
        }
        Ok(Some(air))
    }

    /// Bits a second that a rendition is announced with before any were measured.
    pub(super) fn bandwidth(&self, track: &Track) -> u64 {
        if track.kind == Kind::Audio {
            return self.encoding.audio_bitrate_bps.into();
        }
        let picture = Picture { width: track.width.into(), height: track.height.into(), bitrate_bps: None };
        let ladder = self.encoding.ladder_for(&picture);
        let largest = ladder.rungs().iter().max_by_key(|rung| match picture.scaled(**rung) {
            size if size == (picture.width, picture.height) => u32::MAX,
            _ => rung.height,
        });
        largest.map_or(0, |Rung { bitrate_bps, .. }| u64::from(*bitrate_bps))
    }

    async fn end(&self, mut air: OnAir, over: &mut JoinSet<Show>) {
        air.finish().await;
        self.close(air.teller, air.born_ms, over);
    }

    /// A stream is over. What is left to do goes on beside the one that may begin in its place: it becomes a film, and stays for a while.
    pub(super) fn close(&self, teller: Teller, born_ms: u64, over: &mut JoinSet<Show>) {
        teller.channel.state().end();
        teller.wake_all();
        let Teller { channel, disk, recording, .. } = teller;
        let stage = self.clone();
        over.spawn(async move {
            let mut shown = Show::default();
            let mut folder = match disk {
                Some(disk) => Some(disk.close().await),
                None => None,
            };
            if let Some(mut recording) = recording
                && let Some(of) = folder.take()
            {
                recording.captions = channel.state().take_said();
                folder = stage.film(recording, of, (&channel.slug, born_ms), &mut shown).await;
            }
            let linger = stage.config.linger.min(stage.config.window()).max(stage.config.target() * 3);
            tokio::spawn(async move {
                tokio::time::sleep(linger).await;
                stage.origin.off_air(&channel);
                drop(folder);
                if let Some(Elsewhere::Bucket(uploads)) = &channel.elsewhere {
                    uploads.clear().await;
                }
            });
            shown
        });
    }

    /// Makes a film of what is in `folder`, and publishes it.
    async fn film(
        &self,
        recording: Recording,
        folder: Folder,
        (slug, born_ms): (&Slug, u64),
        shown: &mut Show,
    ) -> Option<Folder> {
        let (library, key, slug) = (Arc::clone(&self.library), self.key.clone(), slug.clone());
        let packaging = move || {
            let begun = i64::try_from(born_ms).ok().and_then(|ms| jiff::Timestamp::from_millisecond(ms).ok());
            let begun = begun.unwrap_or_default();
            let title = format!("{slug}, {}", begun.strftime("%Y-%m-%d %H:%M UTC"));
            let name = format!("{slug}-{}", begun.strftime("%Y%m%d-%H%M%S"));
            let film = Slug::of_file(Path::new(&name));
            let films = recording.package(folder.path(), &library, &key, (&film, title.as_str(), born_ms));
            (folder, films)
        };
        let (folder, films) = match tokio::task::spawn_blocking(packaging).await {
            Ok(made) => made,
            Err(panic) => {
                shown.failed.push(panic.to_string());
                return None;
            }
        };
        for film in films {
            let published = film.and_then(|(slug, placed)| {
                self.origin.publish(placed.dir(), &slug)?;
                Ok(slug)
            });
            match published {
                Ok(slug) => shown.films.push(slug),
                Err(why) => shown.failed.push(why.to_string()),
            }
        }
        Some(folder)
    }
}

/// A stream whose tracks are not all known.
struct Opening {
    beginning: Beginning,
    tracks: BTreeMap<RenditionId, Track>,
    held: Vec<(RenditionId, Sample)>,
    texts: Vec<(usize, Text)>,
    bytes: usize,
    /// When tracks that have not come are given up.
    until: Option<Instant>,
}

impl Opening {
    fn new(beginning: Beginning) -> Self {
        Self {
            beginning,
            tracks: BTreeMap::new(),
            held: Vec::new(),
            texts: Vec::new(),
            bytes: 0,
            until: None,
        }
    }

    /// Holds cues of the captions with this number.
    fn say(&mut self, captions: usize, text: Text) {
        if self.texts.len() < MAX_HELD_TEXTS {
            self.texts.push((captions, text));
        }
    }

    /// Holds a sample; `true`: that is enough.
    fn hold(&mut self, id: RenditionId, sample: Sample) -> bool {
        self.until.get_or_insert_with(|| Instant::now() + TRACKS);
        self.bytes += sample.data.len();
        self.held.push((id, sample));
        let whole = self.beginning.renditions.iter().all(|id| self.tracks.contains_key(id));
        whole || self.held.len() >= MAX_HELD || self.bytes >= MAX_HELD_BYTES
    }
}
