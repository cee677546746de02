//! Names of films in URLs. Its invariant: a [`Slug`] is 1 to 64 characters of `a-z`, `0-9` and `-`, so it can stand in a
//! path on any disk and in any URL without quoting.

use std::path::Path;

/// The name of a film in URLs and in the data directory.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Slug(String);

/// Longest slug.
pub const MAX_SLUG_LEN: usize = 64;

impl Slug {
    /// Takes `text` if it is a slug already.
    pub fn parse(text: &str) -> Option<Self> {
        let legal = !text.is_empty()
            && text.len() <= MAX_SLUG_LEN
            && text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-');
        legal.then(|| Self(text.to_owned()))
    }

    /// The slug of a file: its name without the extension, lower case, all else made into single dashes.
    pub fn of_file(path: &Path) -> Self {
        let name = path.file_stem().unwrap_or_default().to_string_lossy().to_lowercase();
        let mut slug = String::new();
        for c in name.chars() {
            if slug.len() + 1 >= MAX_SLUG_LEN - 4 {
                break; // room for "-999"
            }
            if c.is_ascii_alphanumeric() {
                slug.push(c);
            } else if !slug.is_empty() && !slug.ends_with('-') {
                slug.push('-');
            }
        }
        let slug = slug.trim_end_matches('-');
        Self(if slug.is_empty() { "film".to_owned() } else { slug.to_owned() })
    }

    /// The `n`th slug for films whose names clash: itself for 1, then `name-2`, `name-3` up to 999.
    pub fn nth(&self, n: u16) -> Self {
        if n <= 1 { self.clone() } else { Self(format!("{}-{}", self.0, n.min(999))) }
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl std::fmt::Display for Slug {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

/// What a film is called on screen: its file name without the extension, underscores and dots read as spaces.
pub fn title_of_file(path: &Path) -> String {
    let stem = path.file_stem().unwrap_or_default().to_string_lossy();
    let spaced: String =
        stem.chars().map(|c| if c == '_' || c == '.' || c.is_control() { ' ' } else { c }).collect();
    let title = spaced.split_whitespace().collect::<Vec<_>>().join(" ");
    if title.is_empty() { "Film".to_owned() } else { title.chars().take(200).collect() }
}
