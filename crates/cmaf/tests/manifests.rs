//! The text of playlists and MPD, from presentations made by hand.

mod common;

use std::time::Duration;

use cmaf::{Iframe, Presentation, Rendition, SegmentInfo, Subtitle, Thumbnails, dash, hls};
use common::{audio_track, video_track};

fn rendition(id: &str, name: &str, track: cmaf::Track, spans: &[(u64, u64)]) -> Rendition {
    let mut start = 0;
    let mut segments = Vec::new();
    for &(duration, bytes) in spans {
        let iframes = match track.kind {
            cmaf::Kind::Video => vec![Iframe { start, offset: 28, len: 1000 }],
            cmaf::Kind::Audio => Vec::new(),
        };
        segments.push(SegmentInfo { start, duration, bytes, iframes });
        start += duration;
    }
    Rendition { id: id.to_owned(), name: name.to_owned(), track, segments }
}

fn film() -> Presentation {
    let mut small = video_track();
    (small.width, small.height, small.codec) = (640, 360, "avc1.4d401e".to_owned());
    let mut commentary = audio_track();
    (commentary.language, commentary.codec) = (None, "mp4a.40.5".to_owned());
    Presentation {
        renditions: vec![
            rendition("v0", "360p", small, &[(51200, 100_000), (51200, 200_000), (25600, 50_000)]),
            rendition("v1", "720p", video_track(), &[(51200, 500_000), (51200, 400_000), (25600, 300_000)]),
            rendition(
                "a0",
                "Tom \"&\" Jerry",
                audio_track(),
                &[(192_512, 40_000), (191_488, 40_000), (96_000, 20_000)],
            ),
            rendition(
                "a1",
                "Tom \"&\" Jerry",
                commentary,
                &[(192_512, 40_000), (191_488, 44_000), (96_000, 20_000)],
            ),
        ],
        subtitles: vec![Subtitle {
            id: "t0".to_owned(),
            language: Some("de".to_owned()),
            name: "Deutsch".to_owned(),
            uri: "t0/subs.vtt".to_owned(),
            duration: Duration::from_secs(10),
            bytes: 500,
        }],
        thumbnails: Some(Thumbnails {
            uri: "thumbs.jpg".to_owned(),
            columns: 5,
            rows: 1,
            width: 800,
            height: 90,
            interval: Duration::from_secs(2),
            bytes: 9000,
        }),
        duration: Duration::ZERO,
        version: String::new(),
    }
}

#[test]
fn the_master_playlist_lists_every_rung_with_measured_rates() {
    let text = hls::master(&film());
    let expected = "\
#EXTM3U
#EXT-X-VERSION:7
#EXT-X-INDEPENDENT-SEGMENTS
#EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID=\"audio\",NAME=\"Tom '&' Jerry\",LANGUAGE=\"en\",DEFAULT=YES,AUTOSELECT=YES,CHANNELS=\"2\",URI=\"a0/media.m3u8\"
#EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID=\"audio\",NAME=\"Tom '&' Jerry 2\",DEFAULT=NO,AUTOSELECT=YES,CHANNELS=\"2\",URI=\"a1/media.m3u8\"
#EXT-X-MEDIA:TYPE=SUBTITLES,GROUP-ID=\"subs\",NAME=\"Deutsch\",LANGUAGE=\"de\",DEFAULT=NO,AUTOSELECT=YES,FORCED=NO,URI=\"t0/media.m3u8\"
#EXT-X-STREAM-INF:BANDWIDTH=488236,AVERAGE-BANDWIDTH=363200,CODECS=\"avc1.4d401e,mp4a.40.2,mp4a.40.5\",RESOLUTION=640x360,FRAME-RATE=25.000,AUDIO=\"audio\",SUBTITLES=\"subs\"
v0/media.m3u8
#EXT-X-STREAM-INF:BANDWIDTH=1288236,AVERAGE-BANDWIDTH=1043200,CODECS=\"avc1.64001f,mp4a.40.2,mp4a.40.5\",RESOLUTION=1280x720,FRAME-RATE=25.000,AUDIO=\"audio\",SUBTITLES=\"subs\"
v1/media.m3u8
#EXT-X-I-FRAME-STREAM-INF:BANDWIDTH=4000,AVERAGE-BANDWIDTH=2400,CODECS=\"avc1.4d401e\",RESOLUTION=640x360,URI=\"v0/iframes.m3u8\"
#EXT-X-I-FRAME-STREAM-INF:BANDWIDTH=4000,AVERAGE-BANDWIDTH=2400,CODECS=\"avc1.64001f\",RESOLUTION=1280x720,URI=\"v1/iframes.m3u8\"
";
    assert_eq!(text, expected);
}

#[test]
fn a_film_without_pictures_has_a_variant_for_each_sound() {
    let mut film = film();
    film.renditions.drain(..2);
    film.subtitles.clear();
    let text = hls::master(&film);
    assert_eq!(text.matches("#EXT-X-STREAM-INF").count(), 2);
    assert!(!text.contains("#EXT-X-MEDIA:") && !text.contains("AUDIO=\"audio\""), "{text}");
}

#[test]
fn media_playlists_list_times_to_the_microsecond() {
    let film = film();
    let expected = "\
#EXTM3U
#EXT-X-VERSION:7
#EXT-X-TARGETDURATION:4
#EXT-X-MEDIA-SEQUENCE:1
#EXT-X-PLAYLIST-TYPE:VOD
#EXT-X-INDEPENDENT-SEGMENTS
#EXT-X-MAP:URI=\"init.mp4\"
#EXTINF:4.010667,
1.m4s
#EXTINF:3.989333,
2.m4s
#EXTINF:2.000000,
3.m4s
#EXT-X-ENDLIST
";
    assert_eq!(hls::media(&film, &film.renditions[2]), expected);
    let iframes = hls::iframes(&film, &film.renditions[0]);
    assert!(
        iframes.contains("#EXT-X-I-FRAMES-ONLY\n") && iframes.contains("#EXT-X-BYTERANGE:1000@28\n3.m4s\n")
    );
    assert_eq!(iframes.matches("#EXTINF:4.000000,").count(), 2);
    assert!(hls::subtitle(&film.subtitles[0]).contains("#EXTINF:10.000000,\nsubs.vtt\n"));
}

#[test]
fn the_peak_is_of_segments_that_together_last_about_the_target() {
    let rate = |spans: &[(u64, u64)]| rendition("v0", "", video_track(), spans).peak_bandwidth();
    // 100 kB in 4 s.
    assert_eq!(rate(&[(51200, 100_000), (51200, 50_000)]), 200_000);
    // A last segment of half a second is no peak by itself, only with the one before it.
    assert_eq!(rate(&[(51200, 100_000), (6400, 40_000)]), (140_000u64 * 8 * 2).div_ceil(9));
    // A film of one short segment has its own rate.
    assert_eq!(rate(&[(12800, 1000)]), 8000);
    assert_eq!(rate(&[]), 0);
}

#[test]
fn the_mpd_has_one_set_for_the_rungs_and_one_for_each_sound() {
    let text = dash::mpd(&film());
    assert_eq!(text.matches("<AdaptationSet ").count(), 5);
    assert_eq!(text.matches("<Representation ").count(), 6);
    assert_eq!(text.matches('<').count(), text.matches('>').count());
    for part in [
        "type=\"static\" mediaPresentationDuration=\"PT10S\" maxSegmentDuration=\"PT5S\" minBufferTime=\"PT4S\"",
        "<Representation id=\"v1\" bandwidth=\"1200000\" codecs=\"avc1.64001f\" width=\"1280\" height=\"720\" frameRate=\"25\">",
        "initialization=\"v0/init.mp4\" media=\"v0/$Number$.m4s\" startNumber=\"1\"",
        "<S t=\"0\" d=\"51200\" r=\"1\"/>",
        "<S t=\"0\" d=\"192512\"/>",
        "lang=\"en\">",
        "<Label>Tom &quot;&amp;&quot; Jerry</Label>",
        "<BaseURL>t0/subs.vtt</BaseURL>",
        "<SegmentTemplate timescale=\"1000\" duration=\"10000\" media=\"thumbs.jpg\" startNumber=\"1\"/>",
        "thumbnail_tile\" value=\"5x1\"/>",
    ] {
        assert!(text.contains(part), "{part} is not in\n{text}");
    }
}

#[test]
fn hls_and_dash_name_the_same_version_of_every_segment() {
    let mut film = film();
    film.version = "0123abcd".to_owned();
    let video = &film.renditions[0];
    for text in [hls::media(&film, video), hls::iframes(&film, video)] {
        assert!(
            text.contains("URI=\"init.mp4?v=0123abcd\"\n") && text.contains("\n2.m4s?v=0123abcd\n"),
            "{text}"
        );
        assert_eq!(text.matches(".m4s").count(), text.matches(".m4s?v=0123abcd\n").count());
    }
    let mpd = dash::mpd(&film);
    let part = "initialization=\"v0/init.mp4?v=0123abcd\" media=\"v0/$Number$.m4s?v=0123abcd\"";
    assert!(mpd.contains(part), "{mpd}");
    assert_eq!(mpd.matches(".m4s").count(), mpd.matches("?v=0123abcd\" startNumber").count());
}

#[test]
fn a_timeline_with_a_hole_says_where_it_goes_on() {
    let mut film = film();
    film.renditions[0].segments[2].start += 100;
    assert!(dash::mpd(&film).contains("<S t=\"102500\" d=\"25600\"/>"));
}

#[test]
fn a_turned_film_has_the_resolution_it_is_seen_with() {
    let mut film = film();
    film.renditions[1].track.rotation = 90;
    assert!(hls::master(&film).contains("RESOLUTION=720x1280"));
}
