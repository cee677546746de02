//! `braidcast serve`: serving starts at once; films come into the catalogue as they are ready.

use crate::args::{Serve, Serving};
use crate::config::File;
use crate::films::{self, Film};
use crate::progress::Screen;
use crate::reload::Files;
use crate::say;
use crate::{Wrong, admission, links, meeting, stop};
use anyhow::{Context, Result, anyhow};
use manifest::SecretKey;
use origin::http::{Limits, Origin, Rate, TrackerConfig, serve};
use origin::library::Library;
use origin::package::{self, Settings};
use origin::tools::Tools;
use origin::{http, key};
use std::process::ExitCode;
use tokio::net::TcpListener;
use tokio::sync::oneshot;

pub async fn run(args: Serve, file: &File, screen: &Screen) -> Result<ExitCode> {
    let settings = file.settings(&args.making).map_err(Wrong::wrap)?;
    let tools = Tools::find();
    for path in &args.files {
        package::absolute(path)?;
    }
    let library = Library::open(&file.data(args.data.as_ref()))?;
    let key = key::read_or_create(&file.key(args.making.key.as_ref()).unwrap_or_else(|| library.key_path()))?;
    let (origin, limits) = origin(&args.serving, file, &key, screen).await?;

    let films = if args.files.is_empty() {
        publish_all(&library, &origin, &key, screen)?;
        if origin.store().all().is_empty() {
            return Err(Wrong::wrap(anyhow!(
                "nothing was packaged yet; name a film: braidcast serve film.mp4"
            )));
        }
        Vec::new()
    } else {
        let films = films::look_at(&args.files, &library, &settings, tools.as_ref())?;
        // An outdated package is served until the new one is ready.
        films.into_iter().map(|film| publish_packaged(film, &origin, &key, screen)).collect()
    };

    let listener = listen(&args.serving, file).await?;
    let public_url = args.serving.public_url.as_ref().or(file.public_url.as_ref());
    let bases = links::bases(listener.local_addr()?, public_url.map(String::as_str));
    let stop = stop::requested();
    announce(&origin, &films, &bases, &key);

    let (stop_serving, stopped) = oneshot::channel::<()>();
    let server = tokio::spawn(serve(listener, origin.clone(), limits, async {
        stopped.await.ok(); // dropped or sent: both mean stop
    }));
    let work = async {
        let inputs_at_fault =
            make_all(&films, &library, &settings, tools.as_ref(), &key, &origin, &bases[0], screen).await;
        if origin.store().all().is_empty() && !films.is_empty() {
            return inputs_at_fault;
        }
        std::future::pending().await
    };
    let files = Files::of(origin.tracker(), None);
    let code = tokio::select! {
        code = stop => Ok(code),
        () = files.follow() => Ok(ExitCode::SUCCESS),
        inputs_at_fault = work => {
            let error = anyhow!("no film could be packaged, so there is nothing to serve");
            Err(if inputs_at_fault { Wrong::wrap(error) } else { error })
        }
    };
    drop(stop_serving);
    server.await.ok(); // it has nothing to say
    code
}

/// The port for viewers.
pub async fn listen(serving: &Serving, file: &File) -> Result<TcpListener> {
    let address = serving.listen.as_ref().or(file.listen.as_ref()).map_or("0.0.0.0:8080", String::as_str);
    TcpListener::bind(address)
        .await
        .with_context(|| format!("cannot listen on {address}; choose another with --listen ADDRESS:PORT"))
        .map_err(Wrong::wrap)
}

/// An origin without films, and what the settings and the system's limit of open files allow together.
pub async fn origin(
    serving: &Serving,
    file: &File,
    key: &SecretKey,
    screen: &Screen,
) -> Result<(Origin, Limits)> {
    let (mut limits, mut tracker) = (Limits::default(), TrackerConfig::default());
    meeting::set(&mut tracker, &serving.meeting, file).map_err(Wrong::wrap)?;
    let sources = admission::set(&mut tracker, &serving.admission, file).await.map_err(Wrong::wrap)?;
    limits.connections =
        serving.connections.or(file.connections).unwrap_or(limits.connections).clamp(1, 1 << 20);
    if let Some(per_net) = serving.connections_per_net.or(file.connections_per_net) {
        limits.per_neighbourhood = per_net.max(1);
        limits.sockets_per_neighbourhood = per_net.max(1).saturating_mul(4);
    }
    if let Some(newcomers) = serving.newcomers_per_net.or(file.newcomers_per_net) {
        limits.newcomers = Rate::per_second(newcomers);
    }
    if let Some(files) = http::raise_file_limit()
        && limits.fit_into(files, &mut tracker)
    {
        screen.line(&format!(
            "the system allows {files} open files: at most {} connections and {} viewers at the tracker are taken. \
             Raise the limit for more (`ulimit -n`, or LimitNOFILE= of systemd)",
            limits.connections, tracker.table.connections
        ));
    }
    let cache_mib = serving.cache_mib.or(file.cache_mib);
    let cache_bytes = cache_mib.map_or(http::DEFAULT_CACHE_BYTES, |mib| mib.clamp(1, 1 << 20) << 20);
    let origin = Origin::new(key.public(), cache_bytes, tracker);
    sources.begin(origin.tracker()).map_err(Wrong::wrap)?;
    tokio::spawn(sources.follow(origin.tracker().clone()));
    Ok((origin, limits))
}

/// Serves what was packaged before; says of each that cannot be served why.
pub fn publish_all(library: &Library, origin: &Origin, key: &SecretKey, screen: &Screen) -> Result<()> {
    for slug in library.packages()? {
        let dir = library.package(&slug);
        if let Err(error) = package::resign(&dir, key).and_then(|()| origin.publish(&dir, &slug)) {
            screen.line(&format!("{slug}: {error}"));
        }
    }
    Ok(())
}

/// Serves the package that `film` has; one that is damaged counts as none.
fn publish_packaged(mut film: Film, origin: &Origin, key: &SecretKey, screen: &Screen) -> Film {
    if film.packaged
        && let Err(error) =
            package::resign(&film.dir, key).and_then(|()| origin.publish(&film.dir, &film.slug))
    {
        screen.line(&format!("{}: {error}; it is made again", film.title));
        (film.packaged, film.current) = (false, false);
    }
    film
}

/// Says whether all that failed did so because of the films.
#[allow(clippy::too_many_arguments)] // all of them are what a run consists of
async fn make_all(
    films: &[Film],
    library: &Library,
    settings: &Settings,
    tools: Option<&Tools>,
    key: &SecretKey,
    origin: &Origin,
    base: &str,
    screen: &Screen,
) -> bool {
    let mut inputs_at_fault = true;
    // One after the other: the encoder uses every core by itself.
    for film in films.iter().filter(|film| !film.current) {
        let made = films::make(film, library, settings, tools, key, screen).await;
        // The package that is replaced is deleted at the end of this, when nobody is sent to it any more.
        match made.and_then(|placed| origin.publish(placed.dir(), &film.slug).map(|()| placed)) {
            Ok(_placed) => say!("ready      {}  {base}/watch/{}", film.title, film.slug),
            Err(error) => {
                inputs_at_fault &= error.is_input();
                screen.line(&format!("error: {error}"));
            }
        }
    }
    inputs_at_fault
}

fn announce(origin: &Origin, films: &[Film], bases: &[String], key: &SecretKey) {
    let base = &bases[0];
    say!("Braidcast {}", env!("CARGO_PKG_VERSION"));
    for base in bases {
        say!("catalogue  {base}/");
    }
    say!("key        {}", key.public());
    let ready = origin.store().all();
    for stream in &ready {
        say!("ready      {}  {base}/watch/{}", stream.card.title, stream.slug);
    }
    for film in films.iter().filter(|film| !film.current) {
        let how = if film.packaged { "updating " } else { "packaging" };
        say!("{how}  {}  {base}/watch/{}", film.title, film.slug);
    }
    let slug = ready.first().map(|s| &s.slug).or(films.first().map(|f| &f.slug));
    if let Some(slug) = slug {
        say!("\nTo show it in a page of your own:\n{}\n", links::embed(base, slug.as_str(), &key.public()));
    }
}
