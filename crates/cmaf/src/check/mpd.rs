//! Rules about MPDs, and whether they say the same as the HLS playlists.

use super::url::resolve;
use super::xml::Element;
use super::{Checker, MAX_RENDITIONS};

/// Entries of one timeline, repeats counted.
const MAX_TIMELINE: usize = 1 << 18;
/// Bytes of a URL or template.
const MAX_URL: usize = 4 << 10;
/// How far durations may differ from the HLS playlists', in seconds.
const SAME_S: f64 = 0.002;

impl<F: FnMut(&str) -> Result<Vec<u8>, String>> Checker<F> {
    /// Checks the MPD at `url` and all it names. Check the HLS playlists first for the two to be compared.
    pub fn dash(&mut self, url: &str) {
        let Some(text) = self.text(url) else { return };
        let mpd = match Element::parse(&text) {
            Ok(mpd) if mpd.name == "MPD" => mpd,
            Ok(other) => return self.error(url, format!("the root is '{}', not MPD", other.name)),
            Err(error) => return self.error(url, format!("is not well-formed XML: {error}")),
        };
        for required in ["profiles", "minBufferTime"] {
            if mpd.get(required).is_none() {
                self.error(url, format!("MPD lacks {required}"));
            }
        }
        for name in ["mediaPresentationDuration", "minBufferTime", "maxSegmentDuration"] {
            if let Some(text) = mpd.get(name)
                && seconds(text).is_none()
            {
                self.error(url, format!("{name} is not a duration: {text}"));
            }
        }
        let live = mpd.get("type") == Some("dynamic");
        let total = mpd.get("mediaPresentationDuration").and_then(seconds);
        if !live && total.is_none() && mpd.all("Period").all(|p| p.get("duration").is_none()) {
            self.error(url, "a static MPD must say how long it is");
        }
        let base = based(url, &mpd);
        if live && mpd.get("availabilityStartTime").is_none() {
            self.error(url, "a dynamic MPD lacks availabilityStartTime");
        }
        let mut renditions = 0;
        let mut longest = 0.0f64;
        for period in mpd.all("Period") {
            // Unique in each period; periods may go on with the same ones.
            let mut ids = std::collections::BTreeSet::new();
            let base = based(&base, period);
            let begins = period.get("start").and_then(seconds).unwrap_or(0.0);
            if period.all("AdaptationSet").next().is_none() {
                self.warn(url, "a Period without AdaptationSet");
            }
            for set in period.all("AdaptationSet") {
                let base = based(&base, set);
                if set.all("Representation").next().is_none() {
                    self.error(url, "an AdaptationSet without Representation");
                }
                for representation in set.all("Representation") {
                    renditions += 1;
                    if renditions > MAX_RENDITIONS {
                        return self.error(url, format!("more than {MAX_RENDITIONS} representations"));
                    }
                    let id = representation.get("id").unwrap_or("").to_owned();
                    if id.is_empty() || !ids.insert(id.clone()) {
                        self.error(url, format!("Representation id '{id}' is empty or used twice"));
                    }
                    let place = format!("{url} Representation {id}");
                    let lasted = self.representation(&place, &base, [representation, set, period], live);
                    longest = longest.max(lasted.map_or(0.0, |lasted| begins + lasted));
                }
            }
        }
        if mpd.all("Period").count() == 0 {
            self.error(url, "no Period");
        }
        if let (Some(total), true) = (total, longest > 0.0)
            && mpd.all("Period").count() == 1
            && (total - longest).abs() > 0.5
        {
            self.error(url, format!("says it lasts {total} s, but its segments {longest:.3} s"));
        }
    }

    /// Checks one representation; gives how long its segments last, in seconds. `chain` is the representation and
    /// what it inherits from.
    fn representation(&mut self, place: &str, base: &str, chain: [&Element; 3], live: bool) -> Option<f64> {
        let [representation, set, _] = chain;
        let inherited = |name: &str| representation.get(name).or_else(|| set.get(name));
        if representation.number("bandwidth").is_none_or(|b| b == 0) {
            self.error(place, "bandwidth is missing or zero");
        }
        let mime = inherited("mimeType").unwrap_or("").to_owned();
        if mime.is_empty() {
            self.error(place, "no mimeType");
        }
        let own_base = based(base, representation);
        if mime == "text/vtt" {
            self.texts(place, &own_base, chain);
            return None;
        }
        if mime.starts_with("image/") {
            return None;
        }
        let mut templates = chain.iter().filter_map(|e| e.child("SegmentTemplate")).peekable();
        if templates.peek().is_none() {
            self.warn(place, "no SegmentTemplate: its segments were not looked at");
            return None;
        }
        // Attributes and the timeline are inherited one by one.
        let templates: Vec<&Element> = templates.collect();
        let attribute = |name: &str| templates.iter().find_map(|t| t.get(name));
        let (Some(init), Some(media)) = (attribute("initialization"), attribute("media")) else {
            self.error(place, "SegmentTemplate lacks initialization or media");
            return None;
        };
        if [init, media, &own_base].iter().any(|text| text.len() > MAX_URL) {
            self.error(place, format!("a URL longer than {MAX_URL} bytes"));
            return None;
        }
        let timescale = attribute("timescale").and_then(|t| t.parse::<u64>().ok()).unwrap_or(1);
        if timescale == 0 {
            self.error(place, "a timescale of zero");
            return None;
        }
        let Some(timeline) = templates.iter().find_map(|t| t.child("SegmentTimeline")) else {
            self.warn(place, "no SegmentTimeline: its segments were not looked at");
            return None;
        };
        let entries = match expand(timeline) {
            Ok(entries) => entries,
            Err(what) => {
                self.error(place, what);
                return None;
            }
        };
        let first = attribute("startNumber").and_then(|n| n.parse::<u64>().ok()).unwrap_or(1);
        let id = representation.get("id").unwrap_or("");
        let bandwidth = representation.get("bandwidth").unwrap_or("");
        let init_url = resolve(&own_base, &fill(init, id, bandwidth, 0, 0));
        let header = self.init(&init_url, None);
        if let (Some(header), Some(codecs)) = (&header, inherited("codecs"))
            && header.track.is_some()
            && !codecs.eq_ignore_ascii_case(&header.codec)
        {
            self.error(place, format!("codecs says {codecs}, but the init segment {}", header.codec));
        }
        let offset = attribute("presentationTimeOffset").and_then(|o| o.parse::<u64>().ok()).unwrap_or(0);
        let listed = self.tracks.get(&init_url).cloned();
        if let Some(listed) = &listed
            && !live
            && listed.segments.len() != entries.len()
        {
            let (dash, hls) = (entries.len(), listed.segments.len());
            self.error(place, format!("lists {dash} segments, but {} {hls}", listed.url));
        }
        // A live list may start elsewhere, and a later period does.
        let url_of = |at: usize, start: u64| {
            resolve(&own_base, &fill(media, id, bandwidth, first.saturating_add(at as u64), start))
        };
        let first_url = entries.first().map(|&(start, _)| url_of(0, start));
        let place_of =
            |l: &super::hls::Listed| l.segments.iter().position(|s| Some(&s.0) == first_url.as_ref());
        let ahead = if live { listed.as_deref().and_then(place_of).unwrap_or(0) } else { 0 };
        for (at, &(start, duration)) in entries.iter().enumerate() {
            let url = url_of(at, start);
            let lasts = duration as f64 / timescale as f64;
            if let Some((hls_url, hls_lasts, _)) = listed.as_ref().and_then(|l| l.segments.get(ahead + at)) {
                if *hls_url != url {
                    self.error(place, format!("segment {at} is {url}, but in HLS it is {hls_url}"));
                }
                if (hls_lasts - lasts).abs() > SAME_S {
                    self.error(place, format!("{url} lasts {lasts:.3} s, but in HLS {hls_lasts} s"));
                }
            }
            if let Some(header) = &header
                && let Some(facts) = self.segment(&url, None, header)
            {
                // On the timeline of the media: the offset places that in its period, and moves no segment in it.
                let said = start as f64 / timescale as f64;
                let real = (facts.shown as f64 / f64::from(header.timescale)).max(0.0);
                if (said - real).abs() > SAME_S {
                    self.error(
                        place,
                        format!("{url} is said to start at {said:.3} s, but starts at {real:.3} s"),
                    );
                }
            }
        }
        let end = entries.last().map(|(start, duration)| start.saturating_add(*duration))?;
        Some(end.saturating_sub(offset) as f64 / timescale as f64)
    }

    /// Checks WebVTT, in one file or in segments.
    fn texts(&mut self, place: &str, base: &str, chain: [&Element; 3]) {
        let [representation, ..] = chain;
        let Some(template) = chain.iter().find_map(|e| e.child("SegmentTemplate")) else {
            return match representation.child("BaseURL") {
                Some(_) => self.webvtt(base),
                None => self.error(place, "a text Representation without BaseURL"),
            };
        };
        let (Some(media), Some(timeline)) = (template.get("media"), template.child("SegmentTimeline")) else {
            return self.warn(place, "no SegmentTimeline: its texts were not looked at");
        };
        if media.len() > MAX_URL || base.len() > MAX_URL {
            return self.error(place, format!("a URL longer than {MAX_URL} bytes"));
        }
        let first = template.number("startNumber").unwrap_or(1);
        let [id, bandwidth] = ["id", "bandwidth"].map(|name| representation.get(name).unwrap_or(""));
        match expand(timeline) {
            Ok(entries) => {
                for (number, (start, _)) in (first..).zip(entries) {
                    self.webvtt_segment(&resolve(base, &fill(media, id, bandwidth, number, start)));
                }
            }
            Err(what) => self.error(place, what),
        }
    }
}

/// The URL that relative ones in `element` are resolved against.
fn based(base: &str, element: &Element) -> String {
    match element.child("BaseURL") {
        Some(own) => resolve(base, &own.text),
        None => base.to_owned(),
    }
}

/// Start and duration of each segment, in ticks.
fn expand(timeline: &Element) -> Result<Vec<(u64, u64)>, String> {
    let mut entries: Vec<(u64, u64)> = Vec::new();
    let mut next = 0u64;
    for s in timeline.all("S") {
        let duration = s.number("d").filter(|&d| d > 0).ok_or("S without duration in SegmentTimeline")?;
        if let Some(start) = s.get("t") {
            let start = start.parse::<u64>().map_err(|_| format!("S starts at '{start}'"))?;
            if start < next {
                return Err(format!("S at {start} overlaps the one before, which ends at {next}"));
            }
            next = start;
        }
        let repeats = match s.get("r") {
            None => 0,
            Some(r) => {
                r.parse::<u64>().map_err(|_| format!("S is repeated '{r}' times, which is not supported"))?
            }
        };
        if repeats >= (MAX_TIMELINE - entries.len()) as u64 {
            return Err(format!("more than {MAX_TIMELINE} segments in SegmentTimeline"));
        }
        for _ in 0..=repeats {
            entries.push((next, duration));
            next = next.checked_add(duration).ok_or("SegmentTimeline overflows")?;
        }
    }
    if entries.is_empty() { Err("an empty SegmentTimeline".to_owned()) } else { Ok(entries) }
}

/// Fills a template in (ISO/IEC 23009-1 section 5.3.9.4.4).
pub(crate) fn fill(template: &str, id: &str, bandwidth: &str, number: u64, time: u64) -> String {
    let mut out = String::new();
    let mut parts = template.split('$');
    out.push_str(parts.next().unwrap_or(""));
    while let Some(name) = parts.next() {
        let (name, width) = match name.split_once("%0") {
            Some((name, format)) => {
                (name, format.trim_end_matches('d').parse::<usize>().unwrap_or(1).min(20))
            }
            None => (name, 1),
        };
        match name {
            "" => out.push('$'),
            "RepresentationID" => out.push_str(id),
            "Bandwidth" => out.push_str(bandwidth),
            "Number" => out.push_str(&format!("{number:0width$}")),
            "Time" => out.push_str(&format!("{time:0width$}")),
            other => out.push_str(other),
        }
        out.push_str(parts.next().unwrap_or(""));
    }
    out
}

/// Seconds of an `xs:duration` with days at most; months have no length.
pub(crate) fn seconds(text: &str) -> Option<f64> {
    let (date, time) = text.strip_prefix('P')?.split_once('T').unwrap_or((text.strip_prefix('P')?, ""));
    let mut total = 0.0;
    for (part, units) in [(date, &[('D', 86400.0)][..]), (time, &[('H', 3600.0), ('M', 60.0), ('S', 1.0)])] {
        let mut rest = part;
        for (unit, length) in units {
            if let Some((number, after)) = rest.split_once(*unit) {
                total += number.parse::<f64>().ok().filter(|n| n.is_finite() && *n >= 0.0)? * length;
                rest = after;
            }
        }
        if !rest.is_empty() {
            return None;
        }
    }
    Some(total)
}

#[cfg(test)]
mod tests {
    use super::{fill, seconds};

    #[test]
    fn durations_and_templates_follow_the_standard() {
        assert_eq!(seconds("PT1H2M3.5S"), Some(3723.5));
        assert_eq!(seconds("P1DT1S"), Some(86401.0));
        assert_eq!(seconds("P1M"), None);
        assert_eq!(seconds("4s"), None);
        assert_eq!(fill("$RepresentationID$/$Number%05d$-$Time$$$.m4s", "v0", "9", 7, 8), "v0/00007-8$.m4s");
    }
}
