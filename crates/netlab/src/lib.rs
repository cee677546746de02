//! A small wide-area network for tests: every host is a network namespace, and one thread carries the packets between them
//! as an internet would, with NATs, delay, loss and rates. What runs on the hosts are real programs and real sockets.
//!
//! Invariant: nothing reaches the machine's own network, and nothing outlives the process. [`enclose`] moves the process
//! into namespaces of its own first; they, and whatever runs in them, end with it, however it ends.
//!
//! ```no_run
//! use netlab::{Access, Behaviour, Lab, Plan, Rate};
//! use std::{net::Ipv4Addr, process::Command, time::Duration};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! netlab::enclose()?; // before there are threads
//! let dsl = Access { up: Some(Rate::mbit(10)), delay: Duration::from_millis(15), ..Access::default() };
//! let plan = Plan::new()
//!     .host("server", Ipv4Addr::new(198, 18, 0, 1), Access::default())
//!     .nat("home", Ipv4Addr::new(198, 18, 0, 2), Behaviour::PortRestricted, dsl)
//!     .behind("home", "laptop", Ipv4Addr::new(192, 168, 1, 2));
//! let lab = Lab::start(&plan)?;
//! let mut command = Command::new("ip");
//! command.arg("addr");
//! lab.host("laptop")?.spawn(command)?.wait()?;
//! println!("{:?}", lab.report().unroutable);
//! # Ok(())
//! # }
//! ```
//!
//! What it does not have: IPv6, fragments (dropped and counted), ICMP errors, ECN, reordering, queues other than drop-tail.

#![cfg(target_os = "linux")]

mod access;
mod enclose;
mod file;
mod lab;
mod namespace;
mod nat;
mod network;
mod packet;
mod plan;
mod report;
mod switch;

pub use enclose::enclose;
pub use lab::{Host, Lab, enter};
pub use plan::{Access, Behaviour, Plan, PlanError, Rate};
pub use report::{Report, Traffic};

use std::io;

/// Why there is no lab.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The kernel gives this process no namespaces of its own.
    #[error(
        "no namespaces of its own for this process ({0}): it takes root, or a kernel that lets users have user namespaces"
    )]
    Namespaces(io::Error),
    /// A host's device.
    #[error("no TUN device for {0} ({1}): is /dev/net/tun there, and may it be opened?")]
    Tun(String, io::Error),
    /// `ip`, of iproute2, which sets up the hosts' interfaces.
    #[error("ip cannot set up {0}: {1}")]
    Ip(String, String),
    /// What is to be built is not sound.
    #[error(transparent)]
    Plan(#[from] PlanError),
    /// There is no host of that name.
    #[error("there is no host {0}")]
    NoHost(String),
    /// Anything else that the system refuses.
    #[error("{0}: {1}")]
    System(&'static str, io::Error),
}
