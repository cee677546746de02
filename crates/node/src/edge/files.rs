//! The small files of a film: playlists, subtitles, pictures. They are fetched once, kept on disk, and looked at anew now and
//! then. Its invariant: no playlist is given out that leads a player to anything but this film in this version, nor, under a key, subtitles
//! that were not signed.

use super::folder::Folder;
use crate::film::Film;
use crate::origin::{self, Origin};
use crate::serving::{MAX_FILE_BYTES, Texts, stays};
use bytes::Bytes;
use std::collections::BTreeMap;
use std::time::Duration;
use tokio::sync::Mutex;
use tokio::time::Instant;

/// All that is kept of them in memory, 64 MiB; what comes then is read every time.
const KEPT_MAX_BYTES: usize = 64 << 20;
/// What the upstream did not give is not asked for again before this.
const ASK_AGAIN: Duration = Duration::from_secs(20);
/// Files that are remembered as missing.
const MISSING_MAX: usize = 256;
/// Subtitles that are fetched beforehand.
const TEXTS_MAX: usize = 32;

/// Why there is no such file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum NoFile {
    /// The film has none.
    Absent,
    /// The upstream is away, or gives something else.
    Away,
}

/// The small files.
#[derive(Debug)]
pub(super) struct Files {
    origin: Origin,
    folder: Folder,
    version: String,
    texts: Texts,
    kept: Mutex<BTreeMap<String, Bytes>>,
    missing: Mutex<BTreeMap<String, (NoFile, Instant)>>,
    /// Held while a file is fetched, so that many who ask make one request.
    fetching: Mutex<()>,
}

impl Files {
    pub(super) fn new(origin: Origin, folder: Folder, version: String, texts: Texts) -> Self {
        Self {
            origin,
            folder,
            version,
            texts,
            kept: Mutex::default(),
            missing: Mutex::default(),
            fetching: Mutex::default(),
        }
    }

    /// The file `name`, one of a package.
    pub(super) async fn get(&self, name: &str) -> Result<Bytes, NoFile> {
        if let Some(bytes) = self.here(name).await {
            return Ok(bytes);
        }
        let _turn = self.fetching.lock().await;
        if let Some(bytes) = self.here(name).await {
            return Ok(bytes);
        }
        let now = Instant::now();
        if let Some((why, _)) = self.missing.lock().await.get(name).filter(|(_, until)| now < *until) {
            return Err(*why);
        }
        self.fetch(name).await
    }

    /// Fetches what players of `film` will ask for, so that all of it is there when the upstream is not.
    pub(super) async fn fetch_all(&self, film: &Film) {
        let mut names: Vec<String> =
            ["master.m3u8", "manifest.mpd", "stream.json", "poster.jpg", "thumbs.jpg", "thumbs.vtt"]
                .map(str::to_owned)
                .into();
        for rendition in &film.index().renditions {
            names.extend(["media.m3u8", "iframes.m3u8"].map(|file| format!("{}/{file}", rendition.id)));
        }
        let master = self.get("master.m3u8").await.unwrap_or_default();
        for folder in texts(&String::from_utf8_lossy(&master)) {
            names.extend(["media.m3u8", "subs.vtt"].map(|file| format!("{folder}/{file}")));
        }
        for name in names {
            // What is missing will be asked for again when a player wants it.
            let _ = self.get(&name).await;
        }
    }

    /// Fetches anew what is kept; what does not come stays as it is.
    pub(super) async fn refresh(&self) {
        let names: Vec<String> = self.kept.lock().await.keys().cloned().collect();
        for name in names {
            let _turn = self.fetching.lock().await;
            let _ = self.fetch(&name).await;
        }
    }

    async fn here(&self, name: &str) -> Option<Bytes> {
        if let Some(bytes) = self.kept.lock().await.get(name) {
            return Some(bytes.clone());
        }
        let bytes = self.folder.read(name).await.filter(|bytes| self.is_good(name, bytes))?;
        self.keep(name, &bytes).await;
        Some(bytes)
    }

    async fn fetch(&self, name: &str) -> Result<Bytes, NoFile> {
        let why = match self.origin.file(name, MAX_FILE_BYTES).await {
            Ok(bytes) if self.is_good(name, &bytes) => {
                let is_new = self.kept.lock().await.get(name) != Some(&bytes);
                if is_new && let Err(error) = self.folder.write(name, &bytes).await {
                    tracing::warn!(name, %error, "a file is not kept on disk");
                }
                self.keep(name, &bytes).await;
                return Ok(bytes);
            }
            Ok(_) => {
                tracing::warn!(
                    name,
                    "it leads elsewhere, belongs to another version, or is not signed: it is not given out"
                );
                NoFile::Away
            }
            Err(origin::Error::Status { status: 404 | 410, .. }) => NoFile::Absent,
            Err(error) => {
                tracing::debug!(name, %error, "a file does not come");
                NoFile::Away
            }
        };
        let mut missing = self.missing.lock().await;
        if missing.len() >= MISSING_MAX {
            missing.clear();
        }
        missing.insert(name.to_owned(), (why, Instant::now() + ASK_AGAIN));
        Err(why)
    }

    async fn keep(&self, name: &str, bytes: &Bytes) {
        let mut kept = self.kept.lock().await;
        let others: usize = kept.iter().filter(|(one, _)| *one != name).map(|(_, bytes)| bytes.len()).sum();
        if others + bytes.len() <= KEPT_MAX_BYTES {
            kept.insert(name.to_owned(), bytes.clone());
        }
    }

    fn is_good(&self, name: &str, bytes: &[u8]) -> bool {
        let is_ours = !is_playlist(name) || versions(bytes).all(|version| version == self.version);
        is_ours && stays(name, bytes) && self.texts.admit(name, bytes)
    }
}

fn is_playlist(name: &str) -> bool {
    name.ends_with(".m3u8") || name.ends_with(".mpd")
}

/// The versions that a playlist names, each the `v` of an address.
fn versions(text: &[u8]) -> impl Iterator<Item = &str> {
    let text = std::str::from_utf8(text).unwrap_or("");
    text.split("?v=")
        .skip(1)
        .map(|rest| rest.split(|c: char| !c.is_ascii_alphanumeric()).next().unwrap_or(""))
}

/// The folders of subtitles that a master playlist names.
fn texts(master: &str) -> impl Iterator<Item = &str> {
    let folders = master.split("URI=\"").skip(1).filter_map(|rest| rest.split('/').next());
    let is_text = |folder: &&str| {
        folder
            .strip_prefix('t')
            .is_some_and(|n| (1..=2).contains(&n.len()) && n.bytes().all(|b| b.is_ascii_digit()))
    };
    folders.filter(is_text).take(TEXTS_MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_and_subtitles_are_found() {
        let media = "#EXT-X-MAP:URI=\"init.mp4?v=1a2b\"\n#EXTINF:4,\n1.m4s?v=1a2b\n2.m4s?v=ff&x=1\n";
        assert_eq!(versions(media.as_bytes()).collect::<Vec<_>>(), ["1a2b", "1a2b", "ff"]);
        assert_eq!(versions(b"1.m4s\n\xff").count(), 0);
        let master = "#EXT-X-MEDIA:URI=\"a0/media.m3u8\"\n#EXT-X-MEDIA:URI=\"t0/media.m3u8\"\n#EXT-X-MEDIA:URI=\"t12x/media.m3u8\"\n";
        assert_eq!(texts(master).collect::<Vec<_>>(), ["t0"]);
    }
}
