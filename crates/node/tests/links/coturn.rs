//! A real TURN server: coturn's `turnserver`, on loopback.

use node::links::{Config, TurnServer};
use std::net::{SocketAddr, UdpSocket};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

pub const USER: &str = "viewer";
pub const PASSWORD: &str = "a secret of this test";

pub struct Coturn {
    pub address: SocketAddr,
    arguments: Vec<String>,
    child: Child,
    _dir: tempfile::TempDir,
}

impl Coturn {
    /// Starts one that knows one user.
    pub fn start() -> Self {
        Self::start_with(&[])
    }

    /// Another test may have taken the port between here and there: it waits for it without end, and another is tried.
    pub fn start_with(more: &[&str]) -> Self {
        let mut tries = std::iter::repeat_with(|| Self::spawn(more)).take(3);
        tries.find(Self::answers).expect("turnserver does not answer at any of three ports")
    }

    fn spawn(more: &[&str]) -> Self {
        let dir = tempfile::tempdir().expect("a folder");
        let free = UdpSocket::bind("127.0.0.1:0").expect("a socket").local_addr().expect("bound");
        let at = |name: &str| dir.path().join(name).display().to_string();
        let (pid, db, port, user) =
            (at("pid"), at("db"), free.port().to_string(), format!("{USER}:{PASSWORD}"));
        let fixed = [
            "-n",
            "--no-cli",
            "--no-tls",
            "--no-dtls",
            "--allow-loopback-peers",
            "--lt-cred-mech",
            "--user",
            &user,
            "--realm",
            "test.example",
            "--listening-ip",
            "127.0.0.1",
            "--relay-ip",
            "127.0.0.1",
            "--listening-port",
            &port,
            "--pidfile",
            &pid,
            "--userdb",
            &db,
            "--log-file",
            "stdout",
        ];
        let arguments: Vec<String> = fixed.iter().chain(more).map(|word| (*word).to_owned()).collect();
        let child = spawn(&arguments);
        Self { address: free, arguments, child, _dir: dir }
    }

    /// Who may ask it for an address.
    pub fn server(&self) -> TurnServer {
        self.server_with(PASSWORD)
    }

    pub fn server_with(&self, password: &str) -> TurnServer {
        TurnServer { address: self.address, user: USER.into(), password: password.into() }
    }

    /// It forgets everything.
    pub fn restart(&mut self) {
        self.stop();
        self.child = spawn(&self.arguments);
        assert!(self.answers(), "turnserver does not answer at {}", self.address);
    }

    fn stop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }

    /// Waits for an answer.
    fn answers(&self) -> bool {
        let socket = UdpSocket::bind("127.0.0.1:0").expect("a socket");
        socket.set_read_timeout(Some(Duration::from_millis(100))).expect("a timeout");
        let mut request = vec![0, 1, 0, 0, 0x21, 0x12, 0xA4, 0x42];
        request.extend([7; 12]);
        (0..100).any(|_| {
            let _ = socket.send_to(&request, self.address);
            socket.recv_from(&mut [0; 512]).is_ok()
        })
    }
}

impl Drop for Coturn {
    fn drop(&mut self) {
        self.stop();
    }
}

fn spawn(arguments: &[String]) -> Child {
    let spawned =
        Command::new("turnserver").args(arguments).stdout(Stdio::null()).stderr(Stdio::null()).spawn();
    spawned.expect("turnserver (coturn) is needed for this test: scripts/setup.sh test installs it")
}

/// Somebody on loopback who hides behind these servers.
pub fn hidden(turn: Vec<TurnServer>) -> Config {
    Config { turn, relay_only: true, ..crate::hub::local() }
}
