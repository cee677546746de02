//! `netlab`: runs a program on the hosts of a small network that a file describes (`docs/guides/netlab.md`).

#[cfg(target_os = "linux")]
mod program;

#[cfg(target_os = "linux")]
fn main() -> std::process::ExitCode {
    program::main()
}

#[cfg(not(target_os = "linux"))]
fn main() {
    eprintln!("netlab: network namespaces are Linux's");
    std::process::exit(1);
}
