//! Writing boxes: sizes are filled in when a box is closed.

/// Writes a box of type `kind` whose payload is what `fill` appends.
///
/// A box must stay below 4 GiB: [`crate::Segmenter`] bounds the only one that could grow (`mdat`).
pub(crate) fn boxed(out: &mut Vec<u8>, kind: &[u8; 4], fill: impl FnOnce(&mut Vec<u8>)) {
    let start = out.len();
    out.extend_from_slice(&[0; 4]);
    out.extend_from_slice(kind);
    fill(out);
    let size = u32::try_from(out.len() - start).expect("box sizes are bounded by the segmenter");
    out[start..start + 4].copy_from_slice(&size.to_be_bytes());
}

/// Writes a box with version and flags.
pub(crate) fn full(
    out: &mut Vec<u8>,
    kind: &[u8; 4],
    version: u8,
    flags: u32,
    fill: impl FnOnce(&mut Vec<u8>),
) {
    boxed(out, kind, |out| {
        put_u32(out, u32::from(version) << 24 | flags & 0x00ff_ffff);
        fill(out);
    });
}

pub(crate) fn put_u16(out: &mut Vec<u8>, value: u16) {
    out.extend_from_slice(&value.to_be_bytes());
}

pub(crate) fn put_u32(out: &mut Vec<u8>, value: u32) {
    out.extend_from_slice(&value.to_be_bytes());
}

pub(crate) fn put_i32(out: &mut Vec<u8>, value: i32) {
    out.extend_from_slice(&value.to_be_bytes());
}

pub(crate) fn put_u64(out: &mut Vec<u8>, value: u64) {
    out.extend_from_slice(&value.to_be_bytes());
}

pub(crate) fn put_zeros(out: &mut Vec<u8>, count: usize) {
    out.resize(out.len() + count, 0);
}
