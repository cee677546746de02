//! What trackers are sent.

use crate::put;

pub fn seeds() {
    table();
    websocket();
}

fn table() {
    let announce = |peer: &str, rest: &str| {
        format!(
            r#"{{"action":"announce","info_hash":"aaaaaaaaaaaaaaaaaaaa","peer_id":"-BC0001-00000000000{peer}"{rest}}}"#
        )
    };
    let print = ["AB"; 32].join(":");
    let sdp = format!(
        r"v=0\r\nm=application 9 UDP/DTLS/SCTP webrtc-datachannel\r\na=candidate:1 1 udp 1 127.0.0.1 5000 typ host\r\na=ice-ufrag:ufrg\r\na=ice-pwd:a/password+of/22/chars\r\na=fingerprint:sha-256 {print}\r\na=setup:actpass\r\na=mid:0\r\n"
    );
    let offer = format!(
        r#","numwant":1,"offers":[{{"offer_id":"oooooooooooooooooooo","offer":{{"type":"offer","sdp":"{sdp}"}}}}]"#
    );
    let answer = format!(
        r#","to_peer_id":"-BC0001-000000000001","offer_id":"oooooooooooooooooooo","answer":{{"type":"answer","sdp":"{sdp}"}}"#
    );
    let directed = format!(
        r#","to_peer_id":"-BC0001-000000000001","offer_id":"pppppppppppppppppppp","offer":{{"type":"offer","sdp":"{sdp}"}}"#
    );
    let lines = [
        "0+".to_owned(),
        "1+".to_owned(),
        format!("0m{}", announce("1", r#","event":"started","left":0"#)),
        format!("1m{}", announce("2", &offer)),
        format!("0m{}", announce("2", &answer)),
        format!("1m{}", announce("2", r#","want":20"#)),
        format!("1m{}", announce("2", &directed)),
        r#"1m{"action":"scrape","info_hash":"aaaaaaaaaaaaaaaaaaaa"}"#.to_owned(),
        format!("0m{}", announce("1", r#","event":"stopped""#)),
        "0t~".to_owned(),
        "1-".to_owned(),
    ];
    for (name, sdp) in [
        ("chromium", include_str!("../../../../crates/rendezvous/tests/descriptions/chromium.sdp")),
        ("chromium-2018", include_str!("../../../../crates/rendezvous/tests/descriptions/chromium-2018.sdp")),
        ("firefox", include_str!("../../../../crates/rendezvous/tests/descriptions/firefox.sdp")),
        (
            "libdatachannel",
            include_str!("../../../../crates/rendezvous/tests/descriptions/libdatachannel.sdp"),
        ),
        ("str0m", include_str!("../../../../crates/rendezvous/tests/descriptions/str0m.sdp")),
    ] {
        // Seen at one public address, for somebody at another.
        put("rendezvous_sdp", name, &[&[2, 3], sdp.as_bytes()].concat());
    }
    put("rendezvous_table", "story", lines.join("\n").as_bytes());
    put("rendezvous_table", "broken", b"0+\n0m{\"action\":\"announce\",\"info_hash\":[]}\n0m{\n0m\xff");
}

/// What clients of a tracker send: the first byte is the length of the pieces in which it comes.
fn websocket() {
    let frame = |first: u8, payload: &[u8]| {
        let len = match u8::try_from(payload.len()) {
            Ok(len) if len < 126 => vec![0x80 | len],
            _ => [&[0xfe][..], &(payload.len() as u16).to_be_bytes()].concat(),
        };
        let mask = [1, 2, 3, 250];
        let masked = payload.iter().zip(mask.iter().cycle()).map(|(byte, mask)| byte ^ mask);
        [&[first][..], &len, &mask, &masked.collect::<Vec<u8>>()].concat()
    };
    let parts = [
        frame(0x01, b"{\"a\":"),
        frame(0x89, b"here?"),
        frame(0x00, b"1"),
        frame(0x80, b"}"),
        frame(0x88, &[3, 232]),
    ];
    put("tracker_frames", "parts", &[&[5][..], &parts.concat()].concat());
    put("tracker_frames", "long", &[&[200][..], &frame(0x82, &[7; 900]), &frame(0x8a, b"")].concat());
    let many: Vec<u8> = (0..5).flat_map(|n| frame(u8::from(n == 0), b"x")).collect();
    put("tracker_frames", "fragments", &[&[255][..], &many].concat());
    put("tracker_frames", "claim", b"\x03\x81\xff\xff\xff\xff\xff\xff\xff\xff\xff\0\0\0\0");
    put("tracker_frames", "unmasked", b"\x03\x81\x02{}");
    put("tracker_frames", "reserved", b"\x03\xf1\x80\0\0\0\0");
}
