//! WebVTT (W3C), as far as live streams carry it (RFC 8216 section 3.5): read from others, and written.
//!
//! The invariant: whatever was read, what is written of it is WebVTT in which each cue is the cue that was read, and both are bounded.

pub mod mp4;

use std::fmt::Write as _;
use std::time::Duration;

/// Cues of one file, and bytes of one cue's text; of its identifier and its settings, a quarter of that.
pub const MAX_CUES: usize = 1024;
const MAX_CUE: usize = 4 << 10;
/// Bytes of the style sheets and regions of one file.
const MAX_HEAD: usize = 16 << 10;
/// Hours of a timestamp: more than a century.
const MAX_HOURS: u64 = 999_999;
/// Ticks of 90 kHz after which the clock of the media begins again.
const TURN: u128 = 1 << 33;

/// A WebVTT file.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Text {
    /// Which time of the media a time of the file is. Without it zero is zero.
    pub map: Option<TimestampMap>,
    /// Style sheets and regions (`STYLE`, `REGION`), as they stand.
    pub head: String,
    /// In the order of the file.
    pub cues: Vec<Cue>,
}

/// `X-TIMESTAMP-MAP`: both are the same moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TimestampMap {
    /// In the media: ticks of 90 kHz, modulo 2^33.
    pub mpegts: u64,
    /// In the file.
    pub local: Duration,
}

/// A text, and when it is shown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cue {
    /// When it appears.
    pub start: Duration,
    /// When it is gone; after `start`.
    pub end: Duration,
    /// Its identifier; may be empty.
    pub id: String,
    /// Where on the picture it stands, as WebVTT says it; may be empty.
    pub settings: String,
    /// What is shown, with its marks.
    pub text: String,
}

/// The text is no WebVTT.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("it does not begin with WEBVTT")]
pub struct NotWebVtt;

/// Reads a file. What is malformed in it is left out, as players do, and so is what is too much.
pub fn read(bytes: &[u8]) -> Result<Text, NotWebVtt> {
    let text = String::from_utf8_lossy(bytes);
    let text = text.strip_prefix('\u{feff}').unwrap_or(&text);
    let text = text.replace("\r\n", "\n").replace('\r', "\n").replace('\0', "\u{fffd}");
    let rest = text.strip_prefix("WEBVTT").ok_or(NotWebVtt)?;
    if !(rest.is_empty() || rest.starts_with([' ', '\t', '\n'])) {
        return Err(NotWebVtt);
    }
    let mut lines = text.lines();
    let header: Vec<&str> = lines.by_ref().take_while(|line| !line.is_empty()).skip(1).collect();
    let mut out = Text { map: header.iter().find_map(|line| timestamp_map(line)), ..Text::default() };
    // Some put a cue right under the header.
    let header = header.iter().copied().skip_while(|line| !line.contains("-->"));
    let lines: Vec<&str> = header.chain([""]).chain(lines).collect();
    for block in lines.split(|line| line.is_empty()).filter(|block| !block.is_empty()) {
        if let Some(cue) = cue(block) {
            if out.cues.len() >= MAX_CUES {
                break;
            }
            out.cues.push(cue);
        } else if out.cues.is_empty() && is_head(block) {
            let block = block.join("\n");
            if out.head.len() + block.len() + 2 <= MAX_HEAD {
                out.head.push_str(&block);
                out.head.push_str("\n\n");
            }
        }
    }
    Ok(out)
}

fn is_head(block: &[&str]) -> bool {
    let first = block[0].trim_end();
    (first == "STYLE" || first == "REGION") && block.iter().all(|line| !line.contains("-->"))
}

/// `X-TIMESTAMP-MAP=LOCAL:00:00:00.000,MPEGTS:900000`, in either order.
fn timestamp_map(line: &str) -> Option<TimestampMap> {
    let mut fields = line.strip_prefix("X-TIMESTAMP-MAP=")?.split(',').map(str::trim);
    let (mut mpegts, mut local) = (None, None);
    for field in fields.by_ref() {
        let (name, value) = field.split_once(':')?;
        match name {
            "MPEGTS" => mpegts = Some(value.parse::<u64>().ok()? & ((1 << 33) - 1)),
            "LOCAL" => local = Some(timestamp(value)?),
            _ => {}
        }
    }
    Some(TimestampMap { mpegts: mpegts?, local: local? })
}

/// A block of lines as a cue, if it is one.
fn cue(block: &[&str]) -> Option<Cue> {
    let at = block.iter().take(2).position(|line| line.contains("-->"))?;
    let id = if at == 0 { "" } else { block[0] };
    let (start, rest) = block[at].split_once("-->")?;
    let rest = rest.trim();
    let (end, settings) = rest.split_once([' ', '\t']).unwrap_or((rest, ""));
    let (start, end) = (timestamp(start.trim())?, timestamp(end)?);
    // A line with an arrow begins another cue, which has no times.
    let text: Vec<&str> = block[at + 1..].iter().copied().take_while(|line| !line.contains("-->")).collect();
    let (text, settings) = (text.join("\n"), settings.trim());
    let fits = text.len() <= MAX_CUE && id.len().max(settings.len()) <= MAX_CUE / 4;
    let is_whole = end > start && !text.is_empty() && !settings.contains("-->");
    (fits && is_whole).then(|| Cue { start, end, id: id.into(), settings: settings.into(), text })
}

/// `[h..hh:]mm:ss.ttt`.
fn timestamp(text: &str) -> Option<Duration> {
    let (clock, thousandths) = text.split_once('.')?;
    let mut fields = clock.rsplit(':');
    let (seconds, minutes) = (digits(fields.next()?, 2..=2)?, digits(fields.next()?, 2..=2)?);
    let hours = fields.next().map_or(Some(0), |hours| digits(hours, 1..=6))?;
    let thousandths = digits(thousandths, 3..=3)?;
    let is_time = fields.next().is_none() && seconds < 60 && minutes < 60 && hours <= MAX_HOURS;
    is_time.then(|| Duration::from_millis(((hours * 60 + minutes) * 60 + seconds) * 1000 + thousandths))
}

fn digits(text: &str, count: std::ops::RangeInclusive<usize>) -> Option<u64> {
    let plain = count.contains(&text.len()) && text.bytes().all(|b| b.is_ascii_digit());
    if plain { text.parse().ok() } else { None }
}

/// The beginning of a file with these style sheets and regions. Where it is of a segment that is shown `from` then on, its times are
/// those of the media, and it says so.
pub fn begin(head: &str, from: Option<Duration>) -> String {
    let map = from.map(|from| {
        // The clock of the media has turned over so often. The map stays the same meanwhile, for players tell cues apart by their
        // times; and it is of a moment at which nothing begins: to hls.js a map of zero to its own zero says nothing.
        let turns = from.as_millis() * 90 / TURN;
        let local_ms = (turns * TURN).div_ceil(90) + 1;
        let local = clock(Duration::from_millis(u64::try_from(local_ms).unwrap_or(0)));
        format!("X-TIMESTAMP-MAP=LOCAL:{local},MPEGTS:{}\n", local_ms * 90 - turns * TURN)
    });
    format!("WEBVTT\n{}\n{head}", map.unwrap_or_default())
}

/// Adds a cue to a file.
pub fn put(out: &mut String, cue: &Cue) {
    let Cue { start, end, id, settings, text } = cue;
    if !id.is_empty() {
        out.push_str(id);
        out.push('\n');
    }
    let gap = if settings.is_empty() { "" } else { " " };
    let (start, end) = (clock(*start), clock(*end));
    writeln!(out, "{start} --> {end}{gap}{settings}\n{text}\n").expect("writing to a String cannot fail");
}

fn clock(at: Duration) -> String {
    let (seconds, thousandths) = (at.as_secs(), at.subsec_millis());
    format!("{:02}:{:02}:{:02}.{thousandths:03}", seconds / 3600, seconds / 60 % 60, seconds % 60)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ms(at: u64) -> Duration {
        Duration::from_millis(at)
    }

    #[test]
    fn a_file_is_read_as_players_read_it() {
        let text = read(
            b"\xef\xbb\xbfWEBVTT - a film\r\nX-TIMESTAMP-MAP=MPEGTS:900000,LOCAL:00:00:01.000\r\n\r\nNOTE nobody sees this\r\n\r\n\
              STYLE\r\n::cue { color: lime }\r\n\r\n7\r\n00:01.000 --> 00:02.500 line:0 align:start\r\n<i>Hello</i>\r\nthere\r\n\r\n\
              100:00:00.000 --> 100:00:01.000\r\nLater\r\n\r\n00:03.000 --> 00:02.000\r\nbackwards\r\n\r\nSTYLE\r\nlate\r\n\r\n\
              0:04.000 --> 00:05.000\r\nno time\r\n\r\n00:05.000 --> 00:06.000\r\nOne\r\n00:06.000 --> 00:07.000\r\nglued",
        )
        .unwrap();
        assert_eq!(text.map, Some(TimestampMap { mpegts: 900_000, local: ms(1000) }));
        assert_eq!(text.head, "STYLE\n::cue { color: lime }\n\n");
        let cue = |start, end, id: &str, settings: &str, text: &str| Cue {
            start: ms(start),
            end: ms(end),
            id: id.into(),
            settings: settings.into(),
            text: text.into(),
        };
        let hours = 100 * 3600 * 1000;
        assert_eq!(
            text.cues,
            [
                cue(1000, 2500, "7", "line:0 align:start", "<i>Hello</i>\nthere"),
                cue(hours, hours + 1000, "", "", "Later"),
                cue(5000, 6000, "", "", "One"),
            ]
        );
        let mut out = begin(&text.head, Some(Duration::ZERO));
        text.cues.iter().for_each(|cue| put(&mut out, cue));
        let again = read(out.as_bytes()).unwrap();
        assert_eq!((again.head, again.cues), (text.head, text.cues));
        assert_eq!(again.map, Some(TimestampMap { mpegts: 90, local: ms(1) }));
        // 2^33 ticks are 95443717.69 ms.
        let late = read(begin("", Some(ms(95_443_718))).as_bytes()).unwrap();
        assert_eq!(late.map, Some(TimestampMap { mpegts: 118, local: ms(95_443_719) }));
    }

    #[test]
    fn what_is_no_webvtt_is_refused_and_what_is_too_much_is_left_out() {
        for bad in [&b""[..], b"WEBVTTX", b"1\n00:00.000 --> 00:01.000\nsrt", b"#EXTM3U\n", b"<html>"] {
            assert_eq!(read(bad), Err(NotWebVtt));
        }
        assert_eq!(read(b"WEBVTT").unwrap(), Text::default());
        let many = "00:00.000 --> 00:01.000\nx\n\n".repeat(MAX_CUES + 5);
        assert_eq!(read(format!("WEBVTT\n\n{many}").as_bytes()).unwrap().cues.len(), MAX_CUES);
        let long = "x".repeat(MAX_CUE + 1);
        assert!(
            read(format!("WEBVTT\n\n00:00.000 --> 00:01.000\n{long}").as_bytes()).unwrap().cues.is_empty()
        );
        for bad in [
            "1:00.000",
            "00:60.000",
            "00:00.00",
            "00:00,000",
            "1:2:03:04.000",
            "+1:00:00.000",
            "9999999:00:00.000",
        ] {
            assert_eq!(timestamp(bad), None, "{bad}");
        }
    }
}
