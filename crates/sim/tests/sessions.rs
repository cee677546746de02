//! Viewers come, stay and go as they were described.

use std::time::Duration;

use sim::rng::Rng;
use sim::sessions::{Arrivals, Catalogue, LiveStay, RateCurve, VodHabits};

fn arrivals(curve: &RateCurve, seed: u64) -> Vec<f64> {
    let mut rng = Rng::stream(seed, 0, "arrivals");
    let mut arrivals = Arrivals::new(curve.clone());
    std::iter::from_fn(|| arrivals.next(&mut rng)).map(|at| at.as_secs_f64()).collect()
}

#[test]
fn as_many_come_as_the_curve_says_at_every_time() {
    let minutes = |m: u64| Duration::from_secs(60 * m);
    for curve in [
        RateCurve::constant(20.0, minutes(30)),
        RateCurve::flash_crowd(1.0, minutes(10), minutes(2), Duration::from_secs(30), 9_900.0),
        RateCurve::sports_match(5.0, 15.0, minutes(30), minutes(120)),
    ] {
        let came = arrivals(&curve, 1);
        assert!(came.is_sorted());
        for line in curve.points.windows(2).filter(|line| line[1].0 > line[0].0) {
            // Each half of each line by itself, so that slopes show.
            let ((start, low), (end, high)) = (line[0], line[1]);
            let (middle, between) = ((start + end) / 2.0, (low + high) / 2.0);
            for (from, to, mean_rate) in
                [(start, middle, (low + between) / 2.0), (middle, end, (between + high) / 2.0)]
            {
                let expected = mean_rate * (to - from);
                let found = came.iter().filter(|&&at| from <= at && at < to).count() as f64;
                assert!((found - expected).abs() <= 4.0 * expected.sqrt() + 1.0, "{found}, not {expected}");
            }
        }
        assert!((came.len() as f64 - curve.total()).abs() < 4.0 * curve.total().sqrt());
    }
    let crowd = RateCurve::flash_crowd(0.0, minutes(10), minutes(2), Duration::from_secs(30), 9_900.0);
    assert!((crowd.total() - 9_900.0).abs() < 1e-6);
}

#[test]
fn nobody_comes_without_a_curve() {
    assert!(arrivals(&RateCurve::default(), 1).is_empty());
    assert!(arrivals(&RateCurve::constant(0.0, Duration::from_secs(10)), 1).is_empty());
}

#[test]
fn some_look_in_and_the_others_stay() {
    let mut rng = Rng::stream(2, 0, "stay");
    let visits: Vec<_> = (0..100_000).map(|_| LiveStay::default().draw(&mut rng)).collect();
    let share = |count: usize| count as f64 / visits.len() as f64;
    assert!((share(visits.iter().filter(|visit| visit.zaps).count()) - 0.22).abs() < 0.01);
    assert!((share(visits.iter().filter(|visit| visit.abrupt).count()) - 0.7).abs() < 0.01);
    let stays = |zaps| -> Vec<f64> {
        visits.iter().filter(|visit| visit.zaps == zaps).map(|visit| visit.stays.as_secs_f64()).collect()
    };
    let zappers = stays(true);
    assert!((zappers.iter().sum::<f64>() / zappers.len() as f64 - 45.0).abs() < 1.5);
    let mut others = stays(false);
    others.sort_unstable_by(f64::total_cmp);
    let quantile = |share: f64| others[(share * others.len() as f64) as usize];
    assert!((quantile(0.5) / 1200.0 - 1.0).abs() < 0.03);
    // One standard deviation above.
    assert!((quantile(0.8413) / 1200.0f64 - 1.2f64.exp()).abs() < 0.15);
}

#[test]
fn films_are_left_early_and_sought_in() {
    let habits = VodHabits::default();
    let catalogue = Catalogue::new(habits);
    let mut rng = Rng::stream(3, 0, "films");
    let film = Duration::from_secs(5400);
    let visits: Vec<_> = (0..100_000).map(|_| catalogue.draw(film, &mut rng)).collect();
    let gone_by = |seconds: u64| {
        let gone = visits.iter().filter(|visit| visit.stays <= Duration::from_secs(seconds)).count();
        gone as f64 / visits.len() as f64
    };
    assert!((gone_by(300) - 0.37).abs() < 0.01, "{}", gone_by(300));
    assert!((gone_by(600) - 0.5).abs() < 0.01, "{}", gone_by(600));
    assert_eq!(gone_by(5400), 1.0);
    let watched: f64 = visits.iter().map(|visit| visit.stays.as_secs_f64()).sum();
    let seeks: usize = visits.iter().map(|visit| visit.seeks.len()).sum();
    assert!((watched / seeks as f64 / 300.0 - 1.0).abs() < 0.02);
    assert!(visits.iter().all(|visit| visit.seeks.iter().all(|&(at, to)| at < visit.stays && to < film)));
    for index in [0, 1, 9] {
        let share = visits.iter().filter(|visit| visit.film == index).count() as f64 / visits.len() as f64;
        assert!((share - catalogue.popularity(index)).abs() < 0.005);
    }
    let ratio = catalogue.popularity(0) / catalogue.popularity(9);
    assert!((ratio - 10f64.powf(0.9)).abs() < 1e-9);
}
