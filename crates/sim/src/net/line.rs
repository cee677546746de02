//! Lines that many hosts share: those of offices and schools.

use std::collections::BTreeMap;

use super::{Capacity, HostId, Net};

/// The line between a place with many hosts and the rest of the network. What goes from one of its hosts to another does not pass it.
#[derive(Clone, Debug, PartialEq)]
pub struct Line {
    /// What it carries out of the place.
    pub up: Capacity,
    /// What it carries into it.
    pub down: Capacity,
}

/// A line's number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct LineId(pub u32);

#[derive(Debug)]
pub(super) struct Shared {
    line: Line,
    /// When it has carried all that it was given, in nanoseconds.
    up_free: u64,
    down_free: u64,
}

/// Bytes that were sent from the hosts of one line to those of another, or of the same; `None` is for hosts without one.
pub type Crossings = BTreeMap<(Option<LineId>, Option<LineId>), u64>;

impl Net {
    /// Lays a line.
    pub fn lay(&mut self, line: Line) -> LineId {
        let id = LineId(self.lines.len() as u32);
        self.lines.push(Shared { line, up_free: 0, down_free: 0 });
        id
    }

    /// Puts a host behind a line. It is to be narrower than the hosts' own: what leaves the place waits for the line alone.
    pub fn put_behind(&mut self, line: LineId, host: HostId) {
        self.state_mut(host).line = Some(line);
    }

    /// Bytes sent from place to place, headers and messages among them; empty where there are no lines.
    pub fn crossings(&self) -> &Crossings {
        &self.crossings
    }

    /// Whether both are behind one line.
    pub(super) fn are_neighbours(&self, a: HostId, b: HostId) -> bool {
        let line = self.state(a).line;
        line.is_some() && line == self.state(b).line
    }

    /// The line by which bytes from one host leave its place.
    fn way_out(&self, from: HostId, to: HostId) -> Option<LineId> {
        self.state(from).line.filter(|_| !self.are_neighbours(from, to))
    }

    /// The queue in which bytes wait at their sender: what it carries, and when it is free.
    pub(super) fn queue(&mut self, from: HostId, to: HostId) -> (&Capacity, &mut u64) {
        match self.way_out(from, to) {
            Some(LineId(line)) => {
                let Shared { line, up_free, .. } = &mut self.lines[line as usize];
                (&line.up, up_free)
            }
            None => {
                let state = self.state_mut(from);
                (&state.host.up, &mut state.up_free)
            }
        }
    }

    /// Lets bytes, whose first one came at `first`, into the receiver's place: when they are through its line, if there is one on their
    /// way.
    pub(super) fn pass_line(&mut self, from: Option<HostId>, to: HostId, first: u64, bytes: u32) -> u64 {
        let line = match from {
            Some(from) => self.way_out(to, from),
            None => self.state(to).line,
        };
        let Some(LineId(line)) = line else { return first };
        let Shared { line, down_free, .. } = &mut self.lines[line as usize];
        *down_free = line.down.finish(first.max(*down_free), bytes);
        *down_free
    }

    pub(super) fn count_crossing(&mut self, from: HostId, to: HostId, bytes: u32) {
        if !self.lines.is_empty() {
            let places = (self.state(from).line, self.state(to).line);
            *self.crossings.entry(places).or_default() += u64::from(bytes);
        }
    }
}
