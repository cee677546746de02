//! Which tracker a command goes to, and what the trackers' words come to together.
//!
//! The invariant: an answer is handed on only if it is from the peer that was offered the connection, by a tracker that
//! took the offer, and only the first; an offer only the first time.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use rendezvous::OfferId;
use swarm::PeerId;
use tokio::sync::{mpsc, watch};

use crate::tracker::{
    Event,
    connection::{Order, Report},
    memory::Memory,
    message::{Kind, Message, Signal, binary_string},
};

/// Candidates whose tracker is remembered.
const NAMED: usize = 2048;
/// Offers of others that are remembered.
const OFFERED: usize = 2048;
/// Our own offers that are waited for.
const SENT: usize = 1024;

/// What is asked of the trackers.
#[derive(Debug)]
pub(super) enum Command {
    Announce(u32),
    Offer { to: PeerId, offer_id: String, sdp: String },
    Answer { to: PeerId, offer_id: String, sdp: String },
}

/// A set of trackers, one bit each.
type Lines = u16;
const _: () = assert!(super::MAX_TRACKERS <= Lines::BITS as usize);

struct Line {
    orders: mpsc::Sender<Order>,
    is_up: bool,
    /// What it last said of the audience, while it is up.
    others: Option<u32>,
    /// What it last said of where we are, also if it is down now.
    may_upload: bool,
}

/// An offer of ours.
#[derive(Clone, Copy)]
struct Sent {
    to: PeerId,
    /// Those that have taken it and not refused it.
    lines: Lines,
}

pub(super) struct Switchboard {
    lines: Vec<Line>,
    events: mpsc::Sender<Event>,
    connected: Arc<AtomicUsize>,
    /// Who named whom.
    named: Memory<PeerId, Lines>,
    /// Who brought which offer.
    offered: Memory<(PeerId, OfferId), usize>,
    sent: Memory<OfferId, Sent>,
}

impl Switchboard {
    pub(super) fn new(
        lines: Vec<mpsc::Sender<Order>>,
        events: mpsc::Sender<Event>,
        connected: Arc<AtomicUsize>,
    ) -> Self {
        let lines =
            lines.into_iter().map(|orders| Line { orders, is_up: false, others: None, may_upload: true });
        Self {
            lines: lines.collect(),
            events,
            connected,
            named: Memory::new(NAMED),
            offered: Memory::new(OFFERED),
            sent: Memory::new(SENT),
        }
    }

    /// Until nobody gives commands or listens any more. It waits only for whoever takes the events.
    pub(super) async fn run(
        mut self,
        mut commands: mpsc::Receiver<Command>,
        mut reports: mpsc::Receiver<(usize, Report)>,
        mut leaving: watch::Receiver<bool>,
    ) {
        tokio::select! {
            () = self.serve(&mut commands, &mut reports) => {}
            _ = leaving.wait_for(|&leaving| leaving) => {}
        }
        self.connected.store(0, Ordering::Relaxed);
    }

    async fn serve(
        &mut self,
        commands: &mut mpsc::Receiver<Command>,
        reports: &mut mpsc::Receiver<(usize, Report)>,
    ) {
        let mut events = Vec::new();
        loop {
            tokio::select! {
                command = commands.recv() => match command {
                    Some(command) => self.obey(command, &mut events),
                    None => return,
                },
                // Without any tracker nothing is ever reported, and commands are still answered.
                Some((line, report)) = reports.recv() => self.handle(line, report, &mut events),
                () = self.events.closed() => return,
            }
            for event in events.drain(..) {
                if self.events.send(event).await.is_err() {
                    return;
                }
            }
        }
    }

    fn obey(&mut self, command: Command, events: &mut Vec<Event>) {
        match command {
            Command::Announce(want) => {
                for line in &self.lines {
                    // Full: the tracker has taken nothing for so long that it is about to be given up.
                    let _ = line.orders.try_send(Order::Announce(want));
                }
            }
            Command::Offer { to, offer_id, sdp } => {
                let Ok(id) = OfferId::from_binary(&offer_id) else {
                    tracing::warn!("the id of an offer must be 20 code points of one byte each");
                    return events.push(Event::Undeliverable { offer_id });
                };
                let up = self.up();
                let named = self.named.get(&to).map_or(0, |lines| lines & up);
                // One of those that named the peer is enough: the preferred.
                let lines = if named == 0 { up } else { 1 << named.trailing_zeros() };
                let lines = self.order(lines, &Signal { kind: Kind::Offer, peer: to, offer_id: id, sdp });
                if lines == 0 {
                    return events.push(Event::Undeliverable { offer_id });
                }
                self.sent.insert(id, Sent { to, lines });
            }
            Command::Answer { to, offer_id, sdp } => {
                let Ok(id) = OfferId::from_binary(&offer_id) else { return };
                // Who brought the offer may be forgotten, after thousands of others.
                let lines = self.offered.get(&(to, id)).map_or(self.up(), |line| 1 << line);
                self.order(lines, &Signal { kind: Kind::Answer, peer: to, offer_id: id, sdp });
            }
        }
    }

    fn handle(&mut self, line: usize, report: Report, events: &mut Vec<Event>) {
        match report {
            Report::Up | Report::Down => {
                let had = self.up();
                self.lines[line].is_up = matches!(report, Report::Up);
                self.lines[line].others = None;
                let has = self.up();
                self.connected.store(has.count_ones() as usize, Ordering::Relaxed);
                if (had == 0) != (has == 0) {
                    events.push(Event::Connected(has != 0));
                }
            }
            Report::Unsent(offer_id) => self.handle_undelivered(line, offer_id, events),
            Report::Said(Message::Challenge(_)) => {}
            Report::Said(Message::Refused { offer_id, reason, .. }) => {
                tracing::debug!(line, reason, "the tracker refuses");
                if let Some(offer_id) = offer_id {
                    self.handle_undelivered(line, offer_id, events);
                }
            }
            Report::Said(Message::Signal(signal)) => self.handle_signal(line, signal, events),
            Report::Said(Message::Reply { others, may_upload, candidates, .. }) => {
                let might = self.may_upload();
                self.lines[line].may_upload = may_upload;
                if self.may_upload() != might {
                    events.push(Event::MayUpload(!might));
                }
                if others.is_some() {
                    self.lines[line].others = others;
                    events
                        .extend(self.lines.iter().filter_map(|line| line.others).max().map(Event::Audience));
                }
                let candidates = candidates.unwrap_or_default();
                for peer in &candidates {
                    let lines = self.named.get(peer).copied().unwrap_or(0);
                    self.named.insert(*peer, lines | 1 << line);
                }
                if !candidates.is_empty() {
                    events.push(Event::Candidates(candidates));
                }
            }
        }
    }

    fn handle_signal(&mut self, line: usize, signal: Signal, events: &mut Vec<Event>) {
        let Signal { kind, peer: from, offer_id: id, sdp } = signal;
        let offer_id = binary_string(&id.0);
        match kind {
            Kind::Offer => {
                if self.offered.get(&(from, id)).is_none() {
                    self.offered.insert((from, id), line);
                    events.push(Event::Offer { from, offer_id, sdp });
                }
            }
            Kind::Answer => {
                if self.sent.get(&id).is_some_and(|sent| sent.to == from && sent.lines & 1 << line != 0) {
                    self.sent.remove(&id);
                    events.push(Event::Answer { from, offer_id, sdp });
                }
            }
        }
    }

    /// A tracker could not deliver an offer, or says so.
    fn handle_undelivered(&mut self, line: usize, id: OfferId, events: &mut Vec<Event>) {
        let Some(sent) = self.sent.get_mut(&id).filter(|sent| sent.lines & 1 << line != 0) else { return };
        sent.lines &= !(1 << line);
        let Sent { to, lines } = *sent;
        if let Some(named) = self.named.get_mut(&to) {
            // The next offer to that peer goes another way, if there is one.
            *named &= !(1 << line);
        }
        if lines == 0 {
            self.sent.remove(&id);
            events.push(Event::Undeliverable { offer_id: binary_string(&id.0) });
        }
    }

    fn may_upload(&self) -> bool {
        self.lines.iter().all(|line| line.may_upload)
    }

    /// Those that are connected.
    fn up(&self) -> Lines {
        let up = self.lines.iter().enumerate().filter(|(_, line)| line.is_up);
        up.fold(0, |lines, (index, _)| lines | 1 << index)
    }

    /// Gives the order to some trackers; which of them have room for it.
    fn order(&self, to: Lines, signal: &Signal) -> Lines {
        let taken = self.lines.iter().enumerate().filter(|(index, line)| {
            to & 1 << index != 0 && line.orders.try_send(Order::Signal(signal.clone())).is_ok()
        });
        taken.fold(0, |lines, (index, _)| lines | 1 << index)
    }
}
