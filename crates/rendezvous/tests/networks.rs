//! One network has one allowance, however many connections it comes with; sites and what is inside have none.

use std::{net::IpAddr, time::Duration};

use rendezvous::{Config, ConnId, Locality, Rate, Site, SiteMode, Table, Verdict};

/// How many of `messages` from connections at these addresses, in turn, are carried out.
fn carried_out(addresses: &[&str], messages: usize) -> usize {
    let networks = vec!["198.51.100.0/24".parse().unwrap()];
    let site = Site { name: "berlin".to_owned(), networks, mode: SiteMode::On };
    let network_messages = Rate { burst: 10, every: Duration::from_secs(60) };
    let mut table = Table::new(Config { network_messages, sites: vec![site], ..Config::default() }, 1);
    for (conn, address) in (0..).zip(addresses) {
        table.connect(ConnId(conn), Locality::from(address.parse::<IpAddr>().unwrap())).unwrap();
    }
    let mut out = Vec::new();
    for n in 0..messages {
        let conn = (n % addresses.len()) as u64;
        let text = format!(
            r#"{{"action":"announce","info_hash":"film----------------","peer_id":"-BC0001-{conn:012}"}}"#
        );
        assert_eq!(table.handle(Duration::ZERO, ConnId(conn), text.as_bytes(), &mut out), Verdict::Stay);
    }
    let refused = out.iter().filter(|told| told.text.contains("from your network"));
    assert!(refused.clone().all(|told| told.text.contains(r#""retry in":30"#)));
    messages - refused.count()
}

#[test]
fn connections_of_one_network_share_an_allowance() {
    assert_eq!(carried_out(&["203.0.113.1", "203.0.113.2", "203.0.113.250"], 60), 10);
    assert_eq!(carried_out(&["203.0.113.1", "192.0.2.1", "2001:db8::1", "2001:db8:0:9::1"], 60), 30);
}

#[test]
fn sites_and_what_is_inside_have_none() {
    assert_eq!(carried_out(&["198.51.100.1", "10.0.0.1", "127.0.0.1"], 60), 60);
}
