//! From the raw figures of runs to what people read and machines check.
//!
//! Invariant: a pure function of the runs and of nothing else. The same runs give the same text, byte for byte; files are
//! read and written by the caller.
//!
//! The way through: [`Summary::of`] turns the runs of one scenario into rows, one for each [`Measure`];
//! [`Summary::held_to`] compares them with the scenario's [`Bounds`]; [`table`] prints them, [`html`] draws them, and
//! [`baseline`] keeps them for the next change to be compared with.
//!
//! Figures are means over seeds with the half width of their 95 % interval. Braidcast and the origin alone are compared
//! seed by seed: a seed has the same viewers, networks and films in both.

pub mod baseline;
mod bounds;
pub mod html;
mod map;
mod measure;
mod places;
mod plots;
mod series;
mod stats;
mod summary;
mod svg;
pub mod table;
mod text;

pub use baseline::Baseline;
pub use bounds::{Bound, Bounds, BoundsError};
pub use measure::{Better, MEASURES, Measure};
pub use places::Matrix;
pub use stats::{Figure, quantile};
pub use summary::{Row, Summary};
