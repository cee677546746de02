//! Resolving references (RFC 3986 section 5.2), for absolute URLs and for paths that stay relative.

/// What `reference` means in the resource at `base`.
pub(crate) fn resolve(base: &str, reference: &str) -> String {
    if has_scheme(reference) {
        return reference.to_owned();
    }
    let base = base.split(['?', '#']).next().unwrap_or(base);
    let (root, path) = split_authority(base);
    if reference.starts_with("//") {
        let scheme = root.split_once("//").map_or("", |(scheme, _)| scheme);
        return format!("{scheme}{reference}");
    }
    let (target, query) = match reference.find(['?', '#']) {
        Some(at) => reference.split_at(at),
        None => (reference, ""),
    };
    if target.is_empty() {
        return format!("{base}{query}");
    }
    let joined = if target.starts_with('/') {
        target.to_owned()
    } else {
        let folder = path.rfind('/').map_or(if root.is_empty() { "" } else { "/" }, |at| &path[..=at]);
        format!("{folder}{target}")
    };
    format!("{root}{}{query}", without_dots(&joined))
}

fn has_scheme(reference: &str) -> bool {
    reference.split_once(':').is_some_and(|(scheme, _)| {
        scheme.starts_with(|c: char| c.is_ascii_alphabetic())
            && scheme.bytes().all(|b| b.is_ascii_alphanumeric() || b"+-.".contains(&b))
    })
}

/// `https://host` and the path after it; nothing and all of it where there is no host.
fn split_authority(url: &str) -> (&str, &str) {
    let Some(at) = url.find("://").filter(|_| has_scheme(url)) else { return ("", url) };
    match url[at + 3..].find('/') {
        Some(path) => url.split_at(at + 3 + path),
        None => (url, ""),
    }
}

/// A relative path cannot climb out of where it starts: what would is cut off.
fn without_dots(path: &str) -> String {
    let mut parts: Vec<&str> = Vec::new();
    for part in path.split('/') {
        match part {
            "." => {}
            ".." => {
                if parts.last().is_some_and(|last| !last.is_empty()) {
                    parts.pop();
                }
            }
            part => parts.push(part),
        }
    }
    parts.join("/")
}

#[cfg(test)]
mod tests {
    use super::resolve;

    #[test]
    fn references_resolve_against_folders_and_hosts() {
        for (base, reference, expected) in [
            ("v0/media.m3u8", "1.m4s", "v0/1.m4s"),
            ("v0/media.m3u8", "../a0/1.m4s?x=1", "a0/1.m4s?x=1"),
            ("master.m3u8", "../../etc/passwd", "etc/passwd"),
            ("https://h/s/film/master.m3u8?t=1", "v0/media.m3u8", "https://h/s/film/v0/media.m3u8"),
            ("https://h/s/master.m3u8", "/x/1.m4s", "https://h/x/1.m4s"),
            ("https://h/s/master.m3u8", "//cdn/1.m4s", "https://cdn/1.m4s"),
            ("https://h/s/master.m3u8", "http://cdn/1.m4s", "http://cdn/1.m4s"),
            ("https://h", "1.m4s", "https://h/1.m4s"),
        ] {
            assert_eq!(resolve(base, reference), expected, "{base} + {reference}");
        }
    }
}
