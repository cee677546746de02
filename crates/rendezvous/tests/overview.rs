//! What an operator sees of the swarms, and what happens when one is closed.

use std::time::Duration;

use rendezvous::{Config, ConnId, Counts, InfoHash, Locality, Outgoing, PeerId, Site, SiteMode, Table};

const AT: Duration = Duration::from_secs(10);

fn film(number: u64) -> String {
    format!("film------{number:010}")
}

fn peer(number: u64) -> String {
    format!("-BC0001-{number:012}")
}

fn bytes(name: &str) -> [u8; 20] {
    name.as_bytes().try_into().unwrap()
}

fn joined(table: &mut Table, conn: u64, from: &str, swarm: u64, more: &str) -> Vec<Outgoing> {
    let mut out = Vec::new();
    table.connect(ConnId(conn), Locality::from(from.parse::<std::net::IpAddr>().unwrap())).unwrap();
    let (film, peer) = (film(swarm), peer(conn));
    let text = format!(r#"{{"action":"announce","info_hash":"{film}","peer_id":"{peer}"{more}}}"#);
    let _ = table.handle(AT, ConnId(conn), text.as_bytes(), &mut out);
    assert!(!out[0].text.contains("failure"), "{}", out[0].text);
    out
}

fn table() -> Table {
    let networks = vec!["203.0.113.0/28".parse().unwrap()];
    let site = Site { name: "berlin".to_owned(), networks, mode: SiteMode::On };
    Table::new(Config { sites: vec![site], ..Config::default() }, 1)
}

#[test]
fn swarms_and_members_are_listed_page_by_page_each_once() {
    let mut table = table();
    for conn in 0..25 {
        joined(&mut table, conn, "198.51.100.1", conn % 5, "");
    }
    let (mut seen, mut after) = (Vec::new(), None);
    loop {
        let page = table.swarms_after(after, 2);
        let Some(&(last, _)) = page.last() else { break };
        seen.extend(page);
        after = Some(last);
    }
    assert_eq!(seen.len(), 5);
    assert!(seen.iter().all(|(_, counts)| *counts == Counts { complete: 0, incomplete: 5, downloaded: 0 }));
    assert!(seen.is_sorted_by(|one, other| one.0 < other.0));

    let swarm = InfoHash(bytes(&film(3)));
    let first = table.members_after(AT * 2, swarm, None, 3);
    let rest = table.members_after(AT * 2, swarm, Some(first[2].peer), 3);
    assert_eq!((first.len(), rest.len()), (3, 2));
    assert_eq!(first[0].peer, PeerId(bytes(&peer(3))));
    assert_eq!((first[0].role, first[0].age, &first[0].site), ("viewer", AT, &None));
    assert!(table.members_after(AT, InfoHash([0; 20]), None, 3).is_empty());
}

#[test]
fn a_swarm_is_counted_by_roles_and_sites() {
    let mut table = table();
    joined(&mut table, 1, "203.0.113.5", 1, r#","left":0,"role":"edge""#);
    joined(&mut table, 2, "203.0.113.6", 1, "");
    joined(&mut table, 3, "198.51.100.1", 1, r#","role":"seed""#);
    let all = table.overview(InfoHash(bytes(&film(1)))).unwrap();
    assert_eq!((all.viewers, all.seeds, all.edges, all.elsewhere), (1, 1, 1, 1));
    assert_eq!((all.counts.complete, all.counts.incomplete), (1, 2));
    let [berlin] = &all.sites[..] else { panic!("one site") };
    assert_eq!((berlin.name.as_str(), berlin.members, berlin.complete), ("berlin", 2, 1));
    assert_eq!(table.overview(InfoHash([0; 20])), None);
}

#[test]
fn a_swarm_that_is_closed_is_left_by_all_who_are_told_and_may_come_again() {
    let mut table = table();
    for conn in 1..=3 {
        joined(&mut table, conn, "198.51.100.1", 1, "");
    }
    joined(&mut table, 4, "198.51.100.1", 2, "");
    let swarm = InfoHash(bytes(&film(1)));
    assert_eq!(table.connection_of(swarm, PeerId(bytes(&peer(2)))), Some(ConnId(2)));
    let mut out = Vec::new();
    assert_eq!(table.close_swarm(swarm, &mut out), 3);
    assert_eq!(out.len(), 3);
    for told in &out {
        let text: serde_json::Value = serde_json::from_str(&told.text).unwrap();
        assert_eq!((&text["info_hash"], &text["retry in"]), (&film(1).into(), &120.into()));
        assert_eq!(text["failure reason"], "the swarm was closed: try again in 120 s");
    }
    assert_eq!((table.stats().members, table.stats().swarms), (1, 1));
    assert_eq!(table.connection_of(swarm, PeerId(bytes(&peer(2)))), None);
    joined(&mut table, 2, "198.51.100.1", 1, "");
    assert_eq!(table.counts(swarm).incomplete, 1);
    assert_eq!(table.close_swarm(InfoHash([0; 20]), &mut out), 0);
}
