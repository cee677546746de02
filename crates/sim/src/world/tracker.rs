//! The product's tracker table, spoken to as its clients do, without the sockets.

use core::time::Duration;

use rendezvous::{ConnId, Locality, Outgoing, Table};
use swarm::{PeerId, Time};

/// What an announce is answered with.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Told {
    /// Other viewers of the swarm.
    pub audience: u32,
    /// Whether the viewer is to upload nothing.
    pub only_takes: bool,
    /// Some of them.
    pub candidates: Vec<PeerId>,
}

pub(super) struct Tracker {
    table: Table,
    out: Vec<Outgoing>,
}

/// How often viewers announce again.
pub(super) const INTERVAL: Duration = Duration::from_secs(120);

impl Tracker {
    /// One whose operator names these sites.
    pub fn new(seed: u64, sites: Vec<rendezvous::Site>) -> Self {
        let config = rendezvous::Config {
            interval: INTERVAL,
            connections: usize::MAX,
            members_per_swarm: usize::MAX,
            sites,
            ..rendezvous::Config::default()
        };
        Self { table: Table::new(config, seed), out: Vec::new() }
    }

    /// Viewer number `viewer`, seen there, announces itself, and asks for `want` others.
    pub fn announce(
        &mut self,
        now: Time,
        (viewer, seen): (u32, Locality),
        swarm: [u8; 20],
        me: PeerId,
        want: u32,
    ) -> Option<Told> {
        let connection = ConnId(u64::from(viewer));
        let _ = self.table.connect(connection, seen);
        let mut text = String::from(r#"{"action":"announce","left":1,"info_hash":"#);
        rendezvous::InfoHash(swarm).push_json(&mut text);
        text.push_str(r#","peer_id":"#);
        rendezvous::PeerId(me.0).push_json(&mut text);
        text.push_str(&format!(r#","want":{want}}}"#));
        self.out.clear();
        let _ = self.table.handle(Duration::from_micros(now.0), connection, text.as_bytes(), &mut self.out);
        self.out.iter().find(|reply| reply.to == connection).and_then(|reply| understand(&reply.text))
    }

    /// Its connection is gone.
    pub fn disconnect(&mut self, viewer: u32) {
        self.table.disconnect(ConnId(u64::from(viewer)));
    }
}

/// `None` for a refusal.
fn understand(text: &str) -> Option<Told> {
    let reply: serde_json::Value = serde_json::from_str(text).ok()?;
    let count = |name: &str| reply[name].as_u64();
    let candidates = reply["candidates"].as_array().into_iter().flatten();
    let id = |name: &serde_json::Value| Some(PeerId(rendezvous::PeerId::from_binary(name.as_str()?).ok()?.0));
    Some(Told {
        audience: (count("complete")? + count("incomplete")?).saturating_sub(1) as u32,
        only_takes: reply["upload"] == false,
        candidates: candidates.filter_map(id).collect(),
    })
}
