//! What the network carries is what fluid capacity allows (Kumar, Liu and Ross 2007), and no byte is made or missed.

use std::time::Duration;

use sim::bounds::{ViewerClass, fluid_rmax, fluid_schedule, p_universal_exact, poisson_swarm_offload};
use sim::net::{Capacity, Config, Host, HostId, Nat, Net, Place, Transfer};
use sim::rng::Rng;
use sim::wheel::Wheel;
use swarm::Time;

fn host(up_mbps: f64) -> Host {
    Host {
        up: Capacity::mbps(up_mbps),
        down: Capacity::mbps(100.0),
        place: Place::at_height(10.0),
        nat: Nat::Open,
        loss: 0.0,
    }
}

const SERVER_MBPS: f64 = 20.0;
/// 10 kbit.
const CHUNK_BYTES: u32 = 1250;
const CHUNK_MBIT: f64 = 0.01;

struct Played {
    /// What the worst-off viewer received, Mbit/s.
    least_mbps: f64,
    /// Chunks that came later than `start_up` after they were made.
    late: usize,
}

/// Streams at `rate` by the schedule of two hops: chunks are dealt out to its parts in proportion.
fn stream(rate_mbps: f64, length: Duration, start_up: Duration) -> Played {
    enum Event {
        Made(u64),
        Reached(Transfer, u64, usize),
    }
    let uplinks: Vec<f64> = (0..50).map(|i| 1.0 + f64::from(i % 5)).collect();
    let schedule = fluid_schedule(SERVER_MBPS, &uplinks);
    let mut parts = schedule.relayed_mbps.clone();
    parts.push(schedule.direct_mbps);
    let whole: f64 = parts.iter().sum();
    let mut credit = vec![0.0; parts.len()];

    let mut net = Net::new(Config::default(), 1);
    let server = net.join(host(SERVER_MBPS));
    let viewers: Vec<HostId> = uplinks.iter().map(|&up| net.join(host(up))).collect();
    let mut wheel = Wheel::new();
    let made = |chunk: u64| Time((chunk as f64 * CHUNK_MBIT / rate_mbps * 1e6) as u64);
    let mut received = vec![0.0; viewers.len()];
    let mut late = 0;
    let end = Time(0) + length;
    wheel.push(Time(0), Event::Made(0));
    while let Some((now, event)) = wheel.pop() {
        if now > end {
            break;
        }
        match event {
            Event::Made(chunk) => {
                wheel.push(made(chunk + 1), Event::Made(chunk + 1));
                credit.iter_mut().zip(&parts).for_each(|(credit, part)| *credit += part / whole);
                let part = (0..parts.len()).max_by(|&a, &b| credit[a].total_cmp(&credit[b])).unwrap();
                credit[part] -= 1.0;
                let to = if part < viewers.len() { part..part + 1 } else { 0..viewers.len() };
                for viewer in to {
                    let transfer = net.send(now, server, viewers[viewer], CHUNK_BYTES);
                    wheel.push(transfer.reaches, Event::Reached(transfer, chunk, part));
                }
            }
            Event::Reached(transfer, chunk, part) => {
                let (from, to) = (transfer.from, transfer.to);
                let came = net.receive(now, transfer).unwrap();
                let viewer = viewers.iter().position(|&viewer| viewer == to).unwrap();
                // The first seconds fill the pipes.
                if came > Time::from_millis(5_000) {
                    received[viewer] += CHUNK_MBIT;
                }
                late += usize::from(came > made(chunk) + start_up);
                if from == server && part == viewer {
                    for &other in viewers.iter().filter(|&&other| other != to) {
                        let copy = net.send(came, to, other, CHUNK_BYTES);
                        wheel.push(copy.reaches, Event::Reached(copy, chunk, part));
                    }
                }
            }
        }
    }
    let measured = length.as_secs_f64() - 5.0;
    Played { least_mbps: received.iter().copied().fold(f64::INFINITY, f64::min) / measured, late }
}

#[test]
fn fifty_viewers_receive_the_highest_rate_there_is_and_stall_above_it() {
    let uplinks: Vec<f64> = (0..50).map(|i| 1.0 + f64::from(i % 5)).collect();
    let highest = fluid_rmax(SERVER_MBPS, &uplinks);
    let start_up = Duration::from_secs(2);
    let below = stream(0.99 * highest, Duration::from_secs(30), start_up);
    assert!(below.least_mbps >= 0.98 * highest, "{} of {highest}", below.least_mbps);
    assert_eq!(below.late, 0);
    let above = stream(1.05 * highest, Duration::from_secs(60), start_up);
    assert!(above.least_mbps < 1.02 * highest, "{} of {highest}", above.least_mbps);
    assert!(above.late > 1000, "{}", above.late);
}

/// Two classes of viewers come at random and stay for an exponential time of mean 1; `look` sees how many of each are there.
fn churn(means: [f64; 2], seed: u64, until: f64, mut look: impl FnMut(f64, [u64; 2], f64)) {
    enum Event {
        Comes(usize),
        Goes(usize),
    }
    // A mean stay is a thousand seconds, so that microseconds do not show.
    let micros = |stays: f64| (stays * 1e9) as u64;
    let mut rng = Rng::stream(seed, 0, "churn");
    let mut wheel = Wheel::new();
    let mut there = [0u64; 2];
    for class in 0..2 {
        // In equilibrium from the start.
        there[class] = rng.poisson(means[class]);
        for _ in 0..there[class] {
            wheel.push(Time(micros(rng.exponential(1.0))), Event::Goes(class));
        }
        if means[class] > 0.0 {
            wheel.push(Time(micros(rng.exponential(1.0 / means[class]))), Event::Comes(class));
        }
    }
    let mut before = 0.0;
    while let Some((at, event)) = wheel.pop() {
        let now = at.0 as f64 / 1e9;
        look(before, there, now.min(until));
        before = now;
        if now >= until {
            break;
        }
        match event {
            Event::Comes(class) => {
                there[class] += 1;
                wheel.push(Time(at.0 + micros(rng.exponential(1.0))), Event::Goes(class));
                wheel.push(Time(at.0 + micros(rng.exponential(1.0 / means[class]))), Event::Comes(class));
            }
            Event::Goes(class) => there[class] -= 1,
        }
    }
}

#[test]
fn everybody_is_served_as_often_as_the_poisson_sum_says() {
    let (server, rate, uplinks) = (0.0, 3.0, [1.0, 7.0]);
    for (seed, means) in [(1, [20.0, 10.0]), (2, [20.0, 12.0])] {
        // Looks five mean stays apart have next to nothing in common.
        let (apart, looks) = (5.0, 10_000u32);
        let (mut next, mut served) = (0.0, 0u32);
        churn(means, seed, apart * f64::from(looks), |from, there, to| {
            while from <= next && next < to {
                let [ordinary, strong] = there.map(|count| count as f64);
                let supply = server + uplinks[0] * ordinary + uplinks[1] * strong;
                served += u32::from(supply >= rate * (ordinary + strong));
                next += apart;
            }
        });
        let expected = p_universal_exact(
            server,
            rate,
            ViewerClass { uplink_mbps: uplinks[0], mean_viewers: means[0] },
            ViewerClass { uplink_mbps: uplinks[1], mean_viewers: means[1] },
        );
        let sd = (expected * (1.0 - expected) / f64::from(looks)).sqrt();
        let found = f64::from(served) / f64::from(looks);
        assert!((found - expected).abs() <= 3.0 * sd, "{found}, not {expected} +- {sd}");
    }
}

#[test]
fn small_swarms_offload_what_the_poisson_formula_says() {
    for (viewers, stays) in [(0.1, 1_000_000.0), (1.0, 100_000.0), (10.0, 10_000.0), (100.0, 2_000.0)] {
        let (mut watched, mut by_peers) = (0.0, 0.0);
        churn([viewers, 0.0], 3, stays, |from, there, to| {
            let span = (to - from).max(0.0);
            watched += span * there[0] as f64;
            by_peers += span * there[0].saturating_sub(1) as f64;
        });
        let (found, expected) = (by_peers / watched, poisson_swarm_offload(viewers, 1.0));
        assert!((found / expected - 1.0).abs() < 0.05, "{viewers}: {found}, not {expected}");
    }
}

#[test]
fn every_byte_is_received_on_its_way_or_lost() {
    let mut rng = Rng::stream(5, 0, "conservation");
    let mut net = Net::new(Config::default(), 5);
    let mut hosts: Vec<HostId> = Vec::new();
    let mut wheel: Wheel<Transfer> = Wheel::new();
    let mut now = Time(0);
    let (mut sent, mut came, mut lost, mut on_their_way) = (0u64, 0u64, 0u64, 0u64);
    for _ in 0..100_000 {
        match rng.below(100) {
            0 => hosts.push(net.join(Host { loss: 0.01, ..host(rng.uniform(0.5, 20.0)) })),
            1 if hosts.len() > 20 => net.leave(now, hosts.swap_remove(rng.below(hosts.len()))),
            2..60 if hosts.len() >= 2 => {
                let (from, to) = (hosts[rng.below(hosts.len())], hosts[rng.below(hosts.len())]);
                let bytes = 1 + rng.below(60_000) as u32;
                let transfer = if rng.chance(0.3) {
                    net.send_control(now, from, to, bytes % 500)
                } else {
                    net.send(now, from, to, bytes)
                };
                assert!(transfer.left >= now && transfer.reaches > transfer.left);
                sent += u64::from(transfer.bytes);
                on_their_way += u64::from(transfer.bytes);
                wheel.push(transfer.reaches, transfer);
            }
            _ => {
                let Some((at, transfer)) = wheel.pop() else { continue };
                now = at;
                let bytes = u64::from(transfer.bytes);
                on_their_way -= bytes;
                match net.receive(now, transfer) {
                    Some(through) => {
                        assert!(through >= now);
                        came += bytes;
                    }
                    None => lost += bytes,
                }
            }
        }
        let ledger = net.ledger();
        assert_eq!((ledger.sent, ledger.received, ledger.lost), (sent, came, lost));
        assert_eq!(ledger.in_flight, on_their_way);
        assert_eq!(ledger.sent, ledger.received + ledger.in_flight + ledger.lost);
    }
    assert!(came > 0 && lost > 0, "nothing happened: {:?}", net.ledger());
}

#[test]
fn no_link_carries_more_than_it_can() {
    let mut rng = Rng::stream(6, 0, "capacity");
    let mut net = Net::new(Config::default(), 6);
    let senders: Vec<HostId> = (0..40).map(|_| net.join(host(rng.uniform(1.0, 30.0)))).collect();
    let to = net.join(Host { down: Capacity::mbps(50.0), ..host(1.0) });
    // Twice what the receiver can take in, in random order and sizes, for ten seconds.
    let mut wheel = Wheel::new();
    for &from in &senders {
        let mut at = 0.0;
        while at < 10.0 {
            let bytes = 5_000 + rng.below(60_000) as u32;
            at += rng.exponential(f64::from(bytes) * 8.0 / 2.5e6);
            wheel.push(Time((at * 1e6) as u64), Err((from, bytes)));
        }
    }
    let mut through: Vec<(Time, u32)> = Vec::new();
    while let Some((now, event)) = wheel.pop() {
        match event {
            Err((from, bytes)) => {
                let transfer: Transfer = net.send(now, from, to, bytes);
                wheel.push(transfer.reaches, Ok(transfer));
            }
            Ok(transfer) => {
                let bytes = transfer.bytes;
                through.push((net.receive(now, transfer).unwrap(), bytes));
            }
        }
    }
    through.sort_unstable();
    let mut bits = 0.0;
    for &(at, bytes) in &through {
        bits += f64::from(bytes) * 8.0;
        assert!(bits <= 50.0 * at.0 as f64, "{bits} bits by {at:?}");
    }
    let took = through.last().unwrap().0.0 as f64;
    assert!(bits > 0.95 * 50.0 * took, "{} Mbit/s", bits / took);
}
