//! A film's folder beside the cache: its signed index, and the small files that players ask for, so that an edge starts and
//! serves while its upstream is away. Its invariant: a file is read as it was written, or not at all.
//!
//! ```text
//! films/PLACE/film.json    where the film is from, and its name here
//! films/PLACE/leaves-ID    see `crate::shelf`
//! films/PLACE/files/NAME   32 bytes of BLAKE3, and the file that has this digest
//! ```

use crate::film::Film;
use crate::shelf::leaves_path;
use bytes::Bytes;
use manifest::{Index, PublicKey, digest};
use reqwest::Url;
use serde_json::{Value, json};
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use tokio::task::spawn_blocking;

/// Bytes of the digest before a file.
const DIGEST_BYTES: usize = 32;

/// One film's folder.
#[derive(Clone, Debug)]
pub(super) struct Folder {
    path: PathBuf,
}

/// What was known of a film before a restart.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Card {
    /// Where it is from, without the query.
    pub(super) url: Url,
    /// Its name in addresses here.
    pub(super) slug: String,
}

impl Folder {
    /// The folder of the film at `base`, in the folder of an edge.
    pub(super) fn of(dir: &Path, base: &Url) -> Self {
        // An address may have a password in it, and characters that a disk does not like.
        let place = digest::root(base.as_str().as_bytes()).to_string();
        Self { path: dir.join("films").join(&place[..32]) }
    }

    /// Where it is; made where it is missing.
    pub(super) async fn path(&self) -> io::Result<&Path> {
        let files = self.path.join("files");
        blocking(move || fs::create_dir_all(files)).await?;
        Ok(&self.path)
    }

    /// The cards of all films that an edge had.
    pub(super) async fn cards(dir: &Path) -> Vec<Card> {
        let films = dir.join("films");
        let read = move || {
            let folders = fs::read_dir(films)?.flatten();
            Ok(folders.filter_map(|folder| card(&fs::read(folder.path().join("film.json")).ok()?)).collect())
        };
        blocking(read).await.unwrap_or_default()
    }

    /// Writes the card.
    pub(super) async fn put_card(&self, card: &Card) -> io::Result<()> {
        let mut url = card.url.clone();
        let _ = (url.set_username(""), url.set_password(None)); // an address of the web can be without
        let text = format!("{}\n", json!({"url": url.as_str(), "slug": card.slug}));
        let path = self.path().await?.join("film.json");
        blocking(move || replace(&path, text.as_bytes())).await
    }

    /// A small file, if it is there and undamaged.
    pub(super) async fn read(&self, name: &str) -> Option<Bytes> {
        let path = self.file(name);
        let bytes = Bytes::from(blocking(move || fs::read(path)).await.ok()?);
        let (sum, bytes) = (bytes.get(..DIGEST_BYTES)?, bytes.slice(DIGEST_BYTES..));
        let good = digest::root(&bytes).0 == *sum;
        if !good {
            tracing::warn!(name, "a file beside the cache is damaged: it is fetched anew");
        }
        good.then_some(bytes)
    }

    /// Keeps a small file.
    pub(super) async fn write(&self, name: &str, bytes: &Bytes) -> io::Result<()> {
        let whole = [&digest::root(bytes).0[..], bytes].concat();
        let path = self.file(name);
        blocking(move || replace(&path, &whole)).await
    }

    /// The film as it was kept, checked again; `None` if anything of it is missing or damaged.
    pub(super) async fn film(&self, key: Option<&PublicKey>) -> Option<Film> {
        let sealed = self.read("index.bci").await?;
        let count = Index::open(&sealed, key).ok()?.renditions.len();
        let mut inits = Vec::with_capacity(count);
        for number in 0..count {
            inits.push(self.read(&init(number)).await?);
        }
        Film::of(sealed, key, inits).ok()
    }

    /// Keeps a film, in place of another version of it: whatever was kept of that goes.
    pub(super) async fn put_film(&self, film: &Film) -> io::Result<()> {
        let path = self.path().await?.to_owned();
        let leaves = leaves_path(&path, film.index());
        let clear = move || {
            fs::remove_dir_all(path.join("files"))?;
            for entry in fs::read_dir(&path)?.flatten() {
                let is_leaves = entry.file_name().to_string_lossy().starts_with("leaves-");
                if is_leaves && entry.path() != leaves {
                    fs::remove_file(entry.path())?;
                }
            }
            fs::create_dir_all(path.join("files"))
        };
        blocking(clear).await?;
        for (number, _) in film.index().renditions.iter().enumerate() {
            let bytes = u8::try_from(number).ok().and_then(|number| film.init(number)).cloned();
            self.write(&init(number), &bytes.unwrap_or_default()).await?;
        }
        // Last, for a film is there when its index is.
        self.write("index.bci", film.sealed()).await
    }

    /// Forgets the film.
    pub(super) async fn remove(&self) {
        let path = self.path.clone();
        if let Err(error) = blocking(move || fs::remove_dir_all(path)).await {
            tracing::warn!(%error, "the folder of a film that is gone stays");
        }
    }

    /// `name` is one of a package, or of [`init`].
    fn file(&self, name: &str) -> PathBuf {
        self.path.join("files").join(name.replace('/', "_"))
    }
}

fn init(number: usize) -> String {
    format!("init-{number}.mp4")
}

fn card(text: &[u8]) -> Option<Card> {
    let value: Value = serde_json::from_slice(text).ok()?;
    let slug = value.get("slug")?.as_str().filter(|slug| super::films::is_slug(slug))?.to_owned();
    Some(Card { url: value.get("url")?.as_str()?.parse().ok()?, slug })
}

/// Writes a file under another name first, so that it is there in full or as it was.
fn replace(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut new = path.as_os_str().to_owned();
    new.push(".new");
    fs::write(&new, bytes)?;
    fs::rename(new, path)
}

async fn blocking<T: Send + 'static>(work: impl FnOnce() -> io::Result<T> + Send + 'static) -> io::Result<T> {
    spawn_blocking(work).await.map_err(io::Error::other)?
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn files_come_back_as_they_were_or_not_at_all() {
        let dir = tempfile::tempdir().unwrap();
        let base: Url = "https://user:secret@a.b/s/film/".parse().unwrap();
        let folder = Folder::of(dir.path(), &base);
        assert!(Folder::cards(dir.path()).await.is_empty());
        folder.put_card(&Card { url: base, slug: "film".into() }).await.unwrap();
        let cards = Folder::cards(dir.path()).await;
        assert_eq!((cards[0].url.as_str(), &*cards[0].slug), ("https://a.b/s/film/", "film"));

        let text = Bytes::from_static(b"#EXTM3U\n");
        folder.write("v0/media.m3u8", &text).await.unwrap();
        assert_eq!(folder.read("v0/media.m3u8").await.as_ref(), Some(&text));
        let path = folder.file("v0/media.m3u8");
        let whole = fs::read(&path).unwrap();
        for at in 0..whole.len() {
            let mut rotten = whole.clone();
            rotten[at] ^= 1;
            fs::write(&path, rotten).unwrap();
            assert_eq!(folder.read("v0/media.m3u8").await, None, "byte {at}");
            fs::write(&path, &whole[..at]).unwrap();
            assert_eq!(folder.read("v0/media.m3u8").await, None, "torn at {at}");
        }
    }
}
