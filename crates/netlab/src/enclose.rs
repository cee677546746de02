//! How a process gets namespaces of its own: it starts itself once more in them, and waits. Invariant: the second one is the
//! first process of a PID namespace and dies with the one that waits, and with it dies whatever it has started.

use crate::Error;
use nix::sched::{CloneFlags, unshare};
use nix::sys::prctl::set_pdeathsig;
use nix::sys::signal::{SigSet, Signal};
use nix::unistd::{getegid, geteuid};
use std::fs;
use std::io;
use std::os::unix::process::ExitStatusExt;
use std::process::{Child, Command, ExitStatus, exit, id};

/// Says to the second process that it is that.
const INSIDE: &str = "NETLAB_INSIDE";

/// Moves this process into network and PID namespaces of its own, and into a user namespace if it is not root's. Call it first
/// thing in `main`: before there are threads, as what came before is done twice. It returns in the second process; the first
/// one passes on how that ended.
pub fn enclose() -> Result<(), Error> {
    if is_enclosed() {
        return prepare().map_err(|error| Error::System("signals", error));
    }
    let networks = CloneFlags::CLONE_NEWNET | CloneFlags::CLONE_NEWPID;
    if unshare(networks).is_err() {
        let (user, group) = (geteuid(), getegid());
        unshare(networks | CloneFlags::CLONE_NEWUSER).map_err(|error| Error::Namespaces(error.into()))?;
        become_root(user.as_raw(), group.as_raw()).map_err(Error::Namespaces)?;
    }
    let status = run_inside().map_err(|error| Error::System("starting once more", error))?;
    exit(status.code().unwrap_or_else(|| 128 + status.signal().unwrap_or(0)))
}

/// Whether this is the second process. Nothing that it starts is the first of its PID namespace, too.
pub(crate) fn is_enclosed() -> bool {
    id() == 1 && std::env::var_os(INSIDE).is_some()
}

fn prepare() -> io::Result<()> {
    set_pdeathsig(Signal::SIGKILL)?;
    // Those that the first process waits for.
    watched().thread_unblock()?;
    Ok(())
}

/// Root in the user namespace, who is nobody else outside.
fn become_root(user: u32, group: u32) -> io::Result<()> {
    fs::write("/proc/self/setgroups", "deny")?;
    fs::write("/proc/self/uid_map", format!("0 {user} 1"))?;
    fs::write("/proc/self/gid_map", format!("0 {group} 1"))
}

fn watched() -> SigSet {
    [Signal::SIGCHLD, Signal::SIGINT, Signal::SIGTERM, Signal::SIGHUP].into_iter().collect()
}

fn run_inside() -> io::Result<ExitStatus> {
    // Before there is a child, so that nothing is missed.
    watched().thread_block()?;
    let mut arguments = std::env::args_os();
    let own = arguments.next();
    let mut inside = Command::new(std::env::current_exe()?);
    std::os::unix::process::CommandExt::arg0(&mut inside, own.unwrap_or_default());
    let child = inside.args(arguments).env(INSIDE, "1").spawn()?;
    wait(child)
}

fn wait(mut child: Child) -> io::Result<ExitStatus> {
    loop {
        if let Some(status) = child.try_wait()? {
            return Ok(status);
        }
        // The first of a PID namespace hears nothing but this one.
        if watched().wait()? != Signal::SIGCHLD {
            child.kill()?;
        }
    }
}
