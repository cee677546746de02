//! NATS servers of this machine, which form one cluster.

use std::{net::TcpListener, process::Stdio, time::Duration};

use tokio::{
    net::TcpStream,
    process::{Child, Command},
    time::{sleep, timeout},
};

use super::support::PATIENCE;

const PROGRAM: &str = "nats-server";

/// Whether there is no NATS here, which CI does not accept.
pub fn is_missing() -> bool {
    let there = std::process::Command::new(PROGRAM).arg("--version").stdout(Stdio::null()).status().is_ok();
    assert!(there || std::env::var_os("CI").is_none(), "no nats-server: apt install nats-server");
    if !there {
        eprintln!("left out: no nats-server (apt install nats-server)");
    }
    !there
}

pub struct Nats {
    /// For clients, and for each other.
    ports: Vec<[u16; 2]>,
    running: Vec<Option<Child>>,
}

impl Nats {
    pub async fn cluster(count: usize) -> Self {
        let free: Vec<_> = (0..count * 2).map(|_| TcpListener::bind("127.0.0.1:0").unwrap()).collect();
        let ports: Vec<u16> = free.iter().map(|one| one.local_addr().unwrap().port()).collect();
        drop(free);
        let ports = ports.chunks(2).map(|pair| [pair[0], pair[1]]).collect();
        let mut nats = Self { ports, running: (0..count).map(|_| None).collect() };
        for server in 0..count {
            nats.start(server).await;
        }
        nats
    }

    pub fn urls(&self) -> Vec<String> {
        self.ports.iter().map(|[port, _]| format!("nats://127.0.0.1:{port}")).collect()
    }

    pub async fn start(&mut self, server: usize) {
        let [port, own] = self.ports[server];
        let routes: Vec<_> = self.ports.iter().map(|[_, port]| format!("nats://127.0.0.1:{port}")).collect();
        let mut command = Command::new(PROGRAM);
        command.args(["-a", "127.0.0.1", "-p", &port.to_string(), "--cluster_name", "trackers"]);
        command.args(["--cluster", &format!("nats://127.0.0.1:{own}"), "--routes", &routes.join(",")]);
        command.stdout(Stdio::null()).stderr(Stdio::null()).kill_on_drop(true);
        self.running[server] = Some(command.spawn().expect("nats-server starts"));
        let up = timeout(PATIENCE, async {
            while TcpStream::connect(("127.0.0.1", port)).await.is_err() {
                sleep(Duration::from_millis(10)).await;
            }
        });
        up.await.expect("nats-server listens");
    }

    /// As by kill -9.
    pub async fn kill(&mut self, server: usize) {
        if let Some(mut child) = self.running[server].take() {
            child.kill().await.expect("it is ours");
        }
    }
}
