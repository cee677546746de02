//! What the network delays is what queueing and broadcasting say.

use std::time::Duration;

use sim::bounds::{erlang_b, postal_delay, push_to_peer_blocking};
use sim::net::origin::{self, Origin, Reply};
use sim::net::{Capacity, Config, Host, HostId, Nat, Net, Place, Transfer};
use sim::rng::Rng;
use sim::wheel::Wheel;
use swarm::Time;

/// 10 Mbit/s either way, 15 ms to the middle.
fn host() -> Host {
    Host {
        up: Capacity::mbps(10.0),
        down: Capacity::mbps(10.0),
        place: Place::at_height(15.0),
        nat: Nat::Open,
        loss: 0.0,
    }
}

/// 10 ms of such an uplink.
const BLOCK_BYTES: u32 = 12_500;
const UPLOAD: Duration = Duration::from_millis(10);
const LATENCY: Duration = Duration::from_millis(30);

enum Event {
    /// A holder's uplink is free.
    Free(HostId),
    Reached(Transfer),
}

/// How long a block takes from one host to all `peers` (itself included), when every holder whose uplink is free sends to whom
/// `choose` says: an index among those that are not yet served, of so many.
fn broadcast(peers: usize, mut choose: impl FnMut(usize) -> usize) -> Duration {
    let mut net = Net::new(Config::default(), 1);
    let source = net.join(host());
    let mut unserved: Vec<HostId> = (1..peers).map(|_| net.join(host())).collect();
    let mut wheel = Wheel::new();
    wheel.push(Time(0), Event::Free(source));
    let mut last = Time(0);
    while let Some((now, event)) = wheel.pop() {
        match event {
            Event::Free(from) if !unserved.is_empty() => {
                let to = unserved.swap_remove(choose(unserved.len()));
                let transfer = net.send(now, from, to, BLOCK_BYTES);
                wheel.push(transfer.left, Event::Free(from));
                wheel.push(transfer.reaches, Event::Reached(transfer));
            }
            Event::Free(_) => {}
            Event::Reached(transfer) => {
                let to = transfer.to;
                let came = net.receive(now, transfer).unwrap();
                last = last.max(came);
                wheel.push(came, Event::Free(to));
            }
        }
    }
    last.since(Time(0))
}

/// The same, when holders send to anybody, whether it has the block or not, until all have it.
fn gossip(peers: usize, seed: u64) -> Duration {
    let mut rng = Rng::stream(seed, 0, "gossip");
    let mut net = Net::new(Config::default(), seed);
    let hosts: Vec<HostId> = (0..peers).map(|_| net.join(host())).collect();
    let mut holds = vec![false; peers];
    let mut holders = 1;
    holds[0] = true;
    let mut wheel = Wheel::new();
    wheel.push(Time(0), Event::Free(hosts[0]));
    while let Some((now, event)) = wheel.pop() {
        match event {
            Event::Free(from) => {
                let transfer = net.send(now, from, hosts[rng.below(peers)], BLOCK_BYTES);
                wheel.push(transfer.left, Event::Free(from));
                wheel.push(transfer.reaches, Event::Reached(transfer));
            }
            Event::Reached(transfer) => {
                let to = transfer.to;
                let came = net.receive(now, transfer).unwrap();
                if !std::mem::replace(&mut holds[to.0 as usize], true) {
                    holders += 1;
                    wheel.push(came, Event::Free(to));
                    if holders == peers {
                        return came.since(Time(0));
                    }
                }
            }
        }
    }
    unreachable!("holders never stop")
}

#[test]
fn the_greedy_broadcast_attains_the_postal_bound() {
    for peers in [2, 3, 10, 100, 1000, 5000] {
        assert_eq!(broadcast(peers, |_| 0), postal_delay(peers as u64, UPLOAD, LATENCY), "{peers} peers");
    }
}

#[test]
fn no_broadcast_beats_the_postal_bound() {
    for (seed, peers) in [(1, 50), (2, 200), (3, 1000), (4, 1000)] {
        let bound = postal_delay(peers as u64, UPLOAD, LATENCY);
        let mut rng = Rng::stream(seed, 0, "broadcast");
        assert!(broadcast(peers, |unserved| rng.below(unserved)) >= bound);
        let blind = gossip(peers, seed);
        assert!(blind > bound && blind < 4 * bound, "{blind:?}, bound {bound:?}");
    }
}

#[test]
fn a_random_load_waits_at_an_uplink_as_pollaczek_and_khinchine_say() {
    for load in [0.3, 0.5, 0.8] {
        let mut rng = Rng::stream(9, (load * 10.0) as u64, "load");
        let mut net = Net::new(Config::default(), 9);
        let (from, to) = (net.join(host()), net.join(host()));
        let service = UPLOAD.as_secs_f64();
        let (mut at, mut waited) = (0.0, 0.0);
        let sends = 1_000_000;
        for _ in 0..sends {
            at += rng.exponential(service / load);
            let now = Time((at * 1e6) as u64);
            let transfer = net.send(now, from, to, BLOCK_BYTES);
            waited += transfer.left.since(now).as_secs_f64() - service;
            net.receive(transfer.reaches, transfer);
        }
        // M/D/1.
        let expected = load * service / (2.0 * (1.0 - load));
        let found = waited / f64::from(sends);
        assert!((found / expected - 1.0).abs() < 0.03, "at {load}: {found} s, not {expected} s");
    }
}

#[test]
fn films_placed_beforehand_are_refused_as_erlang_says() {
    // A hundred boxes that can send 0.6 of a stream each, and films spread over all of them.
    let (boxes, uplink, offered) = (100u64, 0.6, 50.0);
    let expected = push_to_peer_blocking(boxes, uplink, 1.0, offered, 0.0);
    assert_eq!(expected, erlang_b(offered, 60));
    let mut rng = Rng::stream(10, 0, "films");
    let mut ends: Wheel<()> = Wheel::new();
    // A mean film lasts 1000 s.
    let (mut now, mut starts, mut refused) = (0.0, 0u32, 0u32);
    while starts < 500_000 {
        now += rng.exponential(1000.0 / offered);
        while ends.peek_time().is_some_and(|end| end.0 as f64 <= now * 1e6) {
            ends.pop();
        }
        starts += 1;
        if (ends.len() + 1) as f64 <= boxes as f64 * uplink + 1e-9 {
            ends.push(Time(((now + rng.exponential(1000.0)) * 1e6) as u64), ());
        } else {
            refused += 1;
        }
    }
    let found = f64::from(refused) / f64::from(starts);
    assert!((found / expected - 1.0).abs() < 0.1, "{found}, not {expected}");
}

#[test]
fn an_origin_that_shares_slows_down_by_its_load_alone() {
    // Processor sharing: however sizes are distributed, a mean response takes 1 / (1 - load) times what it would alone.
    let rate_bps = 8_000_000u64;
    let mean_bytes = 100_000.0;
    for (load, fixed) in [(0.5, true), (0.5, false), (0.8, false)] {
        let mut origin = Origin::new(origin::Config {
            total_bps: Some(rate_bps),
            connection_bps: None,
            rtt: Duration::ZERO,
            ..origin::Config::default()
        });
        let alone = mean_bytes * 8.0 / rate_bps as f64;
        let mut rng = Rng::stream(11, (load * 10.0) as u64, "requests");
        let requests = 300_000;
        let (mut asked, mut sizes, mut took) = (Vec::with_capacity(requests), 0.0, 0.0);
        let mut next = Time(0);
        while asked.len() < requests || origin.load() > 0 {
            if asked.len() < requests && origin.next().is_none_or(|reply| next < reply) {
                let bytes = if fixed { mean_bytes } else { rng.exponential(mean_bytes).max(1.0) } as u32;
                sizes += f64::from(bytes);
                assert_eq!(
                    origin.request(next, vec![bytes]).map(|request| request.0),
                    Some(asked.len() as u64)
                );
                asked.push(next);
                next = Time(next.0 + (rng.exponential(alone / load) * 1e6) as u64);
            } else {
                let Some(Reply::Part { request, reaches, last: true, .. }) =
                    origin.poll(origin.next().unwrap())
                else {
                    panic!("each response is one part");
                };
                took += reaches.since(asked[request.0 as usize]).as_secs_f64();
            }
        }
        let found = took / (sizes * 8.0 / rate_bps as f64);
        let expected = 1.0 / (1.0 - load);
        assert!((found / expected - 1.0).abs() < 0.04, "at {load}: {found} times, not {expected}");
    }
}
