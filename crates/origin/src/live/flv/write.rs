//! Samples as FLV: what the encoder is fed with. Times are rounded to the millisecond, of which FLV has no parts.

use super::{AUDIO, VIDEO};
use cmaf::{Kind, Malformed, Sample, Track};

/// Writes the tags of at most one video and one audio track.
#[derive(Clone, Copy, Debug)]
pub struct TagWriter;

impl TagWriter {
    /// Appends the file's header, and those of the tracks there are.
    pub fn begin(
        &self,
        out: &mut Vec<u8>,
        video: Option<&Track>,
        audio: Option<&Track>,
    ) -> Result<(), Malformed> {
        let has = u8::from(audio.is_some()) << 2 | u8::from(video.is_some());
        out.extend_from_slice(&[b'F', b'L', b'V', 1, has, 0, 0, 0, 9, 0, 0, 0, 0]);
        video.into_iter().chain(audio).try_for_each(|track| self.track(out, track))
    }

    fn track(&self, out: &mut Vec<u8>, track: &Track) -> Result<(), Malformed> {
        let config = track.decoder_config()?;
        match track.kind {
            Kind::Video => tag(out, VIDEO, 0, &[0x17, 0, 0, 0, 0], config),
            Kind::Audio => tag(out, AUDIO, 0, &[0xaf, 0], config),
        }
        Ok(())
    }

    /// Appends `sample` at `dts_ms`, shown `cts_ms` later.
    pub fn sample(&self, out: &mut Vec<u8>, kind: Kind, dts_ms: u32, cts_ms: i32, sample: &Sample) {
        match kind {
            Kind::Video => {
                let [_, c0, c1, c2] = cts_ms.to_be_bytes();
                let first = if sample.sync { 0x17 } else { 0x27 };
                tag(out, VIDEO, dts_ms, &[first, 1, c0, c1, c2], &sample.data);
            }
            Kind::Audio => tag(out, AUDIO, dts_ms, &[0xaf, 1], &sample.data),
        }
    }
}

fn tag(out: &mut Vec<u8>, kind: u8, timestamp_ms: u32, head: &[u8], body: &[u8]) {
    // Sources bound their samples far below 16 MiB; one beyond is cut, and the decoder says so.
    let body = &body[..body.len().min(0xff_ffff - head.len())];
    let len = (head.len() + body.len()) as u32;
    let [high, t0, t1, t2] = timestamp_ms.to_be_bytes();
    out.push(kind);
    out.extend_from_slice(&len.to_be_bytes()[1..]);
    out.extend_from_slice(&[t0, t1, t2, high, 0, 0, 0]);
    out.extend_from_slice(head);
    out.extend_from_slice(body);
    out.extend_from_slice(&(len + 11).to_be_bytes());
}
