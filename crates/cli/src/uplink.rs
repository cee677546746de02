//! How much a node gives away, and how it ends, from flags and config file.

use crate::Wrong;
use crate::config::OneOrMany;
use anyhow::{Context, Result};
use jiff::SignedDuration;
use node::admin::Figure;
use node::uplink::{Cap, Plan, Stats};
use std::time::Duration;

/// Until something else is said, and at most.
const DEFAULT_DRAIN: Duration = Duration::from_secs(10);
const MAX_DRAIN: Duration = Duration::from_secs(3600);

/// The plan of `--{flag}`: rates and hours, or else what the file says, or else `otherwise`. On a metered line nothing is given
/// but in hours that are named.
pub fn plan(
    flag: &str,
    flags: &[String],
    file: Option<&OneOrMany<String>>,
    otherwise: Cap,
    metered: bool,
) -> Result<Plan> {
    let rules = if flags.is_empty() { file.map(OneOrMany::list).unwrap_or_default() } else { flags.to_vec() };
    let named =
        if rules.is_empty() { Plan::from(otherwise) } else { read(&rules.join(","), flag)?.or(otherwise) };
    Ok(if metered { named.only_in_spans() } else { named })
}

fn read(text: &str, flag: &str) -> Result<Plan> {
    text.parse().with_context(|| format!("--{flag} {text}")).map_err(Wrong::wrap)
}

/// How long what is being sent may take at the end.
pub fn drain(flag: Option<&String>, file: Option<&String>) -> Result<Duration> {
    let Some(text) = flag.or(file) else { return Ok(DEFAULT_DRAIN) };
    let parsed = if text == "0" { Some(SignedDuration::ZERO) } else { text.parse().ok() };
    let within = parsed.and_then(|span: SignedDuration| Duration::try_from(span).ok());
    within
        .filter(|within| *within <= MAX_DRAIN)
        .with_context(|| format!("--drain {text} is no time up to an hour: say 10s or 2m, or 0"))
        .map_err(Wrong::wrap)
}

/// Figures of the uplink.
pub fn figures(stats: &Stats) -> Vec<Figure> {
    let mut figures = vec![
        Figure::sum("uplink_bytes", "Bytes of messages sent to others", stats.sent),
        Figure::level("uplink_waiting_bytes", "Bytes that wait for their turn", stats.waiting),
        Figure::level("uplink_bytes_per_second", "Bytes sent in the last whole second", stats.rate),
    ];
    let cap = match stats.cap {
        Cap::Nothing => Some(0),
        Cap::BytesPerSecond(rate) => Some(rate),
        Cap::Unlimited => None,
    };
    let help = "Bytes a second that may be sent at the moment; absent: without a limit";
    figures.extend(cap.map(|cap| Figure::level("uplink_cap_bytes_per_second", help, cap)));
    figures
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_read_as_people_write_them() {
        let read = |text: &str| drain(Some(&text.to_owned()), None);
        for (text, seconds) in [("10s", 10), ("0", 0), ("0s", 0), ("1m 30s", 90), ("2m", 120)] {
            assert_eq!(read(text).unwrap().as_secs(), seconds, "{text}");
        }
        for text in ["", "10", "-1s", "2h", "soon"] {
            assert!(read(text).is_err(), "{text}");
        }
        assert_eq!(drain(None, Some(&"3s".to_owned())).unwrap().as_secs(), 3);
        assert_eq!(drain(None, None).unwrap(), DEFAULT_DRAIN);
    }

    #[test]
    fn flags_win_over_the_file_and_a_metered_line_over_both() {
        let noon = jiff::civil::time(12, 0, 0, 0);
        let file = OneOrMany::Many(vec!["1M".to_owned(), "11:00-13:00=2M".to_owned()]);
        let at_noon = |flags: &[&str], file, metered| {
            let flags: Vec<String> = flags.iter().map(|flag| (*flag).to_owned()).collect();
            plan("up", &flags, file, Cap::Unlimited, metered).unwrap().at(noon)
        };
        assert_eq!(at_noon(&[], None, false), Cap::Unlimited);
        assert_eq!(at_noon(&[], Some(&file), false), Cap::BytesPerSecond(250_000));
        assert_eq!(at_noon(&["4M"], Some(&file), false), Cap::BytesPerSecond(500_000));
        assert_eq!(at_noon(&["4M"], Some(&file), true), Cap::Nothing);
        assert_eq!(at_noon(&[], Some(&file), true), Cap::BytesPerSecond(250_000));
        assert!(plan("up", &["fast".to_owned()], None, Cap::Unlimited, false).is_err());
    }
}
