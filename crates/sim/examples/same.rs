//! Prints the digest of one small run, to be compared with what the same code says elsewhere.

fn main() {
    println!("{}", sim::run_digest(7));
}
