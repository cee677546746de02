//! What publishers send at the doors of live streams.

/// An FLV file of any bytes becomes samples with rising times, or is refused.
pub fn live_flv(bytes: &[u8]) {
    origin::live::flv::fuzz(bytes);
}

/// What somebody else's server answers is understood or refused: playlists, MPDs, init segments and segments.
pub fn live_pull(bytes: &[u8]) {
    origin::live::fuzz_pull(bytes);
}

/// An RTMP publisher of any bytes is understood or sent away, and not answered at length.
pub fn live_rtmp(bytes: &[u8]) {
    origin::live::fuzz_rtmp(bytes);
}

/// What a publisher of the tags in `flv`, a file, sends over RTMP.
pub fn rtmp_story(flv: &[u8]) -> Vec<u8> {
    let mut bytes = vec![3; 1 + 1536 + 1536];
    let text = |text: &str| [&[2, 0, text.len() as u8], text.as_bytes()].concat();
    let number = |number: f64| [&[0][..], &number.to_be_bytes()].concat();
    let object = [&[3, 0, 3][..], b"app", &text("live"), &[0, 0, 9]].concat();
    let publish = [text("publish"), number(3.0), vec![5], text("some-stream-key"), text("live")];
    let commands = [
        [text("connect"), number(1.0), object].concat(),
        [text("createStream"), number(2.0), vec![5]].concat(),
        publish.concat(),
    ];
    for command in &commands {
        message(&mut bytes, 3, 20, 0, command);
    }
    message(&mut bytes, 2, 1, 0, &4096u32.to_be_bytes());
    let mut rest = flv.get(13..).unwrap_or_default();
    while let Some(&[kind, l0, l1, l2, t0, t1, t2, t3, ..]) = rest.first_chunk::<11>() {
        let len = u32::from_be_bytes([0, l0, l1, l2]) as usize;
        let Some(body) = rest.get(11..11 + len) else { break };
        let at = u32::from_be_bytes([t3, t0, t1, t2]);
        // In one chunk each, for they are short.
        message(&mut bytes, if kind == 9 { 6 } else { 4 }, kind, at, body);
        rest = rest.get(11 + len + 4..).unwrap_or_default();
    }
    message(&mut bytes, 3, 20, 0, &[text("deleteStream"), number(4.0), vec![5], number(1.0)].concat());
    bytes
}

fn message(out: &mut Vec<u8>, chunk_stream: u8, kind: u8, timestamp_ms: u32, payload: &[u8]) {
    out.push(chunk_stream);
    out.extend_from_slice(&timestamp_ms.to_be_bytes()[1..]);
    out.extend_from_slice(&(payload.len() as u32).to_be_bytes()[1..]);
    out.push(kind);
    out.extend_from_slice(&1u32.to_le_bytes());
    out.extend_from_slice(payload);
}
