//! What an edge has: films by their names in addresses. Its invariant: a film keeps its name over restarts, no two have the same,
//! and there is a bound to their number.

use super::files::Files;
use super::folder::{Card, Folder};
use crate::links;
use crate::viewer::Viewer;
use reqwest::Url;
use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Films at a time.
pub(super) const FILMS_MAX: usize = 256;
/// Longest name, as the origin has it.
const SLUG_MAX: usize = 64;

/// A film that is served.
#[derive(Debug)]
pub(super) struct Kept {
    pub(super) slug: String,
    pub(super) viewer: Viewer,
    pub(super) files: Arc<Files>,
    /// What its playlists append to the addresses of segments.
    pub(super) version: String,
    /// Its sockets, as long as it lives.
    pub(super) _slot: Slot,
}

/// The films.
#[derive(Debug, Default)]
pub(super) struct Films {
    kept: Mutex<BTreeMap<String, Arc<Kept>>>,
    /// The name of every film that is known, served or not, by its address.
    names: Mutex<BTreeMap<String, String>>,
    /// Of these, the ones that somebody looks after.
    claimed: Mutex<BTreeSet<String>>,
    slots: Arc<Mutex<BTreeSet<u16>>>,
}

impl Films {
    /// Remembers the names of before.
    pub(super) fn new(cards: &[Card]) -> Self {
        let films = Self::default();
        let mut taken = BTreeSet::new();
        let named = cards.iter().filter(|card| taken.insert(card.slug.clone()));
        lock(&films.names).extend(named.map(|card| (address(&card.url), card.slug.clone())));
        films
    }

    /// The name of the film at `base`, for whoever looks after it from now on: what it had, or else one like `wanted` that
    /// nobody has. `None`: somebody does already, or there are too many films.
    pub(super) fn claim(&self, base: &Url, wanted: &str) -> Option<String> {
        if lock(&self.claimed).contains(&address(base)) {
            return None;
        }
        let name = self.name(base, wanted)?;
        lock(&self.claimed).insert(address(base));
        Some(name)
    }

    fn name(&self, base: &Url, wanted: &str) -> Option<String> {
        let mut names = lock(&self.names);
        if let Some(name) = names.get(&address(base)) {
            return Some(name.clone());
        }
        if names.len() >= FILMS_MAX {
            return None;
        }
        let wanted = slug(wanted);
        let numbered =
            (2..).map(|number| format!("{}-{number}", wanted.get(..SLUG_MAX - 5).unwrap_or(&wanted)));
        let free = |name: &String| names.values().all(|taken| taken != name);
        let name = std::iter::once(wanted.clone()).chain(numbered).find(free)?;
        names.insert(address(base), name.clone());
        Some(name)
    }

    /// The film of that name.
    pub(super) fn get(&self, slug: &str) -> Option<Arc<Kept>> {
        lock(&self.kept).get(slug).cloned()
    }

    /// All of them, by name.
    pub(super) fn all(&self) -> Vec<Arc<Kept>> {
        lock(&self.kept).values().cloned().collect()
    }

    /// Serves a film; gives the one of its name that was served before.
    pub(super) fn put(&self, kept: Kept) -> Option<Arc<Kept>> {
        lock(&self.kept).insert(kept.slug.clone(), Arc::new(kept))
    }

    /// Serves the film at `base` no more, and forgets it.
    pub(super) async fn forget(&self, base: &Url, folder: &Folder) {
        lock(&self.claimed).remove(&address(base));
        let name = lock(&self.names).remove(&address(base));
        let kept = name.and_then(|name| lock(&self.kept).remove(&name));
        if let Some(kept) = kept {
            kept.viewer.leave().await;
        }
        folder.remove().await;
    }

    /// Sockets of its own for a film.
    pub(super) fn slot(&self) -> Slot {
        let mut taken = lock(&self.slots);
        let number = (0..).find(|number| !taken.contains(number)).unwrap_or(u16::MAX);
        taken.insert(number);
        Slot { number, taken: self.slots.clone() }
    }
}

/// A place in the row of ports; it is free again when this is dropped.
#[derive(Debug)]
pub(super) struct Slot {
    number: u16,
    taken: Arc<Mutex<BTreeSet<u16>>>,
}

impl Slot {
    /// The settings with the ports of this place: each film has the next.
    pub(super) fn links(&self, config: &links::Config) -> links::Config {
        let shifted = |mut address: SocketAddr| {
            if address.port() != 0 {
                address.set_port(address.port().saturating_add(self.number));
            }
            address
        };
        links::Config { bind: shifted(config.bind), tcp: config.tcp.map(shifted), ..config.clone() }
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        lock(&self.taken).remove(&self.number);
    }
}

/// Whether this can be a name in an address.
pub(super) fn is_slug(text: &str) -> bool {
    let is_plain = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
    (1..=SLUG_MAX).contains(&text.len()) && text.bytes().all(is_plain)
}

/// A name like `text`.
fn slug(text: &str) -> String {
    let mut slug = String::new();
    for c in text.chars().take(SLUG_MAX) {
        match c.to_ascii_lowercase() {
            c if c.is_ascii_alphanumeric() => slug.push(c),
            _ if slug.is_empty() || slug.ends_with('-') => {}
            _ => slug.push('-'),
        }
    }
    let slug = slug.trim_end_matches('-');
    if slug.is_empty() { "film".to_owned() } else { slug.to_owned() }
}

/// What names a film's place: its address without who asks.
fn address(base: &Url) -> String {
    let mut url = base.clone();
    let _ = (url.set_username(""), url.set_password(None)); // an address of the web can be without
    url.into()
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_plain_distinct_and_stay() {
        let url = |text: &str| text.parse::<Url>().unwrap();
        let films = Films::new(&[Card { url: url("https://a.b/s/film/"), slug: "film".into() }]);
        assert_eq!(films.claim(&url("https://c.d/s/film/"), "film").as_deref(), Some("film-2"));
        assert_eq!(films.claim(&url("https://c.d/s/film/"), "film"), None, "one is enough");
        assert_eq!(films.name(&url("https://me:pw@a.b/s/film/"), "other").as_deref(), Some("film"));
        assert_eq!(films.name(&url("https://c.d/x/"), "My%20Film (2026)").as_deref(), Some("my-20film-2026"));
        assert_eq!(films.name(&url("https://c.d/y/"), "/").as_deref(), Some("film-3"));
        let long = films.name(&url("https://c.d/z/"), &"x".repeat(200)).unwrap();
        let longer = films.name(&url("https://c.d/zz/"), &"x".repeat(200)).unwrap();
        assert!(is_slug(&long) && is_slug(&longer) && long != longer);
    }

    #[test]
    fn films_stand_in_a_row_of_ports() {
        let films = Films::default();
        let config = links::Config { bind: "0.0.0.0:4000".parse().unwrap(), ..links::Config::default() };
        let (first, second) = (films.slot(), films.slot());
        assert_eq!(second.links(&config).bind.port(), 4001);
        drop(first);
        assert_eq!(films.slot().links(&config).bind.port(), 4000);
        assert_eq!(second.links(&links::Config::default()).bind.port(), 0);
    }
}
