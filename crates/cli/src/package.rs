//! `braidcast package`.

use crate::args::Package;
use crate::config::File;
use crate::progress::Screen;
use crate::say;
use crate::{Wrong, stop};
use anyhow::Result;
use origin::package::{self, PackageError, Partial, Record, Stamp};
use origin::slug::{Slug, title_of_file};
use origin::{key, tools::Tools};
use std::fs;
use std::process::ExitCode;

pub async fn run(args: Package, file: &File, screen: &Screen) -> Result<ExitCode> {
    let settings = file.settings(&args.making).map_err(Wrong::wrap)?;
    let source = package::absolute(&args.file)?;
    let key_path = file
        .key(args.making.key.as_ref())
        .unwrap_or_else(|| file.data(args.data.as_ref()).join("publisher.key"));
    let key = key::read_or_create(&key_path)?;
    let tools = Tools::find();
    let out = std::path::absolute(&args.out)?;
    if let Some(record) = Record::read(&out) {
        if record.is_current(&Stamp::of(&source)?, &settings, tools.is_some()) {
            package::resign(&out, &key)?;
            say!("{} is up to date", out.display());
            return Ok(ExitCode::SUCCESS);
        }
    } else if fs::read_dir(&out).is_ok_and(|mut entries| entries.next().is_none()) {
        fs::remove_dir(&out)?;
    } else if out.exists() {
        return Err(PackageError::Occupied(out).into());
    }
    let slug = Slug::of_file(&source);
    let stop = stop::requested();
    let into = Partial::begin_among_others(&out)?;
    let (bar, report) = screen.film(&title_of_file(&source));
    let made = tokio::select! {
        made = package::make(&source, &slug, &settings, tools.as_ref(), &key, into, report) => made,
        code = stop => return Ok(code),
    };
    drop(bar);
    say!("{}\nkey {}", made?.dir().display(), key.public());
    Ok(ExitCode::SUCCESS)
}
