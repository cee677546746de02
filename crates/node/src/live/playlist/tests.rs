use super::*;
use manifest::live::Cut;

const TEXT: &str = "#EXTM3U
#EXT-X-VERSION:9
#EXT-X-TARGETDURATION:1
#EXT-X-SERVER-CONTROL:CAN-BLOCK-RELOAD=YES,PART-HOLD-BACK=1.5,HOLD-BACK=3.0,CAN-SKIP-UNTIL=6.0
#EXT-X-PART-INF:PART-TARGET=0.5
#EXT-X-MEDIA-SEQUENCE:4
#EXT-X-INDEPENDENT-SEGMENTS
#EXT-X-MAP:URI=\"init/1.mp4?v=7\"
#EXT-X-PROGRAM-DATE-TIME:2026-01-01T00:00:03.000Z
#EXTINF:1.000,
4.m4s?v=7
#EXT-X-PROGRAM-DATE-TIME:2026-01-01T00:00:04.000Z
#EXTINF:1.000,
5.m4s?v=7
#EXT-X-PROGRAM-DATE-TIME:2026-01-01T00:00:05.000Z
#EXT-X-DATERANGE:ID=\"x\",START-DATE=\"2026-01-01T00:00:05.000Z\",X-ASSET-URI=\"https://elsewhere.example/ad\"
#EXT-X-PART:DURATION=0.5,URI=\"part/11.m4s?v=7\",INDEPENDENT=YES
#EXT-X-PART:DURATION=0.5,URI=\"part/12.m4s?v=7\"
#EXTINF:1.000,
6.m4s?v=7
#EXT-X-PROGRAM-DATE-TIME:2026-01-01T00:00:06.000Z
#EXT-X-PART:DURATION=0.5,URI=\"part/13.m4s?v=7\",INDEPENDENT=YES
#EXT-X-PRELOAD-HINT:TYPE=PART,URI=\"part/14.m4s?v=7\"
#EXT-X-RENDITION-REPORT:URI=\"../a0/media.m3u8\",LAST-MSN=7,LAST-PART=0
";
/// 2026-01-01T00:00:00Z.
const BORN_MS: u64 = 1_767_225_600_000;

/// Parts of half a second, two a segment: the odd ones begin one.
fn told(sequences: impl IntoIterator<Item = u32>) -> Vec<Told> {
    let told = |sequence: u32| {
        let odd = sequence % 2 == 1;
        let cut = Cut { independent: odd, ends_segment: !odd, is_marked: false };
        Told { sequence, start_ms: (sequence - 1) * 500, duration_ms: 500, size: 10, cut }
    };
    sequences.into_iter().map(told).collect()
}

fn read() -> Playlist {
    Playlist::read(TEXT).unwrap()
}

#[test]
fn heads_carry_it_on_as_the_origin_would() {
    let mut playlist = read();
    assert!(playlist.follow(&told(7..=15), BORN_MS));
    let text = playlist.text(Base::default(), |_| true);
    let end = "#EXT-X-PROGRAM-DATE-TIME:2026-01-01T00:00:06.000Z
#EXT-X-PART:DURATION=0.5,URI=\"part/13.m4s\",INDEPENDENT=YES
#EXT-X-PART:DURATION=0.5,URI=\"part/14.m4s\"
#EXTINF:1.0,
7.m4s
#EXT-X-PROGRAM-DATE-TIME:2026-01-01T00:00:07.000Z
#EXT-X-PART:DURATION=0.5,URI=\"part/15.m4s\",INDEPENDENT=YES
#EXT-X-PRELOAD-HINT:TYPE=PART,URI=\"part/16.m4s\"
";
    assert!(text.ends_with(end), "{text}");
    assert!(text.contains("#EXT-X-MEDIA-SEQUENCE:4\n") && text.contains("#EXT-X-MAP:URI=\"init/1.mp4\"\n"));
    assert!(!text.contains("elsewhere") && !text.contains("SKIP"), "{text}");
}

#[test]
fn parts_of_segments_that_are_listed_without_are_found_by_what_heads_say() {
    let mut playlist = read();
    let numbers = |playlist: &Playlist, n| playlist.segment(n).unwrap().numbers.clone();
    assert_eq!([4, 5, 6, 7].map(|n| numbers(&playlist, n)), [0..0, 0..0, 11..13, 13..14]);
    // Where segment 4 begins is not sure: what is before its parts is not known.
    playlist.follow(&told(7..=13), BORN_MS);
    assert_eq!([4, 5].map(|n| numbers(&playlist, n)), [0..0, 9..11]);
    playlist.follow(&told(6..=13), BORN_MS);
    assert_eq!(numbers(&playlist, 4), 7..9);
}

#[test]
fn what_only_the_playlist_tells_is_asked_for() {
    let mut marked = told(14..=15);
    marked[1].cut.is_marked = true;
    let mut playlist = read();
    assert!(!playlist.follow(&marked, BORN_MS));
    assert_eq!(playlist.last_part, 14, "what comes before is taken");
    assert!(!read().follow(&told(15..=16), BORN_MS), "a gap");
    let over = Playlist::read(&format!("{TEXT}#EXT-X-ENDLIST\n")).unwrap();
    assert!(over.is_over() && over.text(Base::default(), |_| true).ends_with("#EXT-X-ENDLIST\n"));
}

#[test]
fn requests_wait_for_what_comes_next_and_no_further() {
    let mut playlist = read();
    let answers = |playlist: &Playlist| {
        [(6, None), (7, Some(0)), (7, Some(1)), (7, None), (8, Some(0)), (10, None)]
            .map(|(segment, part)| playlist.answer(segment, part))
    };
    use Answer::{Ready, TooFar, Wait};
    assert_eq!(answers(&playlist), [Ready, Ready, Wait, Wait, Wait, TooFar]);
    playlist.follow(&told(14..=14), BORN_MS);
    assert_eq!(answers(&playlist), [Ready, Ready, Ready, Ready, Wait, TooFar]);
    assert_eq!(playlist.answer(7, Some(2)), Wait, "that is the first of the next");
    assert_eq!(playlist.next(), Some((8, 15)));
}

#[test]
fn a_stream_that_follows_has_higher_numbers_and_a_joint() {
    let before = Base { segments: 100, parts: 500, inits: 3, discontinuities: 2 };
    let mut playlist = read();
    playlist.join_at(Some(4));
    let text = playlist.text(before, |_| true);
    for line in [
        "#EXT-X-MEDIA-SEQUENCE:104",
        "#EXT-X-DISCONTINUITY-SEQUENCE:2",
        "#EXT-X-DISCONTINUITY",
        "104.m4s",
        "#EXT-X-MAP:URI=\"init/4.mp4\"",
    ] {
        assert!(text.lines().any(|l| l == line), "{line}: {text}");
    }
    assert!(text.contains("part/513.m4s"), "{text}");
    // One that is not offered counts.
    let text = playlist.text(before, |segment| segment.sequence > 4);
    assert!(text.contains("#EXT-X-DISCONTINUITY-SEQUENCE:3") && text.contains("SEQUENCE:105"), "{text}");
    let after = playlist.base_after(before);
    assert_eq!(after, Base { segments: 108, parts: 514, inits: 4, discontinuities: 3 });
}

#[test]
fn old_segments_leave_and_are_counted() {
    let mut playlist = read();
    playlist.join_at(Some(4));
    assert!(playlist.follow(&told(14..=3000), BORN_MS));
    assert!(playlist.segments.len() < 700, "{}", playlist.segments.len());
    assert_eq!(playlist.discontinuities, 1);
    let listed = playlist.segments.iter().filter(|segment| !segment.parts.is_empty()).count();
    assert!((3..=6).contains(&listed), "{listed}");
    let first = playlist.first().unwrap();
    playlist.forget(first + 1);
    assert_eq!(playlist.first(), Some(first + 2));
}

#[test]
fn what_is_no_such_playlist_is_refused() {
    for (wrong, right) in [
        ("#EXTM3V", "#EXTM3U"),
        ("TARGETDURATION:0", "TARGETDURATION:1"),
        ("TARGETDURATION:4000000000", "TARGETDURATION:1"),
        ("https://elsewhere.example/5.m4s", "5.m4s"),
        ("../6.m4s", "6.m4s"),
        ("9.m4s", "6.m4s"),
        ("part/13.m4s", "part/12.m4s"),
        ("part/99999999999.m4s", "part/11.m4s"),
        ("init/x.mp4", "init/1.mp4"),
        ("DURATION=-1", "DURATION=0.5"),
        ("DURATION=1e99", "DURATION=0.5"),
    ] {
        assert!(Playlist::read(&TEXT.replace(right, wrong)).is_none(), "{wrong}");
    }
    assert!(Playlist::read("").is_none() && Playlist::read("#EXTM3U\n").is_none());
}
