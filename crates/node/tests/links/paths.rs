//! Paths: who speaks first, what a burst does, and whose an address is.
