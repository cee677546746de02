//! Slotted swarms do what the literature's models say, and what independent simulations of them found.

use sim::bounds::{PullOrder, blind_push_share, window_model};
use sim::slotted::{Delivery, Mesh, PullSwarm, Push, PushSwarm};

fn push(scheme: Push, uplink_per_rate: f64, mesh: Mesh) -> Delivery {
    let swarm =
        PushSwarm { peers: 20_000, scheme, window: 64, uplink_per_rate, mesh, settling: 3 * 64, slots: 64 };
    swarm.run(1)
}

#[track_caller]
fn assert_within(found: f64, expected: f64, tolerance: f64, what: &str) {
    assert!((found - expected).abs() <= tolerance, "{what}: {found:.4}, not {expected} +- {tolerance}");
}

#[test]
fn blind_push_delivers_one_minus_one_over_e() {
    for peers in [1_000, 20_000] {
        let swarm = PushSwarm {
            peers,
            scheme: Push::LatestBlind,
            window: 64,
            uplink_per_rate: 1.0,
            mesh: Mesh::Full,
            settling: 192,
            slots: 2_000_000 / peers as u32,
        };
        let found = swarm.run(2);
        assert_within(found.share, blind_push_share(), 0.003, "delivered");
        // Every upload is either of use or not.
        assert_within(found.share + found.duplicates, 1.0, 0.003, "uploads");
    }
}

#[test]
fn the_latest_useful_chunk_first_delivers_nearly_all_at_little_surplus() {
    for (load, share) in [(1.0, 0.942), (1.1, 0.978), (1.25, 0.997), (1.5, 1.0), (2.0, 1.0)] {
        let found = push(Push::LatestUseful, load, Mesh::Full);
        assert_within(found.share, share, 0.01, &format!("at {load}"));
        assert_eq!(found.duplicates, 0.0);
    }
}

#[test]
fn looking_for_who_needs_the_latest_chunk_is_the_quickest() {
    let needy = push(Push::LatestToNeedy { probes: 20 }, 1.0, Mesh::Full);
    assert_within(needy.share, 0.967, 0.01, "delivered");
    let useful = push(Push::LatestUseful, 1.0, Mesh::Full);
    assert!(needy.mean_delay < useful.mean_delay && needy.p99_delay < useful.p99_delay);
    // The doubling of the holders sets the pace of the last: 1 + log2 of 20 000 is 15.3 slots.
    assert!((15..=20).contains(&needy.p99_delay), "{needy:?}");
}

#[test]
fn deadline_first_is_no_way_to_spread_what_is_live() {
    let first = |scheme| {
        let mesh = Mesh::Full;
        PushSwarm { peers: 5_000, scheme, window: 40, uplink_per_rate: 1.0, mesh, settling: 400, slots: 100 }
            .run(3)
    };
    let (deadline, random, latest) =
        (first(Push::DeadlineFirst), first(Push::RandomUseful), first(Push::LatestUseful));
    assert!(deadline.share + 0.1 < random.share.min(latest.share), "{deadline:?}, {random:?}, {latest:?}");
    assert!(latest.mean_delay + 10.0 < random.mean_delay.min(deadline.mean_delay));
}

#[test]
fn what_few_links_cost_is_the_cost_of_being_chosen_by_few() {
    for (degree, share) in [(4, 0.837), (8, 0.915), (16, 0.956), (32, 0.977)] {
        let one_way = push(Push::LatestUseful, 1.25, Mesh::OneWay(degree));
        assert_within(one_way.share, share, 0.01, &format!("{degree} one way"));
        // Where everybody has as many senders, even four neighbours are nearly as good as all.
        let mutual = push(Push::LatestUseful, 1.25, Mesh::Mutual(degree));
        assert_within(mutual.share, 0.997, 0.01, &format!("{degree} mutual"));
    }
}

#[test]
fn pulling_from_a_window() {
    use PullOrder::{DeadlineFirst, Mixed, RarestFirst};
    // What an independent simulation of the same swarm found; the model is coarser.
    for (window, order, found_before) in [
        (40, RarestFirst, 0.9727),
        (40, DeadlineFirst, 0.8494),
        (40, Mixed(10), 0.9997),
        (40, Mixed(20), 0.9781),
        (20, RarestFirst, 0.9015),
        (20, DeadlineFirst, 0.6414),
        (20, Mixed(10), 0.9454),
        (20, Mixed(15), 0.9066),
    ] {
        let found = PullSwarm { peers: 1000, window, order, slots: 2000 }.run(1);
        let model = *window_model(1000, window as usize, order).last().unwrap();
        assert_within(found, found_before, 0.01, &format!("{order:?} of {window}"));
        assert_within(found, model, 0.01, &format!("{order:?} of {window}, against the model"));
    }
}
