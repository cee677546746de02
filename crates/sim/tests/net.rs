//! What the network does to what is sent over it.

use std::time::Duration;

use sim::net::{Capacity, Config, Host, HostId, Line, LinkSetup, Nat, Net, Place};
use sim::rng::Rng;
use swarm::Time;

fn host(up_mbps: f64, down_mbps: f64, height_ms: f64) -> Host {
    Host {
        up: Capacity::mbps(up_mbps),
        down: Capacity::mbps(down_mbps),
        place: Place::at_height(height_ms),
        nat: Nat::Open,
        loss: 0.0,
    }
}

/// 100 kbyte take 100 ms on an uplink of 8 Mbit/s.
const BLOCK: u32 = 100_000;

fn arrives(net: &mut Net, now: Time, from: HostId, to: HostId) -> Time {
    let transfer = net.send(now, from, to, BLOCK);
    net.receive(transfer.reaches, transfer).unwrap()
}

#[test]
fn an_uplink_sends_one_after_another_and_rests_only_when_nothing_waits() {
    let mut net = Net::new(Config::default(), 1);
    let [a, b, c] = [8.0, 8.0, 8.0].map(|up| net.join(host(up, 800.0, 10.0)));
    assert_eq!(arrives(&mut net, Time(0), a, b), Time::from_millis(120));
    assert_eq!(arrives(&mut net, Time(0), a, c), Time::from_millis(220));
    assert_eq!(net.uplink_free(Time(0), a), Time::from_millis(200));
    assert_eq!(arrives(&mut net, Time::from_millis(500), a, b), Time::from_millis(620));
}

#[test]
fn those_who_send_to_one_at_once_wait_at_its_downlink() {
    let mut net = Net::new(Config::default(), 1);
    let to = net.join(host(1.0, 8.0, 10.0));
    let senders: Vec<HostId> = (0..3).map(|_| net.join(host(800.0, 8.0, 10.0))).collect();
    let came: Vec<Time> = senders.iter().map(|&from| arrives(&mut net, Time(0), from, to)).collect();
    assert_eq!(came, [120, 220, 320].map(Time::from_millis));
    // What is slower on its way than the downlink finds it free.
    let slow = net.join(host(8.0, 8.0, 10.0));
    assert_eq!(arrives(&mut net, Time::from_millis(1000), slow, to), Time::from_millis(1120));
}

#[test]
fn hosts_behind_one_line_share_it_and_are_neighbours() {
    let mut net = Net::new(Config::default(), 1);
    let line = net.lay(Line { up: Capacity::mbps(8.0), down: Capacity::mbps(8.0) });
    let closed = Host { nat: Nat::Symmetric, ..host(800.0, 800.0, 10.0) };
    let [a, b, out] = [(); 3].map(|()| net.join(closed.clone()));
    [a, b].into_iter().for_each(|host| net.put_behind(line, host));
    assert!(net.can_connect(a, b) && !net.can_connect(a, out));
    // Within, and then both at once outwards: the second waits for the first.
    let at = |ms: u64, more: u64| Time(ms * 1000 + more);
    assert_eq!(arrives(&mut net, Time(0), a, b), at(21, 0));
    assert_eq!([a, b].map(|from| arrives(&mut net, Time(0), from, out)), [at(120, 0), at(220, 0)]);
    // And inwards, from outside and from the origin.
    assert_eq!([a, b].map(|to| arrives(&mut net, at(1000, 0), out, to)), [at(1120, 0), at(1220, 0)]);
    let came = net.receive_from_origin(at(1300, 0), a, at(1200, 0), BLOCK);
    assert_eq!(came, Some(at(1320, 0)));
    let sent = |from, to| net.crossings().get(&(from, to)).copied().unwrap_or(0) / u64::from(BLOCK);
    let line = Some(line);
    assert_eq!([sent(line, line), sent(line, None), sent(None, line), sent(None, None)], [1, 2, 2, 0]);
}

#[test]
fn what_waits_long_at_its_sender_keeps_nobody_else_from_the_receiver() {
    let mut net = Net::new(Config::default(), 1);
    let [busy, idle, to] = [8.0; 3].map(|up| net.join(host(up, 8.0, 10.0)));
    for _ in 0..10 {
        let other = net.send(Time(0), busy, idle, BLOCK);
        net.receive(other.reaches, other);
    }
    let queued = net.send(Time(0), busy, to, BLOCK);
    assert_eq!(arrives(&mut net, Time(0), idle, to), Time::from_millis(120));
    assert_eq!(net.receive(queued.reaches, queued), Some(Time::from_millis(1120)));
}

#[test]
fn small_messages_pass_what_waits_but_take_its_time() {
    let mut net = Net::new(Config::default(), 1);
    let [a, b] = [8.0; 2].map(|up| net.join(host(up, 8.0, 10.0)));
    let bulk = net.send(Time(0), a, b, BLOCK);
    let small = net.send_control(Time(0), a, b, 1000);
    assert_eq!(small.reaches, Time::from_millis(21));
    assert_eq!(net.receive(small.reaches, small), Some(Time::from_millis(21)));
    assert_eq!(net.uplink_free(Time(0), a), Time::from_millis(101));
    assert!(net.receive(bulk.reaches, bulk).is_some());
}

#[test]
fn who_goes_takes_along_what_has_not_left() {
    let mut net = Net::new(Config::default(), 1);
    let [a, b] = [8.0; 2].map(|up| net.join(host(up, 8.0, 10.0)));
    let [first, second] = [(); 2].map(|()| net.send(Time(0), a, b, BLOCK));
    net.leave(Time::from_millis(150), a);
    assert!(net.receive(first.reaches, first).is_some());
    assert_eq!(net.receive(second.reaches, second), None);
    let ledger = net.ledger();
    assert_eq!((ledger.sent, ledger.received, ledger.lost, ledger.in_flight), (200_000, 100_000, 100_000, 0));
}

#[test]
fn distance_is_latency_within_limits() {
    let mut net = Net::new(Config::default(), 1);
    let at = |x_ms, y_ms, height_ms| Host { place: Place { x_ms, y_ms, height_ms }, ..host(8.0, 8.0, 0.0) };
    let [here, there, next, far] =
        [at(0.0, 0.0, 4.0), at(3.0, 4.0, 6.0), at(0.1, 0.0, 0.0), at(900.0, 0.0, 4.0)]
            .map(|host| net.join(host));
    assert_eq!(net.latency(here, there), Duration::from_millis(15));
    assert_eq!(net.latency(here, next), Duration::from_millis(5));
    assert_eq!(net.latency(here, far), Duration::from_millis(150));
}

#[test]
fn losses_delay_by_their_probability_and_the_seed() {
    let run = |seed| {
        let mut net = Net::new(Config::default(), seed);
        let a = net.join(Host { loss: 0.01, ..host(80.0, 80.0, 10.0) });
        let b = net.join(host(80.0, 80.0, 10.0));
        let delayed = |net: &mut Net| -> Vec<bool> {
            (0..20_000)
                .map(|_| {
                    let transfer = net.send(Time(0), a, b, 12_000);
                    assert!(transfer.extra.is_zero() || transfer.extra == Duration::from_millis(240));
                    let late = !transfer.extra.is_zero();
                    net.receive(transfer.reaches, transfer);
                    late
                })
                .collect()
        };
        delayed(&mut net)
    };
    let once = run(7);
    assert_eq!(once, run(7));
    assert_ne!(once, run(8));
    let share = once.iter().filter(|&&late| late).count() as f64 / once.len() as f64;
    // One of ten packets or more: 1 - 0.99^10.
    assert!((share - 0.0956).abs() < 0.01, "{share}");
}

#[test]
fn translators_connect_as_they_do_in_the_world() {
    use Nat::*;
    let all = [Open, Cone, PortRestricted, Symmetric, Blocked];
    let fails = |a: Nat, b: Nat| !a.can_connect(b);
    for a in all {
        assert!(fails(a, Blocked) && a.can_connect(Open) == (a != Blocked));
        for b in all {
            assert_eq!(a.can_connect(b), b.can_connect(a));
        }
    }
    assert!(fails(Symmetric, Symmetric) && fails(Symmetric, PortRestricted) && !fails(Symmetric, Cone));
}

#[test]
fn a_connection_takes_its_steps() {
    let mut rng = Rng::stream(1, 1, "setup");
    for _ in 0..1000 {
        let took = LinkSetup::default().draw(&mut rng, Duration::from_millis(60), Duration::from_millis(100));
        assert!(took >= Duration::from_millis(460) && took <= Duration::from_millis(1260), "{took:?}");
    }
}
