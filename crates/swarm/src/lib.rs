//! What a peer decides: a pure state machine, without clock, I/O or media bytes.
