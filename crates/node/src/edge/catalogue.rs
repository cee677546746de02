//! All films of a Braidcast server: its catalogue is read every minute, and what is new in it is kept too. Its invariant: a film
//! goes only when the server was there and said several times that it has it no more.

use super::Inner;
use super::films::{FILMS_MAX, is_slug};
use super::folder::Folder;
use super::keeper::{Keeper, Rounds};
use crate::origin::Origin;
use reqwest::Url;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use tokio::task::AbortHandle;
use tokio::time::sleep;

/// Largest catalogue.
const MAX_CATALOGUE_BYTES: usize = 4 << 20;
/// So many catalogues in a row without a film, and it is gone.
const GONE_AFTER: u32 = 3;

/// A server whose films are kept.
#[derive(Debug)]
pub(super) struct Catalogue {
    inner: Arc<Inner>,
    server: Url,
    query: Option<String>,
    films: BTreeMap<String, Followed>,
}

#[derive(Debug)]
struct Followed {
    task: AbortHandle,
    /// In how many catalogues in a row it was not.
    absent: u32,
}

impl Catalogue {
    pub(super) fn new(inner: Arc<Inner>, server: Url, query: Option<String>) -> Self {
        Self { inner, server, query, films: BTreeMap::new() }
    }

    /// Until it is aborted; its films go on until they are dropped with this.
    pub(super) async fn run(mut self) {
        for card in Folder::cards(&self.inner.dir).await {
            if let Some(name) = self.name_of(&card.url) {
                self.follow(name);
            }
        }
        let mut rounds = Rounds::default();
        loop {
            let catalogue = self.read().await;
            let wait = rounds.next(catalogue.is_ok());
            match catalogue {
                Ok(names) => {
                    if rounds.is_back() {
                        tracing::warn!(server = %self.server, "the catalogue is there again");
                    }
                    self.update(&names).await;
                }
                Err(why) if rounds.is_news() => {
                    tracing::warn!(server = %self.server, "no catalogue: {why}; it is tried again");
                }
                Err(_) => {}
            }
            sleep(wait).await;
        }
    }

    async fn read(&self) -> Result<BTreeSet<String>, String> {
        let origin =
            Origin::new(self.server.clone(), self.query.clone()).map_err(|error| error.to_string())?;
        let text =
            origin.file("api/v1/streams", MAX_CATALOGUE_BYTES).await.map_err(|error| error.to_string())?;
        names(&text).ok_or_else(|| "the server's list of films is none".to_owned())
    }

    async fn update(&mut self, names: &BTreeSet<String>) {
        for name in names {
            self.follow(name.clone());
        }
        let mut gone = Vec::new();
        for (name, film) in &mut self.films {
            film.absent = if names.contains(name) { 0 } else { film.absent + 1 };
            if film.absent >= GONE_AFTER {
                film.task.abort();
                gone.push(name.clone());
            }
        }
        for name in gone {
            self.films.remove(&name);
            if let Some(base) = self.base_of(&name) {
                tracing::info!(film = name, "the server has it no more");
                self.inner.films.forget(&base, &Folder::of(&self.inner.dir, &base)).await;
            }
        }
    }

    fn follow(&mut self, name: String) {
        if self.films.contains_key(&name) {
            return;
        }
        let Some(base) = self.base_of(&name) else { return };
        let Some(slug) = self.inner.films.claim(&base, &name) else {
            tracing::debug!(film = name, "it is kept already, or there are {FILMS_MAX} films");
            return;
        };
        let keeper = Keeper { inner: self.inner.clone(), base, query: self.query.clone(), slug };
        let task = tokio::spawn(keeper.run()).abort_handle();
        self.films.insert(name, Followed { task, absent: 0 });
    }

    fn base_of(&self, name: &str) -> Option<Url> {
        self.server.join(&format!("s/{name}/")).ok()
    }

    /// The name that the server has for a film, if it is one of its own.
    fn name_of(&self, url: &Url) -> Option<String> {
        let same = (url.scheme(), url.host_str(), url.port_or_known_default())
            == (self.server.scheme(), self.server.host_str(), self.server.port_or_known_default());
        let path = url.path().strip_prefix(self.server.path()).filter(|_| same)?;
        let name = path.strip_prefix("s/")?.strip_suffix('/')?;
        is_slug(name).then(|| name.to_owned())
    }
}

impl Drop for Catalogue {
    fn drop(&mut self) {
        self.films.values().for_each(|film| film.task.abort());
    }
}

/// The names in a catalogue; `None` if it is none.
fn names(text: &[u8]) -> Option<BTreeSet<String>> {
    let Ok(Value::Array(films)) = serde_json::from_slice(text) else { return None };
    // Of a live stream there is nothing to keep.
    let is_live = |film: &Value| film.get("live").and_then(Value::as_bool) == Some(true);
    let name = |film: &Value| Some(film.get("slug")?.as_str().filter(|slug| is_slug(slug))?.to_owned());
    Some(films.iter().filter(|film| !is_live(film)).filter_map(name).take(FILMS_MAX).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_catalogue_names_films_and_nothing_else() {
        let text = br#"[{"slug":"a"},{"slug":"../b"},{"slug":7},{},"x",{"slug":"c-1","title":"C"},{"slug":"d","live":true}]"#;
        assert_eq!(names(text), Some(["a", "c-1"].map(str::to_owned).into()));
        assert_eq!(names(b"[]"), Some(BTreeSet::new()));
        assert_eq!(names(b"<html>"), None);
        assert_eq!(names(br#"{"slug":"a"}"#), None);
    }
}
