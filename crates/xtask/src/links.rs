//! Links between the documents lead to files that exist.

use std::fs;
use std::path::Path;

use anyhow::Result;

/// Links that lead nowhere. Addresses on the web are not followed.
pub fn check(root: &Path) -> Result<Vec<String>> {
    let mut findings = Vec::new();
    for path in crate::tracked(root)?.iter().filter(|path| path.ends_with(".md")) {
        let text = fs::read_to_string(root.join(path))?;
        let folder = Path::new(path).parent().unwrap_or(Path::new(""));
        let mut fenced = false;
        for (number, line) in text.lines().enumerate() {
            if line.trim_start().starts_with("```") {
                fenced = !fenced;
            }
            if fenced {
                continue;
            }
            for target in targets(line) {
                let file = target.split('#').next().unwrap_or_default();
                let outside = target.contains("://") || target.starts_with("mailto:");
                if !outside && !file.is_empty() && !root.join(folder).join(file).exists() {
                    findings.push(format!("{path}:{}: {target} is not there", number + 1));
                }
            }
        }
    }
    Ok(findings)
}

/// What the `](...)` of a line hold.
fn targets(line: &str) -> impl Iterator<Item = &str> {
    line.split("](").skip(1).filter_map(|rest| rest.split(')').next()).map(|inside| {
        // A title may follow the target.
        inside.split_whitespace().next().unwrap_or_default()
    })
}
