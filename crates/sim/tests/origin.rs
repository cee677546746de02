//! The origin shares what it has, fails as it is told, and counts what it sends.

use std::time::Duration;

use sim::net::origin::{Config, Origin, Reply, Request};
use swarm::Time;

/// 8 Mbit/s for all, 4 for one: a megabyte a second.
fn origin(away: Vec<(Time, Time)>) -> Origin {
    Origin::new(Config {
        total_bps: Some(8_000_000),
        connection_bps: Some(4_000_000),
        rtt: Duration::from_millis(20),
        price_per_gb: 10.0,
        away,
    })
}

/// Everything that happens, with its time in milliseconds.
fn run(origin: &mut Origin) -> Vec<(u64, Reply)> {
    let mut told = Vec::new();
    while let Some(now) = origin.next() {
        while let Some(reply) = origin.poll(now) {
            told.push((now.0 / 1000, reply));
        }
    }
    told
}

fn parts(told: &[(u64, Reply)]) -> Vec<(u64, u64, usize)> {
    told.iter()
        .filter_map(|(at, reply)| match reply {
            Reply::Part { request, part, reaches, .. } => {
                assert_eq!(reaches.0 / 1000, at + 20);
                Some((*at, request.0, *part))
            }
            Reply::Cut(_) => None,
        })
        .collect()
}

#[test]
fn one_alone_gets_what_a_connection_can() {
    let mut origin = origin(Vec::new());
    origin.request(Time(0), vec![500_000, 250_000]).unwrap();
    assert_eq!(parts(&run(&mut origin)), [(1000, 0, 0), (1500, 0, 1)]);
    assert_eq!((origin.sent_bytes(), origin.load()), (750_000, 0));
    assert!((origin.cost() - 0.0075).abs() < 1e-12);
}

#[test]
fn many_share_and_those_who_stay_get_more_when_others_are_done() {
    let mut origin = origin(Vec::new());
    for bytes in [100_000, 200_000, 400_000, 400_000] {
        origin.request(Time(0), vec![bytes]).unwrap();
    }
    // 250 kB/s each; then three with 333; then two with 500.
    assert_eq!(parts(&run(&mut origin)), [(400, 0, 0), (700, 1, 0), (1100, 2, 0), (1100, 3, 0)]);
}

#[test]
fn a_request_given_up_leaves_its_share_to_the_others() {
    let mut origin = origin(Vec::new());
    let requests: Vec<Request> = (0..4).map(|_| origin.request(Time(0), vec![500_000]).unwrap()).collect();
    let now = Time::from_millis(1000);
    origin.cancel(now, requests[0]);
    origin.cancel(now, requests[1]);
    assert_eq!(parts(&run(&mut origin)), [(1500, 2, 0), (1500, 3, 0)]);
    assert_eq!(origin.sent_bytes(), 1_500_000);
}

#[test]
fn who_is_served_when_it_goes_away_is_cut_off() {
    let mut origin = origin(vec![(Time::from_millis(1000), Time::from_millis(3000))]);
    origin.request(Time(0), vec![200_000, 800_000]).unwrap();
    let told = run(&mut origin);
    assert_eq!(parts(&told), [(400, 0, 0)]);
    assert_eq!(told[1], (1000, Reply::Cut(Request(0))));
    assert!(origin.request(Time::from_millis(1000), vec![1]).is_none());
    assert!(origin.request(Time::from_millis(2999), vec![1]).is_none());
    assert!(origin.request(Time::from_millis(3000), vec![500_000]).is_some());
    assert_eq!(parts(&run(&mut origin)), [(4000, 1, 0)]);
    assert_eq!(origin.sent_bytes(), 1_000_000);
}

#[test]
fn without_limits_everything_takes_only_its_way() {
    let mut origin = Origin::new(Config { total_bps: None, connection_bps: None, ..Config::default() });
    for _ in 0..1000 {
        origin.request(Time(0), vec![1_000_000]).unwrap();
    }
    assert!(run(&mut origin).iter().all(|(at, _)| *at == 0));
}
