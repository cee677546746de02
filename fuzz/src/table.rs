//! The tracker's table under any sequence of connections, messages and time, and the session descriptions that it reads.

use rendezvous::{
    Config, ConnId, Locality, Table, Verdict,
    sdp::{Description, Relation},
};
use std::collections::BTreeSet;
use std::time::Duration;

/// Lines of `connection operation text`: one byte each, then the message. The table stays within its limits, and speaks JSON
/// only to connections that are open.
pub fn rendezvous_table(bytes: &[u8]) {
    let config =
        Config { connections: 6, swarms_per_connection: 3, members_per_swarm: 4, ..Config::default() };
    let mut table = Table::new(config.clone(), 1);
    let mut open = BTreeSet::new();
    let mut now = Duration::ZERO;
    let mut next = 0;
    let mut out = Vec::new();
    for line in bytes.split(|&byte| byte == b'\n') {
        let [who, what, text @ ..] = line else { continue };
        let conn = ConnId(u64::from(who % 8));
        match what {
            b'+' if !open.contains(&conn) => {
                if table.connect(conn, Locality::default()).is_ok() {
                    open.insert(conn);
                }
            }
            b'-' => {
                table.disconnect(conn);
                open.remove(&conn);
            }
            b't' => {
                now += Duration::from_secs(u64::from(*text.first().unwrap_or(&0)));
                table.expire(now);
            }
            _ => {
                next += 1;
                now += Duration::from_millis(next);
                out.clear();
                let verdict = table.handle(now, conn, text, &mut out);
                for one in &out {
                    assert!(open.contains(&one.to), "a text for a connection that is not open");
                    let value: serde_json::Value = serde_json::from_str(&one.text).expect("it speaks JSON");
                    assert!(value.is_object());
                }
                if verdict == Verdict::Close {
                    table.disconnect(conn);
                    open.remove(&conn);
                }
            }
        }
        let stats = table.stats();
        assert_eq!(stats.connections, open.len());
        assert!(stats.members <= open.len() * config.swarms_per_connection);
        assert!(stats.swarms <= stats.members);
    }
    for conn in open {
        table.disconnect(conn);
    }
    let stats = table.stats();
    assert_eq!((stats.connections, stats.members, stats.swarms), (0, 0, 0), "nobody is left of nobody");
}

/// A description that is taken is written in one way, which is taken again and says the same. Two bytes tell where sender and
/// receiver are, the rest is its text.
pub fn rendezvous_sdp(bytes: &[u8]) {
    let [sender, receiver, text @ ..] = bytes else { return };
    let Ok(text) = std::str::from_utf8(text) else { return };
    let Ok(description) = Description::parse(&serde_json::Value::from(text).to_string()) else { return };
    let places = ["127.0.0.1", "192.168.1.2", "203.0.113.5", "198.51.100.7", "2001:db8::1", "fd00::1"];
    let [sender, receiver] = [sender, receiver]
        .map(|at| places[usize::from(*at) % places.len()].parse().expect("these are addresses"));
    let config = Config::default();
    let relation = Relation { sender, receiver, same_site: false, config: &config };
    let mut once = String::new();
    description.write_for(&mut once, &relation);
    let again = Description::parse(&once).expect("what was written can be read");
    let mut twice = String::new();
    again.write_for(&mut twice, &relation);
    assert_eq!(once, twice);
    assert!(once.matches("a=candidate:").count() <= 8);
}
