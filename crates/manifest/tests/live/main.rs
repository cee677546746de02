//! What a viewer takes for the head of a live stream, and what it refuses.

mod description;
mod format;
mod random;
mod rules;
mod signing;
mod stream;
