//! The WebRTC stack alone, as little round it as makes it work: what the links of a node are measured against. Invariant:
//! every connection is polled to its end after whatever happened to it, as the stack asks for.

use crate::links::{every, tick};
use crate::talk::{Pipe, Talk};
use crate::udp::Udp;
use crate::{Command, Shared};
use anyhow::{Context, Result};
use bytes::Bytes;
use std::collections::{BTreeSet, HashMap};
use std::net::SocketAddr;
use std::time::{Duration, Instant};
use str0m::change::{SdpAnswer, SdpOffer, SdpPendingOffer};
use str0m::channel::ChannelId;
use str0m::config::DtlsCert;
use str0m::net::{Protocol, Receive};
use str0m::{Candidate, Event, Input, Output, Rtc};
use tokio::sync::mpsc;
use tokio::time::sleep_until;

/// Datagrams of one connection before it is polled: its DTLS layer holds about thirty.
const UNPOLLED: usize = 8;

/// A connection, and which of its channels.
type Key = (usize, usize);

struct Connection {
    rtc: Rtc,
    pending: Option<SdpPendingOffer>,
    open: Vec<ChannelId>,
    deadline: Instant,
    unpolled: usize,
    is_dialled: bool,
    is_up: bool,
}

struct Way<'a> {
    rtc: &'a mut Rtc,
    channel: ChannelId,
}

impl Pipe for Way<'_> {
    fn send(&mut self, message: &Bytes) -> bool {
        self.rtc
            .channel(self.channel)
            .is_some_and(|mut channel| channel.write(true, message).unwrap_or(false))
    }
}

struct Bare<'a> {
    shared: &'a Shared,
    cert: DtlsCert,
    udp: Udp,
    talk: Talk<Key>,
    all: Vec<Connection>,
    by_address: HashMap<SocketAddr, usize>,
    dirty: BTreeSet<usize>,
}

/// One socket: dials as `dial`, or answers.
pub async fn run(
    shared: &Shared,
    dial: Option<u32>,
    mut commands: mpsc::UnboundedReceiver<Command>,
    is_batched: bool,
) -> Result<()> {
    let provider = str0m::crypto::from_feature_flags();
    let mut bare = Bare {
        shared,
        cert: provider.dtls_provider.generate_certificate().context("a certificate")?,
        udp: Udp::bind(shared.args.bind, is_batched)?,
        talk: Talk::new(shared),
        all: Vec::new(),
        by_address: HashMap::new(),
        dirty: BTreeSet::new(),
    };
    if let Some(who) = dial {
        shared.may_dial().await;
        bare.dial(who)?;
    }
    let mut ticks = Talk::<Key>::pace(shared).map(every);
    loop {
        let wake = bare.round()?;
        tokio::select! {
            readable = bare.udp.readable() => {
                readable?;
                bare.receive()?;
            }
            command = commands.recv() => match command {
                None => return Ok(()),
                Some(Command::Offer { who, id, sdp }) => bare.answer(who, &id, &sdp)?,
                Some(Command::Answer { sdp, .. }) => bare.take_answer(&sdp)?,
                Some(Command::Go) => {
                    let keys = bare.talk.go();
                    bare.pump(keys);
                }
            },
            () = tick(&mut ticks) => {
                let keys = bare.talk.tick();
                bare.pump(keys);
            }
            () = sleep_until(wake.into()) => {}
        }
    }
}

impl Bare<'_> {
    fn add(&mut self, is_dialled: bool) -> Result<&mut Connection> {
        let now = Instant::now();
        let mut rtc = Rtc::builder()
            .set_dtls_cert(self.cert.clone())
            .clear_codecs()
            .set_sctp_max_buffered_amount(self.shared.args.buffer)
            .build(now);
        rtc.add_local_candidate(Candidate::host(self.udp.local, "udp")?);
        self.dirty.insert(self.all.len());
        self.all.push(Connection {
            rtc,
            pending: None,
            open: Vec::new(),
            deadline: now,
            unpolled: 0,
            is_dialled,
            is_up: false,
        });
        self.all.last_mut().context("one was added")
    }

    fn dial(&mut self, who: u32) -> Result<()> {
        let channels = self.shared.args.channels;
        let connection = self.add(true)?;
        let mut api = connection.rtc.sdp_api();
        for n in 0..channels {
            api.add_channel(format!("{n}"));
        }
        let (offer, pending) = api.apply().context("an offer")?;
        connection.pending = Some(pending);
        let sdp = offer.to_sdp_string().replace("a=ice-options:trickle\r\n", "");
        self.shared.describe("offer", who, "bare", &sdp);
        Ok(())
    }

    fn answer(&mut self, who: u32, id: &str, sdp: &str) -> Result<()> {
        let offer = SdpOffer::from_sdp_string(sdp)?;
        let answer = self.add(false)?.rtc.sdp_api().accept_offer(offer)?.to_sdp_string();
        self.shared.describe("answer", who, id, &answer.replace("a=ice-options:trickle\r\n", ""));
        Ok(())
    }

    fn take_answer(&mut self, sdp: &str) -> Result<()> {
        let connection = self.all.first_mut().context("a connection")?;
        let pending = connection.pending.take().context("an offer")?;
        connection.rtc.sdp_api().accept_answer(pending, SdpAnswer::from_sdp_string(sdp)?)?;
        self.dirty.insert(0);
        Ok(())
    }

    /// Everything that is due; when the next is.
    fn round(&mut self) -> Result<Instant> {
        let now = Instant::now();
        for at in 0..self.all.len() {
            if self.all[at].deadline <= now {
                self.dirty.insert(at);
            }
        }
        while let Some(at) = self.dirty.pop_first() {
            if self.all[at].deadline <= now {
                self.all[at].rtc.handle_input(Input::Timeout(now))?;
            }
            self.poll(at)?;
        }
        self.udp.flush();
        let wake = self.all.iter().map(|connection| connection.deadline).min();
        Ok(wake.unwrap_or(now + Duration::from_secs(1)))
    }

    fn receive(&mut self) -> Result<()> {
        let now = Instant::now();
        while self.udp.receive()? {
            let received = self.udp.take();
            for (from, datagram) in received.datagrams() {
                self.deliver(now, from, datagram)?;
            }
            self.udp.give_back(received);
        }
        Ok(())
    }

    fn deliver(&mut self, now: Instant, from: SocketAddr, datagram: &[u8]) -> Result<()> {
        let Ok(receive) = Receive::new(Protocol::Udp, from, self.udp.local, datagram) else { return Ok(()) };
        let input = Input::Receive(now, receive);
        let at = match self.by_address.get(&from) {
            Some(at) => *at,
            None => {
                let Some(at) = self.all.iter().rposition(|one| one.rtc.accepts(&input)) else {
                    return Ok(());
                };
                self.by_address.insert(from, at);
                at
            }
        };
        let connection = &mut self.all[at];
        connection.rtc.handle_input(input)?;
        connection.unpolled += 1;
        if connection.unpolled >= UNPOLLED {
            self.poll(at)?;
        }
        self.dirty.insert(at);
        Ok(())
    }

    /// Takes all that a connection has to send and to say, and says what there is to be said.
    fn poll(&mut self, at: usize) -> Result<()> {
        loop {
            self.drain(at)?;
            let connection = &mut self.all[at];
            let mut is_any = false;
            for (n, channel) in connection.open.iter().enumerate() {
                let way = &mut Way { rtc: &mut connection.rtc, channel: *channel };
                is_any |= self.talk.pump((at, n), way, self.shared);
            }
            if !is_any {
                return Ok(());
            }
        }
    }

    fn drain(&mut self, at: usize) -> Result<()> {
        let connection = &mut self.all[at];
        connection.unpolled = 0;
        loop {
            match connection.rtc.poll_output()? {
                Output::Timeout(deadline) => {
                    connection.deadline = deadline;
                    return Ok(());
                }
                Output::Transmit(datagram) => self.udp.push(datagram.destination, &datagram.contents),
                Output::Event(Event::ChannelOpen(channel, _)) => {
                    connection.open.push(channel);
                    if let Some(mut channel) = connection.rtc.channel(channel) {
                        channel.set_buffered_amount_low_threshold(self.shared.args.buffer / 2);
                    }
                    let way = &mut Way { rtc: &mut connection.rtc, channel };
                    self.talk.up((at, connection.open.len() - 1), way, self.shared);
                    if !std::mem::replace(&mut connection.is_up, true) {
                        self.shared.count_up(connection.is_dialled);
                    }
                }
                Output::Event(Event::ChannelData(data)) => {
                    let Some(n) = connection.open.iter().position(|channel| *channel == data.id) else {
                        continue;
                    };
                    let way = &mut Way { rtc: &mut connection.rtc, channel: data.id };
                    self.talk.message((at, n), data.data.len(), way, self.shared);
                }
                Output::Event(Event::Closed) => self.shared.count_down(),
                Output::Event(_) => {}
            }
        }
    }

    fn pump(&mut self, keys: Vec<Key>) {
        for (at, n) in keys {
            let connection = &mut self.all[at];
            let way = &mut Way { rtc: &mut connection.rtc, channel: connection.open[n] };
            self.talk.pump((at, n), way, self.shared);
            self.dirty.insert(at);
        }
    }
}
