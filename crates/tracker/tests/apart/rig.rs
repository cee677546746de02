//! The machines, and what runs on them.

use std::{
    net::{IpAddr, Ipv4Addr, SocketAddr},
    process::{Child, Command, ExitCode, Stdio},
    time::Duration,
};

use netlab::{Access, Host, Lab, Plan};
use serde_json::Value;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    time::{Instant, sleep, timeout},
};
use tracker::{Config, Tracker, bus::join_nats, cluster, node_id, server::Server};

use crate::PATIENCE;

pub const NODES: usize = 3;
const NATS: &str = "nats-server";
/// Says to a process that it is a tracker, and which.
const NODE: &str = "APART_NODE";
const PORT: u16 = 7070;

fn nats_address(server: usize) -> Ipv4Addr {
    Ipv4Addr::new(198, 18, 1, server as u8 + 1)
}

fn node_address(node: usize) -> Ipv4Addr {
    Ipv4Addr::new(198, 18, 2, node as u8 + 1)
}

pub fn plan() -> Plan {
    let near = Access { delay: Duration::from_micros(250), ..Access::default() };
    let mut plan = Plan::new().host("viewers", Ipv4Addr::new(198, 18, 0, 1), near.clone());
    for number in 0..3 {
        plan = plan.host(&format!("nats{number}"), nats_address(number), near.clone());
        plan = plan.host(&format!("node{number}"), node_address(number), near.clone());
    }
    plan
}

/// Whether there is no NATS here, which CI does not accept.
pub fn is_missing() -> bool {
    let there = Command::new(NATS).arg("--version").stdout(Stdio::null()).status().is_ok();
    assert!(there || std::env::var_os("CI").is_none(), "no nats-server: apt install nats-server");
    if !there {
        eprintln!("left out: no nats-server (apt install nats-server)");
    }
    !there
}

/// A tracker, if this process was started as one.
pub fn run_as_node() -> Option<ExitCode> {
    let node: usize = std::env::var(NODE).ok()?.parse().ok()?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    runtime.block_on(async {
        let servers: Vec<_> = (0..3).map(|one| format!("nats://{}", nats_address(one))).collect();
        let link = join_nats(&servers, node_id()).await.expect("good addresses");
        let tracker = Tracker::join(Config::default(), cluster::Config::default(), link);
        let app = Server::new(tracker).router().into_make_service_with_connect_info::<SocketAddr>();
        let listener = TcpListener::bind((node_address(node), PORT)).await.expect("a port");
        let listener = axum::serve::ListenerExt::tap_io(listener, |socket| drop(socket.set_nodelay(true)));
        axum::serve(listener, app).await.expect("it serves");
    });
    Some(ExitCode::SUCCESS)
}

pub struct Rig {
    nats: Vec<(Host, Option<Child>)>,
    nodes: Vec<(Host, Option<Child>)>,
}

impl Drop for Rig {
    fn drop(&mut self) {
        (0..3).for_each(|server| self.kill_nats(server));
        (0..NODES).for_each(|node| self.kill_node(node));
    }
}

impl Rig {
    pub fn new(lab: &Lab) -> Self {
        let host = |name: String| (lab.host(&name).expect("it is in the plan").clone(), None);
        Self {
            nats: (0..3).map(|number| host(format!("nats{number}"))).collect(),
            nodes: (0..NODES).map(|number| host(format!("node{number}"))).collect(),
        }
    }

    pub fn address(&self, node: usize) -> SocketAddr {
        (IpAddr::from(node_address(node)), PORT).into()
    }

    pub fn start_nats(&mut self, server: usize) {
        let routes: Vec<_> = (0..3).map(|one| format!("nats://{}:6222", nats_address(one))).collect();
        let mut command = Command::new(NATS);
        command.args(["-a", &nats_address(server).to_string(), "--cluster_name", "trackers"]);
        command.args(["--cluster", &format!("nats://{}:6222", nats_address(server))]);
        command.args(["--routes", &routes.join(",")]).stdout(Stdio::null()).stderr(Stdio::null());
        let (host, child) = &mut self.nats[server];
        *child = Some(host.spawn(command).expect("nats-server starts"));
    }

    pub async fn start_node(&mut self, node: usize) {
        let mut command = Command::new(std::env::current_exe().expect("this program"));
        command.env(NODE, node.to_string());
        let (host, child) = &mut self.nodes[node];
        *child = Some(host.spawn(command).expect("a tracker starts"));
        self.until(node, |_| true).await;
    }

    pub fn kill_nats(&mut self, server: usize) {
        kill(&mut self.nats[server].1);
    }

    pub fn kill_node(&mut self, node: usize) {
        kill(&mut self.nodes[node].1);
    }

    /// Parts a node and the NATS server of the same number from the others.
    pub fn part(&self, number: usize) {
        self.route(number, "add");
    }

    pub fn heal(&self, number: usize) {
        self.route(number, "del");
    }

    fn route(&self, number: usize, verb: &str) {
        for host in [&self.nats[number].0, &self.nodes[number].0] {
            for other in (0..3).filter(|&other| other != number) {
                for address in [nats_address(other), node_address(other)] {
                    let mut command = Command::new("ip");
                    command.args(["route", verb, "blackhole", &format!("{address}/32")]);
                    let done = host.spawn(command).and_then(|mut child| child.wait()).expect("ip runs");
                    assert!(done.success(), "ip route {verb} on {}", host.name());
                }
            }
        }
    }

    /// Waits until so many nodes, from the first on, know each other.
    pub async fn linked(&self, nodes: usize) {
        for node in 0..nodes {
            self.until(node, |stats| stats["nodes"] == nodes).await;
        }
    }

    pub async fn until(&self, node: usize, wanted: impl Fn(&Value) -> bool) {
        let begun = Instant::now();
        loop {
            let stats = self.get(node, "/stats.json").await;
            let stats = stats.and_then(|text| serde_json::from_str(&text).ok());
            if stats.as_ref().is_some_and(&wanted) {
                return;
            }
            assert!(begun.elapsed() < PATIENCE, "node {node}: {stats:?}");
            sleep(Duration::from_millis(50)).await;
        }
    }

    /// Envelopes that the first nodes have sent.
    pub async fn sent(&self, nodes: usize) -> f64 {
        let mut sum = 0.0;
        for node in 0..nodes {
            let text = self.get(node, "/metrics").await.expect("it is there");
            let line = text.lines().find(|line| line.starts_with("braidcast_tracker_cluster_sent_total "));
            sum += line.and_then(|line| line.split(' ').nth(1)?.parse::<f64>().ok()).expect("a figure");
        }
        sum
    }

    async fn get(&self, node: usize, path: &str) -> Option<String> {
        let asked = async {
            let mut socket = TcpStream::connect(self.address(node)).await.ok()?;
            let request = format!("GET {path} HTTP/1.1\r\nhost: node\r\nconnection: close\r\n\r\n");
            socket.write_all(request.as_bytes()).await.ok()?;
            let mut answer = String::new();
            socket.read_to_string(&mut answer).await.ok()?;
            Some(answer.split_once("\r\n\r\n")?.1.to_owned())
        };
        timeout(Duration::from_secs(2), asked).await.ok()?
    }
}

/// By SIGKILL.
fn kill(child: &mut Option<Child>) {
    if let Some(mut child) = child.take() {
        child.kill().and_then(|()| child.wait()).expect("it is ours");
    }
}
