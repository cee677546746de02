//! The program: what runs on a host, and that nothing is left of it.

use std::io::Read;
use std::path::PathBuf;
use std::process::{Command, Stdio};

const PLAN: &str = r#"
[nat.home]
address = "198.18.0.2"
behaviour = "symmetric"
[host.laptop]
address = "192.168.1.2"
nat = "home"
[host.server]
address = "198.18.0.1"
"#;

fn netlab(plan: &std::path::Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_netlab"));
    command.arg("run").arg(plan);
    command
}

fn plan(name: &str) -> PathBuf {
    let path = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(name);
    std::fs::write(&path, PLAN).expect("written");
    path
}

#[test]
fn a_program_runs_on_a_host_and_its_code_is_passed_on() {
    let plan = plan("code.toml");
    let script = "ip -4 -o address show wan0 && exit 7";
    let output = netlab(&plan).args(["--on", "laptop", "--", "sh", "-c", script]).output().expect("started");
    assert_eq!(output.status.code(), Some(7), "{output:?}");
    assert!(String::from_utf8_lossy(&output.stdout).contains("192.168.1.2/24"), "{output:?}");
}

#[test]
fn a_script_reaches_every_host_and_no_network_but_theirs() {
    let plan = plan("script.toml");
    let report = plan.with_extension("json");
    let script =
        "$0 on server ip -4 -o address show wan0; $0 on nobody true || ip -o link; cat /proc/net/dev | wc -l";
    let mut command = netlab(&plan);
    command.arg("--report").arg(&report).args(["--", "sh", "-c", script, env!("CARGO_BIN_EXE_netlab")]);
    let output = command.output().expect("started");
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success() && said.contains("198.18.0.1/32"), "{output:?}");
    // Two lines of headings, and the loopback.
    assert!(said.contains(" lo:") && !said.contains("wan0@") && said.ends_with("3\n"), "{output:?}");
    let counted = std::fs::read_to_string(report).expect("a report");
    assert!(counted.contains("\"home\": 0"), "{counted}");
}

#[test]
fn what_is_killed_leaves_nothing_behind() {
    let plan = plan("kill.toml");
    let script = "$0 on laptop sleep 1000 & $0 on server sleep 1000 & echo up; wait";
    let mut command = netlab(&plan);
    command.args(["--", "sh", "-c", script, env!("CARGO_BIN_EXE_netlab")]).stdout(Stdio::piped());
    let mut child = command.spawn().expect("started");
    let mut stdout = child.stdout.take().expect("piped");
    let mut said = [0; 3];
    stdout.read_exact(&mut said).expect("it came up");
    // SIGKILL.
    child.kill().expect("killed");
    child.wait().expect("gone");
    // Every process holds the pipe: it ends with the last of them.
    assert_eq!(stdout.read_to_end(&mut Vec::new()).expect("read"), 0);
}
