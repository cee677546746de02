//! The reader of frames under any bytes.

use super::{Broken, CONTROL, Event, HEAD, Reader};

/// Reads `bytes` as a client's frames, in pieces whose length is the first byte, and whole: an entry for fuzzers. However they are cut
/// they say the same, and never more is held than a message and the head of a frame.
pub fn fuzz(bytes: &[u8]) {
    const MOST: usize = 1000;
    const FRAGMENTS: usize = 4;
    let Some((&piece, bytes)) = bytes.split_first() else { return };
    let told = |piece: usize| {
        let (mut reader, mut all, mut bytes) = (Reader::new(MOST, FRAGMENTS), Vec::new(), bytes.to_vec());
        let result = bytes.chunks_mut(piece.max(1)).try_for_each(|piece| {
            let taken = reader.take(piece, |event| {
                all.push(match event {
                    Event::Message(bytes) => (0, bytes.to_vec()),
                    Event::Ping(bytes) => (1, bytes.to_vec()),
                    Event::Pong => (2, Vec::new()),
                    Event::Close => (3, Vec::new()),
                });
                Ok::<_, Broken>(())
            });
            assert!(reader.frame.len() <= MOST + HEAD, "a frame of {}", reader.frame.len());
            assert!(reader.message.as_ref().is_none_or(|message| message.bytes.len() <= MOST));
            taken
        });
        assert!(all.iter().all(|(kind, bytes)| bytes.len() <= if *kind == 0 { MOST } else { CONTROL }));
        (all, result)
    };
    assert_eq!(told(piece.into()), told(bytes.len()));
}
