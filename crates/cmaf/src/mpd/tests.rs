use super::*;

fn document(inner: &str) -> String {
    format!(
        "<?xml version=\"1.0\"?><MPD xmlns=\"urn:mpeg:dash:schema:mpd:2011\" type=\"dynamic\" \
         availabilityStartTime=\"2026-01-01T00:00:00Z\" maxSegmentDuration=\"PT2.5S\">{inner}</MPD>"
    )
}

#[test]
fn timelines_and_numbers_are_read_with_what_they_inherit() {
    let text = document(
        "<Period start=\"PT10S\"><BaseURL>media/</BaseURL>\
         <AdaptationSet mimeType=\"video/mp4\" codecs=\"avc1.64001f\"><SegmentTemplate timescale=\"1000\" startNumber=\"5\" \
         presentationTimeOffset=\"7\" initialization=\"$RepresentationID$-init.mp4\" media=\"$RepresentationID$/$Time$.m4s\">\
         <SegmentTimeline><S t=\"100\" d=\"2000\" r=\"1\"/><S d=\"1500\"/></SegmentTimeline></SegmentTemplate>\
         <Representation id=\"v0\" bandwidth=\"100\"/><Representation id=\"v1\" bandwidth=\"200\"><ContentProtection/>\
         </Representation></AdaptationSet>\
         <AdaptationSet contentType=\"audio\" lang=\"fi\"><Representation id=\"a\" bandwidth=\"9\"><BaseURL>https://cdn/x/</BaseURL>\
         <SegmentTemplate duration=\"2\" initialization=\"i.mp4\" media=\"$Number%03d$.m4s\"/></Representation></AdaptationSet>\
         <AdaptationSet mimeType=\"video/mp4\"><EssentialProperty schemeIdUri=\"trick\"/><Representation id=\"t\"/></AdaptationSet>\
         <AdaptationSet mimeType=\"text/vtt\" lang=\"fi\"><Label>Suomi</Label>\
         <Role schemeIdUri=\"urn:mpeg:dash:role:2011\" value=\"caption\"/><Role schemeIdUri=\"x\" value=\"y\"/>\
         <Representation id=\"s\"><SegmentTemplate duration=\"2\" media=\"s$Number$.vtt\"/></Representation></AdaptationSet>\
         <AdaptationSet contentType=\"text\" mimeType=\"text/vtt\"><Representation id=\"f\"><BaseURL>f.vtt</BaseURL></Representation>\
         <Representation id=\"x\"/></AdaptationSet>\
         <AdaptationSet mimeType=\"application/mp4\" codecs=\"stpp.ttml.im1t\"><Representation id=\"m\"><SegmentTemplate \
         duration=\"2\" initialization=\"i\" media=\"$Number$\"/></Representation></AdaptationSet>\
         <AdaptationSet mimeType=\"image/jpeg\"><Representation id=\"j\"/></AdaptationSet></Period>",
    );
    let manifest = read(&text, "https://h/live/manifest.mpd?token=1").unwrap();
    assert!(manifest.dynamic);
    assert_eq!(manifest.longest, Some(Duration::from_millis(2500)));
    let [period] = &manifest.periods[..] else { panic!("one period") };
    assert_eq!(period.start, Duration::from_secs(10));
    let [v0, v1, a, s, f, m] = &period.representations[..] else { panic!("six representations") };
    let segment = |number, start, duration| Listed { number, start, duration };
    let all = vec![segment(5, 100, 2000), segment(6, 2100, 2000), segment(7, 4100, 1500)];
    assert_eq!(v0.segments, Segments::Listed(all));
    assert_eq!((v0.timescale, v0.offset, v0.protected, v1.protected), (1000, 7, false, true));
    assert_eq!(v0.init.as_deref(), Some("https://h/live/media/v0-init.mp4"));
    assert_eq!(v1.url(6, 2100), "https://h/live/media/v1/2100.m4s");
    assert_eq!(a.segments, Segments::Numbered { first: 1, duration: 2 });
    assert_eq!((a.content, a.language.as_deref()), (Content::Audio, Some("fi")));
    assert_eq!(a.url(7, 0), "https://cdn/x/007.m4s");
    assert_eq!((s.content, s.mime.as_str(), s.label.as_deref()), (Content::Text, "text/vtt", Some("Suomi")));
    assert_eq!((s.roles.as_slice(), &s.init), (&["caption".to_owned()][..], &None));
    assert_eq!(s.url(7, 0), "https://h/live/media/s7.vtt");
    assert_eq!((&f.segments, f.url(0, 0).as_str()), (&Segments::Whole, "https://h/live/media/f.vtt"));
    assert_eq!((m.content, m.codecs.as_str()), (Content::Text, "stpp.ttml.im1t"));
}

#[test]
fn many_segments_cost_little_and_nonsense_is_named() {
    let timeline = |s: &str| {
        let template = "initialization=\"i\" media=\"$Number$\"";
        let text = format!(
            "<Period><AdaptationSet mimeType=\"video/mp4\"><Representation id=\"v\"><SegmentTemplate {template}>\
             <SegmentTimeline>{s}</SegmentTimeline></SegmentTemplate></Representation></AdaptationSet></Period>"
        );
        let manifest = read(&document(&text), "https://h/m.mpd")?;
        match &manifest.periods[0].representations[0].segments {
            Segments::Listed(segments) => Ok(segments.clone()),
            _ => panic!("a timeline"),
        }
    };
    let many = timeline("<S t=\"0\" d=\"2\" r=\"999999999999\"/><S d=\"2\"/>").unwrap();
    assert_eq!(many.len(), MAX_SEGMENTS);
    assert_eq!(
        many[MAX_SEGMENTS - 1],
        Listed { number: 1_000_000_000_001, start: 2_000_000_000_000, duration: 2 }
    );
    assert_eq!(timeline("").unwrap(), []);
    for s in [
        "<S d=\"0\"/>",
        "<S d=\"1\" r=\"-1\"/>",
        "<S t=\"18446744073709551615\" d=\"2\"/>",
        "<S t=\"0\" d=\"9\" r=\"18446744073709551615\"/>",
    ] {
        assert!(matches!(timeline(s), Err(Error::Unsupported(_))), "{s}");
    }
    for text in ["", "<html/>", "<MPD>", "<!DOCTYPE x><MPD/>"] {
        assert!(matches!(read(text, "https://h/m.mpd"), Err(Error::NotMpd(_))), "{text}");
    }
    let text = document(
        "<Period><AdaptationSet mimeType=\"video/mp4\"><Representation id=\"v\"/></AdaptationSet></Period>",
    );
    assert!(matches!(read(&text, "https://h/m.mpd"), Err(Error::Unsupported(_))));
}
