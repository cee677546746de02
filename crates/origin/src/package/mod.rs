//! A source file made into a package: the tree of segments, playlists and signed index that `serve`, a web server or a CDN
//! gives out. Its invariant: a package stands under its name only when it is complete and on disk.
//!
//! ```text
//! source -> probe -> ffmpeg ladder (or the tracks as they are) -> segments, hashed as they are cut
//!        -> playlists, MPD, index.bci, stream.json -> rename
//! ```

mod card;
mod encode;
mod error;
mod extras;
mod ingest;
mod partial;
mod record;
mod remux;
mod settings;
mod writer;

pub use card::{Card, CardRendition};
pub use error::PackageError;
pub use partial::{Partial, Placed};
pub use record::{Mode, Record, Stamp};
pub use settings::{DEFAULT_AUDIO_BITRATE_BPS, DEFAULT_PRESET, PRESETS, Settings};
pub use writer::SEGMENT_TIME;

pub(crate) use encode::read_tail;
pub(crate) use ingest::random_token;
pub(crate) use partial::clean;
pub(crate) use writer::{Writer, Written};

use crate::probe::{self, Film};
use crate::slug::{Slug, title_of_file};
use crate::tools::Tools;
use cmaf::{Presentation, Subtitle};
use manifest::{Index, SecretKey, text};
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

/// Version of the tree's layout and of how tracks are encoded; packages of another version are made again.
pub const TREE_VERSION: u32 = 3;

/// A file of a package that is being written anew.
const UNFINISHED: &str = "index.bci.new";
/// Length of the pieces that peers exchange.
const PIECE_LEN: u32 = 32 << 10;
/// Taken where a segment would have more than [`manifest::MAX_PIECES`] of the usual length.
const LARGE_PIECE_LEN: u32 = 64 << 10;

/// How far a film is.
#[derive(Clone, Debug, PartialEq)]
pub enum Step {
    /// Something the publisher should know; nothing failed.
    Note(String),
    /// Tracks are being encoded, or cut.
    Encoding {
        /// What of the film is done.
        done: Duration,
        /// Its length; zero where unknown.
        length: Duration,
        /// Seconds of film a second.
        speed: Option<f64>,
    },
    /// Poster, preview pictures and subtitles are being made.
    Extras,
    /// All is made; it is being written through to the disk.
    Finishing,
}

/// Called with every step; from any thread, and often.
pub type Report = Arc<dyn Fn(Step) + Send + Sync>;

/// Where `source` really is. Errors where it cannot be read or is no file, before any work is begun.
pub fn absolute(source: &Path) -> Result<PathBuf, PackageError> {
    let io_error = |e| PackageError::Source { path: source.to_owned(), source: e };
    let path = fs::canonicalize(source).map_err(io_error)?;
    let metadata = fs::metadata(&path).map_err(io_error)?;
    if !metadata.is_file() {
        return Err(PackageError::NotAFile(source.to_owned()));
    }
    File::open(&path).map_err(io_error)?;
    if metadata.len() == 0 {
        return Err(PackageError::Empty(source.to_owned()));
    }
    Ok(path)
}

/// Makes a package of `source` (from [`absolute`]) in `into` and gives it its name. Dropping the future stops the encoder and
/// removes what there is.
pub async fn make(
    source: &Path,
    slug: &Slug,
    settings: &Settings,
    tools: Option<&Tools>,
    key: &SecretKey,
    into: Partial,
    report: Report,
) -> Result<Placed, PackageError> {
    let stamp = Stamp::of(source)?;
    let root = into.path().to_owned();
    let made = match tools {
        Some(tools) => with_ffmpeg(tools, source, settings, &root, &report).await?,
        None => {
            if settings.transcode {
                report(Step::Note(
                    "ffmpeg was not found: the film goes out in its own quality only, without poster and subtitles. \
                     Install ffmpeg and start again to get a ladder"
                        .into(),
                ));
            }
            cut(source, &root, &report).await?
        }
    };
    made.notes.iter().for_each(|note| report(Step::Note(note.clone())));
    report(Step::Finishing);
    let (title, slug, key) = (title_of_file(source), slug.clone(), key.clone());
    let record = Record {
        version: TREE_VERSION,
        source: stamp,
        settings: settings.fingerprint(),
        mode: if tools.is_some() && settings.transcode { Mode::Encoded } else { Mode::Remuxed },
    };
    let finish = move || {
        write_tree(&root, made, &slug, &title, &key)?;
        record.write(&root)?;
        into.commit()
    };
    tokio::task::spawn_blocking(finish).await.expect("writing the tree does not panic")
}

/// Makes a package of renditions that were cut into `into`, and of subtitles that are there, and gives it its name.
pub(crate) fn place(
    (written, subtitles): (Vec<Written>, Vec<Subtitle>),
    slug: &Slug,
    title: &str,
    key: &SecretKey,
    record: &Record,
    into: Partial,
) -> Result<Placed, PackageError> {
    let extras = extras::Extras { subtitles, ..extras::Extras::default() };
    let made = Made { written, extras, notes: Vec::new() };
    let root = into.path().to_owned();
    write_tree(&root, made, slug, title, key)?;
    record.write(&root)?;
    into.commit()
}

/// Signs the index of the package in `dir`, and its subtitles, anew if it is signed by another key than `key`.
pub fn resign(dir: &Path, key: &SecretKey) -> Result<(), PackageError> {
    let path = dir.join("index.bci");
    let damaged = |reason: String| PackageError::Damaged { path: dir.to_owned(), reason };
    let bytes = fs::read(&path).map_err(|e| damaged(format!("index.bci: {e}")))?;
    if Index::open(&bytes, Some(&key.public())).is_ok() {
        return Ok(());
    }
    let index = Index::open(&bytes, None).map_err(|e| damaged(format!("index.bci: {e}")))?;
    // The index last: where this ends before, it begins again the next time.
    for id in (0..).map(|number| format!("t{number}")).take_while(|id| dir.join(id).is_dir()) {
        sign_text(dir, &format!("{id}/subs.vtt"), &index, key)?;
    }
    replace(dir, "index.bci", &index.seal(key))
}

/// Gives a file of the package in `dir` other bytes, once they are written through.
fn replace(dir: &Path, name: &str, bytes: &[u8]) -> Result<(), PackageError> {
    let (path, unfinished) = (dir.join(name), dir.join(UNFINISHED));
    fs::write(&unfinished, bytes).map_err(PackageError::write(&unfinished))?;
    File::open(&unfinished).and_then(|f| f.sync_all()).map_err(PackageError::write(&unfinished))?;
    fs::rename(&unfinished, &path).map_err(PackageError::write(&path))
}

/// Signs the text `name` of the package in `dir`, whoever has before; gives its size in bytes.
fn sign_text(dir: &Path, name: &str, index: &Index, key: &SecretKey) -> Result<u64, PackageError> {
    let damaged = |e| PackageError::Damaged { path: dir.to_owned(), reason: format!("{name}: {e}") };
    let before = fs::read(dir.join(name)).map_err(damaged)?;
    let sealed = text::seal(text::strip(&before), &index.swarm_id(), name, key);
    replace(dir, name, &sealed)?;
    Ok(sealed.len() as u64)
}

/// What playlists append to the addresses of segments (`?v=`): another text for other bytes in any segment.
pub(crate) fn version(index: &Index) -> String {
    index.swarm_id()[..4].iter().map(|b| format!("{b:02x}")).collect()
}

/// All of a film but the texts that describe it.
struct Made {
    written: Vec<Written>,
    extras: extras::Extras,
    notes: Vec<String>,
}

async fn with_ffmpeg(
    tools: &Tools,
    source: &Path,
    settings: &Settings,
    root: &Path,
    report: &Report,
) -> Result<Made, PackageError> {
    let probed = probe::probe(tools, source).await;
    let film = match probed {
        Ok(film) => film,
        Err(_) if !settings.transcode => return cut(source, root, report).await,
        Err(e) => return Err(PackageError::Probe { path: source.to_owned(), source: e }),
    };
    if !settings.transcode {
        let mut made = cut(source, root, report).await?;
        report(Step::Extras);
        made.extras = extras::make(tools, source, &film, root).await;
        made.notes.append(&mut made.extras.notes);
        return Ok(made);
    }
    report(Step::Extras);
    let mut extras = extras::make(tools, source, &film, root).await;
    let (written, mut left_out) = encode::encode(tools, source, &film, settings, root, &**report).await?;
    let Film { mut notes, .. } = film;
    notes.append(&mut extras.notes);
    notes.append(&mut left_out);
    Ok(Made { written, extras, notes })
}

async fn cut(source: &Path, root: &Path, report: &Report) -> Result<Made, PackageError> {
    let advice = "Install ffmpeg (and leave out --no-transcode), or make an H.264/AAC MP4 of it first";
    let remux::Remuxed { written, notes } = remux::remux(source, root, advice, Arc::clone(report)).await?;
    Ok(Made { written, extras: extras::Extras::default(), notes })
}

fn write_tree(
    root: &Path,
    made: Made,
    slug: &Slug,
    title: &str,
    key: &SecretKey,
) -> Result<(), PackageError> {
    let put = |name: &str, bytes: &[u8]| {
        let path = root.join(name);
        fs::write(&path, bytes).map_err(PackageError::write(&path))
    };
    let Made { written, extras, .. } = made;
    let mut indexed = Vec::new();
    let mut presentation = Presentation {
        subtitles: extras.subtitles,
        thumbnails: extras.thumbnails,
        ..Presentation::default()
    };
    for Written { rendition, indexed: entry } in written {
        presentation.renditions.push(rendition);
        indexed.push(entry);
    }
    // What was cut is the truth about the length, not what the container claims.
    presentation.duration = presentation.play_time();
    let duration = presentation.duration;
    presentation.subtitles.iter_mut().for_each(|s| s.duration = duration);
    let largest = indexed.iter().flat_map(|r| &r.segments).map(|s| s.size).max().unwrap_or(0);
    let usual = manifest::digest::piece_count(largest, PIECE_LEN) <= manifest::MAX_PIECES;
    let index = Index { piece_len: if usual { PIECE_LEN } else { LARGE_PIECE_LEN }, renditions: indexed };
    index.validate().map_err(PackageError::Index)?;
    presentation.version = version(&index);
    for subtitle in &mut presentation.subtitles {
        subtitle.bytes = sign_text(root, &subtitle.uri, &index, key)?;
    }
    put("master.m3u8", cmaf::hls::master(&presentation).as_bytes())?;
    put("manifest.mpd", cmaf::dash::mpd(&presentation).as_bytes())?;
    for rendition in &presentation.renditions {
        put(&format!("{}/media.m3u8", rendition.id), cmaf::hls::media(&presentation, rendition).as_bytes())?;
        if rendition.track.kind == cmaf::Kind::Video {
            put(
                &format!("{}/iframes.m3u8", rendition.id),
                cmaf::hls::iframes(&presentation, rendition).as_bytes(),
            )?;
        }
    }
    for subtitle in &presentation.subtitles {
        put(&format!("{}/media.m3u8", subtitle.id), cmaf::hls::subtitle(subtitle).as_bytes())?;
    }
    put("index.bci", &index.seal(key))?;
    let card = Card::of(slug, title, &presentation, extras.poster);
    put("stream.json", &serde_json::to_vec_pretty(&card).expect("a card has string keys only"))
}
