//! Films, playlists and the names of files.

use crate::put;
use braidcast_fuzz::rtmp_story;
use std::fs;
use std::path::PathBuf;
use std::process::Command;

pub fn seeds() {
    for name in [
        "master.m3u8",
        "index.bci",
        "v0/init.mp4",
        "a1/17.m4s",
        "t0/subs.vtt",
        "v0/../key",
        "v00/1.m4s",
        "v0/01.m4s",
    ] {
        put("origin_names", &name.replace('/', "_"), name.as_bytes());
    }
    films();
    live_answers();
}

/// The smallest films that ffmpeg makes, and playlists.
fn films() {
    let folder = std::env::temp_dir().join(format!("braidcast-seeds-{}", std::process::id()));
    fs::create_dir_all(&folder).expect("a scratch folder can be made");
    let make = |name: &str, options: &[&str]| -> PathBuf {
        let path = folder.join(name);
        let video = ["-f", "lavfi", "-i", "color=size=32x32:rate=5:duration=0.6"];
        let audio = ["-f", "lavfi", "-i", "anullsrc=r=48000:cl=mono:d=0.1"];
        let status = Command::new("ffmpeg")
            .args(["-nostdin", "-v", "error", "-y", "-fflags", "+bitexact"])
            .args(video)
            .args(audio)
            .args([
                "-c:v",
                "libx264",
                "-x264-params",
                "bframes=1:no-info=1:keyint=2",
                "-c:a",
                "aac",
                "-b:a",
                "16k",
            ])
            .args(["-flags:v", "+bitexact", "-flags:a", "+bitexact"])
            .args(options)
            .arg(&path)
            .status()
            .expect("ffmpeg starts");
        assert!(status.success(), "ffmpeg failed");
        path
    };
    let read = |path: PathBuf| fs::read(path).expect("ffmpeg wrote it");
    put("cmaf_demux", "film", &read(make("film.mp4", &[])));
    put("cmaf_demux", "moov-first", &read(make("fast.mp4", &["-movflags", "+faststart"])));
    put("cmaf_demux", "sound", &read(make("sound.mp4", &["-vn"])));
    let cmaf = "+cmaf+frag_keyframe+empty_moov+default_base_moof+skip_trailer+delay_moov";
    let video = read(make("video.cmfv", &["-an", "-movflags", cmaf, "-f", "mp4"]));
    let sound = read(make("sound.cmfa", &["-vn", "-movflags", cmaf, "-f", "mp4"]));
    let flv = read(make(
        "film.flv",
        &["-flvflags", "no_duration_filesize", "-bsf:v", "filter_units=remove_types=6"],
    ));
    put("live_flv", "film", &flv);
    put("live_rtmp", "story", &rtmp_story(&flv));
    put("live_pull", "video", &video);
    put("live_pull", "stream", &read(make("film.ts", &["-f", "mpegts"])));
    put(
        "live_pull",
        "master",
        b"#EXTM3U\n#EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID=\"a\",NAME=\"x\",LANGUAGE=\"fi\",DEFAULT=YES,URI=\"a.m3u8\"\n#EXT-X-STREAM-INF:BANDWIDTH=400000,CODECS=\"avc1.640015,mp4a.40.2\",AUDIO=\"a\"\nv.m3u8\n",
    );
    put(
        "live_pull",
        "media",
        b"#EXTM3U\n#EXT-X-TARGETDURATION:4\n#EXT-X-MEDIA-SEQUENCE:7\n#EXT-X-KEY:METHOD=NONE\n#EXT-X-MAP:URI=\"i.mp4\",BYTERANGE=\"9@0\"\n#EXTINF:4,\n#EXT-X-BYTERANGE:5@9\n1.m4s\n#EXT-X-DISCONTINUITY\n#EXT-X-GAP\n#EXTINF:4,\n2.m4s\n",
    );
    put(
        "live_pull",
        "captions",
        b"WEBVTT\nX-TIMESTAMP-MAP=LOCAL:00:00:01.000,MPEGTS:900000\n\nSTYLE\n::cue { color: lime }\n\nNOTE no cue\n\n7\n00:01.000 --> 00:02.500 line:0\n<i>Hello</i>\nthere\n\n100:00:00.000 --> 100:00:01.000\nLater\n",
    );
    put(
        "live_pull",
        "mpd",
        b"<MPD type=\"dynamic\" availabilityStartTime=\"2026-01-01T00:00:00Z\"><Period start=\"PT0S\"><AdaptationSet mimeType=\"video/mp4\"><SegmentTemplate timescale=\"10\" initialization=\"$RepresentationID$\" media=\"$Number%03d$\"><SegmentTimeline><S t=\"0\" d=\"20\" r=\"3\"/></SegmentTimeline></SegmentTemplate><Representation id=\"v\" bandwidth=\"1\" codecs=\"avc1.640015\"/></AdaptationSet><AdaptationSet contentType=\"audio\"><SegmentTemplate duration=\"2\" initialization=\"i\" media=\"$Number$\"/><Representation id=\"a\"/></AdaptationSet></Period></MPD>",
    );
    put("cmaf_ingest", "video", &video);
    put("cmaf_ingest", "sound", &sound);
    put("cmaf_progressive", "video", &video);
    put("cmaf_progressive", "sound", &sound);
    put("cmaf_check", "fragments", &video);
    put(
        "cmaf_check",
        "master",
        b"#EXTM3U\n#EXT-X-VERSION:7\n#EXT-X-INDEPENDENT-SEGMENTS\n#EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID=\"a\",NAME=\"x\",DEFAULT=YES,URI=\"a0/media.m3u8\"\n#EXT-X-STREAM-INF:BANDWIDTH=400000,AVERAGE-BANDWIDTH=300000,CODECS=\"avc1.640015,mp4a.40.2\",RESOLUTION=480x270,FRAME-RATE=24.000,AUDIO=\"a\"\nv0/media.m3u8\n",
    );
    put(
        "cmaf_check",
        "media",
        b"#EXTM3U\n#EXT-X-VERSION:7\n#EXT-X-TARGETDURATION:4\n#EXT-X-MEDIA-SEQUENCE:1\n#EXT-X-PLAYLIST-TYPE:VOD\n#EXT-X-MAP:URI=\"init.mp4\"\n#EXTINF:4.000000,\n1.m4s\n#EXT-X-ENDLIST\n",
    );
    put(
        "cmaf_check",
        "mpd",
        br#"<?xml version="1.0"?><MPD xmlns="urn:mpeg:dash:schema:mpd:2011" type="static" mediaPresentationDuration="PT8S"><Period><AdaptationSet mimeType="video/mp4"><SegmentTemplate timescale="1000" media="$RepresentationID$/$Number$.m4s" initialization="$RepresentationID$/init.mp4" startNumber="1"><SegmentTimeline><S t="0" d="4000" r="1"/></SegmentTimeline></SegmentTemplate><Representation id="v0" bandwidth="400000" codecs="avc1.640015"/></AdaptationSet></Period></MPD>"#,
    );
    let _ = fs::remove_dir_all(&folder);
}

/// Three answers of a live stream, the second a delta update, the third of another rendition.
fn live_answers() {
    let start = "#EXTM3U\n#EXT-X-VERSION:9\n#EXT-X-TARGETDURATION:2\n#EXT-X-SERVER-CONTROL:CAN-BLOCK-RELOAD=YES,\
                 PART-HOLD-BACK=3.0,HOLD-BACK=6.0,CAN-SKIP-UNTIL=12.0\n#EXT-X-PART-INF:PART-TARGET=1.0\n";
    let segment = |n: u32| {
        let date = format!("#EXT-X-PROGRAM-DATE-TIME:2026-01-31T12:00:{:02}.000Z\n", n * 2);
        let part = |p: u32| format!("#EXT-X-PART:DURATION=1.0,URI=\"part/{p}.m4s\",INDEPENDENT=YES\n");
        format!("{date}{}{}#EXTINF:2.0,\n{n}.m4s\n", part(2 * n - 1), part(2 * n))
    };
    let end = |n: u32| {
        let hint = format!("#EXT-X-PRELOAD-HINT:TYPE=PART,URI=\"part/{}.m4s\"\n", 2 * n + 1);
        format!("{hint}#EXT-X-RENDITION-REPORT:URI=\"../a0/media.m3u8\",LAST-MSN={n},LAST-PART=1\n")
    };
    let map = "#EXT-X-MEDIA-SEQUENCE:1\n#EXT-X-DISCONTINUITY-SEQUENCE:4\n#EXT-X-MAP:URI=\"init/1.mp4\"\n";
    let list = |range: std::ops::RangeInclusive<u32>| range.map(segment).collect::<String>();
    let whole = format!("{start}{map}{}{}", list(1..=8), end(8));
    let skip = "#EXT-X-MEDIA-SEQUENCE:1\n#EXT-X-DISCONTINUITY-SEQUENCE:4\n#EXT-X-SKIP:SKIPPED-SEGMENTS=3\n";
    let delta = format!("{start}{skip}{}#EXT-X-DISCONTINUITY\n{}{}", list(4..=8), list(9..=9), end(9));
    let other = format!("{start}{map}{}#EXT-X-ENDLIST\n", list(1..=9));
    put("cmaf_live", "answers", [whole, delta, other].join("\0").as_bytes());
}
