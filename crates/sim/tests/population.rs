//! Populations are what their presets promise.

use sim::bounds::UsableShare;
use sim::net::Nat;
use sim::population::{NatMix, Population, Viewer, Wobbles};
use sim::rng::Rng;
use sim::traces::BELGIUM_4G;

const VIEWERS: usize = 200_000;

fn viewers(population: &Population) -> Vec<Viewer> {
    let mut rng = Rng::stream(1, 0, "viewers");
    (0..VIEWERS).map(|_| population.draw(&mut rng)).collect()
}

#[track_caller]
fn assert_share_of(found: f64, expected: f64, tolerance: f64) {
    assert!((found / expected - 1.0).abs() <= tolerance, "{found}, not {expected}");
}

#[test]
fn uplinks_of_2025() {
    let viewers = viewers(&Population::fixed_2025());
    let mut uplinks: Vec<f64> = viewers.iter().map(|viewer| viewer.uplink_mbps).collect();
    uplinks.sort_unstable_by(f64::total_cmp);
    let mean = |of: &dyn Fn(f64) -> f64| uplinks.iter().map(|&up| of(up)).sum::<f64>() / VIEWERS as f64;
    assert_share_of(uplinks[VIEWERS / 2], 20.0, 0.02);
    assert_share_of(uplinks[VIEWERS / 10], 2.87, 0.02);
    assert_share_of(uplinks[VIEWERS * 9 / 10], 154.0, 0.02);
    assert_share_of(mean(&|up| up), 57.6, 0.02);
    // With half the uplink and twice the rate as limits for each, the means that a swarm may count on.
    for (rate, usable) in [(3.0, 4.87), (6.0, 8.09), (15.0, 14.25)] {
        assert_share_of(mean(&|up: f64| (0.5 * up).min(2.0 * rate)), usable, 0.01);
    }
    let able = viewers.iter().filter(|viewer| viewer.may_upload).count() as f64 / VIEWERS as f64;
    assert!((able - UsableShare::default().of_viewers).abs() < 0.005);
    // Fibre is symmetric, the others are not.
    assert!(viewers.iter().all(|viewer| viewer.downlink_mbps >= viewer.uplink_mbps));
}

#[test]
fn uplinks_of_2007_are_relative_to_the_stream() {
    let viewers = viewers(&Population::dsl_2007(0.4, 0.3));
    let strong: Vec<&Viewer> = viewers.iter().filter(|viewer| viewer.class == 1).collect();
    assert!((strong.len() as f64 / VIEWERS as f64 - 0.3).abs() < 0.005);
    assert!(strong.iter().all(|viewer| (0.4..0.8).contains(&viewer.uplink_mbps)));
    assert!(viewers.iter().filter(|viewer| viewer.class == 0).all(|v| (0.04..0.08).contains(&v.uplink_mbps)));
    assert!(viewers.iter().all(|viewer| viewer.downlink_mbps >= 0.4));
}

#[test]
fn pairs_connect_as_often_as_the_formula_says() {
    for (mix, expected) in [(NatMix::HOME, 0.8216), (NatMix::MOBILE_HEAVY, 0.5556)] {
        assert!((mix.pair_success() - expected).abs() < 1e-4);
        let mut rng = Rng::stream(2, 0, "pairs");
        let mut pair = || -> (Nat, Nat) { (mix.draw(&mut rng), mix.draw(&mut rng)) };
        let connect = (0..VIEWERS)
            .filter(|_| {
                let (a, b) = pair();
                a.can_connect(b)
            })
            .count();
        assert!((connect as f64 / VIEWERS as f64 - expected).abs() < 0.01, "{connect}");
    }
}

#[test]
fn a_line_varies_if_its_class_does() {
    let population = Population::fixed_2025();
    let mut rng = Rng::stream(3, 0, "hosts");
    let wobbles = Wobbles::synthetic(&BELGIUM_4G, 8, 300, &mut rng);
    for viewer in &viewers(&population)[..1000] {
        let host = population.host(viewer, &wobbles, &mut rng);
        let varies = population.access[viewer.class].varies;
        assert_eq!(host.up.varies.is_some(), varies);
        if let Some((profile, _)) = host.up.varies {
            assert!((profile.mean() - 1.0).abs() < 1e-9);
        }
        assert!(population.host(viewer, &Wobbles::none(), &mut rng).up.varies.is_none());
    }
}

#[test]
fn a_population_of_ones_own_is_a_few_lines() {
    let population: Population = toml::from_str(
        r#"
        may_upload = 0.9
        spread_ms = 4.0
        nat = { open = 1.0, cone = 0.0, port_restricted = 0.0, symmetric = 0.0, blocked = 0.0 }
        [[access]]
        name = "campus"
        share = 0.75
        uplink = { log_normal = { median_mbps = 300.0, sd_ln = 0.3 } }
        down_per_up = 1.0
        height_ms = 1.0
        loss = 0.0
        varies = false
        [[access]]
        name = "hall"
        share = 0.25
        uplink = { uniform = { from_mbps = 5.0, to_mbps = 10.0 } }
        down_per_up = 4.0
        height_ms = 3.0
        loss = 0.01
        varies = true
        "#,
    )
    .unwrap();
    let viewers = viewers(&population);
    let halls: Vec<&Viewer> = viewers.iter().filter(|viewer| viewer.class == 1).collect();
    assert!((halls.len() as f64 / VIEWERS as f64 - 0.25).abs() < 0.005);
    assert!(halls.iter().all(|viewer| (5.0..10.0).contains(&viewer.uplink_mbps) && viewer.nat == Nat::Open));
}
