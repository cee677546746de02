//! Which properties make a swarm, family by family.

use node::pml::identity::{Family, Kind, Variant, descriptions, segment_id, swarm_id, swarms};
use node::pml::wire::SegmentId;

fn video() -> Variant {
    Variant {
        bitrate: Some(2_800_000),
        codecs: Some("avc1.64001F,mp4a.40.2".into()),
        width: Some(1280),
        height: Some(720),
        frame_rate: Some(30.0),
        video_range: Some("SDR".into()),
        ..Variant::default()
    }
}

fn audio() -> Variant {
    Variant {
        kind: Kind::Secondary,
        codecs: Some("avc1.64001F,mp4a.40.2".into()),
        language: Some("en-US".into()),
        channels: Some("2/0".into()),
        name: Some(" English".into()),
        ..Variant::default()
    }
}

fn described(family: Family, variant: Variant) -> String {
    descriptions(family, &[variant]).remove(0)
}

#[test]
fn a_rendition_is_known_by_the_codecs_of_its_own_kind_alone() {
    assert_eq!(described(Family::B, video()), "2800000-avc1.64001f-1280-720----30-SDR");
    assert_eq!(described(Family::B, audio()), "0-mp4a.40.2---en-2-english--");
    assert_eq!(described(Family::C, video()), "0-avc1.64001F-1280-720----30-SDR");
    assert_eq!(described(Family::C, audio()), "0-mp4a.40.2---en-US-2/0- English--");
}

#[test]
fn b_sorts_codecs_and_rewrites_decimal_ones_and_c_leaves_them() {
    let codecs = Variant { codecs: Some("hvc1.2.4.L120.B0, avc1.66.30".into()), ..video() };
    assert!(described(Family::B, codecs.clone()).contains("-avc1.42001e,hvc1.2.4.l120.b0-"));
    assert!(described(Family::C, codecs).contains("-hvc1.2.4.L120.B0,avc1.66.30-"));
    let padded = Variant { codecs: Some("avc1.066.30".into()), ..video() };
    assert!(described(Family::B, padded).contains("-avc1.066.30-"));
}

#[test]
fn an_audio_only_variant_is_known_to_b_by_its_bitrate() {
    let radio = Variant {
        bitrate: Some(128_000),
        codecs: Some("mp4a.40.2".into()),
        name: Some("Radio".into()),
        ..Variant::default()
    };
    assert_eq!(described(Family::B, radio), "128000--------");
}

#[test]
fn a_variant_without_a_bitrate_has_no_properties_in_b() {
    assert_eq!(described(Family::B, Variant { bitrate: None, ..video() }), "0--------");
}

#[test]
fn an_unknown_language_is_none_in_b() {
    let und = Variant { language: Some("und".into()), channels: None, name: None, ..audio() };
    assert_eq!(described(Family::B, und), "0-mp4a.40.2-------");
}

#[test]
fn c_tells_two_rungs_by_bitrate_only_where_nothing_else_does() {
    let low = Variant { bitrate: Some(1_000_000), ..video() };
    let wide = Variant { width: Some(1920), height: Some(1080), ..video() };
    let described = descriptions(Family::C, &[video(), wide, low, audio(), audio()]);
    assert_eq!(described[0], "2800000-avc1.64001F-1280-720----30-SDR");
    assert_eq!(described[1], "0-avc1.64001F-1920-1080----30-SDR");
    assert_eq!(described[2], "1000000-avc1.64001F-1280-720----30-SDR");
    assert!(described[3].starts_with("0-") && described[4].starts_with("0-"), "audio has no bitrate");
}

#[test]
fn a_frame_rate_reads_as_a_browser_prints_it() {
    for (rate, text) in [(29.97, "29.97"), (23.976, "23.976"), (50.0, "50"), (0.0, "0"), (f64::NAN, "")] {
        let variant = Variant { frame_rate: Some(rate), video_range: None, ..video() };
        assert_eq!(described(Family::C, variant), format!("0-avc1.64001F-1280-720----{text}-"));
    }
}

#[test]
fn a_goes_by_position_and_no_two_families_meet() {
    let first = Variant { position: 0, ..video() };
    let second = Variant { position: 1, ..video() };
    let named = swarms(Family::A, "https://example.com/a.m3u8", &[first, second]);
    assert_eq!(named[0].stream_id, "v2-https://example.com/a.m3u8-main-0");
    assert_eq!(named[1].stream_id, "v2-https://example.com/a.m3u8-main-1");
    let of = |family| swarms(family, "x", &[video()]).remove(0);
    assert!(of(Family::B).stream_id.starts_with("v2-x-main-"));
    assert!(of(Family::C).stream_id.starts_with("v3-x-main-"));
    assert_ne!(of(Family::B).info_hash, of(Family::C).info_hash);
    assert_eq!(of(Family::A).info_hash.as_bytes().len(), of(Family::A).info_hash.to_string().len());
}

#[test]
fn a_stream_is_its_address_without_the_query() {
    assert_eq!(
        swarm_id("https://example.com/live/master.m3u8?token=1?2"),
        "https://example.com/live/master.m3u8"
    );
    assert_eq!(swarm_id("https://example.com/master.m3u8"), "https://example.com/master.m3u8");
}

#[test]
fn segments_of_a_film_are_counted_from_its_start_but_by_c() {
    let number = |family, ended| segment_id(family, ended, 100, 7).map(SegmentId::get);
    for family in [Family::A, Family::B] {
        assert_eq!(number(family, true), Some(7));
        assert_eq!(number(family, false), Some(107));
    }
    assert_eq!(number(Family::C, true), Some(107));
    assert_eq!(number(Family::C, false), Some(107));
    assert_eq!(segment_id(Family::C, true, u64::MAX, 1), None);
    assert_eq!(segment_id(Family::A, false, 1 << 53, 0), None);
}
