//! What peers say to each other: messages to bytes and back.
