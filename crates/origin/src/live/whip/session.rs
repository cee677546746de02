//! One publisher over WebRTC, from its answered offer to its end.
//!
//! The invariant: pictures and sound are put on one clock once, by what the publisher itself reports, and stay on it.

use super::demux::Inbox;
use super::pictures::Pictures;
use super::sound::Sound;
use crate::live::desk::{Over, Publisher, Seat};
use crate::live::flv::{Tag, TagError, TagReader};
use bytes::Bytes;
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant, UNIX_EPOCH};
use str0m::media::{KeyframeRequestKind, MediaData, MediaKind, Mid};
use str0m::net::{Protocol, Receive};
use str0m::{Event, IceConnectionState, Input, Output, Rtc, RtcError};
use thiserror::Error;
use tokio::net::UdpSocket;
use tokio::sync::{mpsc, oneshot};
use tokio::time::{MissedTickBehavior, interval, sleep_until};

/// Within this time the publisher must be connected.
const CONNECT: Duration = Duration::from_secs(15);
/// A publisher that sends no media for so long is cut off.
const SILENCE: Duration = Duration::from_secs(20);
/// How long the publisher's reports are waited for, and the encoder of sound.
const PATIENCE: Duration = Duration::from_secs(2);
const SOUND_PATIENCE: Duration = Duration::from_secs(5);
/// Least time between two requests for a keyframe because something was lost.
const ASK_AGAIN: Duration = Duration::from_millis(500);
/// Left before the first sample, for what comes later and is earlier.
const BASE_US: i128 = 2_000_000;
/// Datagrams of a session that may wait.
pub(super) const WAITING: usize = 512;

/// Why a session ended without being told to.
#[derive(Debug, Error)]
pub(super) enum Lost {
    #[error("it did not connect")]
    Connect,
    #[error("it sent nothing for too long")]
    Silent,
    #[error("the connection broke: {0}")]
    Rtc(#[from] RtcError),
    #[error("{0}")]
    Tag(#[from] TagError),
    #[error("{0}")]
    Over(#[from] Over),
}

/// Everything a session is made of.
pub(super) struct Session {
    pub rtc: Rtc,
    pub socket: Arc<UdpSocket>,
    /// Addresses of ours that the publisher was told.
    pub told: Vec<SocketAddr>,
    pub datagrams: mpsc::Receiver<(SocketAddr, Bytes)>,
    pub seat: Seat,
    /// Where sound becomes AAC; `None` without ffmpeg.
    pub sound: Option<Sound>,
    /// How often a keyframe is asked for.
    pub keyframes: Duration,
    /// Resolves when the publisher says that it is done.
    pub done: oneshot::Receiver<()>,
}

/// Makes the inbox of a session.
pub(super) fn inbox() -> (Inbox, mpsc::Receiver<(SocketAddr, Bytes)>) {
    mpsc::channel(WAITING)
}

impl Session {
    /// Runs to the end; `Ok` when the publisher said so.
    pub async fn run(mut self) -> Result<(), Lost> {
        let begun = Instant::now();
        let mut stage =
            Stage { media: BTreeMap::new(), clock: Clock::new(begun), last: begun, connected: false };
        let mut tags = TagReader::default();
        let mut pictures = Pictures::default();
        let mut publisher: Option<Publisher> = None;
        let (mut sounding, mut asked) = (false, begun);
        let mut keyframes = interval(self.keyframes);
        keyframes.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            let (wake, media) = self.poll(&mut stage).await?;
            for data in media {
                let Some(at_ms) = stage.clock.place(&data, &stage.media) else { continue };
                match stage.media.get(&data.mid) {
                    Some(MediaKind::Audio) => {
                        if let Some(sound) = &self.sound {
                            sound.push(at_ms.into(), &data.data);
                        }
                        continue;
                    }
                    Some(MediaKind::Video) => {}
                    None => continue,
                }
                let waits = self.sound.is_some() && stage.clock.has_sound && !sounding;
                if waits && begun.elapsed() < SOUND_PATIENCE {
                    continue; // a keyframe is asked for again
                }
                if !data.contiguous && asked.elapsed() > ASK_AGAIN {
                    asked = Instant::now();
                    self.ask_for_keyframes(&stage.media);
                }
                let new = pictures.tags(at_ms, &data.data);
                for tag in new {
                    pass(tag, &mut tags, &mut publisher, &self.seat).await?;
                }
            }
            let limit = if stage.connected { stage.last + SILENCE } else { begun + CONNECT };
            tokio::select! {
                datagram = self.datagrams.recv() => {
                    let Some((from, bytes)) = datagram else { return Ok(()) };
                    self.receive(from, &bytes)?;
                }
                () = sleep_until(wake.min(limit).into()) => {
                    if Instant::now() >= limit {
                        return Err(if stage.connected { Lost::Silent } else { Lost::Connect });
                    }
                    self.rtc.handle_input(Input::Timeout(Instant::now()))?;
                }
                tag = next(&mut self.sound) => match tag {
                    Some(tag) => {
                        sounding = true;
                        pass(tag, &mut tags, &mut publisher, &self.seat).await?;
                    }
                    None => {
                        tracing::warn!(stream = %self.seat.stream(), "the encoder of sound is gone");
                        self.sound = None;
                    }
                },
                _ = keyframes.tick() => self.ask_for_keyframes(&stage.media),
                () = over(&mut publisher) => return Err(Over.into()),
                _ = &mut self.done => {
                    if let (Some(publisher), Some(last)) = (&mut publisher, tags.flush()) {
                        publisher.send(last).await?;
                    }
                    if let Some(publisher) = publisher {
                        publisher.end().await;
                    }
                    return Ok(());
                }
            }
        }
    }

    /// Sends what is to be sent; gives what came, and when to look again.
    async fn poll(&mut self, stage: &mut Stage) -> Result<(Instant, Vec<MediaData>), Lost> {
        let mut media = Vec::new();
        loop {
            match self.rtc.poll_output()? {
                Output::Timeout(at) => return Ok((at, media)),
                Output::Transmit(transmit) => {
                    // What is lost here is lost as on the way.
                    self.socket.send_to(&transmit.contents, transmit.destination).await.ok();
                }
                Output::Event(Event::Connected) => stage.connected = true,
                Output::Event(Event::IceConnectionStateChange(IceConnectionState::Disconnected)) => {
                    return Err(Lost::Silent);
                }
                Output::Event(Event::MediaAdded(added)) => {
                    // The first of each kind.
                    if !stage.media.values().any(|kind| *kind == added.kind) {
                        stage.media.insert(added.mid, added.kind);
                    }
                }
                Output::Event(Event::MediaData(data)) => {
                    stage.last = Instant::now();
                    media.push(data);
                }
                Output::Event(_) => {}
            }
        }
    }

    fn receive(&mut self, source: SocketAddr, bytes: &[u8]) -> Result<(), Lost> {
        let here = self.told.iter().find(|told| told.is_ipv4() == source.is_ipv4());
        let Some(&destination) = here else { return Ok(()) };
        // What is none of its protocols is nobody's.
        let Ok(contents) = bytes.try_into() else { return Ok(()) };
        let receive = Receive { proto: Protocol::Udp, source, destination, contents };
        Ok(self.rtc.handle_input(Input::Receive(Instant::now(), receive))?)
    }

    fn ask_for_keyframes(&mut self, media: &BTreeMap<Mid, MediaKind>) {
        for (mid, _) in media.iter().filter(|(_, kind)| **kind == MediaKind::Video) {
            if let Some(mut writer) = self.rtc.writer(*mid) {
                // Before anything came there is nobody to ask.
                writer.request_keyframe(None, KeyframeRequestKind::Pli).ok();
            }
        }
    }
}

struct Stage {
    media: BTreeMap<Mid, MediaKind>,
    clock: Clock,
    last: Instant,
    connected: bool,
}

async fn next(sound: &mut Option<Sound>) -> Option<Tag> {
    match sound {
        Some(sound) => sound.next().await,
        None => std::future::pending().await,
    }
}

async fn over(publisher: &mut Option<Publisher>) {
    match publisher {
        Some(publisher) => publisher.replaced().await,
        None => std::future::pending().await,
    }
}

/// Hands over what a tag says; the publication begins with the first one.
async fn pass(
    tag: Tag,
    tags: &mut TagReader,
    publisher: &mut Option<Publisher>,
    seat: &Seat,
) -> Result<(), Lost> {
    let publisher = match publisher {
        Some(publisher) => publisher,
        None => {
            tracing::info!(stream = %seat.stream(), "publishing over WebRTC");
            publisher.insert(seat.open("WHIP", 2).await?)
        }
    };
    for media in tags.tag(tag)? {
        publisher.send(media).await?;
    }
    Ok(())
}

/// Puts the RTP clocks of sound and pictures on one.
struct Clock {
    begun: Instant,
    has_sound: bool,
    /// Of each media: an RTP time, and the microsecond it stands for.
    seen: BTreeMap<Mid, Seen>,
    /// Microseconds that count as nothing, once the clocks are known.
    zero: Option<i128>,
}

#[derive(Clone, Copy)]
struct Seen {
    first: Instant,
    rtp: u32,
    arrived_us: i128,
    reported: Option<(u32, i128)>,
    chosen: Option<(u32, i128)>,
}

impl Clock {
    fn new(begun: Instant) -> Self {
        Self { begun, has_sound: false, seen: BTreeMap::new(), zero: None }
    }

    /// When the publisher means `data` to be shown, in milliseconds; `None` as long as its clocks are not known.
    fn place(&mut self, data: &MediaData, media: &BTreeMap<Mid, MediaKind>) -> Option<u32> {
        self.has_sound |= media.get(&data.mid) == Some(&MediaKind::Audio);
        // RTP's own clock, which wraps.
        let rtp = data.time.numer() as u32;
        let seen = self.seen.entry(data.mid).or_insert_with(|| Seen {
            first: Instant::now(),
            rtp,
            arrived_us: data.network_time.saturating_duration_since(self.begun).as_micros() as i128,
            reported: None,
            chosen: None,
        });
        if let Some(report) = &data.last_sender_info {
            let us = report.ntp_time.duration_since(UNIX_EPOCH).ok()?.as_micros() as i128;
            seen.reported = Some((report.rtp_time.numer() as u32, us));
        }
        if self.zero.is_none() {
            let all = self.seen.len() == media.len();
            let reported = all && self.seen.values().all(|seen| seen.reported.is_some());
            let waited = self.seen.values().any(|seen| seen.first.elapsed() > PATIENCE);
            if !reported && !waited {
                return None;
            }
            for seen in self.seen.values_mut() {
                seen.chosen = seen.reported.filter(|_| reported);
                seen.chosen.get_or_insert((seen.rtp, seen.arrived_us));
            }
        }
        let seen = self.seen.get_mut(&data.mid)?;
        // One that came later than the others is placed by when it came.
        let (rtp0, us0) = *seen.chosen.get_or_insert((seen.rtp, seen.arrived_us));
        let passed = i128::from(rtp.wrapping_sub(rtp0) as i32) * 1_000_000 / i128::from(data.time.denom());
        let at_us = us0 + passed;
        let zero = *self.zero.get_or_insert(at_us - BASE_US);
        // Its clock goes on where it was, though RTP's wraps.
        seen.chosen = Some((rtp, at_us));
        u32::try_from((at_us - zero).div_euclid(1000)).ok()
    }
}
