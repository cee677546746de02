//! Stories of a small network, in virtual time.

use super::*;
use crate::packet::tests::udp;
use crate::plan::{Access, Behaviour, Rate};

const MS: Duration = Duration::from_millis(1);

/// Two on the open net, two behind one NAT, one behind another.
fn network(behaviour: Behaviour) -> Network {
    let line = |ms| Access { delay: ms * MS, ..Access::default() };
    let ip = |text: &str| text.parse().expect("an address");
    let plan = Plan::new()
        .host("server", ip("198.18.0.1"), line(0))
        .host("open", ip("198.18.0.2"), line(5))
        .nat("n", ip("198.18.1.1"), behaviour, line(10))
        .behind("n", "a", ip("192.168.1.2"))
        .behind("n", "b", ip("192.168.1.3"))
        .nat("m", ip("198.18.1.2"), behaviour, line(20))
        .behind("m", "c", ip("192.168.1.2"));
    plan.check().expect("sound");
    Network::new(&plan)
}

const SERVER: usize = 0;
const OPEN: usize = 1;
const A: usize = 2;
const B: usize = 3;
const C: usize = 4;

fn due(network: &mut Network, now: Duration) -> Vec<(usize, String)> {
    let mut all = Vec::new();
    while let Some(Delivery { to, packet }) = network.take_due(now) {
        all.push((to, packet::flow(&packet).expect("a flow").source.to_string()));
    }
    all
}

#[test]
fn a_packet_takes_the_delay_of_both_lines_and_comes_from_the_nat() {
    let mut network = network(Behaviour::PortRestricted);
    network.send(Duration::ZERO, A, udp("192.168.1.2:5", "198.18.0.2:6", 10));
    assert_eq!(network.next(), Some(10 * MS));
    assert_eq!(due(&mut network, 14 * MS), []);
    assert_eq!(due(&mut network, 15 * MS), [(OPEN, "198.18.1.1:5".to_owned())]);
    network.send(15 * MS, OPEN, udp("198.18.0.2:6", "198.18.1.1:5", 10));
    assert_eq!(due(&mut network, 30 * MS), [(A, "198.18.0.2:6".to_owned())]);
    network.send(30 * MS, SERVER, udp("198.18.0.1:6", "198.18.1.1:5", 10));
    assert_eq!(due(&mut network, 99 * MS), []);
    let report = network.report();
    assert_eq!(report.traffic("a", "open"), Traffic { packets: 1, bytes: 38 });
    assert_eq!(report.refused, [("m".to_owned(), 0), ("n".to_owned(), 1)].into());
    assert_eq!(report.latest_us, 0);
}

#[test]
fn a_lan_and_a_hairpin_take_no_time() {
    let mut network = network(Behaviour::FullCone);
    network.send(Duration::ZERO, A, udp("192.168.1.2:5", "192.168.1.3:6", 10));
    network.send(Duration::ZERO, A, udp("192.168.1.2:5", "224.0.0.251:5353", 10));
    let from_a = (B, "192.168.1.2:5".to_owned());
    assert_eq!(due(&mut network, Duration::ZERO), [from_a.clone(), from_a]);
    network.send(Duration::ZERO, A, udp("192.168.1.2:5", "198.18.0.1:1", 10));
    due(&mut network, 50 * MS);
    network.send(50 * MS, B, udp("192.168.1.3:6", "198.18.1.1:5", 10));
    assert_eq!(due(&mut network, 50 * MS), [(A, "198.18.1.1:6".to_owned())], "with its address outside");
}

#[test]
fn what_leads_nowhere_is_counted() {
    let mut network = network(Behaviour::FullCone);
    network.send(Duration::ZERO, C, udp("192.168.1.2:5", "192.168.1.3:6", 10));
    network.send(Duration::ZERO, OPEN, udp("198.18.0.2:5", "10.1.1.1:6", 10));
    network.send(Duration::ZERO, OPEN, udp("198.18.0.2:5", "8.8.8.8:6", 10));
    network.send(Duration::ZERO, OPEN, udp("198.18.0.2:5", "224.0.0.251:6", 10));
    network.send(Duration::ZERO, OPEN, udp("198.18.0.1:5", "198.18.1.1:6", 10));
    network.send(Duration::ZERO, OPEN, vec![0x60; 60]);
    assert_eq!(due(&mut network, 99 * MS), []);
    let report = network.report();
    let sent = |host: &str| report.unroutable[host].keys().map(ToString::to_string).collect::<Vec<_>>();
    assert_eq!(
        (sent("c"), sent("open")),
        (vec!["192.168.1.3".into()], vec!["8.8.8.8".into(), "10.1.1.1".into()])
    );
    assert_eq!((report.multicast, report.not_carried), (1, 2));
}

#[test]
fn what_is_under_way_has_a_bound() {
    let mut network = network(Behaviour::FullCone);
    for _ in 0..MAX_FLIGHTS + 10 {
        network.send(Duration::ZERO, OPEN, udp("198.18.0.2:5", "198.18.0.1:6", 0));
    }
    assert_eq!(network.report().overrun, 10);
    for n in 0..2 * MAX_UNROUTABLE as u32 {
        let to = Ipv4Addr::from(0x0a00_0000 + n).to_string() + ":1";
        network.send(Duration::ZERO, OPEN, udp("198.18.0.2:5", &to, 0));
    }
    assert!(network.report().unroutable["open"].len() <= MAX_UNROUTABLE + 1);
}

#[test]
fn those_behind_one_nat_share_its_line() {
    let ip = |text: &str| text.parse().expect("an address");
    let line = Access { up: Some(Rate::mbit(8)), ..Access::default() };
    let plan = Plan::new()
        .host("server", ip("198.18.0.1"), Access::default())
        .nat("n", ip("198.18.1.1"), Behaviour::FullCone, line)
        .behind("n", "a", ip("10.0.0.2"))
        .behind("n", "b", ip("10.0.0.3"));
    let mut network = Network::new(&plan);
    network.send(Duration::ZERO, 1, udp("10.0.0.2:5", "198.18.0.1:6", 972));
    network.send(Duration::ZERO, 2, udp("10.0.0.3:5", "198.18.0.1:6", 972));
    assert_eq!(due(&mut network, MS).len(), 1);
    assert_eq!(due(&mut network, 2 * MS).len(), 1);
}
