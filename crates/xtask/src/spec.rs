//! Locks a document in `docs/spec` to the sources it describes, so that neither changes without the other being read.
//!
//! A document says once which files it describes and what they were when it was last read against them:
//!
//! ```text
//! <!-- describes: crates/wire/src/frame.rs crates/wire/src/message.rs; as of: 0123456789abcdef -->
//! ```
//!
//! Comments, blank lines and indentation do not count. After a change read the document, then `cargo xtask spec --fix`.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result};

const OPEN: &str = "<!-- describes: ";
const CLOSE: &str = " -->";
const AS_OF: &str = "; as of: ";

/// Documents that are not locked, or whose sources have changed. With `fix`, writes the new state instead.
pub fn check(root: &Path, fix: bool) -> Result<Vec<String>> {
    let mut findings = Vec::new();
    let mut paths: Vec<_> = fs::read_dir(root.join("docs/spec"))
        .context("docs/spec")?
        .map(|entry| Ok(entry?.path()))
        .collect::<Result<_>>()?;
    paths.retain(|path| path.extension().is_some_and(|ending| ending == "md"));
    paths.sort();
    if paths.is_empty() {
        findings.push("docs/spec holds no document".to_owned());
    }
    for path in paths {
        let name = path.strip_prefix(root).unwrap_or(&path).display().to_string();
        let text = fs::read_to_string(&path)?;
        let Some(line) = text.lines().find(|line| line.starts_with(OPEN) && line.ends_with(CLOSE)) else {
            findings.push(format!("{name}: no line `{OPEN}FILE...{CLOSE}` says which sources it describes"));
            continue;
        };
        let inside = &line[OPEN.len()..line.len() - CLOSE.len()];
        let (files, was) = inside.split_once(AS_OF).unwrap_or((inside, ""));
        let now = match state(root, files) {
            Ok(now) => now,
            Err(error) => {
                findings.push(format!("{name}: {error:#}"));
                continue;
            }
        };
        if was == now {
            continue;
        }
        if fix {
            fs::write(&path, text.replace(line, &format!("{OPEN}{files}{AS_OF}{now}{CLOSE}")))?;
            println!("spec: {name} is now as of {now}");
        } else {
            findings.push(format!(
                "{name}: {files} changed; read it against them, then `cargo xtask spec --fix`"
            ));
        }
    }
    Ok(findings)
}

/// What the files say, in 16 hexadecimal digits.
fn state(root: &Path, files: &str) -> Result<String> {
    let mut hasher = blake3::Hasher::new();
    for file in files.split_whitespace() {
        let text = fs::read_to_string(root.join(file)).with_context(|| format!("it describes {file}"))?;
        hasher.update(file.as_bytes());
        for line in text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with("//")) {
            hasher.update(b"\n");
            hasher.update(line.as_bytes());
        }
        hasher.update(b"\0");
    }
    Ok(hasher.finalize().to_hex()[..16].to_owned())
}
