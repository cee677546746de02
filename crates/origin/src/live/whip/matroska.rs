//! Opus as Matroska (RFC 9559): what ffmpeg is fed with, each packet with a time of its own.

/// EBML identifiers, as they are written.
const EBML: &[u8] = &[0x1a, 0x45, 0xdf, 0xa3];
const SEGMENT: &[u8] = &[0x18, 0x53, 0x80, 0x67];
const INFO: &[u8] = &[0x15, 0x49, 0xa9, 0x66];
const TRACKS: &[u8] = &[0x16, 0x54, 0xae, 0x6b];
const CLUSTER: &[u8] = &[0x1f, 0x43, 0xb6, 0x75];

/// The head of a stream of one Opus track with two channels. Times are in milliseconds.
pub(super) fn head() -> Vec<u8> {
    let mut out = Vec::new();
    element(&mut out, EBML, |out| {
        element(out, &[0x42, 0x82], |out| out.extend_from_slice(b"matroska"));
        element(out, &[0x42, 0x87], |out| out.push(4));
        element(out, &[0x42, 0x85], |out| out.push(2));
    });
    out.extend_from_slice(SEGMENT);
    out.extend_from_slice(&[0x01, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff]); // without an end
    element(&mut out, INFO, |out| {
        element(out, &[0x2a, 0xd7, 0xb1], |out| out.extend_from_slice(&1_000_000u32.to_be_bytes()));
    });
    element(&mut out, TRACKS, |out| {
        element(out, &[0xae], |out| {
            element(out, &[0xd7], |out| out.push(1));
            element(out, &[0x73, 0xc5], |out| out.push(1));
            element(out, &[0x83], |out| out.push(2));
            element(out, &[0x86], |out| out.extend_from_slice(b"A_OPUS"));
            element(out, &[0x63, 0xa2], |out| {
                // RFC 7845 section 5.1: version, channels, nothing to skip, 48 kHz, no gain, the plain mapping.
                out.extend_from_slice(b"OpusHead\x01\x02\0\0");
                out.extend_from_slice(&48_000u32.to_le_bytes());
                out.extend_from_slice(&[0, 0, 0]);
            });
            element(out, &[0xe1], |out| {
                element(out, &[0xb5], |out| out.extend_from_slice(&48_000f32.to_be_bytes()));
                element(out, &[0x9f], |out| out.push(2));
            });
        });
    });
    out
}

/// One packet, in a cluster of its own.
pub(super) fn packet(at_ms: u64, opus: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(opus.len() + 32);
    element(&mut out, CLUSTER, |out| {
        element(out, &[0xe7], |out| out.extend_from_slice(&at_ms.to_be_bytes()));
        element(out, &[0xa3], |out| {
            out.extend_from_slice(&[0x81, 0, 0, 0x80]);
            out.extend_from_slice(opus);
        });
    });
    out
}

/// An element whose length is written in four bytes; what is put here stays far below what they hold.
fn element(out: &mut Vec<u8>, id: &[u8], fill: impl FnOnce(&mut Vec<u8>)) {
    out.extend_from_slice(id);
    let at = out.len();
    out.extend_from_slice(&[0; 4]);
    fill(out);
    let len = (out.len() - at - 4) as u32 & 0x0fff_ffff | 0x1000_0000;
    out[at..at + 4].copy_from_slice(&len.to_be_bytes());
}
