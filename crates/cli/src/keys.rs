//! `braidcast keys`.

use crate::args::{KeyPlace, Keys};
use crate::config::File;
use crate::progress::Screen;
use crate::say;
use anyhow::Result;
use origin::key;
use std::path::PathBuf;
use std::process::ExitCode;

pub fn run(verb: Keys, file: &File, screen: &Screen) -> Result<ExitCode> {
    let path = |place: &KeyPlace| -> PathBuf {
        file.key(place.key.as_ref()).unwrap_or_else(|| file.data(place.data.as_ref()).join("publisher.key"))
    };
    let key = match verb {
        Keys::Show(place) => key::read(&path(&place))?,
        Keys::New(place) => {
            let path = path(&place);
            let key = key::create(&path)?;
            screen.line(&format!(
                "made {}; keep it secret and keep a copy: films signed with it cannot be replaced without it",
                path.display()
            ));
            key
        }
    };
    say!("{}", key.public());
    Ok(ExitCode::SUCCESS)
}
