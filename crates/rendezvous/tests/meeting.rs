//! Who is named to whom: near ones first, some at random, and nobody's network too often.

mod support;

use std::{
    collections::{BTreeMap, BTreeSet},
    net::{IpAddr, Ipv4Addr},
};

use proptest::prelude::*;
use rendezvous::{Config, ConnId, Locality, Site, SiteMode};
use serde_json::{Value, json};
use support::*;

/// A public address with a /24 of its own.
fn far(n: u64) -> String {
    format!("100.{}.{}.9", 128 + n / 250, n % 250)
}

/// 200 strangers, connections 1000 and on, each with a network of his own.
fn crowd() -> Rig {
    let mut rig = Rig::new(0);
    (0..200).for_each(|n| drop(rig.arrive(1000 + n, &far(n), json!({}))));
    rig
}

fn count(named: &[u64], of: impl Fn(u64) -> bool) -> usize {
    named.iter().filter(|&&conn| of(conn)).count()
}

#[test]
fn those_behind_the_same_address_come_first_but_a_quarter_is_drawn_from_all() {
    let mut rig = crowd();
    (0..50).for_each(|n| drop(rig.arrive(n, "203.0.113.5", json!({}))));
    for _ in 0..20 {
        rig.pass(2);
        let named = rig.named(0, 20);
        assert_eq!(named.len(), 20);
        assert!(count(&named, |conn| conn < 50) >= 15);
    }
    // One candidate alone is drawn from all, and so are those of the quarter.
    let mut drawn = BTreeSet::new();
    for _ in 0..40 {
        rig.pass(2);
        drawn.extend(rig.named(0, 1));
    }
    assert!(count(&drawn.into_iter().collect::<Vec<_>>(), |conn| conn >= 1000) > 10);
}

#[test]
fn a_few_neighbours_are_found_in_a_crowd() {
    let mut rig = crowd();
    rig.arrive(0, "203.0.113.5", json!({}));
    rig.arrive(1, "203.0.113.5", json!({}));
    rig.arrive(2, "203.0.113.77", json!({}));
    rig.arrive(3, "2001:db8:5::1", json!({}));
    rig.arrive(4, "2001:db8:5::2", json!({}));
    rig.arrive(5, "2001:db8:5:9::1", json!({}));
    for (n, asn) in [(6, 64500), (7, 64500), (8, 64501)] {
        let address = Ipv4Addr::new(198, 51, n as u8, 1).into();
        rig.table.connect(ConnId(n), Locality { address, asn: Some(asn) }).unwrap();
        rig.join(n, FILM, &name(n));
    }
    assert_eq!(rig.named(0, 8)[..2], [1, 2], "the same address, then the same /24");
    assert_eq!(rig.named(3, 8)[..2], [4, 5], "the same /64, then the same /48");
    assert_eq!(rig.named(6, 8)[0], 7, "the same autonomous system");
    assert!(!rig.named(8, 8)[..1].contains(&7));
}

#[test]
fn one_network_has_no_more_than_a_quarter_of_anybodys_candidates() {
    let mut rig = Rig::new(0);
    // A thousand of an attacker's, in four networks, who claim whatever they like, among fifty others.
    for n in 0..1000 {
        let claims = json!({"role": "edge", "upload_kbps": 1_000_000, "position_ms": 0});
        rig.arrive(n, &format!("203.0.{}.{}", n % 4, n / 4), claims);
    }
    (0..50).for_each(|n| drop(rig.arrive(2000 + n, &far(n), json!({"position_ms": 0}))));
    for conn in 2000..2050 {
        for want in [1, 5, 8, 20] {
            rig.pass(2);
            let named = rig.named(conn, want);
            for network in 0..4 {
                let most = (want as usize / 4).max(1);
                assert!(count(&named, |conn| conn < 2000 && conn % 4 == network) <= most, "{named:?}");
            }
        }
    }
    // In his own network as well, though not behind his own address.
    rig.arrive(3000, "203.0.1.255", json!({}));
    let named = rig.named(3000, 20);
    assert!(count(&named, |conn| conn < 2000 && conn % 4 == 1) <= 5, "{named:?}");
}

#[test]
fn a_small_audience_of_one_network_meets_whole() {
    let mut rig = Rig::new(0);
    (0..9).for_each(|n| drop(rig.arrive(n, &format!("203.0.113.{n}"), json!({}))));
    assert_eq!(rig.named(0, 20).len(), 8);
    assert_eq!(rig.named(3, 5).len(), 5);
}

#[test]
fn edges_and_seeds_are_found_among_thousands_and_have_no_more_than_half() {
    let mut rig = Rig::new(0);
    (0..3000).for_each(|n| drop(rig.arrive(1000 + n, &far(n), json!({}))));
    rig.arrive(1, "203.0.1.1", json!({"role": "edge", "left": 5}));
    rig.arrive(2, "203.0.2.1", json!({"role": "seed"}));
    rig.arrive(3, "203.0.3.1", json!({"left": 0}));
    let named = rig.named(1000, 8);
    assert_eq!(named[..3].iter().copied().collect::<BTreeSet<_>>(), BTreeSet::from([1, 2, 3]));
    (10..60).for_each(|n| drop(rig.arrive(n, &format!("198.18.{n}.1"), json!({"left": 0}))));
    let mut least = 8;
    for _ in 0..10 {
        rig.pass(2);
        least = least.min(count(&rig.named(1000, 8), |conn| conn < 1000));
    }
    assert_eq!(least, 4, "more of them only by chance");
}

#[test]
fn who_has_everything_is_never_named_to_another_one() {
    let mut rig = Rig::new(0);
    (0..30).for_each(|n| drop(rig.arrive(n, &far(n), json!({"left": 0, "role": "seed"}))));
    rig.arrive(30, &far(30), json!({"role": "edge", "left": 7}));
    rig.arrive(31, &far(31), json!({}));
    for _ in 0..10 {
        rig.pass(2);
        assert_eq!(rig.named(0, 20).into_iter().collect::<BTreeSet<_>>(), BTreeSet::from([30, 31]));
    }
    let out = rig.say(0, announce_with(FILM, &name(0), json!({"offers": offers(100..110)})));
    assert_eq!(out[1..].iter().map(|one| one.0).collect::<BTreeSet<_>>(), BTreeSet::from([30, 31]));
    rig.say(31, announce_with(FILM, &name(31), json!({"event": "completed"})));
    assert_eq!(rig.named(0, 20), [30]);
    rig.say(0, announce_with(FILM, &name(0), json!({"left": 1})));
    assert_eq!(rig.named(0, 20).len(), 20, "and one that lost something is as others are");
}

#[test]
fn who_is_near_in_the_film_is_preferred_however_long_ago_he_said_where_he_is() {
    let mut rig = Rig::new(0);
    (0..60).for_each(|n| drop(rig.arrive(1000 + n, &far(n), json!({"position_ms": 3_000_000}))));
    (0..3).for_each(|n| drop(rig.arrive(n, &far(100 + n), json!({"position_ms": 10_000}))));
    rig.pass(100);
    rig.arrive(9, &far(200), json!({"position_ms": 112_000}));
    assert_eq!(rig.named(9, 8)[..3].iter().copied().collect::<BTreeSet<_>>(), BTreeSet::from([0, 1, 2]));
}

#[test]
fn of_equals_the_one_with_more_to_give_is_preferred_but_not_for_a_little() {
    let mut rig = Rig::new(0);
    (0..30).for_each(|n| drop(rig.arrive(1000 + n, &far(n), json!({"upload_kbps": 900}))));
    rig.arrive(0, &far(100), json!({"upload_kbps": 20_000}));
    rig.arrive(1, &far(101), json!({"upload_kbps": 1000}));
    rig.arrive(9, &far(200), json!({}));
    let mut second = 0;
    for _ in 0..20 {
        rig.pass(2);
        let named = rig.named(9, 4);
        assert_eq!(named[0], 0);
        second += usize::from(named[1] == 1);
    }
    assert!(second < 10, "a tenth more is no reason to be asked by all");
}

#[test]
fn what_is_said_of_oneself_must_make_sense() {
    let mut rig = Rig::new(1);
    for (field, value) in [
        ("role", json!("boss")),
        ("role", json!(1)),
        ("upload_kbps", json!(-1)),
        ("upload_kbps", json!("fast")),
        ("position_ms", json!(1.5)),
    ] {
        let out = rig.say(0, announce_with(FILM, &name(0), json!({field: value})));
        assert!(failure(&out, 0, FILM).contains(&format!("{field} must be")));
    }
    let all = json!({"role": null, "upload_kbps": 1e300, "position_ms": 1e300});
    assert_eq!(rig.say(0, announce_with(FILM, &name(0), all))[0].1["incomplete"], 1);
}

#[test]
fn behind_a_proxy_that_tells_nothing_all_are_strangers_to_each_other() {
    for address in ["127.0.0.1", "172.17.0.1"] {
        let mut rig = Rig::new(0);
        (0..400).for_each(|n| drop(rig.arrive(n, address, json!({}))));
        assert_eq!(rig.named(0, 20).len(), 20);
    }
}

fn place() -> impl Strategy<Value = (IpAddr, Option<u32>)> {
    let address = prop_oneof![
        (0..3u8, 0..3u8).prop_map(|(net, host)| Ipv4Addr::new(203, 0, net, host).into()),
        (0..3u16, 0..3u16).prop_map(|(net, host)| IpAddr::from([0x2001, 0xdb8, net, 0, 0, 0, 0, host])),
        Just(Ipv4Addr::LOCALHOST.into()),
        (0..6u8).prop_map(|host| Ipv4Addr::new(192, 0, 2, host).into()),
    ];
    (address, prop::option::of(64500..64502u32))
}

fn claims() -> impl Strategy<Value = Value> {
    let role = prop::option::of(prop::sample::select(vec!["viewer", "seed", "edge"]));
    (role, prop::option::of(0..2u8), prop::option::of(0..100_000u32), prop::option::of(0..600_000u32)).prop_map(
        |(role, left, kbps, position)| json!({"role": role, "left": left, "upload_kbps": kbps, "position_ms": position}),
    )
}

/// Which mode the site of an address has: 192.0.2.1 and on have one each, and .5 is a VPN.
fn mode(address: IpAddr) -> Option<Option<SiteMode>> {
    let modes = [SiteMode::On, SiteMode::Wan, SiteMode::LeechOnly, SiteMode::Off];
    match address {
        IpAddr::V4(ip) if ip.octets()[..3] == [192, 0, 2] => match ip.octets()[3] {
            0 => Some(Some(SiteMode::On)),
            5 => Some(None),
            n => Some(Some(modes[usize::from(n) - 1])),
        },
        _ => None,
    }
}

fn may_meet(asker: IpAddr, other: IpAddr) -> bool {
    use SiteMode::{LeechOnly, On, Wan};
    let home = asker == other && matches!(mode(asker), Some(Some(On | Wan)));
    let goes_out = matches!(mode(asker), None | Some(Some(Wan | LeechOnly)));
    home || goes_out && matches!(mode(other), None | Some(Some(Wan)))
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn whatever_members_do_only_those_are_named_who_may_be_and_as_many_as_there_are(
        steps in prop::collection::vec((0..40u64, place(), claims(), 0..10u8, 0..8u64), 1..150), seed: u64,
    ) {
        let sites = (0..5u8).map(|host| Site {
            name: String::new(),
            networks: vec![IpAddr::from(Ipv4Addr::new(192, 0, 2, host)).into()],
            mode: mode(Ipv4Addr::new(192, 0, 2, host).into()).unwrap().unwrap(),
        });
        let vpn = vec!["192.0.2.5/32".parse().unwrap()];
        let mut rig = Rig::with(Config { sites: sites.collect(), vpn, ..Config::default() }, 0);
        rig.table = rendezvous::Table::new(rig.table.config().clone(), seed);
        let mut members: BTreeMap<u64, (IpAddr, bool)> = BTreeMap::new();
        for (conn, (address, asn), claims, what, want) in steps {
            rig.pass(1);
            if what == 0 {
                rig.table.disconnect(ConnId(conn));
                members.remove(&conn);
                continue;
            }
            rig.table.connect(ConnId(conn), Locality { address, asn }).unwrap();
            let mut message = claims.clone();
            message["want"] = want.into();
            let out = rig.say(conn, announce_with(FILM, &name(conn), message));
            let member = members.entry(conn).or_insert((address, false));
            member.1 = claims["left"].as_u64().map_or(member.1, |left| left == 0);
            let (me, complete) = *member;
            let able = |other: &u64| {
                let (address, other_complete) = members[other];
                *other != conn && may_meet(me, address) && !(complete && other_complete)
            };
            let named: Vec<u64> = out[0].1["candidates"].as_array().into_iter().flatten()
                .map(|one| one.as_str().unwrap()[8..].parse().unwrap()).collect();
            prop_assert_eq!(named.iter().collect::<BTreeSet<_>>().len(), named.len(), "nobody twice");
            prop_assert!(named.iter().all(able), "{} at {} was named {:?}", conn, me, named);
            // With strangers at one's own address only, nothing but their number is a limit.
            let unlimited = members.keys().filter(|other| able(other)).filter(|other| members[other].0 == me || members[other].0.is_loopback());
            prop_assert!(named.len() >= unlimited.count().min(want as usize), "{:?}", named);
        }
        for conn in 0..40 {
            rig.table.disconnect(ConnId(conn));
        }
        prop_assert_eq!(rig.table.stats().members, 0);
    }
}
