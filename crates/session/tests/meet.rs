//! Three sessions in a row: the outer two reach each other through the one between.

mod common;

use common::film;
use session::{Options, Order, Said, Session, Signal};
use std::collections::VecDeque;
use swarm::trace::{Replay, replay};
use swarm::{Config, Link, PeerId, Time};

/// Sessions that are named by their place; a link has the name of the place at its other end.
struct Row {
    sessions: Vec<Session>,
    /// Messages under way: from, to, bytes.
    under_way: VecDeque<(usize, usize, Vec<u8>)>,
    dials: Vec<(usize, PeerId)>,
    signals: Vec<(usize, Signal)>,
}

fn id(place: usize) -> PeerId {
    PeerId([b'a' + place as u8; 20])
}

impl Row {
    fn new() -> Self {
        let (index, _) = film(&[150_001]);
        let open = |place: usize| {
            let options =
                Options { me: id(place), seed: place as u64, config: Config::default(), record: true };
            Session::start(Time::default(), index.clone(), options)
        };
        let sessions = (0..3).map(open).collect();
        let mut row = Self { sessions, under_way: VecDeque::new(), dials: Vec::new(), signals: Vec::new() };
        for (one, other) in [(0, 1), (1, 2)] {
            row.call(one, |s| s.link_up(Time::from_millis(1), Link(other as u32), id(other), true));
            row.call(other, |s| s.link_up(Time::from_millis(1), Link(one as u32), id(one), false));
        }
        row
    }

    fn call<T>(&mut self, at: usize, call: impl FnOnce(&mut Session) -> T) -> T {
        let result = call(&mut self.sessions[at]);
        for order in self.sessions[at].take_orders() {
            match order {
                Order::Send(link, bytes) => self.under_way.push_back((at, link.0 as usize, bytes)),
                Order::Dial(peer) => self.dials.push((at, peer)),
                Order::Signal(signal) => self.signals.push((at, signal)),
                _ => {}
            }
        }
        result
    }

    fn run(&mut self, from_ms: u64, to_ms: u64) {
        for now in (from_ms..to_ms).step_by(50).map(Time::from_millis) {
            (0..3).for_each(|at| self.call(at, |s| s.wake(now)));
            while let Some((from, to, bytes)) = self.under_way.pop_front() {
                self.call(to, |s| s.message(now, Link(from as u32), &bytes));
            }
        }
    }
}

fn about(peer: usize, what: Said) -> Signal {
    Signal { peer: id(peer).0, offer_id: [b'o'; 20], what }
}

#[test]
fn two_that_know_a_third_exchange_an_offer_and_an_answer_through_it() {
    let mut row = Row::new();
    row.run(10, 6000);
    assert!(row.dials.contains(&(0, id(2))) && row.dials.contains(&(2, id(0))), "{:?}", row.dials);
    let now = Time::from_millis(6000);
    let offer = about(2, Said::Offer("v=0 offer".into()));
    assert!(row.call(0, |s| s.signal(now, offer.clone())));
    assert!(!row.call(0, |s| s.signal(now, about(5, Said::Offer("v=0".into())))), "nobody named that one");
    assert!(!row.call(2, |s| s.signal(now, about(0, Said::Answer("v=0".into())))), "not offered yet");
    row.run(6000, 6100);
    assert_eq!(row.signals, [(2, about(0, Said::Offer("v=0 offer".into())))]);
    assert!(row.call(2, |s| s.signal(now, about(0, Said::Answer("v=0 answer".into())))));
    row.run(6100, 6200);
    assert_eq!(row.signals[1], (0, about(2, Said::Answer("v=0 answer".into()))));
    for session in &row.sessions {
        assert!(matches!(replay(session.trace()), Replay::Same { .. }));
    }
}

#[test]
fn who_has_gone_meanwhile_is_said_to_be_nobody() {
    let mut row = Row::new();
    row.run(10, 6000);
    let now = Time::from_millis(6000);
    row.call(1, |s| s.link_down(now, Link(2)));
    assert!(row.call(0, |s| s.signal(now, about(2, Said::Offer("v=0".into())))));
    row.run(6000, 6100);
    assert_eq!(row.signals, [(0, about(2, Said::Nobody))]);
    assert!(!row.call(0, |s| s.signal(now, about(2, Said::Offer("v=0".into())))), "nor is it asked again");
}
