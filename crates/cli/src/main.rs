//! The `braidcast` command: one binary, one verb per job.

fn main() {}
