//! Mistakes in playlists, each named with its line.

use super::*;

fn complaints(text: &str) -> Vec<String> {
    Playlist::parse(text).complaints.into_iter().map(|c| format!("{}: {}", c.line, c.what)).collect()
}

#[test]
fn byte_ranges_without_offset_go_on_where_the_last_one_ended() {
    let list = Playlist::parse(
        "#EXTM3U\n#EXT-X-VERSION:4\n#EXT-X-TARGETDURATION:4\n#EXTINF:4,\n#EXT-X-BYTERANGE:10@5\na\n#EXTINF:4,\n\
         #EXT-X-BYTERANGE:7\na\n#EXT-X-ENDLIST\n",
    );
    assert_eq!(list.complaints, []);
    assert_eq!(list.entries.iter().map(|e| e.range).collect::<Vec<_>>(), [Some((5, 10)), Some((15, 7))]);
}

#[test]
fn a_playlist_full_of_mistakes_is_not_read_to_its_end() {
    let found = complaints(&format!("#EXTM3U\n{}", "#EXT-X-NONSENSE\n".repeat(100_000)));
    assert!(found.len() < MAX_COMPLAINTS + 5, "{}", found.len());
    assert!(found.contains(&"1002: too many mistakes; the rest was not read".to_owned()));
}

#[test]
fn each_mistake_is_named_with_its_line() {
    assert_eq!(complaints("EXTM3U\n").len(), 2);
    let found = complaints("#EXTM3U\n#EXT-X-STREAM-INF:BANDWIDTH=fast,CODECS=\"avc1\nv0\n");
    assert_eq!(found[0], "2: CODECS: the quoted string does not end");
    assert!(found.contains(&"2: EXT-X-STREAM-INF: BANDWIDTH is not a whole number: fast".to_owned()));
    let found = complaints("#EXTM3U\n#EXTINF:4,\na\n");
    assert_eq!(found, ["0: EXT-X-TARGETDURATION is missing"]);
}
