//! How much may be sent, and when: a rate that always holds, or rates for hours of the local day. Its invariant: at any time
//! exactly one rate holds.
//!
//! Hours are those that the clock on the wall shows. Where a change to or from summer time skips hours or has them twice, a
//! span is shorter or longer by as much.

use jiff::civil::{Time, time};
use std::fmt;
use std::str::FromStr;
use thiserror::Error;

/// Spans of one plan, at most.
const MAX_SPANS: usize = 64;
/// The least rate, bits a second: below it a piece takes a minute, and nobody is helped.
const MIN_BPS: f64 = 8e3;
/// The greatest rate, bits a second.
const MAX_BPS: f64 = 1e12;
/// What a core is told where there is no limit, bytes a second: 1 Gbit/s.
const UNLIMITED: u32 = 125_000_000;

/// The most that may be sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cap {
    /// Nothing is given away.
    Nothing,
    /// So many bytes a second, of messages: the packets around them come on top.
    BytesPerSecond(u64),
    /// As much as the others take.
    Unlimited,
}

impl Cap {
    /// The limit as the core of a viewer knows it, bytes a second; 0 shares nothing.
    pub fn core(self) -> u32 {
        match self {
            Self::Nothing => 0,
            Self::BytesPerSecond(rate) => u32::try_from(rate).unwrap_or(u32::MAX),
            Self::Unlimited => UNLIMITED,
        }
    }

    /// Bytes a second, if they are limited and more than none.
    pub(super) fn rate(self) -> Option<u64> {
        match self {
            Self::BytesPerSecond(rate) => Some(rate),
            Self::Nothing | Self::Unlimited => None,
        }
    }
}

impl fmt::Display for Cap {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Nothing => f.write_str("nothing"),
            Self::BytesPerSecond(rate) => write!(f, "{} Mbit/s", *rate as f64 / 125e3),
            Self::Unlimited => f.write_str("unlimited"),
        }
    }
}

/// Why text is no plan.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum PlanError {
    /// It is no rate.
    #[error("{0} is no rate: say 5M, 800k, 200mbit, unlimited, or 0 to give nothing")]
    Rate(String),
    /// A rate beyond reason.
    #[error("{0} is not between 8k and 1000G bits a second: say 5M or 800k, or 0 to give nothing")]
    Range(String),
    /// It is no span of a day.
    #[error("{0} are no hours: say 22:00-06:00=1M")]
    Span(String),
    /// Two rates for the same time.
    #[error("both {0} and {1} are to hold at all other hours: one can")]
    Twice(Cap, Cap),
    /// More spans than anybody means.
    #[error("more than 64 spans of hours")]
    TooMany,
}

impl FromStr for Cap {
    type Err = PlanError;

    fn from_str(text: &str) -> Result<Self, PlanError> {
        let text = text.trim();
        let lower = text.to_ascii_lowercase();
        if lower == "unlimited" {
            return Ok(Self::Unlimited);
        }
        let unit_at = lower.find(|c: char| c.is_ascii_alphabetic()).unwrap_or(lower.len());
        let (digits, unit) = lower.split_at(unit_at);
        let wrong = || PlanError::Rate(text.to_owned());
        let digits = digits.trim_end();
        if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.') {
            return Err(wrong()); // no signs
        }
        let factor = match unit {
            "" | "bit" => 1.0,
            "k" | "kbit" => 1e3,
            "m" | "mbit" => 1e6,
            "g" | "gbit" => 1e9,
            _ => return Err(wrong()),
        };
        let bps = digits.parse::<f64>().map_err(|_| wrong())? * factor;
        match bps {
            0.0 => Ok(Self::Nothing),
            MIN_BPS..=MAX_BPS => Ok(Self::BytesPerSecond((bps / 8.0) as u64)),
            _ => Err(PlanError::Range(text.to_owned())),
        }
    }
}

/// Hours of a day, the last not included; over midnight where they end before they begin.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Span {
    from: Time,
    to: Time,
}

impl Span {
    fn has(&self, now: Time) -> bool {
        if self.from < self.to {
            (self.from..self.to).contains(&now)
        } else {
            now >= self.from || now < self.to
        }
    }
}

impl FromStr for Span {
    type Err = PlanError;

    fn from_str(text: &str) -> Result<Self, PlanError> {
        let ends = text.split_once('-').and_then(|(from, to)| Some((clock(from.trim())?, clock(to.trim())?)));
        let (from, to) =
            ends.filter(|(from, to)| from != to).ok_or_else(|| PlanError::Span(text.to_owned()))?;
        Ok(Self { from, to })
    }
}

/// Reads 06:00; 24:00 is 00:00.
fn clock(text: &str) -> Option<Time> {
    let (hour, minute) = text.split_once(':')?;
    let number = |digits: &str| {
        let is_short = (1..=2).contains(&digits.len()) && digits.bytes().all(|byte| byte.is_ascii_digit());
        is_short.then(|| digits.parse::<i8>().ok()).flatten()
    };
    match (number(hour)?, number(minute).filter(|_| minute.len() == 2)?) {
        (24, 0) => Some(Time::midnight()),
        (hour, minute) if hour < 24 && minute < 60 => Some(time(hour, minute, 0, 0)),
        _ => None,
    }
}

/// What holds when: the first span that has the time, or else the rate without one.
///
/// As text: a rate, or spans and perhaps a rate, with commas between: `5M,22:00-06:00=unlimited,12:00-13:00=1M`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Plan {
    spans: Vec<(Span, Cap)>,
    otherwise: Option<Cap>,
}

impl From<Cap> for Plan {
    fn from(cap: Cap) -> Self {
        Self { spans: Vec::new(), otherwise: Some(cap) }
    }
}

impl Plan {
    /// With the rate that holds outside of all spans, if the plan names none itself.
    pub fn or(self, otherwise: Cap) -> Self {
        Self { otherwise: self.otherwise.or(Some(otherwise)), ..self }
    }

    /// With nothing outside of all spans, whatever was named for that.
    pub fn only_in_spans(self) -> Self {
        Self { otherwise: Some(Cap::Nothing), ..self }
    }

    /// What holds at this time of the day. Where the plan names no rate for it, nothing is limited.
    pub fn at(&self, now: Time) -> Cap {
        let span = self.spans.iter().find(|(span, _)| span.has(now)).map(|(_, cap)| *cap);
        span.or(self.otherwise).unwrap_or(Cap::Unlimited)
    }

    /// Whether it ever lets something through.
    pub fn is_ever_open(&self) -> bool {
        let rates = self.spans.iter().map(|(_, cap)| *cap);
        rates.chain([self.otherwise.unwrap_or(Cap::Unlimited)]).any(|cap| cap != Cap::Nothing)
    }

    /// Whether the time of the day matters.
    pub fn has_spans(&self) -> bool {
        !self.spans.is_empty()
    }
}

impl FromStr for Plan {
    type Err = PlanError;

    fn from_str(text: &str) -> Result<Self, PlanError> {
        let mut plan = Self::default();
        for rule in text.split(',') {
            let Some((span, cap)) = rule.split_once('=') else {
                let cap = rule.parse()?;
                if let Some(other) = plan.otherwise.replace(cap) {
                    return Err(PlanError::Twice(other, cap));
                }
                continue;
            };
            if plan.spans.len() == MAX_SPANS {
                return Err(PlanError::TooMany);
            }
            plan.spans.push((span.trim().parse()?, cap.parse()?));
        }
        Ok(plan)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use jiff::ToSpan;
    use jiff::civil::date;
    use jiff::tz::TimeZone;

    fn plan(text: &str) -> Plan {
        text.parse().unwrap()
    }

    #[test]
    fn rates_are_read_as_people_write_them() {
        let bytes = |n| Ok(Cap::BytesPerSecond(n));
        for (text, cap) in [
            ("5M", bytes(625_000)),
            ("800k", bytes(100_000)),
            ("200mbit", bytes(25_000_000)),
            ("2.5 Mbit", bytes(312_500)),
            ("1G", bytes(125_000_000)),
            ("64000", bytes(8000)),
            ("0", Ok(Cap::Nothing)),
            ("unlimited", Ok(Cap::Unlimited)),
            ("5", Err(PlanError::Range("5".into()))),
            ("2000G", Err(PlanError::Range("2000G".into()))),
        ] {
            assert_eq!(text.parse(), cap, "{text}");
        }
        for text in ["", "fast", "-5M", "1e6", "5MB", "5 apples", "inf", "nan", ".", "M", "5M/s"] {
            assert!(matches!(text.parse::<Cap>(), Err(PlanError::Rate(_))), "{text}");
        }
    }

    #[test]
    fn the_first_span_that_has_the_time_holds() {
        let plan = plan("5M,22:00-06:00=unlimited, 12:00-13:00=1M,05:00-07:00=0");
        let at = |hour, minute| plan.at(time(hour, minute, 0, 0));
        assert_eq!(at(8, 0), Cap::BytesPerSecond(625_000));
        assert_eq!(
            [at(21, 59), at(22, 0), at(0, 0), at(5, 59)].map(|cap| cap == Cap::Unlimited),
            [false, true, true, true]
        );
        assert_eq!((at(6, 0), at(7, 0)), (Cap::Nothing, Cap::BytesPerSecond(625_000)));
        assert_eq!((at(12, 0), at(13, 0)), (Cap::BytesPerSecond(125_000), Cap::BytesPerSecond(625_000)));
    }

    #[test]
    fn what_no_span_has_is_as_told_or_as_the_caller_says() {
        let noon = time(12, 0, 0, 0);
        assert_eq!(plan("20:00-24:00=1M").or(Cap::Nothing).at(noon), Cap::Nothing);
        assert_eq!(plan("20:00-24:00=1M,2M").or(Cap::Nothing).at(noon), Cap::BytesPerSecond(250_000));
        assert_eq!(plan("20:00-24:00=1M,2M").only_in_spans().at(noon), Cap::Nothing);
        assert_eq!(plan("20:00-24:00=1M").at(noon), Cap::Unlimited);
        assert_eq!(plan("20:00-24:00=1M").at(time(23, 59, 59, 0)), Cap::BytesPerSecond(125_000));
        assert!(
            !plan("2M").only_in_spans().is_ever_open() && plan("1:00-2:00=1M").only_in_spans().is_ever_open()
        );
        assert!(plan("1:00-2:00=0").is_ever_open() && !plan("1:00-2:00=0,0").is_ever_open());
    }

    #[test]
    fn what_is_no_plan_is_refused() {
        for text in [
            "22-6=1M",
            "22:00=1M",
            "25:00-06:00=1M",
            "6:5-7:00=1M",
            "06:00-06:00=1M",
            "00:00-24:00=1M",
            "06:60-07:00=1M",
            "-1:00-2:00=1M",
        ] {
            assert!(matches!(text.parse::<Plan>(), Err(PlanError::Span(_))), "{text}");
        }
        assert!(matches!("5M,6M".parse::<Plan>(), Err(PlanError::Twice(..))));
        assert!(matches!("5M,".parse::<Plan>(), Err(PlanError::Rate(_))));
        assert!(matches!("22:00-06:00=".parse::<Plan>(), Err(PlanError::Rate(_))));
        let many = vec!["1:00-2:00=1M"; 65].join(",");
        assert_eq!(many.parse::<Plan>(), Err(PlanError::TooMany));
    }

    #[test]
    fn summer_time_makes_a_span_shorter_or_longer_and_nothing_else() {
        let zone = TimeZone::posix("CET-1CEST,M3.5.0,M10.5.0/3").unwrap();
        let plan = plan("1M,01:30-03:30=unlimited");
        // Minutes of a day in which the span holds.
        let minutes = |year, month, day| {
            let midnight = date(year, month, day).to_zoned_datetime(zone.clone()).unwrap();
            let moments = (0..23 * 60).map(|minute| midnight.checked_add(minute.minutes()).unwrap());
            moments.filter(|moment| plan.at(moment.time()) == Cap::Unlimited).count()
        };
        assert_eq!(minutes(2026, 1, 15), 120);
        assert_eq!(minutes(2026, 3, 29), 60, "02:00 to 03:00 is skipped");
        assert_eq!(minutes(2026, 10, 25), 180, "02:00 to 03:00 comes twice");
    }
}
