//! Which segment is which file of the cache, over restarts: one line of JSON for each, in a file beside them. Its invariant: a
//! line is believed only if the origin still has the segment under the tag that it had then; a torn one counts as none.

use super::hls::Segment;
use manifest::{Hash, digest};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

/// Most segments that are remembered; at some 150 bytes each on disk, 30 MB.
const MAX_NAMES: usize = 200_000;

/// A segment that was fetched once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Known {
    /// Of its bytes.
    pub(super) root: Hash,
    /// How many there are.
    pub(super) bytes: u64,
    /// `ETag` or `Last-Modified` of the origin's answer.
    pub(super) tag: String,
}

/// All that are remembered.
#[derive(Debug)]
pub(super) struct Names {
    known: Mutex<(BTreeMap<String, Known>, File)>,
}

impl Names {
    /// Reads the file at `path` and writes it anew without what is superseded or torn.
    pub(super) fn open(path: &Path) -> io::Result<Self> {
        let text = match fs::read(path) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == io::ErrorKind::NotFound => Vec::new(),
            Err(error) => return Err(error),
        };
        let known: BTreeMap<String, Known> =
            text.split(|byte| *byte == b'\n').filter_map(read).take(MAX_NAMES).collect();
        let fresh = PathBuf::from(format!("{}.new", path.display()));
        let mut file = File::create(&fresh)?;
        file.write_all(known.iter().map(|(name, known)| line(name, known)).collect::<String>().as_bytes())?;
        fs::rename(&fresh, path)?;
        let file = OpenOptions::new().append(true).open(path)?;
        Ok(Self { known: Mutex::new((known, file)) })
    }

    pub(super) fn get(&self, segment: &Segment) -> Option<Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner).0.get(&name(segment)).cloned()
    }

    /// Remembers a segment. What cannot be written is fetched again after a restart.
    pub(super) fn put(&self, segment: &Segment, known: Known) {
        let mut guard = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let (all, file) = &mut *guard;
        let name = name(segment);
        if all.len() >= MAX_NAMES && !all.contains_key(&name) {
            return;
        }
        if let Err(error) = file.write_all(line(&name, &known).as_bytes()) {
            tracing::warn!("a segment will be fetched again after a restart: {error}");
        }
        all.insert(name, known);
    }
}

/// An address may have a secret in it: only its digest is kept.
fn name(segment: &Segment) -> String {
    digest::root(format!("{} {:?}", segment.url, segment.range).as_bytes()).to_string()
}

fn line(name: &str, known: &Known) -> String {
    let Known { root, bytes, tag } = known;
    format!("{}\n", json!({"segment": name, "root": root.to_string(), "bytes": bytes, "tag": tag}))
}

fn read(line: &[u8]) -> Option<(String, Known)> {
    let value: Value = serde_json::from_slice(line).ok()?;
    let text = |field: &str| value.get(field)?.as_str();
    let hex = text("root")?;
    let mut root = [0; 32];
    if hex.len() != 64 || !hex.is_ascii() {
        return None;
    }
    for (at, byte) in root.iter_mut().enumerate() {
        *byte = u8::from_str_radix(&hex[2 * at..2 * at + 2], 16).ok()?;
    }
    let known =
        Known { root: Hash(root), bytes: value.get("bytes")?.as_u64()?, tag: text("tag")?.to_owned() };
    Some((text("segment")?.to_owned(), known))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn segment(number: u32) -> Segment {
        let url = format!("https://example.com/{number}.ts?token=secret").parse().unwrap();
        Segment { url, range: None, is_sealed: false }
    }

    fn known(number: u8) -> Known {
        Known { root: Hash([number; 32]), bytes: 7, tag: format!("\"{number}\"") }
    }

    #[test]
    fn names_are_there_after_a_restart_and_torn_ones_are_not() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("names");
        let names = Names::open(&path).unwrap();
        names.put(&segment(1), known(1));
        names.put(&segment(2), known(2));
        names.put(&segment(1), known(3));
        drop(names);
        let text = fs::read_to_string(&path).unwrap();
        assert!(!text.contains("secret"));
        fs::write(&path, format!("{text}not json\n{}", &text[..40])).unwrap();
        let names = Names::open(&path).unwrap();
        assert_eq!(names.get(&segment(1)), Some(known(3)), "the last word counts");
        assert_eq!(names.get(&segment(2)), Some(known(2)));
        assert_eq!(names.get(&segment(3)), None);
        names.put(&segment(3), known(3));
        drop(names);
        assert_eq!(Names::open(&path).unwrap().get(&segment(3)), Some(known(3)));
        assert_eq!(fs::read_to_string(&path).unwrap().lines().count(), 3);
    }
}
