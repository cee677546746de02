//! The CMAF header (ISO/IEC 23000-19 section 7.3.1): one track, no samples.
//!
//! The invariant: every segment of the rendition plays after this header, and it depends on the [`Track`] alone.

use crate::write::{boxed, full, put_i32, put_u16, put_u32, put_u64, put_zeros};
use crate::{Kind, Track, language};

/// The track id in every init segment and fragment: one track per file.
pub(crate) const TRACK_ID: u32 = 1;

/// The bytes of `init.mp4`: `ftyp` and a `moov` whose sample tables are empty.
///
/// An audio track with [`Track::priming`] gets an edit list that skips it. Duration is left open (0), because the
/// fragments say it.
pub fn init_segment(track: &Track) -> Vec<u8> {
    let mut out = Vec::with_capacity(1024);
    boxed(&mut out, b"ftyp", |out| {
        out.extend_from_slice(b"iso6");
        put_u32(out, 0);
        out.extend_from_slice(b"iso6cmfcmp41");
    });
    boxed(&mut out, b"moov", |out| {
        full(out, b"mvhd", 0, 0, |out| {
            put_zeros(out, 8);
            put_u32(out, track.timescale.max(1));
            put_u32(out, 0);
            put_u32(out, 0x0001_0000);
            put_u16(out, 0x0100);
            put_zeros(out, 10);
            matrix(out, 0);
            put_zeros(out, 24);
            put_u32(out, TRACK_ID + 1);
        });
        boxed(out, b"trak", |out| trak(out, track));
        boxed(out, b"mvex", |out| {
            full(out, b"trex", 0, 0, |out| {
                put_u32(out, TRACK_ID);
                put_u32(out, 1);
                put_zeros(out, 12);
            });
        });
    });
    out
}

fn trak(out: &mut Vec<u8>, track: &Track) {
    let video = track.kind == Kind::Video;
    // Enabled, in the movie, in the preview.
    full(out, b"tkhd", 0, 7, |out| {
        put_zeros(out, 8);
        put_u32(out, TRACK_ID);
        put_zeros(out, 4 + 4 + 8 + 2 + 2);
        put_u16(out, if video { 0 } else { 0x0100 });
        put_u16(out, 0);
        matrix(out, track.rotation);
        put_u32(out, u32::from(track.width) << 16);
        put_u32(out, u32::from(track.height) << 16);
    });
    if track.priming > 0 {
        boxed(out, b"edts", |out| {
            full(out, b"elst", 1, 0, |out| {
                put_u32(out, 1);
                put_u64(out, 0);
                put_u64(out, track.priming);
                put_u32(out, 0x0001_0000);
            });
        });
    }
    boxed(out, b"mdia", |out| {
        full(out, b"mdhd", 0, 0, |out| {
            put_zeros(out, 8);
            put_u32(out, track.timescale.max(1));
            put_u32(out, 0);
            put_u16(out, language::packed(track.language.as_deref()));
            put_u16(out, 0);
        });
        full(out, b"hdlr", 0, 0, |out| {
            put_u32(out, 0);
            out.extend_from_slice(if video { b"vide" } else { b"soun" });
            put_zeros(out, 12);
            out.extend_from_slice(if video { b"Video\0" } else { b"Audio\0" });
        });
        if let Some(tag) = &track.language {
            full(out, b"elng", 0, 0, |out| {
                out.extend(tag.bytes().filter(|&byte| byte != 0));
                out.push(0);
            });
        }
        boxed(out, b"minf", |out| {
            if video {
                full(out, b"vmhd", 0, 1, |out| put_zeros(out, 8));
            } else {
                full(out, b"smhd", 0, 0, |out| put_zeros(out, 4));
            }
            boxed(out, b"dinf", |out| {
                full(out, b"dref", 0, 0, |out| {
                    put_u32(out, 1);
                    full(out, b"url ", 0, 1, |_| ());
                });
            });
            boxed(out, b"stbl", |out| {
                full(out, b"stsd", 0, 0, |out| {
                    put_u32(out, 1);
                    out.extend_from_slice(&track.sample_entry);
                });
                full(out, b"stts", 0, 0, |out| put_u32(out, 0));
                full(out, b"stsc", 0, 0, |out| put_u32(out, 0));
                full(out, b"stsz", 0, 0, |out| put_zeros(out, 8));
                full(out, b"stco", 0, 0, |out| put_u32(out, 0));
            });
        });
    });
}

/// The display matrix for a clockwise rotation in degrees, without translation.
fn matrix(out: &mut Vec<u8>, rotation: u16) {
    const ONE: i32 = 0x0001_0000;
    let (a, b, c, d) = match rotation {
        90 => (0, ONE, -ONE, 0),
        180 => (-ONE, 0, 0, -ONE),
        270 => (0, -ONE, ONE, 0),
        _ => (ONE, 0, 0, ONE),
    };
    for value in [a, b, 0, c, d, 0, 0, 0, 0x4000_0000] {
        put_i32(out, value);
    }
}
