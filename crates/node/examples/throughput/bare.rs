//! The WebRTC stack alone: one connection, one socket, one thread at each end.

use crate::{MESSAGE_BYTES, SEND_BUFFER, rate};
use netlab::{Host, Lab};
use std::io::ErrorKind;
use std::net::{SocketAddr, UdpSocket};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::{Duration, Instant};
use str0m::change::{SdpAnswer, SdpOffer};
use str0m::channel::ChannelId;
use str0m::net::{Protocol, Receive};
use str0m::{Candidate, Event, Input, Output, Rtc};

/// Mbit/s that come.
pub fn run(lab: &Lab, time: Duration) -> f64 {
    let (offer, offers) = channel();
    let (answer, answers) = channel();
    let host = |name| lab.host(name).expect("in the plan").clone();
    let (sender, receiver) = (host("sender"), host("receiver"));
    let (at_sender, at_receiver) = (sender.clone(), receiver.clone());
    let sending = sender.run(move || send(&at_sender, time, &offer, &answers)).expect("a thread");
    let receiving = receiver.run(move || receive(&at_receiver, time, &answer, &offers)).expect("a thread");
    let came = receiving.join().expect("no panic");
    sending.join().expect("no panic");
    rate(came, time)
}

struct End {
    rtc: Rtc,
    socket: UdpSocket,
    local: SocketAddr,
    /// The channel, once it is open.
    channel: Option<ChannelId>,
    came: usize,
    buffer: Vec<u8>,
}

impl End {
    fn new(host: &Host) -> Self {
        let socket = UdpSocket::bind((host.address(), 0)).expect("a socket");
        let local = socket.local_addr().expect("bound");
        let builder = Rtc::builder().clear_codecs();
        let builder = builder.set_sctp_max_buffered_amount(SEND_BUFFER + wire::MAX_MESSAGE_BYTES);
        let mut rtc = builder.build(Instant::now());
        rtc.add_local_candidate(Candidate::host(local, "udp").expect("a candidate"));
        Self { rtc, socket, local, channel: None, came: 0, buffer: vec![0; 2048] }
    }

    /// Gives out what there is; until when there is nothing more.
    fn poll(&mut self) -> Instant {
        loop {
            match self.rtc.poll_output().expect("it runs") {
                Output::Timeout(at) => return at,
                Output::Transmit(datagram) => {
                    let _ = self.socket.send_to(&datagram.contents, datagram.destination);
                }
                Output::Event(Event::ChannelOpen(id, _)) => self.channel = Some(id),
                Output::Event(Event::ChannelData(data)) => self.came += data.data.len(),
                Output::Event(_) => {}
            }
        }
    }

    /// Takes in a datagram, or the time.
    fn wait(&mut self, until: Instant) {
        let wait = until.saturating_duration_since(Instant::now());
        // Zero would be for ever.
        let wait = wait.clamp(Duration::from_micros(100), Duration::from_millis(100));
        self.socket.set_read_timeout(Some(wait)).expect("a timeout");
        let received = self.socket.recv_from(&mut self.buffer);
        let now = Instant::now();
        let input = match received {
            Ok((length, from)) => {
                let datagram = &self.buffer[..length];
                let received = Receive::new(Protocol::Udp, from, self.local, datagram).expect("a datagram");
                Input::Receive(now, received)
            }
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {
                Input::Timeout(now)
            }
            Err(error) => panic!("{error}"),
        };
        self.rtc.handle_input(input).expect("it runs");
    }

    /// Gives the stack as much as its buffer takes; whether that was anything.
    fn fill(&mut self, message: &[u8]) -> bool {
        let Some(mut channel) = self.channel.and_then(|id| self.rtc.channel(id)) else { return false };
        let fits = channel.buffered_amount() + message.len() <= SEND_BUFFER;
        fits && channel.write(true, message).expect("it runs")
    }
}

fn send(host: &Host, time: Duration, offer: &Sender<String>, answers: &Receiver<String>) {
    let mut end = End::new(host);
    let mut api = end.rtc.sdp_api();
    api.add_channel("bare".to_owned());
    let (sdp, pending) = api.apply().expect("an offer");
    offer.send(sdp.to_sdp_string()).expect("awaited");
    let answer = SdpAnswer::from_sdp_string(&answers.recv().expect("an answer")).expect("one");
    end.rtc.sdp_api().accept_answer(pending, answer).expect("an answer");
    let message = vec![7; MESSAGE_BYTES];
    let last = Instant::now() + 2 * time + Duration::from_secs(20);
    // It ends when the other end has counted and is gone.
    while Instant::now() < last && end.rtc.is_alive() && answers.try_recv().is_err() {
        let until = end.poll();
        if !end.fill(&message) {
            end.wait(until);
        }
    }
}

fn receive(host: &Host, time: Duration, answer: &Sender<String>, offers: &Receiver<String>) -> usize {
    let mut end = End::new(host);
    let offer = SdpOffer::from_sdp_string(&offers.recv().expect("an offer")).expect("one");
    let sdp = end.rtc.sdp_api().accept_offer(offer).expect("an offer");
    answer.send(sdp.to_sdp_string()).expect("awaited");
    let mut last = Instant::now() + Duration::from_secs(30);
    let mut first = None;
    while Instant::now() < last && end.rtc.is_alive() {
        let until = end.poll();
        if end.came > 0 && first.is_none() {
            first = Some(end.came);
            last = Instant::now() + time;
        }
        end.wait(until);
    }
    let _ = answer.send("done".to_owned());
    end.came - first.expect("a message")
}
