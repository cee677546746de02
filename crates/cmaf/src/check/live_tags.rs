//! The tags of live playlists (RFC 8216bis section 4.4), read strictly.
//!
//! The invariant: as for [`super::playlist`], reading never fails, and keeps no more than the playlist holds.

use super::playlist::{Attributes, Complaint};

/// What the tags of a live playlist say.
#[derive(Debug, Default)]
pub(super) struct LiveTags {
    pub(super) parts: Vec<PartTag>,
    /// Seconds.
    pub(super) part_target: Option<f64>,
    pub(super) control: Option<Attributes>,
    /// The URI of the part hinted at.
    pub(super) hint: Option<(usize, String)>,
    pub(super) reports: Vec<Attributes>,
    pub(super) skipped: Option<u64>,
    pub(super) discontinuity_sequence: u64,
    /// Number of the entry that it stands before, and milliseconds since 1970-01-01 UTC.
    pub(super) dates: Vec<(usize, i64)>,
}

/// An `EXT-X-PART`.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct PartTag {
    pub(super) line: usize,
    /// Number of the entry that it is a part of, from 0.
    pub(super) entry: usize,
    /// With its byte range, where it has one.
    pub(super) uri: String,
    pub(super) duration_s: f64,
    pub(super) independent: bool,
    pub(super) gap: bool,
}

impl LiveTags {
    pub(super) const TAGS: [&str; 8] = [
        "EXT-X-DISCONTINUITY-SEQUENCE",
        "EXT-X-PROGRAM-DATE-TIME",
        "EXT-X-PART",
        "EXT-X-PART-INF",
        "EXT-X-SERVER-CONTROL",
        "EXT-X-PRELOAD-HINT",
        "EXT-X-RENDITION-REPORT",
        "EXT-X-SKIP",
    ];

    /// Takes one of [`Self::TAGS`], which stands after `entries` segments.
    pub(super) fn read(
        &mut self,
        line: usize,
        tag: &str,
        value: &str,
        entries: usize,
        complaints: &mut Vec<Complaint>,
    ) {
        if tag == "EXT-X-DISCONTINUITY-SEQUENCE" {
            match value.parse() {
                Ok(number) if entries == 0 && self.parts.is_empty() => self.discontinuity_sequence = number,
                Ok(_) => complaints.push(grave(line, format!("{tag} after the first segment"))),
                Err(_) => complaints.push(grave(line, format!("{tag} is not a whole number: {value}"))),
            }
            return;
        }
        if tag == "EXT-X-PROGRAM-DATE-TIME" {
            match date(value) {
                Some(millis) => self.dates.push((entries, millis)),
                None => complaints.push(grave(line, format!("illegal date '{value}'"))),
            }
            return;
        }
        let attributes = Attributes::parse(line, value, complaints);
        match tag {
            "EXT-X-PART" => {
                attributes.require(tag, "URI", true, complaints);
                let Some(duration_s) = seconds(&attributes, tag, "DURATION", complaints) else { return };
                let range = attributes.get("BYTERANGE").map(|r| format!("#{r}")).unwrap_or_default();
                self.parts.push(PartTag {
                    line,
                    entry: entries,
                    uri: format!("{}{range}", attributes.get("URI").unwrap_or("")),
                    duration_s,
                    independent: attributes.get("INDEPENDENT") == Some("YES"),
                    gap: attributes.get("GAP") == Some("YES"),
                });
            }
            "EXT-X-PART-INF" => self.part_target = seconds(&attributes, tag, "PART-TARGET", complaints),
            "EXT-X-SERVER-CONTROL" => self.control = Some(attributes),
            "EXT-X-PRELOAD-HINT" => {
                attributes.require(tag, "TYPE", false, complaints);
                attributes.require(tag, "URI", true, complaints);
                if attributes.get("TYPE") == Some("PART") {
                    if self.hint.is_some() {
                        complaints.push(grave(line, "a second hint at a part".to_owned()));
                    }
                    self.hint = attributes.get("URI").map(|uri| (line, uri.to_owned()));
                }
            }
            "EXT-X-RENDITION-REPORT" => {
                attributes.require(tag, "URI", true, complaints);
                self.reports.push(attributes);
            }
            _ => {
                let skipped = attributes.number("SKIPPED-SEGMENTS");
                if skipped.is_none() {
                    complaints.push(grave(line, format!("{tag} lacks SKIPPED-SEGMENTS")));
                }
                if entries > 0 || !self.parts.is_empty() {
                    complaints.push(grave(line, format!("{tag} after the first segment")));
                }
                self.skipped = skipped;
            }
        }
    }
}

/// A decimal number of seconds; complains unless it is there.
pub(super) fn seconds(
    attributes: &Attributes,
    tag: &str,
    name: &str,
    complaints: &mut Vec<Complaint>,
) -> Option<f64> {
    let found = attributes.get(name).and_then(|text| text.parse::<f64>().ok());
    let found = found.filter(|seconds| seconds.is_finite() && *seconds >= 0.0);
    if found.is_none() {
        complaints
            .push(grave(attributes.line, format!("{tag}: {name} is missing or not a number of seconds")));
    }
    found
}

fn grave(line: usize, what: String) -> Complaint {
    Complaint { line, grave: true, what }
}

/// Milliseconds since 1970-01-01 UTC of an ISO 8601 date with time and zone; without a zone it is taken for UTC.
fn date(text: &str) -> Option<i64> {
    let number = |from: usize, to: usize| {
        let digits = text.get(from..to).filter(|d| d.bytes().all(|b| b.is_ascii_digit()))?;
        digits.parse::<i64>().ok()
    };
    let (year, month, day) = (number(0, 4)?, number(5, 7)?, number(8, 10)?);
    let (hour, minute, second) = (number(11, 13)?, number(14, 16)?, number(17, 19)?);
    let marks = [(4, '-'), (7, '-'), (10, 'T'), (13, ':'), (16, ':')];
    if marks.iter().any(|&(at, mark)| !text[at..].starts_with(mark))
        || !(1..=12).contains(&month)
        || !(1..=31).contains(&day)
        || hour > 24
        || minute > 59
        || second > 60
    {
        return None;
    }
    let rest = &text[19..];
    let (fraction, zone) = match rest.strip_prefix('.') {
        Some(rest) => rest.split_at(rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len())),
        None => ("", rest),
    };
    let millis = format!("{fraction:0<3}").get(..3)?.parse::<i64>().ok()?;
    let zone = match zone {
        "" | "Z" => 0,
        _ => {
            let sign = match zone.as_bytes()[0] {
                b'+' => 1,
                b'-' => -1,
                _ => return None,
            };
            let digits = zone[1..].replace(':', "");
            let whole = digits.parse::<i64>().ok().filter(|_| digits.len() == 4 || digits.len() == 2)?;
            let (hours, minutes) = if digits.len() == 4 { (whole / 100, whole % 100) } else { (whole, 0) };
            sign * (hours * 60 + minutes)
        }
    };
    // Days from 1970-01-01, counted in years that start in March.
    let (from, place) = if month > 2 { (year, month - 3) } else { (year - 1, month + 9) };
    let leaps = from.div_euclid(4) - from.div_euclid(100) + from.div_euclid(400);
    let days = 365 * from + leaps + (153 * place + 2) / 5 + day - 1 - 719_468;
    Some((((days * 24 + hour) * 60 + minute - zone) * 60 + second) * 1000 + millis)
}

#[cfg(test)]
mod tests {
    use super::date;

    #[test]
    fn dates_are_read_with_their_zone() {
        for (text, millis) in [
            ("1970-01-01T00:00:00Z", 0),
            ("2000-02-29T00:00:00.25Z", 951_782_400_250),
            ("2024-12-31T23:59:59.9999+00:00", 1_735_689_599_999),
            ("2100-03-01T02:00:00+0200", 4_107_542_400_000),
            ("1969-12-31T23:00:00-01", 0),
        ] {
            assert_eq!(date(text), Some(millis), "{text}");
        }
        for wrong in [
            "",
            "2024-13-01T00:00:00Z",
            "2024-01-01 00:00:00Z",
            "2024-01-01T00:00:00é",
            "yesterday at noon, Z",
        ] {
            assert_eq!(date(wrong), None, "{wrong}");
        }
    }
}
