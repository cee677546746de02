//! One film of an edge, for as long as its upstream has it: opened from the disk or from the upstream, looked at anew every
//! minute, and replaced when its publisher has replaced it. Its invariant: an upstream that is away takes nothing from players
//! that is here.

use super::Inner;
use super::files::Files;
use super::films::Kept;
use super::folder::{Card, Folder};
use crate::film::{Film, OpenFilm};
use crate::links;
use crate::origin::{self, Origin};
use crate::shelf::Shelf;
use crate::tracker;
use crate::viewer::{self, Viewer};
use bytes::Bytes;
use reqwest::Url;
use std::io;
use std::sync::Arc;
use std::time::Duration;
use thiserror::Error;
use tokio::time::sleep;

/// Between two looks at an upstream.
const EVERY: Duration = Duration::from_secs(60);
/// Before the first new try of an upstream that is away; the next wait twice as long each, up to [`EVERY`].
const FIRST_WAIT: Duration = Duration::from_secs(1);
/// The small files are looked at every so many looks.
const FILES_EVERY: u32 = 10;

/// Why a film is not served, or not as it is now.
#[derive(Debug, Error)]
enum Trouble {
    #[error(transparent)]
    Film(#[from] OpenFilm),
    #[error("the folder beside the cache: {0}")]
    Disk(#[from] io::Error),
    #[error(transparent)]
    Links(#[from] links::Error),
    #[error(transparent)]
    Origin(#[from] origin::Error),
}

/// A film that is to be kept.
#[derive(Debug)]
pub(super) struct Keeper {
    pub(super) inner: Arc<Inner>,
    /// Its folder on the web, and what is asked for with it.
    pub(super) base: Url,
    pub(super) query: Option<String>,
    pub(super) slug: String,
}

impl Keeper {
    /// Until it is aborted.
    pub(super) async fn run(self) {
        let mut rounds = Rounds::default();
        let mut now = None;
        let folder = Folder::of(&self.inner.dir, &self.base);
        loop {
            let looked = self.look(&folder, &mut now, rounds.is_for_files()).await;
            let wait = rounds.next(looked.is_ok());
            match looked {
                Ok(()) if rounds.is_back() => tracing::warn!(film = self.slug, "the upstream is there again"),
                Err(why) if rounds.is_news() => {
                    let still = if now.is_some() { "what is here is served" } else { "it is tried again" };
                    tracing::warn!(film = self.slug, url = %self.base, "{why}; {still}");
                }
                _ => {}
            }
            sleep(wait).await;
        }
    }

    /// Opens the film if it is new, or another than `now`.
    async fn look(&self, folder: &Folder, now: &mut Option<Bytes>, files: bool) -> Result<(), Trouble> {
        let origin = Origin::new(self.base.clone(), self.query.clone())?;
        let key = self.inner.key.as_ref();
        if now.is_none()
            && let Some(film) = folder.film(key).await
        {
            let sealed = film.sealed().clone();
            self.serve(film, &origin, folder).await?;
            *now = Some(sealed);
        }
        let sealed = Film::sealed_index(&origin).await?;
        if now.as_ref() == Some(&sealed) {
            if let Some(kept) = self.inner.films.get(&self.slug).filter(|_| files) {
                kept.files.refresh().await;
            }
            return Ok(());
        }
        let film = Film::open_sealed(sealed.clone(), &origin, key).await?;
        folder.put_card(&Card { url: self.base.clone(), slug: self.slug.clone() }).await?;
        folder.put_film(&film).await?;
        self.serve(film, &origin, folder).await?;
        *now = Some(sealed);
        Ok(())
    }

    /// Joins the film's viewers, and gives it to players from now on.
    async fn serve(&self, film: Film, origin: &Origin, folder: &Folder) -> Result<(), Trouble> {
        let slot = self.inner.films.slot();
        let trackers = match &self.inner.trackers[..] {
            [] => vec![tracker::beside(&self.base)],
            named => named.to_vec(),
        };
        let shelf = Shelf::open(self.inner.cache.clone(), folder.path().await?, film.index()).await?;
        let version =
            film.index().swarm_id()[..4].iter().map(|byte| format!("{byte:02x}")).collect::<String>();
        let options = viewer::Options {
            trackers,
            uplink: self.inner.uplink.clone(),
            metered: false,
            links: slot.links(&self.inner.links),
            pass: self.inner.pass.clone(),
            keeps: Some(shelf),
        };
        let texts = film.texts();
        let viewer = Viewer::join(film, origin.clone(), options).await?;
        let files = Arc::new(Files::new(origin.clone(), folder.clone(), version.clone(), texts));
        let (all, of) = (files.clone(), viewer.clone());
        tokio::spawn(async move { all.fetch_all(of.film()).await });
        let kept = Kept { slug: self.slug.clone(), viewer, files, version, _slot: slot };
        if let Some(before) = self.inner.films.put(kept) {
            tokio::spawn(async move { before.viewer.leave().await });
        }
        Ok(())
    }
}

/// When to look again, and what is worth a line in the log.
#[derive(Debug, Default)]
pub(super) struct Rounds {
    /// Looks in a row that went well, and that failed.
    well: u32,
    failed: u32,
    was_away: bool,
}

impl Rounds {
    /// A look is over; how long to wait. With jitter, so that many edges do not come at once.
    pub(super) fn next(&mut self, went_well: bool) -> Duration {
        self.was_away = self.failed > 0;
        let wait = if went_well {
            (self.well, self.failed) = (self.well.wrapping_add(1), 0);
            EVERY
        } else {
            self.failed = self.failed.saturating_add(1);
            (FIRST_WAIT * 2u32.saturating_pow((self.failed - 1).min(10))).min(EVERY)
        };
        let mut chance = [0];
        let _ = getrandom::fill(&mut chance); // without it there is no jitter
        wait.mul_f64(0.75 + f64::from(chance[0]) / 512.0)
    }

    /// Whether the last look went well after some that did not.
    pub(super) fn is_back(&self) -> bool {
        self.was_away && self.failed == 0
    }

    /// Whether the last look is the first that failed, or one in an hour.
    pub(super) fn is_news(&self) -> bool {
        self.failed % 60 == 1
    }

    fn is_for_files(&self) -> bool {
        self.well % FILES_EVERY == FILES_EVERY - 1
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_upstream_that_is_away_is_tried_ever_less_often_and_told_of_once() {
        let mut rounds = Rounds::default();
        let waits: Vec<_> = (0..9).map(|_| rounds.next(false)).collect();
        assert!(waits[0] <= FIRST_WAIT * 5 / 4 && waits.iter().all(|wait| *wait <= EVERY * 5 / 4));
        assert!(waits[8] > Duration::from_secs(40));
        let mut rounds = Rounds::default();
        rounds.next(true);
        assert!(!rounds.is_back() && !rounds.is_news());
        rounds.next(false);
        assert!(rounds.is_news());
        rounds.next(false);
        assert!(!rounds.is_news());
        rounds.next(true);
        assert!(rounds.is_back());
        rounds.next(true);
        assert!(!rounds.is_back());
    }
}
