use super::*;

fn base() -> Url {
    Url::parse("https://h/live/master.m3u8?token=1").unwrap()
}

fn media(text: &str) -> Result<Listing, Unusable> {
    let text = format!("#EXTM3U\n#EXT-X-VERSION:7\n#EXT-X-TARGETDURATION:4\n{text}");
    match read(text.as_bytes(), &base())? {
        Read::Media(listing) => Ok(listing),
        Read::Multivariant(..) => panic!("a media playlist"),
    }
}

fn master(text: &str) -> Result<Vec<(String, Wanted, Option<String>)>, Unusable> {
    let Read::Multivariant(renditions, _) = read(format!("#EXTM3U\n{text}").as_bytes(), &base())? else {
        panic!("a multivariant playlist")
    };
    let told = renditions.into_iter().map(|rendition| match rendition.list {
        List::Playlist(url) => (url.to_string(), rendition.wanted, rendition.language),
        List::Representation { .. } => panic!("a playlist"),
    });
    Ok(told.collect())
}

#[test]
fn segments_have_numbers_maps_ranges_and_runs() {
    let list = media(
        "#EXT-X-MEDIA-SEQUENCE:7\n#EXT-X-DISCONTINUITY-SEQUENCE:2\n#EXT-X-MAP:URI=\"i.mp4\",BYTERANGE=\"10@0\"\n\
         #EXTINF:4,\n#EXT-X-BYTERANGE:100@10\nall.mp4\n#EXTINF:4,\n#EXT-X-BYTERANGE:50\nall.mp4\n\
         #EXT-X-GAP\n#EXTINF:4,\n9.m4s\n#EXT-X-DISCONTINUITY\n#EXT-X-MAP:URI=\"/j.mp4\"\n#EXTINF:4,\n//cdn/10.m4s?x=1\n\
         #EXT-X-PART:DURATION=1,URI=\"11.0.m4s\"\n#EXT-X-PRELOAD-HINT:TYPE=PART,URI=\"11.1.m4s\"\n",
    )
    .unwrap();
    assert!(!list.ended);
    assert_eq!(list.target, Duration::from_secs(4));
    let told: Vec<_> = list
        .segments
        .iter()
        .map(|s| (s.key, s.media.url.as_str(), s.media.range.clone(), s.run, s.gap))
        .collect();
    assert_eq!(
        told,
        [
            (7, "https://h/live/all.mp4", Some(10..110), 2, false),
            (8, "https://h/live/all.mp4", Some(110..160), 2, false),
            (9, "https://h/live/9.m4s", None, 2, true),
            (10, "https://cdn/10.m4s?x=1", None, 3, false),
        ]
    );
    let init = |at: usize| list.segments[at].init.as_ref().map(|i| (i.url.as_str(), i.range.clone()));
    assert_eq!(init(0), Some(("https://h/live/i.mp4", Some(0..10))));
    assert_eq!(init(2), init(0));
    assert_eq!(init(3), Some(("https://h/j.mp4", None)));
    assert!(media("#EXTINF:4,\n1.m4s\n#EXT-X-ENDLIST\n").unwrap().ended);
}

#[test]
fn what_cannot_be_passed_on_is_named() {
    let key =
        |method: &str| media(&format!("#EXT-X-KEY:METHOD={method}\n#EXTINF:4,\n1.m4s\n#EXTINF:4,\n2.m4s\n"));
    assert_eq!(key("AES-128,URI=\"k\"").unwrap_err(), Unusable::Encrypted);
    assert_eq!(key("SAMPLE-AES,URI=\"k\",IV=0x1").unwrap_err(), Unusable::Encrypted);
    assert_eq!(key("NONE").unwrap().segments.len(), 2);
    assert_eq!(media("#EXTINF:4,\nfile:///etc/passwd\n").unwrap_err(), Unusable::Address);
    assert_eq!(media("#EXTINF:4,\n{$host}/1.m4s\n").unwrap_err(), Unusable::Variables);
    assert_eq!(media("#EXT-X-I-FRAMES-ONLY\n#EXTINF:4,\n1.m4s\n").unwrap_err(), Unusable::Pictures);
    assert_eq!(read(b"<html>", &base()).unwrap_err(), Unusable::NoPlaylist);
    let hevc = "#EXT-X-STREAM-INF:BANDWIDTH=1,CODECS=\"hvc1.1.6.L93,mp4a.40.2\"\nv.m3u8\n";
    assert_eq!(master(hevc).unwrap_err(), Unusable::Codecs("hvc1.1.6.L93,mp4a.40.2".into()));
}

#[test]
fn each_picture_and_each_voice_is_taken_once() {
    let text = "#EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID=\"low\",NAME=\"English\",LANGUAGE=\"en\",URI=\"a/low.m3u8\"\n\
         #EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID=\"high\",NAME=\"Suomi\",LANGUAGE=\"fi\",URI=\"a/fi.m3u8\"\n\
         #EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID=\"high\",NAME=\"English\",LANGUAGE=\"en\",DEFAULT=YES,AUTOSELECT=YES,URI=\"a/high.m3u8\"\n\
         #EXT-X-MEDIA:TYPE=SUBTITLES,GROUP-ID=\"s\",NAME=\"English\",URI=\"s.m3u8\"\n\
         #EXT-X-STREAM-INF:BANDWIDTH=100,CODECS=\"avc1.64001f,mp4a.40.2\",AUDIO=\"low\"\nv/0.m3u8\n\
         #EXT-X-STREAM-INF:BANDWIDTH=200,CODECS=\"avc1.64001f,mp4a.40.2\",AUDIO=\"high\"\nv/1.m3u8\n\
         #EXT-X-STREAM-INF:BANDWIDTH=190,CODECS=\"avc1.64001f,mp4a.40.2\",AUDIO=\"low\"\nv/1.m3u8\n\
         #EXT-X-STREAM-INF:BANDWIDTH=150,CODECS=\"av01.0.04M.08,mp4a.40.2\",AUDIO=\"high\"\nv/av1.m3u8\n\
         #EXT-X-STREAM-INF:BANDWIDTH=20,CODECS=\"mp4a.40.2\",AUDIO=\"high\"\na/high.m3u8\n\
         #EXT-X-I-FRAME-STREAM-INF:BANDWIDTH=10,URI=\"v/i.m3u8\"\n";
    let at = |path: &str| format!("https://h/live/{path}");
    let expected = [
        (at("v/0.m3u8"), Wanted::Video, None),
        (at("v/1.m3u8"), Wanted::Video, None),
        (at("a/high.m3u8"), Wanted::Audio, Some("en".to_owned())),
        (at("a/fi.m3u8"), Wanted::Audio, Some("fi".to_owned())),
    ];
    assert_eq!(master(text).unwrap(), expected);
    let muxed = "#EXT-X-STREAM-INF:BANDWIDTH=1\n0.m3u8\n#EXT-X-STREAM-INF:BANDWIDTH=2\n1.m3u8\n";
    let wanted: Vec<_> = master(muxed).unwrap().into_iter().map(|(_, wanted, _)| wanted).collect();
    assert_eq!(wanted, [Wanted::All, Wanted::Video]);
}
