//! coturn on the open net (see `crates/node/tests/links/coturn.rs` for loopback).

use crate::plan::SERVER;
use netlab::Lab;
use node::links::TurnServer;
use std::process::{Child, Command, Stdio};

pub struct Relay {
    child: Child,
    pub server: TurnServer,
}

impl Relay {
    pub fn start(lab: &Lab) -> Self {
        let address = SERVER.to_string();
        let mut command = Command::new("turnserver");
        command.args(["-n", "--no-cli", "--no-tls", "--no-dtls", "--lt-cred-mech", "--realm", "lab"]);
        command.args(["--user", "viewer:secret", "--listening-port", "3479", "--log-file", "stdout"]);
        command.args(["--listening-ip", &address, "--relay-ip", &address]);
        command.args(["--pidfile", "/dev/null"]).stdout(Stdio::null()).stderr(Stdio::null());
        let child = lab.host("server").expect("in the plan").spawn(command).expect("turnserver, of coturn");
        let server =
            TurnServer { address: (SERVER, 3479).into(), user: "viewer".into(), password: "secret".into() };
        Self { child, server }
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
