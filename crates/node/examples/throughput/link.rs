//! A link of the node, from its first message on.

use crate::{MESSAGE_BYTES, SEND_BUFFER, rate};
use bytes::Bytes;
use netlab::Lab;
use node::links::{Config, Event, Links};
use std::time::{Duration, Instant};
use swarm::PeerId;
use tokio::sync::mpsc;
use tokio::time::timeout_at;

const SENDER: PeerId = PeerId(*b"-BC0001-000000sender");
const RECEIVER: PeerId = PeerId(*b"-BC0001-0000receiver");

/// A description and the name of its offer, on the way to the other.
type Words = mpsc::UnboundedSender<(String, String)>;

/// Mbit/s that come.
pub fn run(lab: &Lab, time: Duration) -> f64 {
    let (offer, offers) = mpsc::unbounded_channel();
    let (answer, answers) = mpsc::unbounded_channel();
    let host = |name| lab.host(name).expect("in the plan");
    let sending = host("sender").run(move || block_on(send(time, offer, answers))).expect("a thread");
    let receiving = host("receiver").run(move || block_on(receive(time, answer, offers))).expect("a thread");
    let came = receiving.join().expect("no panic");
    sending.join().expect("no panic");
    rate(came, time)
}

fn block_on<T>(work: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    runtime.expect("a runtime").block_on(work)
}

async fn links() -> (Links, mpsc::Receiver<Event>) {
    Links::open(Config { send_buffer: SEND_BUFFER, ..Config::default() }).await.expect("links")
}

async fn send(time: Duration, offer: Words, mut answers: mpsc::UnboundedReceiver<(String, String)>) {
    let (links, mut events) = links().await;
    links.dial(RECEIVER);
    let message = Bytes::from(vec![7; MESSAGE_BYTES]);
    // Longer than the other end counts; it ends when that is gone.
    let end = Instant::now() + 2 * time + Duration::from_secs(20);
    loop {
        tokio::select! {
            Some((offer_id, sdp)) = answers.recv() => links.answer(RECEIVER, offer_id, sdp),
            event = timeout_at(end.into(), events.recv()) => match event {
                Ok(Some(Event::Offer { offer_id, sdp, .. })) => drop(offer.send((offer_id, sdp))),
                Ok(Some(Event::Room(link, _))) => {
                    while links.room(link) as usize >= MESSAGE_BYTES {
                        links.send(link, message.clone());
                    }
                }
                Ok(Some(Event::Down(_))) | Ok(None) | Err(_) => return,
                Ok(Some(_)) => {}
            },
        }
    }
}

async fn receive(
    time: Duration,
    answer: Words,
    mut offers: mpsc::UnboundedReceiver<(String, String)>,
) -> usize {
    let (links, mut events) = links().await;
    let (offer_id, sdp) = offers.recv().await.expect("an offer");
    links.offer(SENDER, offer_id, sdp);
    let mut came = 0;
    let mut end = Instant::now() + Duration::from_secs(30);
    let mut first = None;
    while let Ok(Some(event)) = timeout_at(end.into(), events.recv()).await {
        match event {
            Event::Answer { offer_id, sdp, .. } => drop(answer.send((offer_id, sdp))),
            Event::Message(link, message) => {
                came += message.len();
                if first.is_none() {
                    first = Some(link);
                    came = 0;
                    end = Instant::now() + time;
                }
            }
            _ => {}
        }
    }
    links.hang_up(first.expect("a link"));
    tokio::time::sleep(Duration::from_millis(200)).await;
    came
}
