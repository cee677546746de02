//! The links of a node, as its drivers have them. Invariant: what is sent fits into the room that the link says it has.

use crate::talk::{Pipe, Talk};
use crate::{Command, Shared};
use anyhow::Result;
use bytes::Bytes;
use node::links::{Config, Event, Links};
use std::time::Duration;
use swarm::{Link, PeerId};
use tokio::sync::mpsc;
use tokio::time::{Interval, MissedTickBehavior, interval};

/// Events taken before anything else gets its turn.
const EVENTS: usize = 64;

struct Way<'a> {
    links: &'a Links,
    link: Link,
}

impl Pipe for Way<'_> {
    fn send(&mut self, message: &Bytes) -> bool {
        let fits = self.links.room(self.link) as usize >= message.len();
        if fits {
            self.links.send(self.link, message.clone());
        }
        fits
    }
}

/// One socket: dials as `dial`, or answers.
pub async fn run(
    shared: &Shared,
    dial: Option<u32>,
    mut commands: mpsc::UnboundedReceiver<Command>,
) -> Result<()> {
    let config = Config {
        bind: (shared.args.bind, 0).into(),
        max_connections: 4096,
        send_buffer: shared.args.buffer,
        open_within: Duration::from_secs(60),
        ..Config::default()
    };
    let (links, mut events) = Links::open(config).await?;
    let mut talk = Talk::new(shared);
    let pace = Talk::<Link>::pace(shared);
    let mut ticks = pace.map(every);
    if dial.is_some() {
        shared.may_dial().await;
        links.dial(peer(u32::MAX));
    }
    loop {
        tokio::select! {
            event = events.recv() => {
                let Some(event) = event else { return Ok(()) };
                handle(shared, &links, &mut talk, dial, event);
                for _ in 0..EVENTS {
                    let Ok(event) = events.try_recv() else { break };
                    handle(shared, &links, &mut talk, dial, event);
                }
            }
            command = commands.recv() => match command {
                None => return Ok(()),
                Some(Command::Offer { who, id, sdp }) => links.offer(peer(who), id, sdp),
                Some(Command::Answer { id, sdp }) => links.answer(peer(u32::MAX), id, sdp),
                Some(Command::Go) => {
                    for link in talk.go() {
                        talk.pump(link, &mut Way { links: &links, link }, shared);
                    }
                }
            },
            () = tick(&mut ticks) => {
                for link in talk.tick() {
                    talk.pump(link, &mut Way { links: &links, link }, shared);
                }
            }
        }
    }
}

fn handle(shared: &Shared, links: &Links, talk: &mut Talk<Link>, dial: Option<u32>, event: Event) {
    match event {
        Event::Offer { offer_id, sdp, .. } => {
            shared.describe("offer", dial.unwrap_or_default(), &offer_id, &sdp);
        }
        Event::Answer { to, offer_id, sdp } => shared.describe("answer", who(&to), &offer_id, &sdp),
        Event::Up { link, dialled, .. } => {
            talk.up(link, &mut Way { links, link }, shared);
            shared.count_up(dialled);
        }
        Event::Down(link) => {
            talk.down(link);
            shared.count_down();
        }
        Event::Message(link, message) => {
            talk.message(link, message.len(), &mut Way { links, link }, shared);
        }
        Event::Room(link, _) => {
            talk.pump(link, &mut Way { links, link }, shared);
        }
        // On a machine with too much to do.
        Event::DialFailed(to) => links.dial(to),
    }
}

/// Ticks, should there be any.
pub async fn tick(ticks: &mut Option<Interval>) {
    match ticks {
        Some(ticks) => {
            ticks.tick().await;
        }
        None => std::future::pending().await,
    }
}

/// Ticks that do not come in bursts.
pub fn every(span: Duration) -> Interval {
    let mut ticks = interval(span);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    ticks
}

fn peer(who: u32) -> PeerId {
    let mut id = *b"-BC0001-............";
    id[8..].copy_from_slice(format!("{who:012}").as_bytes());
    PeerId(id)
}

fn who(peer: &PeerId) -> u32 {
    std::str::from_utf8(&peer.0[8..]).ok().and_then(|digits| digits.parse().ok()).unwrap_or(u32::MAX)
}
