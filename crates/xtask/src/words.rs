//! No tracked file may name the machine it was written on: home folders, scratch folders, private registries.

use std::fs;
use std::path::Path;

use anyhow::Result;

/// Written in two halves, so that this file does not find itself.
const FORBIDDEN: &[(&str, &str)] =
    &[("/ro", "ot/"), ("/wo", "rk/"), ("/ho", "me/"), ("/Us", "ers/"), ("/tm", "p/b/"), ("/.lib", "rary/")];

/// Where lock files may say their packages come from.
const REGISTRIES: &[&str] =
    &["https://registry.npmjs.org/", "registry+https://github.com/rust-lang/crates.io-index"];

/// Lines that name a machine.
pub fn check(root: &Path) -> Result<Vec<String>> {
    let mut findings = Vec::new();
    for path in crate::tracked(root)? {
        // What is not text says nothing.
        let Ok(text) = fs::read_to_string(root.join(&path)) else { continue };
        for (number, line) in text.lines().enumerate() {
            for (a, b) in FORBIDDEN {
                if path_in(line, &format!("{a}{b}")) {
                    findings.push(format!("{path}:{}: names {a}{b}", number + 1));
                }
            }
        }
        let lock = path.ends_with("package-lock.json") || path.ends_with("Cargo.lock");
        for (number, line) in text.lines().enumerate().filter(|_| lock) {
            let from = line.trim_start();
            let named = from.strip_prefix("\"resolved\": \"").or_else(|| from.strip_prefix("source = \""));
            if let Some(source) = named
                && !REGISTRIES.iter().any(|registry| source.starts_with(registry))
            {
                findings.push(format!("{path}:{}: fetched from {source}", number + 1));
            }
        }
    }
    Ok(findings)
}

/// Whether the line holds the path, at its root: `/a/` is in "see /a/b", not in "x/a/b" or "https://host/a/".
fn path_in(line: &str, path: &str) -> bool {
    line.match_indices(path).any(|(at, _)| {
        let before = line[..at].chars().next_back();
        !before.is_some_and(|c| c.is_alphanumeric() || "._-$}*)".contains(c))
    })
}
