//! A lab that is up: its hosts, and what runs on them.

use crate::namespace::Namespace;
use crate::network::Network;
use crate::plan::Plan;
use crate::report::Report;
use crate::switch::{Switch, lock};
use crate::{Error, enclose};
use std::io;
use std::net::Ipv4Addr;
use std::os::fd::AsRawFd;
use std::process::{Child, Command};
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};

/// Names the hosts of a lab and their namespaces to the programs that it starts.
const HOSTS: &str = "NETLAB_HOSTS";

/// Hosts, and the network between them. It is gone when this is dropped and nothing runs on the hosts any more.
pub struct Lab {
    hosts: Vec<Host>,
    network: Arc<Mutex<Network>>,
    _switch: Switch,
}

/// A host of a lab.
#[derive(Clone, Debug)]
pub struct Host {
    name: String,
    address: Ipv4Addr,
    namespace: Namespace,
}

impl Lab {
    /// Builds it. [`enclose`](crate::enclose) must have been called.
    pub fn start(plan: &Plan) -> Result<Self, Error> {
        plan.check()?;
        if !enclose::is_enclosed() {
            return Err(Error::Namespaces(io::Error::other("enclose was not called")));
        }
        let (mut hosts, mut devices) = (Vec::new(), Vec::new());
        for host in &plan.hosts {
            let behind = plan.sites[host.site].nat.is_some();
            let (namespace, device) = Namespace::new(&host.name, host.address, behind)?;
            hosts.push(Host { name: host.name.clone(), address: host.address, namespace });
            devices.push(device);
        }
        let network = Arc::new(Mutex::new(Network::new(plan)));
        let switch = Switch::start(network.clone(), devices)?;
        Ok(Self { hosts, network, _switch: switch })
    }

    /// The host of this name.
    pub fn host(&self, name: &str) -> Result<&Host, Error> {
        self.hosts.iter().find(|host| host.name == name).ok_or_else(|| Error::NoHost(name.to_owned()))
    }

    /// All hosts, in the order of the plan.
    pub fn hosts(&self) -> &[Host] {
        &self.hosts
    }

    /// What was counted since the start.
    pub fn report(&self) -> Report {
        lock(&self.network).report()
    }

    /// Lets a program that is started from here use [`enter`], for as long as this lab is up.
    pub fn name_hosts_to(&self, command: &mut Command) -> Result<(), Error> {
        // As the mounted /proc has it, which is that of the machine.
        let own = std::fs::read_link("/proc/self").map_err(|error| Error::System("/proc/self", error))?;
        let entries = self.hosts.iter().map(|host| {
            let fd = host.namespace.file().as_raw_fd();
            format!("{}=/proc/{}/fd/{fd}", host.name, own.display())
        });
        command.env(HOSTS, entries.collect::<Vec<_>>().join(" "));
        Ok(())
    }
}

impl Host {
    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Its own address: a private one behind a NAT.
    pub fn address(&self) -> Ipv4Addr {
        self.address
    }

    /// Starts a program on this host.
    pub fn spawn(&self, mut command: Command) -> io::Result<Child> {
        self.run(move || command.spawn())?.join().unwrap_or_else(|_| Err(io::Error::other("a panic")))
    }

    /// Runs something on this host, in a thread of its own: sockets that it opens are this host's, and so are those of the
    /// threads that it starts. It must not be handed to threads that were there before.
    pub fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> io::Result<JoinHandle<T>> {
        // A thread begins in the namespace of the one that starts it.
        thread::scope(|scope| {
            let door = scope.spawn(|| {
                self.namespace.enter()?;
                thread::Builder::new().name(self.name.clone()).spawn(work)
            });
            door.join().unwrap_or_else(|_| Err(io::Error::other("a panic")))
        })
    }
}

/// Moves this process, which a lab has started, onto one of its hosts. It must have no other threads.
pub fn enter(host: &str) -> Result<(), Error> {
    let hosts = std::env::var(HOSTS).unwrap_or_default();
    let found = hosts.split(' ').find_map(|entry| entry.strip_prefix(host)?.strip_prefix('='));
    let path = found.ok_or_else(|| Error::NoHost(host.to_owned()))?;
    let file = std::fs::File::open(path).map_err(|error| Error::System("the host's namespace", error))?;
    nix::sched::setns(file, nix::sched::CloneFlags::CLONE_NEWNET)
        .map_err(|error| Error::System("entering the host", error.into()))
}
