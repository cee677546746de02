//! Which sizes and bitrates a film is encoded in. Its invariant: no rung is larger than the source.
//!
//! A rung's *height* is that of a 16:9 picture. A wider film of the same width has fewer lines, a film held upright has
//! its sides exchanged: 1920x800 and 1080x1920 are both "1080".

use std::str::FromStr;
use thiserror::Error;

/// One size and bitrate.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Rung {
    /// Lines of a 16:9 picture of this size.
    pub height: u32,
    /// Video bits per second that the encoder aims at.
    pub bitrate_bps: u32,
}

/// The rungs of a film, smallest first; never empty, at most [`MAX_RUNGS`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ladder(Vec<Rung>);

/// Most rungs in a ladder.
pub const MAX_RUNGS: usize = 8;

/// What the encoder is told when nobody says otherwise; measured against what public services send for H.264.
const USUAL: [Rung; 7] = [
    rung(270, 350_000),
    rung(360, 750_000),
    rung(540, 1_600_000),
    rung(720, 2_800_000),
    rung(1080, 5_000_000),
    rung(1440, 9_000_000),
    rung(2160, 16_000_000),
];

/// Rungs that [`Ladder::for_source`] gives at most.
const USUAL_COUNT: usize = 4;

/// A text that describes no ladder.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum LadderError {
    /// A part is not `HEIGHT:BITRATE`.
    #[error("{0:?} is no rung: write HEIGHT:BITRATE, as in 360:750k or 1080:4.5M")]
    Rung(String),
    /// A height or a bitrate that no encoder could meet.
    #[error("rung {0:?}: heights go from 48 to 4320 and bitrates from 32k to 100M")]
    Range(String),
    /// None, or more than [`MAX_RUNGS`].
    #[error("a ladder has 1 to {MAX_RUNGS} rungs, not {0}")]
    Count(usize),
    /// Two rungs of one height, or a larger picture with fewer bits.
    #[error("rungs must differ in height, and a larger one must have a larger bitrate")]
    Order,
}

/// What of a film decides about its ladder.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Picture {
    /// Width as displayed, pixels.
    pub width: u32,
    /// Height as displayed, pixels.
    pub height: u32,
    /// Bits per second of the source's video, as H.264 would need them; `None` where the container does not say.
    pub bitrate_bps: Option<u32>,
}

impl Picture {
    /// Lines of a 16:9 picture of the same size.
    pub fn class(&self) -> u32 {
        let (long, short) = (self.width.max(self.height), self.width.min(self.height));
        short.max(long * 9 / 16)
    }

    /// Width and height of this film on `rung`: even, at least 2, never above the source's.
    pub fn scaled(&self, rung: Rung) -> (u32, u32) {
        let class = self.class().max(1);
        let scale = |side: u32| {
            let exact = u64::from(side) * u64::from(rung.height.min(class)) / u64::from(class);
            (exact as u32 + 1).min(side) / 2 * 2
        };
        (scale(self.width).max(2), scale(self.height).max(2))
    }
}

impl Ladder {
    /// Takes `rungs` in any order.
    pub fn new(mut rungs: Vec<Rung>) -> Result<Self, LadderError> {
        if rungs.is_empty() || rungs.len() > MAX_RUNGS {
            return Err(LadderError::Count(rungs.len()));
        }
        rungs.sort();
        if rungs.windows(2).any(|w| w[0].height == w[1].height || w[0].bitrate_bps >= w[1].bitrate_bps) {
            return Err(LadderError::Order);
        }
        Ok(Self(rungs))
    }

    /// The usual ladder for `source`: up to four rungs, the largest of the source's own size.
    pub fn for_source(source: &Picture) -> Self {
        let class = source.class();
        let mut rungs: Vec<Rung> = USUAL.iter().copied().filter(|r| r.height <= class).collect();
        // A source somewhere between two usual sizes is offered in its own size too.
        if rungs.last().is_none_or(|top| class * 100 >= top.height * 115) {
            rungs.push(rung(class, usual_bitrate(class)));
        }
        let last = rungs.len() - 1;
        let count = rungs.len().min(USUAL_COUNT);
        let spread = |i: usize| if count == 1 { last } else { (i * last + (count - 1) / 2) / (count - 1) };
        Self((0..count).map(|i| rungs[spread(i)]).collect()).within(source)
    }

    /// What of this ladder `source` can fill: no rung above its size. Where all are above, one of its own size is left.
    pub fn limited_to(&self, source: &Picture) -> Self {
        let class = source.class();
        let mut rungs: Vec<Rung> = self.0.iter().copied().filter(|r| r.height <= class).collect();
        if rungs.is_empty() {
            rungs.push(rung(class, self.0[0].bitrate_bps));
        }
        Self(rungs)
    }

    /// The rungs, smallest first.
    pub fn rungs(&self) -> &[Rung] {
        &self.0
    }

    /// Caps bitrates a little above the source's, and drops a rung that then costs nearly as much as a larger one.
    fn within(self, source: &Picture) -> Self {
        let Some(source_bps) = source.bitrate_bps else { return self };
        let cap = (source_bps / 10).saturating_mul(11).max(64_000);
        let mut kept: Vec<Rung> = Vec::new();
        for r in self.0.iter().rev() {
            let bitrate_bps = r.bitrate_bps.min(cap);
            if kept.last().is_none_or(|larger| bitrate_bps / 4 * 5 <= larger.bitrate_bps) {
                kept.push(rung(r.height, bitrate_bps));
            }
        }
        kept.reverse();
        Self(kept)
    }
}

impl FromStr for Ladder {
    type Err = LadderError;

    /// Reads `270:350k,360:750k,720:2.8M`.
    fn from_str(text: &str) -> Result<Self, LadderError> {
        let parts: Vec<&str> = text.split(',').map(str::trim).collect();
        if parts.len() > MAX_RUNGS {
            return Err(LadderError::Count(parts.len()));
        }
        Self::new(parts.into_iter().map(parse_rung).collect::<Result<_, _>>()?)
    }
}

impl std::fmt::Display for Ladder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        for (i, r) in self.0.iter().enumerate() {
            let comma = if i == 0 { "" } else { "," };
            write!(f, "{comma}{}:{}k", r.height, r.bitrate_bps / 1000)?;
        }
        Ok(())
    }
}

/// Reads a bitrate such as `750k`, `2.8M` or `64000`, in bits per second.
pub fn parse_bitrate(text: &str) -> Option<u32> {
    let (digits, unit) = match text.as_bytes().last()? {
        b'k' | b'K' => (&text[..text.len() - 1], 1e3),
        b'm' | b'M' => (&text[..text.len() - 1], 1e6),
        _ => (text, 1.0),
    };
    if !digits.bytes().all(|b| b.is_ascii_digit() || b == b'.') {
        return None; // no signs, no exponents, no "inf"
    }
    let bps = digits.parse::<f64>().ok()? * unit;
    (1.0..=1e9).contains(&bps).then_some(bps as u32)
}

const fn rung(height: u32, bitrate_bps: u32) -> Rung {
    Rung { height, bitrate_bps }
}

fn parse_rung(text: &str) -> Result<Rung, LadderError> {
    let parsed = text
        .split_once(':')
        .and_then(|(height, bitrate)| Some((height.trim().parse().ok()?, parse_bitrate(bitrate.trim())?)));
    let (height, bitrate_bps) = parsed.ok_or_else(|| LadderError::Rung(text.to_owned()))?;
    if !(48..=4320).contains(&height) || !(32_000..=100_000_000).contains(&bitrate_bps) {
        return Err(LadderError::Range(text.to_owned()));
    }
    Ok(rung(height, bitrate_bps))
}

/// The usual bitrate at a height between (or beyond) the usual ones: a power law through the two nearest.
fn usual_bitrate(height: u32) -> u32 {
    let above = USUAL.iter().position(|r| r.height >= height).unwrap_or(USUAL.len() - 1).max(1);
    let (low, high) = (USUAL[above - 1], USUAL[above]);
    let exponent = (f64::from(high.bitrate_bps) / f64::from(low.bitrate_bps)).ln()
        / (f64::from(high.height) / f64::from(low.height)).ln();
    let bps = f64::from(low.bitrate_bps) * (f64::from(height) / f64::from(low.height)).powf(exponent);
    (bps as u32).clamp(64_000, 40_000_000)
}
