//! A scenario in virtual time: the product's own peers and tracker, on a modelled network, with modelled players.
//!
//! Invariant: what a peer does here is what it does in a browser. The world only carries out its [`Output`]s and tells it what
//! happened; it decides nothing for it. And nothing depends on anything but the scenario, the seed and the code: the same three
//! give the same [`Run::trace`], on every target.
//!
//! After every step the [`oracle`] checks, from outside, what must always hold.

mod carry;
mod come;
mod enemy;
mod fetched;
mod happen;
mod honest;
mod live;
mod offer;
mod oracle;
mod player;
mod record;
mod sites;
mod tracker;
mod viewer;

use core::time::Duration;
use std::collections::BTreeMap;
use std::sync::Arc;

use manifest::{Index, SegmentId};
use swarm::{Input, Link, Output, PeerId, Time};
use wire::Message;

use crate::figures::Run;
use crate::net::origin::{self, Origin, Request};
use crate::net::{self, HostId, Net, Transfer};
use crate::population::{Population, Wobbles};
use crate::rng::{Rng, mix};
use crate::scenario::{self, Scenario, at};
use crate::sessions::{Arrivals, Catalogue};
use crate::traces;
use crate::wheel::Wheel;

use live::Stream;
pub use oracle::Broken;
use oracle::Rings;
use record::Record;
use tracker::{Told, Tracker};
use viewer::Viewer;

/// A run in progress.
pub struct World<'a> {
    scenario: &'a Scenario,
    seed: u64,
    /// Whether viewers only ask the origin.
    alone: bool,
    now: Time,
    end: Time,
    wheel: Wheel<Event>,
    net: Net,
    origin: Origin,
    /// When the next [`Event::Origin`] is due.
    origin_due: Option<Time>,
    requests: BTreeMap<Request, Asked>,
    /// Pages that are being loaded, and whose.
    pages: BTreeMap<Request, u32>,
    pages_bytes: u64,
    tracker: Tracker,
    population: Population,
    wobbles: Wobbles,
    catalogue: Option<Catalogue>,
    arrivals: Arrivals,
    arrivals_rng: Rng,
    films: BTreeMap<usize, Arc<Film>>,
    /// What films are like: a live one is as long as the run and what was before it.
    film: scenario::Film,
    stream: Option<Stream>,
    rings: Rings,
    viewers: Vec<Viewer>,
    /// Empty: room for what a peer says.
    out: Vec<Output>,
    /// The last link's name.
    links: u32,
    record: Record,
    digest: u64,
    events: u64,
    broken: Option<Broken>,
}

/// A film, and the name of its swarm.
#[derive(Debug)]
struct Film {
    number: usize,
    index: Index,
    swarm: [u8; 20],
}

/// A request to the origin.
#[derive(Clone, Debug)]
struct Asked {
    viewer: u32,
    segment: SegmentId,
    first: u32,
    began: Time,
    bytes: u64,
    /// Pieces that cannot be checked yet: without the segment's leaves only the whole can.
    staged: Vec<u32>,
}

/// What is on its way from one peer to another.
enum Carried {
    Message(Message),
    /// Heads of the live stream, from one number to another.
    Heads {
        first: u32,
        last: u32,
    },
    Piece {
        segment: SegmentId,
        piece: u32,
        forged: bool,
    },
}

enum Event {
    /// The next viewer comes.
    Come,
    /// A viewer has the film's index, and begins.
    Begin(u32),
    /// A viewer goes.
    Go(u32),
    Seek(u32, Duration),
    /// A viewer's player looks round.
    Player(u32),
    /// It asks for more: after what it was given has been given, as a browser's does.
    Ask(u32),
    /// A viewer is ready to meet others.
    Meet(u32),
    /// A peer wants to be called.
    Wake(u32),
    /// Something is at its receiver's access link.
    Reach {
        transfer: Transfer,
        link: Link,
        what: Carried,
    },
    /// And through it.
    Through {
        to: u32,
        link: Link,
        what: Carried,
    },
    /// Bytes have left the sender's queue.
    Left {
        from: u32,
        link: Link,
        bytes: u32,
    },
    /// A link is up, from the side of `at`.
    Up {
        at: u32,
        link: Link,
        peer: u32,
        dialled: bool,
    },
    /// A link is found gone.
    Down {
        at: u32,
        link: Link,
    },
    DialFailed {
        at: u32,
        peer: PeerId,
    },
    /// An announce is at the tracker.
    Announce {
        from: u32,
        want: u32,
    },
    /// Its reply is back.
    Told {
        to: u32,
        told: Told,
    },
    /// The tracker has noticed that a viewer is gone.
    Missed(u32),
    /// The origin has something to tell.
    Origin,
    /// A part of a response is at its receiver's access link.
    Part {
        to: u32,
        began: Time,
        bytes: u32,
        request: Request,
        part: u32,
        last: bool,
    },
    /// And through it.
    Came {
        to: u32,
        request: Request,
        part: u32,
        last: bool,
    },
    /// A fetch has come to nothing.
    Cut {
        to: u32,
        segment: SegmentId,
        request: Option<Request>,
    },
    /// A player without Braidcast asks again.
    Retry {
        to: u32,
        segment: SegmentId,
        count: u32,
    },
    /// A viewer tells the tracker that it is still there.
    Renew(u32),
    /// One takes another name.
    Rename(u32),
    /// Many go at once.
    Crash(f64),
    /// A part of the live stream is born.
    Born,
    /// The origin's answer about heads is there.
    Heads {
        to: u32,
        first: u32,
        last: u32,
    },
    /// A step of the time series ends.
    Moment,
}

/// Steps of the time series.
const MOMENTS: u32 = 200;

impl<'a> World<'a> {
    /// The start of a run of a scenario that [`Scenario::check`] lets pass. `alone`: without Braidcast.
    pub fn new(scenario: &'a Scenario, seed: u64, alone: bool) -> Self {
        let settings = &scenario.origin;
        let mbps = |mbps: f64| (mbps * 1e6) as u64;
        let origin = origin::Config {
            total_bps: settings.total_mbps.map(mbps),
            connection_bps: Some(mbps(settings.connection_mbps)),
            rtt: Duration::from_secs_f64(settings.rtt_ms / 1e3),
            price_per_gb: settings.price_per_gb,
            away: settings.away_s.iter().map(|&(from, to)| (at(from), at(to))).collect(),
        };
        let mut come = scenario.audience.come.clone();
        let scale = f64::from(scenario.audience.viewers) / come.total();
        come.points.iter_mut().for_each(|(_, rate)| *rate *= scale);
        let mut world = Self {
            scenario,
            seed,
            alone,
            now: Time::default(),
            end: at(scenario.seconds),
            wheel: Wheel::new(),
            net: Net::new(net::Config::default(), seed),
            origin: Origin::new(origin),
            origin_due: None,
            requests: BTreeMap::new(),
            pages: BTreeMap::new(),
            pages_bytes: 0,
            tracker: Tracker::new(seed, scenario.sites.iter().map(scenario::Site::setting).collect()),
            population: scenario.population(),
            wobbles: Wobbles::synthetic(&traces::BELGIUM_4G, 64, 300, &mut Rng::stream(seed, 0, "wobbles")),
            catalogue: scenario.audience.catalogue.map(Catalogue::new),
            arrivals: Arrivals::new(come),
            arrivals_rng: Rng::stream(seed, 0, "arrivals"),
            films: BTreeMap::new(),
            stream: scenario.live.as_ref().map(|_| Stream::new(scenario.film.segment())),
            film: match &scenario.live {
                Some(_) => scenario::Film {
                    seconds: scenario.seconds + live::BEFORE.as_secs_f64() + 10.0,
                    ..scenario.film.clone()
                },
                None => scenario.film.clone(),
            },
            rings: Rings::default(),
            viewers: Vec::new(),
            out: Vec::new(),
            links: 0,
            record: Record::default(),
            digest: 0,
            events: 0,
            broken: None,
        };
        world.lay_lines();
        if let Some(edge) = &scenario.edge {
            world.set_up(edge);
        }
        world.await_next();
        if let Some(stream) = &world.stream {
            world.wheel.push(stream.birth(stream.born + 1), Event::Born);
        }
        for crash in &scenario.faults.crash {
            world.wheel.push(at(crash.at_s), Event::Crash(crash.share));
        }
        for step in 1..=MOMENTS {
            world.wheel.push(at(scenario.seconds * f64::from(step) / f64::from(MOMENTS)), Event::Moment);
        }
        world
    }

    /// Runs for so many events more, or to the end. `false`: it is over.
    ///
    /// # Errors
    /// What must always hold did not.
    pub fn run(&mut self, events: u64) -> Result<bool, Broken> {
        for _ in 0..events {
            let Some((at, event)) = self.wheel.pop().filter(|(at, _)| *at <= self.end) else {
                self.now = self.end;
                self.check_ledger();
                return self.broken.clone().map_or(Ok(false), Err);
            };
            self.now = at;
            self.events += 1;
            self.note(self.events);
            self.happen(event);
            if let Some(broken) = &self.broken {
                return Err(broken.clone());
            }
        }
        Ok(true)
    }

    /// How much of the run is over: 0 to 1.
    pub fn progress(&self) -> f64 {
        self.now.0 as f64 / self.end.0.max(1) as f64
    }

    /// Viewers who are there now.
    pub fn present(&self) -> usize {
        self.watching().filter(|viewer| !viewer.gone).count()
    }

    /// All but who keeps for others.
    fn watching(&self) -> impl Iterator<Item = &Viewer> {
        self.viewers.iter().filter(|viewer| !viewer.keeps())
    }

    /// Everything that has happened and was decided, as a number.
    pub fn digest(&self) -> u64 {
        self.digest
    }

    /// What the run showed.
    pub fn finish(self) -> Run {
        record::figures(self)
    }

    fn await_next(&mut self) {
        if let Some(next) = self.arrivals.next(&mut self.arrivals_rng) {
            self.wheel.push(Time(next.as_micros() as u64), Event::Come);
        }
    }

    fn after(&mut self, span: Duration, event: Event) {
        self.wheel.push(self.now + span, event);
    }

    /// Tells a viewer's peer what has happened, and carries out what it says.
    fn feed(&mut self, at: u32, input: Input<'_>) {
        let viewer = &mut self.viewers[at as usize];
        if viewer.gone {
            return;
        }
        let Some(core) = &mut viewer.core else { return };
        let mut out = std::mem::take(&mut self.out);
        let next = core.handle(self.now, input, &mut out);
        if let Some(next) = next {
            viewer.wake = next;
            if next < viewer.alarm {
                viewer.alarm = next;
                self.wheel.push(next, Event::Wake(at));
            }
        }
        for output in out.drain(..) {
            self.note(u64::from(at) << 32 | tag(&output));
            self.carry_out(at, output);
        }
        self.out = out;
        self.check_viewer(at);
    }

    /// Takes something into the digest of the run.
    fn note(&mut self, what: u64) {
        self.digest = mix(self.digest ^ mix(self.now.0 ^ what.rotate_left(32)));
    }

    fn film(&mut self, number: usize) -> Arc<Film> {
        let made = || {
            let index = self.film.index(number);
            Arc::new(Film { number, swarm: index.swarm_id(), index })
        };
        self.films.entry(number).or_insert_with(made).clone()
    }

    fn host(&self, viewer: u32) -> HostId {
        self.viewers[viewer as usize].host
    }

    /// Half the round trip to the tracker.
    fn to_tracker(&self) -> Duration {
        Duration::from_secs_f64(self.scenario.tracker.rtt_ms / 2e3)
    }

    fn tracker_is_up(&self) -> bool {
        let now = self.now;
        !self.scenario.tracker.away_s.iter().any(|&(from, to)| at(from) <= now && now < at(to))
    }
}

/// What an order is about, as a number.
fn tag(output: &Output) -> u64 {
    let of = |segment: &SegmentId| u64::from(segment.rendition) << 24 ^ u64::from(segment.sequence);
    match output {
        Output::Announce { want } => 0x1000_0000 | u64::from(*want),
        Output::Dial(peer) => {
            0x2000_0000
                | peer.0.iter().fold(0, |sum: u64, &byte| sum.wrapping_mul(31).wrapping_add(u64::from(byte)))
                    & 0xfff_ffff
        }
        Output::Hangup(link, _) => 0x3000_0000 | u64::from(link.0),
        Output::Send(link, _) => 0x4000_0000 | u64::from(link.0),
        Output::SendPiece { segment, piece, .. } => 0x5000_0000 | of(segment) ^ u64::from(*piece) << 12,
        Output::Fetch { segment, .. } => 0x6000_0000 | of(segment),
        Output::CancelFetch(segment) => 0x7000_0000 | of(segment),
        Output::Deliver(segment) => 0x8000_0000 | of(segment),
        Output::Evict(segment) => 0x9000_0000 | of(segment),
        Output::SendHeads { link, after } => 0xa000_0000 | u64::from(link.0) ^ u64::from(*after) << 8,
        Output::AskHeads { after } => 0xb000_0000 | u64::from(*after),
        Output::Signal(signal) => 0xc000_0000 | u64::from(signal.offer_id[0]),
    }
}
