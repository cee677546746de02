//! Languages as containers write them (ISO 639-2), as manifests want them (BCP 47), and as viewers read them.

/// ISO 639-2/T, ISO 639-2/B, BCP 47, and the language's own name.
const LANGUAGES: [(&str, &str, &str, &str); 44] = [
    ("ara", "ara", "ar", "العربية"),
    ("ben", "ben", "bn", "বাংলা"),
    ("bul", "bul", "bg", "Български"),
    ("cat", "cat", "ca", "Català"),
    ("ces", "cze", "cs", "Čeština"),
    ("dan", "dan", "da", "Dansk"),
    ("deu", "ger", "de", "Deutsch"),
    ("ell", "gre", "el", "Ελληνικά"),
    ("eng", "eng", "en", "English"),
    ("est", "est", "et", "Eesti"),
    ("eus", "baq", "eu", "Euskara"),
    ("fas", "per", "fa", "فارسی"),
    ("fin", "fin", "fi", "Suomi"),
    ("fra", "fre", "fr", "Français"),
    ("gle", "gle", "ga", "Gaeilge"),
    ("glg", "glg", "gl", "Galego"),
    ("heb", "heb", "he", "עברית"),
    ("hin", "hin", "hi", "हिन्दी"),
    ("hrv", "hrv", "hr", "Hrvatski"),
    ("hun", "hun", "hu", "Magyar"),
    ("ind", "ind", "id", "Bahasa Indonesia"),
    ("isl", "ice", "is", "Íslenska"),
    ("ita", "ita", "it", "Italiano"),
    ("jpn", "jpn", "ja", "日本語"),
    ("kor", "kor", "ko", "한국어"),
    ("lav", "lav", "lv", "Latviešu"),
    ("lit", "lit", "lt", "Lietuvių"),
    ("msa", "may", "ms", "Bahasa Melayu"),
    ("nld", "dut", "nl", "Nederlands"),
    ("nob", "nob", "nb", "Norsk bokmål"),
    ("nor", "nor", "no", "Norsk"),
    ("pol", "pol", "pl", "Polski"),
    ("por", "por", "pt", "Português"),
    ("ron", "rum", "ro", "Română"),
    ("rus", "rus", "ru", "Русский"),
    ("slk", "slo", "sk", "Slovenčina"),
    ("slv", "slv", "sl", "Slovenščina"),
    ("spa", "spa", "es", "Español"),
    ("srp", "srp", "sr", "Српски"),
    ("swe", "swe", "sv", "Svenska"),
    ("tha", "tha", "th", "ไทย"),
    ("tur", "tur", "tr", "Türkçe"),
    ("ukr", "ukr", "uk", "Українська"),
    ("zho", "chi", "zh", "中文"),
];

/// Longest name of a track.
const MAX_NAME_CHARS: usize = 60;

/// The BCP 47 tag for what a container calls a track's language; `None` for "undetermined" and what is no code.
pub(crate) fn tag(code: Option<&str>) -> Option<String> {
    let code = code?.trim().to_ascii_lowercase();
    if let Some(known) = find(&code) {
        return Some(known.2.to_owned());
    }
    let parts: Vec<&str> = code.split('-').collect();
    let legal = (2..=3).contains(&parts[0].len())
        && parts.len() <= 4
        && parts.iter().all(|p| (1..=8).contains(&p.len()) && p.bytes().all(|b| b.is_ascii_alphanumeric()))
        && parts[0].bytes().all(|b| b.is_ascii_lowercase());
    (legal && !["und", "mis", "mul", "zxx"].contains(&parts[0])).then_some(code)
}

/// What viewers see in a menu of tracks: the title from the container, else the language, else `<kind> <n>`.
pub(crate) fn track_name(title: Option<&str>, language: Option<&str>, kind: &str, place: usize) -> String {
    let clean = |text: &str| -> String {
        let plain =
            text.chars().filter(|c| !c.is_control() && *c != '"').take(MAX_NAME_CHARS).collect::<String>();
        plain.trim().to_owned()
    };
    let title = title.map(clean).filter(|t| !t.is_empty());
    let language = tag(language).map(|tag| find(&tag).map_or(tag.clone(), |known| known.3.to_owned()));
    title.or(language).unwrap_or_else(|| format!("{kind} {}", place + 1))
}

/// Numbers names that stand twice, for players tell tracks of one group apart by name (RFC 8216 section 4.3.4.1).
pub(crate) fn make_distinct<'a>(names: impl Iterator<Item = &'a mut String>) {
    let mut seen: Vec<String> = Vec::new();
    for name in names {
        let plain = name.clone();
        let mut n = 2;
        while seen.contains(name) {
            *name = format!("{plain} ({n})");
            n += 1;
        }
        seen.push(name.clone());
    }
}

fn find(code: &str) -> Option<&'static (&'static str, &'static str, &'static str, &'static str)> {
    LANGUAGES.iter().find(|l| l.0 == code || l.1 == code || l.2 == code)
}
