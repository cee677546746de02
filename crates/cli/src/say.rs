//! What the program says on stdout. Its invariant: nobody listening any more ends nothing, for `serve` serves on.

use std::fmt::Arguments;
use std::io::{self, Write};

/// Writes a line; use [`say!`](crate::say!).
pub fn line(text: Arguments<'_>) {
    // `println!` would panic where stdout is closed, as behind `| head -1`.
    writeln!(io::stdout().lock(), "{text}").ok();
}

/// `println!` that does not mind a closed stdout.
#[macro_export]
macro_rules! say {
    ($($text:tt)*) => { $crate::say::line(format_args!($($text)*)) };
}
