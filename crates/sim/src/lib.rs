//! What simulated swarms showed, and how it is told.
//!
//! - [`figures`]: the raw figures of one run.
//! - [`report`]: tables, comparisons, a stored baseline and a page, from those figures.

pub mod figures;
pub mod report;
