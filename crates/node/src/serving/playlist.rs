//! Playlists are not signed. Their invariant here: one that leads a player anywhere but to this gateway is not given to it, so
//! that whatever it plays was checked.

use quick_xml::events::Event;
use quick_xml::{Reader, XmlVersion};

/// Attributes of an MPD that name something to fetch.
const NAMES: &[&str] = &["media", "index", "initialization", "sourceURL", "href", "src"];
/// Elements of an MPD whose text does.
const PLACES: &[&str] = &["BaseURL", "Location", "PatchLocation"];

/// Whether all that an HLS playlist names lies beside it or below.
pub(crate) fn hls_stays(text: &[u8]) -> bool {
    let Ok(text) = std::str::from_utf8(text) else { return false };
    text.lines().all(|line| match line.strip_prefix('#') {
        None => is_near(line),
        // Every attribute whose name ends so, as X-ASSET-URI.
        Some(tag) => tag.split("URI=").skip(1).all(|rest| {
            let uri = rest.strip_prefix('"').and_then(|quoted| quoted.split('"').next());
            uri.is_some_and(is_near)
        }),
    })
}

/// Whether all that an MPD names lies beside it or below.
pub(crate) fn dash_stays(text: &[u8]) -> bool {
    let Ok(text) = std::str::from_utf8(text) else { return false };
    let mut reader = Reader::from_str(text);
    loop {
        match reader.read_event() {
            Ok(Event::Eof) => return true,
            Ok(Event::Start(element) | Event::Empty(element)) => {
                let leads_elsewhere = PLACES.contains(&element.local_name().as_ref());
                let stays = element.attributes().all(|attribute| {
                    let Ok(attribute) = attribute else { return false };
                    let is_name = NAMES.contains(&attribute.key.local_name().as_ref());
                    !is_name
                        || attribute
                            .normalized_value(XmlVersion::Implicit1_0)
                            .is_ok_and(|value| is_near(&value))
                });
                if leads_elsewhere || !stays {
                    return false;
                }
            }
            // Entities of its own could hide a name.
            Ok(Event::DocType(_)) | Err(_) => return false,
            Ok(_) => {}
        }
    }
}

/// Whether a reference has neither a scheme nor a server, and does not climb.
fn is_near(uri: &str) -> bool {
    let path = uri.split('?').next().unwrap_or(uri);
    !uri.contains([':', '\\']) && !uri.starts_with('/') && !path.split('/').any(|part| part == "..")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_playlist_stays_or_is_refused() {
        let master = "#EXTM3U\n#EXT-X-MEDIA:TYPE=AUDIO,URI=\"a0/media.m3u8\"\n#EXT-X-STREAM-INF:BANDWIDTH=1\nv0/media.m3u8\n";
        let media = "#EXTM3U\n#EXT-X-MAP:URI=\"init.mp4?v=1a\"\n#EXTINF:4,\n1.m4s?v=1a\n#EXT-X-ENDLIST\n";
        assert!(hls_stays(master.as_bytes()) && hls_stays(media.as_bytes()));
        for bad in [
            "https://evil.example/1.ts",
            "//evil.example/1.ts",
            "/other",
            "../../x",
            "data:video/mp4;base64,AA",
            "\\\\evil",
        ] {
            assert!(!hls_stays(format!("{media}{bad}\n").as_bytes()), "{bad}");
            assert!(
                !hls_stays(format!("{media}#EXT-X-KEY:METHOD=AES-128,URI=\"{bad}\"\n").as_bytes()),
                "{bad}"
            );
            let mpd = format!("<MPD><Period><SegmentTemplate media='{bad}'/></Period></MPD>");
            assert!(!dash_stays(mpd.as_bytes()), "{bad}");
        }
        assert!(!hls_stays(b"#EXT-X-MAP:URI=unquoted") && !hls_stays(b"\xff"));
    }

    #[test]
    fn an_mpd_stays_or_is_refused() {
        let good = "<?xml version=\"1.0\"?><MPD xmlns=\"urn:mpeg:dash:schema:mpd:2011\" xmlns:xsi=\"http://www.w3.org/2001/XMLSchema-instance\">\
            <Period><AdaptationSet><Role schemeIdUri=\"urn:mpeg:dash:role:2011\" value=\"main\"/>\
            <SegmentTemplate media=\"$RepresentationID$/$Number$.m4s?v=1\" initialization=\"$RepresentationID$/init.mp4\"/></AdaptationSet></Period></MPD>";
        assert!(dash_stays(good.as_bytes()));
        for bad in [
            "<MPD><BaseURL>https://evil.example/</BaseURL></MPD>",
            "<MPD><Period xlink:href=\"https://evil.example/p\"/></MPD>",
            "<MPD><SegmentTemplate media=\"http&#58;//evil.example/$Number$\"/></MPD>",
            "<!DOCTYPE x [<!ENTITY e 'http://evil.example/'>]><MPD><SegmentTemplate media=\"&e;1\"/></MPD>",
            "<MPD><SegmentTemplate media=",
        ] {
            assert!(!dash_stays(bad.as_bytes()), "{bad}");
        }
    }
}
