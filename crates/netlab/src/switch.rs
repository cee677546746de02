//! The thread that carries packets from device to device, as the network decides. Invariant: it waits for nothing but a packet,
//! a deadline or its end.

use crate::Error;
use crate::namespace::MTU;
use crate::network::Network;
use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, ppoll};
use nix::sys::time::{TimeSpec, TimeValLike};
use std::io;
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Instant;
use tappers::linux::Tun;

/// Packets read from one device before anything else gets its turn.
const BATCH: usize = 64;

/// The thread; it ends with this.
pub(crate) struct Switch {
    /// Its other end hears when this one is dropped.
    end: Option<UnixStream>,
    thread: Option<JoinHandle<()>>,
}

impl Switch {
    /// Starts to carry packets between devices, in the order of their hosts.
    pub fn start(network: Arc<Mutex<Network>>, devices: Vec<Tun>) -> Result<Self, Error> {
        let fail = |error| Error::System("the switch", error);
        let (end, ended) = UnixStream::pair().map_err(fail)?;
        let thread = thread::Builder::new().name("netlab".into());
        let thread = thread.spawn(move || {
            if let Err(error) = run(&network, &devices, &ended) {
                eprintln!("netlab: the network stands still: {error}");
            }
        });
        Ok(Self { end: Some(end), thread: Some(thread.map_err(fail)?) })
    }
}

impl Drop for Switch {
    fn drop(&mut self) {
        self.end = None;
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// The network, whatever became of the thread that had it last.
pub(crate) fn lock(network: &Mutex<Network>) -> MutexGuard<'_, Network> {
    network.lock().unwrap_or_else(PoisonError::into_inner)
}

fn run(network: &Mutex<Network>, devices: &[Tun], ended: &UnixStream) -> io::Result<()> {
    let start = Instant::now();
    let sources = devices.iter().map(AsFd::as_fd).chain([ended.as_fd()]);
    let mut polled: Vec<PollFd<'_>> = sources.map(|fd| PollFd::new(fd, PollFlags::POLLIN)).collect();
    let mut buffer = vec![0; MTU];
    loop {
        let next = {
            let mut network = lock(network);
            let now = start.elapsed();
            while let Some(delivery) = network.take_due(now) {
                // A host that takes no more loses it, as a full interface does.
                let _ = devices[delivery.to].send(&delivery.packet);
            }
            network.next()
        };
        let wait = next.map(|at| at.saturating_sub(start.elapsed()));
        let wait = wait.map(|wait| TimeSpec::nanoseconds(i64::try_from(wait.as_nanos()).unwrap_or(i64::MAX)));
        match ppoll(&mut polled, wait, None) {
            Ok(_) | Err(Errno::EINTR) => {}
            Err(error) => return Err(error.into()),
        }
        let is_ready = |fd: &PollFd<'_>| fd.any().unwrap_or(false);
        if polled.last().is_some_and(is_ready) {
            return Ok(());
        }
        let mut network = lock(network);
        for (host, device) in devices.iter().enumerate().filter(|(host, _)| is_ready(&polled[*host])) {
            for _ in 0..BATCH {
                match device.recv(&mut buffer) {
                    Ok(length) => network.send(start.elapsed(), host, buffer[..length].to_vec()),
                    Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                    Err(error) => return Err(error),
                }
            }
        }
    }
}
