//! The gate of a tracker: stories of viewers, thieves, backends and operators.

mod claims;
mod common;
mod forged;
mod keys;
mod policies;
mod replay;
mod tokens;
