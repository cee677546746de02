//! Traces are read as written, refused by line, and made up as measured.

use std::time::Duration;

use sim::rng::Rng;
use sim::traces::{
    BELGIUM_4G, Dynamics, FCC, IRISH_5G, LUMOS_4G, LUMOS_5G, NORWAY_3G, OBOE, PENSIEVE, PUFFER_2021,
    PUFFER_2022, Wrong, parse,
};

#[test]
fn a_text_becomes_traces() {
    let traces = parse("trace_id,t_end_s,mbps\n0,1.5,2\n0,2.0,4.0\n\nb,10,0\n").unwrap();
    assert_eq!(traces.len(), 2);
    assert_eq!((traces[0].id.as_str(), traces[1].id.as_str()), ("0", "b"));
    assert_eq!(traces[0].steps, [(Duration::from_millis(1500), 2.0), (Duration::from_secs(2), 4.0)]);
    assert_eq!(traces[0].length(), Duration::from_secs(2));
    assert!((traces[0].mean_mbps() - 2.5).abs() < 1e-12);
    assert!((traces[0].profile().unwrap().mean() - 2.5).abs() < 1e-12);
    assert!((traces[0].relative_profile().unwrap().mean() - 1.0).abs() < 1e-12);
    assert!(traces[1].profile().is_none() && traces[1].relative_profile().is_none());
}

#[test]
fn an_error_names_its_line() {
    for (text, line, wrong) in [
        ("0,1,2\n0,2", 2, Wrong::Fields),
        ("0,1,2,3", 1, Wrong::Fields),
        ("trace_id,t_end_s,mbps\n0,x,2", 2, Wrong::End),
        ("0,-1,2", 1, Wrong::End),
        ("0,0,2", 1, Wrong::End),
        ("0,NaN,2", 1, Wrong::End),
        ("0,1e300,2", 1, Wrong::End),
        ("0,1,2\n0,1,2", 2, Wrong::End),
        ("0,1,-2", 1, Wrong::Bandwidth),
        ("0,1,inf", 1, Wrong::Bandwidth),
        ("0,1,", 1, Wrong::Bandwidth),
    ] {
        let error = parse(text).unwrap_err();
        assert_eq!((error.line, error.wrong), (line, wrong), "{text}");
        assert!(error.to_string().starts_with(&format!("line {line}: ")));
    }
    assert!(parse("").unwrap().is_empty());
}

#[test]
fn made_up_traces_have_the_measured_figures() {
    let all =
        [BELGIUM_4G, FCC, IRISH_5G, LUMOS_4G, LUMOS_5G, NORWAY_3G, OBOE, PENSIEVE, PUFFER_2021, PUFFER_2022];
    for (number, dynamics) in all.into_iter().enumerate() {
        let mut rng = Rng::stream(1, number as u64, "traces");
        let figures = Figures::of(&dynamics, &mut rng);
        let near = |found: f64, expected: f64, tolerance: f64| {
            assert!((found - expected).abs() <= tolerance, "{dynamics:?}: {figures:?}");
        };
        near(figures.mean_ln, dynamics.mean_ln_mbps, 0.06);
        near(figures.sd_within, dynamics.sd_within, 0.03 * dynamics.sd_within);
        near(figures.rho_1s, dynamics.rho_1s, 0.02);
        near(figures.outages_per_s, dynamics.outages_per_s, 0.1 * dynamics.outages_per_s);
        near(figures.outage_s, dynamics.outage_s, 0.1 * dynamics.outage_s);
    }
}

#[derive(Debug)]
struct Figures {
    mean_ln: f64,
    sd_within: f64,
    rho_1s: f64,
    outages_per_s: f64,
    outage_s: f64,
}

impl Figures {
    fn of(dynamics: &Dynamics, rng: &mut Rng) -> Self {
        let (traces, seconds) = (1000, 1000);
        let (mut means, mut variance, mut covariance, mut pairs, mut samples) = (0.0, 0.0, 0.0, 0.0, 0.0);
        let (mut outages, mut away, mut present) = (0.0f64, 0.0f64, 0.0f64);
        for _ in 0..traces {
            let trace = dynamics.trace("", seconds, rng);
            assert!(trace.profile().is_some());
            let ln: Vec<Option<f64>> =
                trace.steps.iter().map(|&(_, mbps)| (mbps > 0.0).then(|| mbps.ln())).collect();
            let there: Vec<f64> = ln.iter().copied().flatten().collect();
            let mean = there.iter().sum::<f64>() / there.len() as f64;
            means += mean;
            samples += there.len() as f64;
            variance += there.iter().map(|x| (x - mean) * (x - mean)).sum::<f64>();
            for pair in ln.windows(2) {
                match (pair[0], pair[1]) {
                    (Some(a), Some(b)) => {
                        covariance += (a - mean) * (b - mean);
                        pairs += 1.0;
                        present += 1.0;
                    }
                    (Some(_), None) => {
                        outages += 1.0;
                        present += 1.0;
                    }
                    _ => {}
                }
            }
            away += ln.iter().filter(|x| x.is_none()).count() as f64;
        }
        let variance = variance / samples;
        Self {
            mean_ln: means / f64::from(traces),
            sd_within: variance.sqrt(),
            rho_1s: covariance / pairs / variance,
            outages_per_s: outages / present,
            outage_s: away / outages.max(1.0),
        }
    }
}
