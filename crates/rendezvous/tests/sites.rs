//! Whom the operator lets meet, and who is told apart by where he is seen.

mod support;

use rendezvous::{Config, ConnId, IpNet, Locality, Site, SiteMode};
use serde_json::json;
use support::*;

fn site(name: &str, networks: &[&str], mode: SiteMode) -> Site {
    let networks = networks.iter().map(|network| network.parse::<IpNet>().unwrap()).collect();
    Site { name: name.to_owned(), networks, mode }
}

/// Connections 10 to 13 are outside, 20 to 23 at `first`, and so on: one site for each mode, and a VPN.
fn world() -> Rig {
    let sites = vec![
        site("first", &["203.0.113.16/28", "2001:db8:1::/48"], SiteMode::On),
        site("second", &["203.0.113.32/28"], SiteMode::On),
        site("open", &["203.0.113.48/28"], SiteMode::Wan),
        site("thin", &["203.0.113.64/28"], SiteMode::LeechOnly),
        site("closed", &["203.0.113.80/28"], SiteMode::Off),
    ];
    let vpn = vec!["203.0.113.96/28".parse().unwrap()];
    let mut rig = Rig::with(Config { sites, vpn, ..Config::default() }, 0);
    for group in 1..8u64 {
        for n in 0..4 {
            // Outside all have networks of their own.
            let address = if group == 1 {
                format!("198.51.{n}.7")
            } else {
                format!("203.0.113.{}", (group - 1) * 16 + n)
            };
            rig.arrive(group * 10 + n, &address, json!({}));
        }
    }
    rig
}

const OUTSIDE: u64 = 1;
const FIRST: u64 = 2;
const SECOND: u64 = 3;
const OPEN: u64 = 4;
const THIN: u64 = 5;
const CLOSED: u64 = 6;
const VPN: u64 = 7;

/// Who is named to the first one of a group, in ten announces.
fn met(rig: &mut Rig, group: u64) -> Vec<u64> {
    let mut groups: Vec<u64> = (0..10)
        .flat_map(|_| {
            rig.pass(2);
            rig.named(group * 10, 20)
        })
        .map(|conn| conn / 10)
        .collect();
    groups.sort_unstable();
    groups.dedup();
    groups
}

#[test]
fn everybody_is_given_whom_his_site_lets_him_meet() {
    let mut rig = world();
    assert_eq!(met(&mut rig, OUTSIDE), [OUTSIDE, OPEN]);
    assert_eq!(met(&mut rig, FIRST), [FIRST]);
    assert_eq!(met(&mut rig, SECOND), [SECOND]);
    assert_eq!(met(&mut rig, OPEN), [OUTSIDE, OPEN]);
    assert_eq!(met(&mut rig, THIN), [OUTSIDE, OPEN]);
    assert!(met(&mut rig, CLOSED).is_empty());
    assert!(met(&mut rig, VPN).is_empty());
    assert_eq!(rig.counts(FILM), (0, 28, 0), "all are counted");
}

#[test]
fn who_is_of_a_site_that_only_takes_is_told_to_upload_nothing_and_nobody_else_is() {
    let mut rig = world();
    for group in OUTSIDE..=VPN {
        for more in [json!({}), json!({"want": 3}), json!({"offers": offers(100..101)})] {
            rig.pass(2);
            let conn = group * 10;
            let out = rig.say(conn, announce_with(FILM, &name(conn), more));
            let told = (group == THIN).then_some(json!(false));
            assert_eq!((out[0].0, out[0].1.get("upload")), (conn, told.as_ref()), "{group}");
        }
    }
}

#[test]
fn offers_go_where_candidates_are_named() {
    let mut rig = world();
    for (from, to) in [
        (OUTSIDE, vec![OUTSIDE, OPEN]),
        (FIRST, vec![FIRST]),
        (OPEN, vec![OUTSIDE, OPEN]),
        (THIN, vec![OUTSIDE, OPEN]),
        (CLOSED, vec![]),
        (VPN, vec![]),
    ] {
        let conn = from * 10;
        let out = rig.say(conn, announce_with(FILM, &name(conn), json!({"offers": offers(100..120)})));
        assert!(out[1..].iter().all(|one| to.contains(&(one.0 / 10))), "{from}");
        assert_eq!(out.len() > 1, !to.is_empty());
        for other in OUTSIDE..=VPN {
            rig.pass(1);
            let receiver = other * 10 + 1;
            let out = rig.say(conn, directed(FILM, &name(conn), &name(receiver), &name(200 + other)));
            if to.contains(&other) {
                assert_eq!(out[0].0, receiver);
                let back = rig.say(receiver, answer(FILM, &name(receiver), &name(conn), &name(200 + other)));
                assert_eq!(back[0].0, conn, "and the answer comes back");
            } else {
                assert!(failure(&out, conn, FILM).contains("no such peer"), "{from} to {other}");
            }
        }
    }
}

#[test]
fn a_site_with_a_way_out_comes_first_but_is_not_all() {
    let mut rig = world();
    for n in 0..40 {
        rig.arrive(1000 + n, &format!("198.51.{}.7", 100 + n), json!({}));
        rig.arrive(400 + n, "203.0.113.50", json!({}));
    }
    let named = rig.named(40, 20);
    let of_site = named.iter().filter(|&&conn| conn / 10 == OPEN || (400..440).contains(&conn)).count();
    assert_eq!(named.len(), 20);
    assert!((15..20).contains(&of_site), "{of_site} of 20");
}

#[test]
fn people_of_a_site_get_each_others_private_addresses_and_others_do_not() {
    let mut rig = world();
    let own = "1 1 udp 90 203.0.113.48 5000 typ srflx raddr 0.0.0.0 rport 0";
    let home = "2 1 udp 80 10.1.2.3 5000 typ host";
    let mut said = |to: u64| {
        let mut message = directed(FILM, &name(40), &name(to), &name(50));
        message["offer"]["sdp"] = sdp_with(1, &[own, home]).into();
        rig.say(40, message).remove(0).1["offer"]["sdp"].as_str().unwrap().to_owned()
    };
    assert_eq!(said(41), sdp_with(1, &[own, home]), "seen at another address of the site");
    assert_eq!(said(10), sdp_with(1, &[own]));
}

#[test]
fn the_first_site_with_an_address_counts_and_a_vpn_before_all() {
    let sites = vec![
        site("floor", &["10.0.1.0/24"], SiteMode::Off),
        site("house", &["10.0.0.0/8", "::ffff:0:0/96"], SiteMode::On),
    ];
    let vpn = vec!["10.9.0.0/16".parse().unwrap()];
    let mut rig = Rig::with(Config { sites, vpn, ..Config::default() }, 0);
    for (conn, address) in ["10.0.1.5", "10.0.2.5", "::ffff:10.0.3.5", "10.9.0.1"].iter().enumerate() {
        rig.arrive(conn as u64, address, json!({}));
    }
    assert_eq!(rig.named(1, 9), [2], "an IPv4 address in IPv6 form is one of IPv4");
    assert!(rig.named(0, 9).is_empty() && rig.named(3, 9).is_empty());
}

#[test]
fn one_address_fills_no_swarm_but_a_site_may() {
    let sites = vec![site("office", &["203.0.113.0/24"], SiteMode::On)];
    let mut rig = Rig::with(Config { members_per_address: 3, sites, ..Config::default() }, 0);
    let mut refused =
        |conn: u64, address: &str| rig.arrive(conn, address, json!({})).get("retry in").cloned();
    for n in 0..3 {
        assert_eq!(refused(n, "198.51.100.7"), None);
        assert_eq!(refused(100 + n, &format!("2001:db8::{n}")), None);
    }
    assert_eq!(refused(4, "198.51.100.7"), Some(json!(120)));
    assert_eq!(refused(104, "2001:db8::f"), Some(json!(120)), "a /64 is one host's");
    assert_eq!(refused(5, "198.51.100.8"), None);
    assert_eq!(refused(105, "2001:db8:0:1::f"), None);
    for n in 0..9 {
        assert_eq!(refused(200 + n, "203.0.113.5"), None);
        assert_eq!(refused(300 + n, "127.0.0.1"), None);
        assert_eq!(refused(400 + n, "192.168.0.1"), None);
    }
    rig.table.disconnect(ConnId(0));
    let out = rig.say(4, announce(FILM, &name(4)));
    assert_eq!(out[0].1.get("failure reason"), None, "there is room again");
}

#[test]
fn a_full_swarm_says_when_to_come_back() {
    let mut rig = Rig::with(Config { members_per_swarm: 1, ..Config::default() }, 2);
    rig.join(0, FILM, &name(0));
    let out = rig.say(1, announce(FILM, &name(1)));
    assert_eq!(out[0].1["retry in"], 120);
    assert!(failure(&out, 1, FILM).contains("full: try again in 120 s"));
    rig.table.connect(ConnId(5), Locality::default()).unwrap();
}
