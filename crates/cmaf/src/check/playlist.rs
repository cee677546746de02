//! Reading HLS playlists strictly (RFC 8216): what is not legal becomes a complaint, what is legal a structure.
//!
//! The invariant: reading never fails. A playlist full of mistakes gives many complaints and whatever could be
//! understood.

use std::collections::BTreeMap;
use std::rc::Rc;

use super::live_tags::LiveTags;

/// Lines of one playlist.
const MAX_LINES: usize = 1 << 20;
/// Complaints after which a playlist is not read on; its last line may add a few.
const MAX_COMPLAINTS: usize = 1000;
/// Bytes of one line.
const MAX_LINE: usize = 8 << 10;

/// A playlist of either kind, and what is wrong with it.
#[derive(Debug, Default)]
pub(super) struct Playlist {
    pub(super) variants: Vec<Variant>,
    pub(super) iframe_variants: Vec<Attributes>,
    pub(super) media: Vec<Attributes>,
    pub(super) entries: Vec<Entry>,
    pub(super) target_duration: Option<u64>,
    pub(super) first_sequence: u64,
    pub(super) ended: bool,
    pub(super) iframes_only: bool,
    pub(super) encrypted: bool,
    /// Whether any tag of a media playlist was there.
    pub(super) is_media: bool,
    /// What only live streams say.
    pub(super) live: LiveTags,
    pub(super) complaints: Vec<Complaint>,
}

/// A mistake at a line, counted from 1; 0 is the whole.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Complaint {
    pub(super) line: usize,
    pub(super) grave: bool,
    pub(super) what: String,
}

#[derive(Debug)]
pub(super) struct Variant {
    pub(super) attributes: Attributes,
    pub(super) uri: String,
}

/// One media segment.
#[derive(Debug, Clone)]
pub(super) struct Entry {
    pub(super) uri: String,
    pub(super) duration_s: f64,
    /// First byte and length.
    pub(super) range: Option<(u64, u64)>,
    /// The init segment in force, as listed in `EXT-X-MAP`.
    pub(super) map: Option<Rc<Map>>,
    pub(super) discontinuity: bool,
}

/// URI and byte range (first byte and length) of an init segment.
pub(super) type Map = (String, Option<(u64, u64)>);

/// The attribute list of a tag; quotes are taken off.
#[derive(Debug, Default, Clone)]
pub(super) struct Attributes {
    pub(super) line: usize,
    values: BTreeMap<String, (String, bool)>,
}

impl Attributes {
    pub(super) fn get(&self, name: &str) -> Option<&str> {
        self.values.get(name).map(|(value, _)| value.as_str())
    }

    pub(super) fn number(&self, name: &str) -> Option<u64> {
        self.get(name)?.parse().ok()
    }

    pub(super) fn parse(line: usize, text: &str, complaints: &mut Vec<Complaint>) -> Self {
        let mut attributes = Self { line, ..Self::default() };
        let mut complain = |what: String| complaints.push(Complaint { line, grave: true, what });
        let mut rest = text;
        while !rest.is_empty() {
            let Some((name, after)) = rest.split_once('=') else {
                complain(format!("attribute without value: {rest}"));
                break;
            };
            if name.is_empty()
                || !name.bytes().all(|b| b.is_ascii_uppercase() || b.is_ascii_digit() || b == b'-')
            {
                complain(format!("illegal attribute name '{name}'"));
            }
            let (value, quoted, tail) = if let Some(after) = after.strip_prefix('"') {
                let Some((value, tail)) = after.split_once('"') else {
                    complain(format!("{name}: the quoted string does not end"));
                    break;
                };
                (value, true, tail)
            } else {
                let end = after.find(',').unwrap_or(after.len());
                let (value, tail) = after.split_at(end);
                if value.is_empty() || value.contains([' ', '"']) {
                    complain(format!("{name}: illegal value '{value}'"));
                }
                (value, false, tail)
            };
            if attributes.values.insert(name.to_owned(), (value.to_owned(), quoted)).is_some() {
                complain(format!("{name} is given twice"));
            }
            rest = match tail.strip_prefix(',') {
                Some("") | None if !tail.is_empty() => {
                    complain(format!("rubbish after {name}: {tail}"));
                    break;
                }
                Some(rest) => rest,
                None => "",
            };
        }
        attributes
    }

    /// Complains unless `name` is there, quoted as it must be.
    pub(super) fn require(&self, tag: &str, name: &str, quoted: bool, complaints: &mut Vec<Complaint>) {
        let what = match self.values.get(name) {
            None => format!("{tag} lacks {name}"),
            Some((_, q)) if *q != quoted => {
                format!("{tag}: {name} must {}be quoted", if quoted { "" } else { "not " })
            }
            Some((value, false)) if name.ends_with("BANDWIDTH") && value.parse::<u64>().is_err() => {
                format!("{tag}: {name} is not a whole number: {value}")
            }
            Some(_) => return,
        };
        complaints.push(Complaint { line: self.line, grave: true, what });
    }
}

/// What applies to the next URI.
#[derive(Default)]
struct Pending {
    stream: Option<Attributes>,
    duration_s: Option<f64>,
    range: Option<(u64, Option<u64>)>,
    discontinuity: bool,
}

impl Playlist {
    /// Reads the text of a playlist.
    pub(super) fn parse(text: &str) -> Self {
        let mut list = Self::default();
        let mut pending = Pending::default();
        let mut map = None;
        let mut version = 1u64;
        let mut range_end: Option<(String, u64)> = None;
        if text.strip_prefix("#EXTM3U").is_none_or(|rest| !rest.starts_with(['\n', '\r'])) {
            list.complain(1, true, "a playlist must start with #EXTM3U".to_owned());
        }
        for (at, line) in text.lines().enumerate().skip(1) {
            let number = at + 1;
            if number > MAX_LINES {
                list.complain(number, true, "too many lines; the rest was not read".to_owned());
                break;
            }
            if list.complaints.len() >= MAX_COMPLAINTS {
                list.complain(number, true, "too many mistakes; the rest was not read".to_owned());
                break;
            }
            if line.len() > MAX_LINE {
                list.complain(number, true, format!("a line longer than {MAX_LINE} bytes"));
                continue;
            }
            if line.is_empty() || (line.starts_with('#') && !line.starts_with("#EXT")) {
                continue;
            }
            if !line.starts_with('#') {
                list.uri(number, line, &mut pending, &map, &mut range_end);
                continue;
            }
            let (tag, value) = line[1..].split_once(':').unwrap_or((&line[1..], ""));
            if list.ended && tag.starts_with("EXTINF") {
                list.complain(number, true, "a segment after EXT-X-ENDLIST".to_owned());
            }
            match tag {
                "EXT-X-VERSION" => match value.parse() {
                    Ok(number) => version = number,
                    Err(_) => list.complain(number, true, format!("illegal version '{value}'")),
                },
                "EXT-X-STREAM-INF" => {
                    let attributes = Attributes::parse(number, value, &mut list.complaints);
                    attributes.require(tag, "BANDWIDTH", false, &mut list.complaints);
                    if attributes.get("CODECS").is_none() {
                        list.complain(number, false, format!("{tag} lacks CODECS"));
                    }
                    pending.stream = Some(attributes);
                }
                "EXT-X-I-FRAME-STREAM-INF" => {
                    let attributes = Attributes::parse(number, value, &mut list.complaints);
                    attributes.require(tag, "BANDWIDTH", false, &mut list.complaints);
                    attributes.require(tag, "URI", true, &mut list.complaints);
                    list.iframe_variants.push(attributes);
                }
                "EXT-X-MEDIA" => {
                    let attributes = Attributes::parse(number, value, &mut list.complaints);
                    attributes.require(tag, "TYPE", false, &mut list.complaints);
                    attributes.require(tag, "GROUP-ID", true, &mut list.complaints);
                    attributes.require(tag, "NAME", true, &mut list.complaints);
                    if attributes.get("TYPE") == Some("SUBTITLES") {
                        attributes.require(tag, "URI", true, &mut list.complaints);
                    }
                    list.media.push(attributes);
                }
                "EXT-X-TARGETDURATION" => {
                    list.is_media = true;
                    match value.parse() {
                        Ok(seconds) if list.target_duration.is_none() => list.target_duration = Some(seconds),
                        Ok(_) => list.complain(number, true, format!("{tag} is given twice")),
                        Err(_) => {
                            list.complain(number, true, format!("{tag} is not a whole number: {value}"))
                        }
                    }
                }
                "EXT-X-MEDIA-SEQUENCE" => {
                    list.is_media = true;
                    match value.parse() {
                        Ok(first) if list.entries.is_empty() => list.first_sequence = first,
                        Ok(_) => list.complain(number, true, format!("{tag} after the first segment")),
                        Err(_) => {
                            list.complain(number, true, format!("{tag} is not a whole number: {value}"))
                        }
                    }
                }
                "EXTINF" => {
                    list.is_media = true;
                    let seconds = value.split_once(',').map_or(value, |(seconds, _)| seconds);
                    match seconds.parse::<f64>() {
                        Ok(parsed) if parsed.is_finite() && parsed >= 0.0 => {
                            if version < 3 && seconds.contains('.') {
                                list.complain(
                                    number,
                                    false,
                                    "decimal durations need EXT-X-VERSION 3".to_owned(),
                                );
                            }
                            if !value.contains(',') {
                                list.complain(number, false, "EXTINF lacks its comma".to_owned());
                            }
                            pending.duration_s = Some(parsed);
                        }
                        _ => list.complain(number, true, format!("illegal duration '{seconds}'")),
                    }
                }
                "EXT-X-BYTERANGE" => {
                    list.is_media = true;
                    if version < 4 {
                        list.complain(number, true, format!("{tag} needs EXT-X-VERSION 4"));
                    }
                    pending.range = byte_range(value);
                    if pending.range.is_none() {
                        list.complain(number, true, format!("illegal byte range '{value}'"));
                    }
                }
                "EXT-X-MAP" => {
                    list.is_media = true;
                    let attributes = Attributes::parse(number, value, &mut list.complaints);
                    attributes.require(tag, "URI", true, &mut list.complaints);
                    let range = attributes.get("BYTERANGE").and_then(byte_range);
                    let range = range.map(|(len, offset)| (offset.unwrap_or(0), len));
                    map = attributes.get("URI").map(|uri| Rc::new((uri.to_owned(), range)));
                }
                "EXT-X-KEY" => {
                    list.is_media = true;
                    let attributes = Attributes::parse(number, value, &mut list.complaints);
                    list.encrypted |= attributes.get("METHOD").is_some_and(|method| method != "NONE");
                }
                "EXT-X-ENDLIST" => (list.is_media, list.ended) = (true, true),
                "EXT-X-I-FRAMES-ONLY" => (list.is_media, list.iframes_only) = (true, true),
                "EXT-X-DISCONTINUITY" => (list.is_media, pending.discontinuity) = (true, true),
                "EXT-X-PLAYLIST-TYPE" => {
                    list.is_media = true;
                    if !["VOD", "EVENT"].contains(&value) {
                        list.complain(number, true, format!("{tag} is neither VOD nor EVENT: {value}"));
                    }
                }
                "EXTM3U" => list.complain(number, true, "#EXTM3U again".to_owned()),
                tag if LiveTags::TAGS.contains(&tag) => {
                    list.is_media = true;
                    list.live.read(number, tag, value, list.entries.len(), &mut list.complaints);
                }
                tag if KNOWN.contains(&tag) => {}
                tag => list.complain(number, false, format!("unknown tag {tag}")),
            }
        }
        list.whole(&pending);
        list
    }

    /// Rules about the playlist as a whole.
    fn whole(&mut self, pending: &Pending) {
        if pending.stream.is_some() || pending.duration_s.is_some() {
            self.complain(0, true, "the last tag lacks its URI".to_owned());
        }
        let is_master =
            !self.variants.is_empty() || !self.media.is_empty() || !self.iframe_variants.is_empty();
        match (is_master, self.is_media) {
            (true, true) => {
                self.complain(0, true, "tags of master and media playlists are mixed".to_owned());
            }
            (false, false) => self.complain(0, true, "neither a master nor a media playlist".to_owned()),
            _ => {}
        }
        if self.is_media && self.target_duration.is_none() {
            self.complain(0, true, "EXT-X-TARGETDURATION is missing".to_owned());
        }
    }

    fn uri(
        &mut self,
        number: usize,
        uri: &str,
        pending: &mut Pending,
        map: &Option<Rc<Map>>,
        range_end: &mut Option<(String, u64)>,
    ) {
        let taken = std::mem::take(pending);
        if let Some(attributes) = taken.stream {
            self.variants.push(Variant { attributes, uri: uri.to_owned() });
            return;
        }
        let Some(duration_s) = taken.duration_s else {
            self.complain(number, true, format!("'{uri}' has neither EXTINF nor EXT-X-STREAM-INF before it"));
            return;
        };
        let range = taken.range.and_then(|(len, offset)| {
            let offset = match (offset, &range_end) {
                (Some(offset), _) => offset,
                (None, Some((last, end))) if last == uri => *end,
                (None, _) => {
                    self.complain(number, true, "a byte range without offset follows no other".to_owned());
                    return None;
                }
            };
            *range_end = Some((uri.to_owned(), offset.saturating_add(len)));
            Some((offset, len))
        });
        self.entries.push(Entry {
            uri: uri.to_owned(),
            duration_s,
            range,
            map: map.clone(),
            discontinuity: taken.discontinuity,
        });
    }

    fn complain(&mut self, line: usize, grave: bool, what: String) {
        self.complaints.push(Complaint { line, grave, what });
    }
}

/// `length[@offset]`.
fn byte_range(value: &str) -> Option<(u64, Option<u64>)> {
    match value.split_once('@') {
        Some((len, offset)) => Some((len.parse().ok()?, Some(offset.parse().ok()?))),
        None => Some((value.parse().ok()?, None)),
    }
}

/// Tags that are legal and carry nothing to check here; the last three are of no standard, and everywhere where there are advertisements.
const KNOWN: [&str; 12] = [
    "EXT-X-INDEPENDENT-SEGMENTS",
    "EXT-X-START",
    "EXT-X-DEFINE",
    "EXT-X-SESSION-DATA",
    "EXT-X-SESSION-KEY",
    "EXT-X-CONTENT-STEERING",
    "EXT-X-DATERANGE",
    "EXT-X-GAP",
    "EXT-X-BITRATE",
    "EXT-X-CUE-OUT",
    "EXT-X-CUE-OUT-CONT",
    "EXT-X-CUE-IN",
];

#[cfg(test)]
mod tests;
