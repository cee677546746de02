//! The films of one run: which need work, and the work.

use crate::progress::Screen;
use anyhow::Result;
use manifest::SecretKey;
use origin::library::Library;
use origin::package::{self, PackageError, Placed, Record, Settings, Stamp};
use origin::slug::{Slug, title_of_file};
use origin::tools::Tools;
use std::path::PathBuf;

/// A film that was named on the command line.
#[derive(Clone, Debug)]
pub struct Film {
    /// Where it really is.
    pub source: PathBuf,
    /// Its name in URLs.
    pub slug: Slug,
    /// Its name on screen.
    pub title: String,
    /// Its package, whether or not it is there.
    pub dir: PathBuf,
    /// Whether there is a package, of whatever age.
    pub packaged: bool,
    /// Whether that package is what would be made now.
    pub current: bool,
}

/// Looks at every file before any work is begun.
pub fn look_at(
    files: &[PathBuf],
    library: &Library,
    settings: &Settings,
    tools: Option<&Tools>,
) -> Result<Vec<Film>> {
    let mut sources: Vec<(PathBuf, Stamp)> = Vec::new();
    for file in files {
        let source = package::absolute(file)?;
        if !sources.iter().any(|(known, _)| *known == source) {
            let stamp = Stamp::of(&source)?;
            sources.push((source, stamp));
        }
    }
    let names = library.names(&sources);
    let films = sources.into_iter().zip(names).map(|((source, stamp), slug)| {
        let dir = library.package(&slug);
        let record = Record::read(&dir);
        Film {
            title: title_of_file(&source),
            current: record.as_ref().is_some_and(|r| r.is_current(&stamp, settings, tools.is_some())),
            packaged: record.is_some(),
            source,
            slug,
            dir,
        }
    });
    Ok(films.collect())
}

/// Makes the package of one film.
pub async fn make(
    film: &Film,
    library: &Library,
    settings: &Settings,
    tools: Option<&Tools>,
    key: &SecretKey,
    screen: &Screen,
) -> Result<Placed, PackageError> {
    let into = library.begin(&film.slug)?;
    let (_bar, report) = screen.film(&film.title);
    package::make(&film.source, &film.slug, settings, tools, key, into, report).await
}
