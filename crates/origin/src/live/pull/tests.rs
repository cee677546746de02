use super::*;

#[test]
fn streams_are_named_by_hand_or_after_where_they_are() {
    for (text, name) in [
        ("stage=https://example.org/master.m3u8?k=v", "stage"),
        ("https://www.example.org/news/master.m3u8", "example-org-news"),
        ("https://cdn.example.org:8443/a/b/index.mpd?x=y=z", "cdn-example-org-a-b"),
        ("http://10.0.0.1/live/stage.m3u8", "10-0-0-1-live-stage"),
        ("https://example.org", "example-org"),
    ] {
        assert_eq!(PullConfig::parse(text, false).map(|pull| pull.name), Ok(name.to_owned()), "{text}");
    }
    for text in ["", "stage=", "Stage=https://h/x", "ftp://h/x", "/master.m3u8", "file:///x", "a b=https://h"]
    {
        assert_eq!(PullConfig::parse(text, false), Err(BadPull), "{text}");
    }
    let pull = PullConfig::parse("https://me:word@example.org/a.m3u8?token=1", false).unwrap();
    assert!(!format!("{pull:?}").contains("word") && !format!("{pull:?}").contains("token"), "{pull:?}");
}

#[test]
fn segments_of_other_kinds_are_refused_by_name() {
    for bytes in [&b"ID3\x04\0\0"[..], &[0xff, 0xf1, 0x50, 0x80]] {
        assert_eq!(demux::Demux::looks_foreign(bytes), Some(source::Unusable::NotFragmented));
    }
    assert_eq!(demux::Demux::looks_foreign(b"\0\0\0\x18styp"), None);
    assert!(demux::Demux::new(None, b"\0\0\0\x18styp", listing::Wanted::All).is_err());
}
