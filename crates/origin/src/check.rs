//! Judging a package.
