//! Who may depend on whom. A crate or a dependency that is not in the table fails: the table is the architecture.
//!
//! The pure crates are held to more: no dependency but the few named here, `no_std` where the table says so, and no clock,
//! file, socket, thread or hash map in their sources.

use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, bail};
use serde_json::Value;

/// What a crate is held to.
#[derive(Clone, Copy, PartialEq)]
enum Purity {
    /// `#![no_std]`, no I/O, no clock, no hash maps.
    NoStd,
    /// Uses std, but no I/O of its own, no clock, no hash maps.
    SansIo,
    /// Talks to the world.
    Driver,
}
use Purity::{Driver, NoStd, SansIo};

struct Layer {
    name: &'static str,
    purity: Purity,
    /// Crates of this workspace.
    may_use: &'static [&'static str],
    /// Crates from outside; `None` for any. Pure crates name each.
    outside: Option<&'static [&'static str]>,
}

const LAYERS: &[Layer] = &[
    Layer { name: "manifest", purity: NoStd, may_use: &[], outside: Some(&["blake3", "ed25519-dalek"]) },
    Layer { name: "wire", purity: NoStd, may_use: &["manifest"], outside: Some(&[]) },
    Layer {
        name: "access",
        purity: NoStd,
        may_use: &["manifest"],
        outside: Some(&["base64", "blake3", "serde", "serde_json", "thiserror"]),
    },
    Layer { name: "swarm", purity: NoStd, may_use: &["manifest", "wire"], outside: Some(&["libm"]) },
    Layer { name: "abr", purity: NoStd, may_use: &[], outside: Some(&["libm"]) },
    Layer {
        name: "rendezvous",
        purity: SansIo,
        may_use: &[],
        outside: Some(&["ipnet", "itoa", "memchr", "serde", "serde_json", "thiserror"]),
    },
    Layer {
        name: "cmaf",
        purity: SansIo,
        may_use: &["manifest"],
        outside: Some(&["bytes", "quick-m3u8", "quick-xml", "shiguredo_mp4", "thiserror"]),
    },
    Layer { name: "session", purity: SansIo, may_use: &["manifest", "swarm", "wire"], outside: Some(&[]) },
    Layer {
        name: "web",
        purity: SansIo,
        may_use: &["manifest", "session", "swarm"],
        outside: Some(&["blake3"]),
    },
    Layer {
        name: "sim",
        purity: SansIo,
        may_use: &["abr", "manifest", "rendezvous", "swarm", "wire"],
        outside: Some(&["libm", "serde", "serde_json", "thiserror"]),
    },
    // Its tests put several on a network of their own.
    Layer {
        name: "tracker",
        purity: Driver,
        may_use: &["access", "manifest", "netlab", "rendezvous"],
        outside: None,
    },
    // Nests the tracker's routes; knows neither what it relays nor who meets whom.
    Layer { name: "origin", purity: Driver, may_use: &["cmaf", "manifest", "tracker"], outside: None },
    // Packages nothing and serves no film of its own: it is one of the viewers. Its tests meet at a tracker, on a network of
    // their own.
    Layer {
        name: "node",
        purity: Driver,
        may_use: &[
            "abr",
            "access",
            "cmaf",
            "manifest",
            "netlab",
            "rendezvous",
            "session",
            "swarm",
            "tracker",
            "wire",
        ],
        outside: None,
    },
    Layer {
        name: "cli",
        purity: Driver,
        may_use: &["access", "cmaf", "manifest", "node", "origin", "session", "sim", "swarm", "tracker"],
        outside: None,
    },
    // For tests: a network to run the others on.
    Layer { name: "netlab", purity: Driver, may_use: &[], outside: None },
    Layer { name: "xtask", purity: Driver, may_use: &[], outside: None },
];

/// What a pure crate's source may not say.
const IMPURE: &[(&str, &str)] = &[
    ("std::fs", "files"),
    ("std::net", "sockets"),
    ("std::process", "processes"),
    ("std::thread", "threads"),
    ("std::env", "the environment"),
    ("Instant::now", "a clock"),
    ("SystemTime", "a clock"),
    ("HashMap", "a map whose order changes from run to run"),
    ("HashSet", "a set whose order changes from run to run"),
    ("getrandom", "randomness of its own"),
];

/// What breaks the table.
pub fn check(root: &Path) -> Result<Vec<String>> {
    let output = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()))
        .args(["metadata", "--format-version", "1", "--no-deps"])
        .current_dir(root)
        .output()
        .context("cargo metadata")?;
    if !output.status.success() {
        bail!("cargo metadata: {}", String::from_utf8_lossy(&output.stderr).trim());
    }
    let metadata: Value = serde_json::from_slice(&output.stdout).context("cargo metadata")?;
    let packages = metadata["packages"].as_array().context("cargo metadata lists no packages")?;

    let mut findings = Vec::new();
    let mut seen = Vec::new();
    for package in packages {
        let manifest = package["manifest_path"].as_str().context("a package without a path")?;
        let name = folder_of(manifest);
        let Some(layer) = LAYERS.iter().find(|layer| layer.name == name) else {
            findings.push(format!("crates/{name} is not in the table of crates/xtask/src/layers.rs"));
            continue;
        };
        seen.push(layer.name);
        dependencies(layer, package, &mut findings);
        if layer.purity != Driver {
            sources(root, layer, &mut findings)?;
        }
    }
    for layer in LAYERS.iter().filter(|layer| !seen.contains(&layer.name)) {
        findings.push(format!("crates/{} is in the table but not in the workspace", layer.name));
    }
    Ok(findings)
}

/// The folder a manifest or a path dependency is in: the crate's short name.
fn folder_of(path: &str) -> &str {
    let folder = path.strip_suffix("/Cargo.toml").unwrap_or(path);
    folder.rsplit('/').next().unwrap_or(folder)
}

fn dependencies(layer: &Layer, package: &Value, findings: &mut Vec<String>) {
    for dependency in package["dependencies"].as_array().into_iter().flatten() {
        let name = dependency["name"].as_str().unwrap_or_default();
        let for_tests = dependency["kind"] == "dev";
        if let Some(path) = dependency["path"].as_str() {
            let used = folder_of(path);
            if used != layer.name && !layer.may_use.contains(&used) {
                findings.push(format!("{} must not know {used}", layer.name));
            }
        } else if let Some(allowed) = layer.outside
            && !for_tests
            && !allowed.contains(&name)
        {
            findings.push(format!("{} is pure and must not use {name}", layer.name));
        }
    }
}

fn sources(root: &Path, layer: &Layer, findings: &mut Vec<String>) -> Result<()> {
    let folder = root.join("crates").join(layer.name).join("src");
    let lib =
        fs::read_to_string(folder.join("lib.rs")).with_context(|| format!("{} has no lib.rs", layer.name))?;
    if layer.purity == NoStd && !lib.contains("#![no_std]") {
        findings.push(format!("{} must be #![no_std]", layer.name));
    }
    let mut folders = vec![folder];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder)? {
            let path = entry?.path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|ending| ending == "rs") {
                let text = fs::read_to_string(&path)?;
                for (number, line) in text.lines().enumerate() {
                    let code = line.split("//").next().unwrap_or_default();
                    for (word, what) in IMPURE.iter().filter(|(word, _)| code.contains(word)) {
                        let place = path.strip_prefix(root).unwrap_or(&path).display();
                        findings.push(format!("{place}:{}: {word}: a pure crate uses {what}", number + 1));
                    }
                }
            }
        }
    }
    Ok(())
}
