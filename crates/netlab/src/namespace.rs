//! The network namespace of a host. Invariant: it is made and entered by threads that do nothing else before, and it has one
//! way out: the TUN device.

use crate::Error;
use nix::sched::{CloneFlags, setns, unshare};
use std::fs::File;
use std::io::{self, Write};
use std::net::Ipv4Addr;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::thread;
use tappers::Interface;
use tappers::linux::Tun;

/// Largest packet, bytes.
pub(crate) const MTU: usize = 1500;
const DEVICE: &str = "wan0";

/// A handle on a namespace, which lives for as long as there is one, or something in it.
#[derive(Clone, Debug)]
pub(crate) struct Namespace(Arc<File>);

impl Namespace {
    /// A new one with this address; and the other end of its device.
    pub fn new(name: &str, address: Ipv4Addr, behind: bool) -> Result<(Self, Tun), Error> {
        thread::scope(|scope| {
            let made = scope.spawn(|| {
                unshare(CloneFlags::CLONE_NEWNET).map_err(|error| Error::Namespaces(error.into()))?;
                let tun = device().map_err(|error| Error::Tun(name.to_owned(), error))?;
                set_up(name, address, behind)?;
                let file = File::open("/proc/thread-self/ns/net");
                let file = file.map_err(|error| Error::System("/proc/thread-self/ns/net", error))?;
                Ok((Self(Arc::new(file)), tun))
            });
            made.join().unwrap_or_else(|_| Err(Error::Namespaces(io::Error::other("a panic"))))
        })
    }

    /// The calling thread is in it from here on.
    pub fn enter(&self) -> io::Result<()> {
        setns(&self.0, CloneFlags::CLONE_NEWNET).map_err(io::Error::from)
    }

    pub fn file(&self) -> &File {
        &self.0
    }
}

fn device() -> io::Result<Tun> {
    let tun = Tun::create_named(Interface::new(DEVICE)?)?;
    tun.set_nonblocking(true)?;
    Ok(tun)
}

fn set_up(name: &str, address: Ipv4Addr, behind: bool) -> Result<(), Error> {
    let fail = |error: String| Error::Ip(name.to_owned(), error);
    // Behind a NAT there is a LAN, and programs look at the netmask for that.
    let prefix = if behind { 24 } else { 32 };
    let commands = format!(
        "link set lo up\n\
         link set {DEVICE} addrgenmode none\n\
         link set {DEVICE} mtu {MTU} txqueuelen 2000 up\n\
         addr add {address}/{prefix} dev {DEVICE}\n\
         route add default dev {DEVICE} src {address}\n"
    );
    let mut ip = Command::new("ip");
    ip.args(["-batch", "-"]).stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::piped());
    let mut child = ip.spawn().map_err(|error| fail(error.to_string()))?;
    if let Some(mut stdin) = child.stdin.take() {
        stdin.write_all(commands.as_bytes()).map_err(|error| fail(error.to_string()))?;
    }
    let done = child.wait_with_output().map_err(|error| fail(error.to_string()))?;
    match done.status.success() {
        true => Ok(()),
        false => Err(fail(String::from_utf8_lossy(&done.stderr).trim().to_owned())),
    }
}
