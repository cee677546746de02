//! The bus over NATS: core publish and subscribe, on one subject for all nodes and one for each.
//!
//! A server that is gone is looked for again by itself, and the others of its cluster that it has named as well. Until one is found
//! nothing comes and nothing goes.

use std::{str::FromStr, sync::Arc, time::Duration};

use async_nats::{Client, ConnectOptions, Event, ServerAddr, Subscriber};
use futures_util::StreamExt;
use rendezvous::cluster::{NodeId, Parcel, To};
use tokio::sync::mpsc;

use super::{Bus, Link, WAITING};

/// All subjects begin so.
const PREFIX: &str = "braidcast.t";
/// A line that is dead is noticed after two of them.
const PING_EVERY: Duration = Duration::from_secs(2);
const CONNECT_WITHIN: Duration = Duration::from_secs(2);
/// Between two attempts on a server, at most.
const RETRY_MOST: Duration = Duration::from_secs(2);

/// Why there is no bus.
#[derive(Debug, thiserror::Error)]
pub enum NatsError {
    /// An address that is none.
    #[error("{0} is not the address of a NATS server, such as nats://10.0.0.5:4222: {1}")]
    Address(String, std::io::Error),
    /// Something that waiting does not mend.
    #[error("NATS: {0}")]
    Refused(String),
}

#[derive(Debug)]
struct Nats(mpsc::Sender<Parcel>);

impl Bus for Nats {
    fn publish(&self, parcel: Parcel) -> bool {
        self.0.try_send(parcel).is_ok()
    }
}

/// A node's link over these servers, which form one cluster; `nats://` or `tls://`, with `user:password@` or `token@` where they ask
/// for it. They need not be there yet.
///
/// # Errors
/// [`NatsError`], for what does not mend by itself.
pub async fn join(servers: &[String], id: NodeId) -> Result<Link, NatsError> {
    crate::tls::choose_cryptography();
    let addresses = servers.iter().map(|server| {
        ServerAddr::from_str(server).map_err(|error| NatsError::Address(server.clone(), error))
    });
    let addresses = addresses.collect::<Result<Vec<_>, _>>()?;
    let options = ConnectOptions::new()
        .name("braidcast tracker")
        .no_echo()
        .retry_on_initial_connect()
        .ping_interval(PING_EVERY)
        .connection_timeout(CONNECT_WITHIN)
        .subscription_capacity(WAITING)
        .reconnect_delay_callback(|attempts| RETRY_MOST.min(Duration::from_millis(50) * attempts as u32))
        .event_callback(async |event| note(&event));
    let refused = |error: &dyn std::error::Error| NatsError::Refused(error.to_string());
    let client = options.connect(addresses).await.map_err(|error| refused(&error))?;
    let all = client.subscribe(format!("{PREFIX}.hb")).await.map_err(|error| refused(&error))?;
    let own = client.subscribe(subject(To::Node(id))).await.map_err(|error| refused(&error))?;
    let (parcels, waiting) = mpsc::channel(WAITING);
    let (received, inbox) = mpsc::channel(WAITING);
    tokio::spawn(send(client, waiting));
    for subscriber in [all, own] {
        tokio::spawn(receive(subscriber, received.clone()));
    }
    Ok(Link { id, bus: Arc::new(Nats(parcels)), inbox })
}

fn subject(to: To) -> String {
    match to {
        To::All => format!("{PREFIX}.hb"),
        To::Node(NodeId(id)) => format!("{PREFIX}.n.{id:016x}.sig"),
    }
}

/// Until the last handle on the bus is gone.
async fn send(client: Client, mut waiting: mpsc::Receiver<Parcel>) {
    while let Some(Parcel { to, bytes }) = waiting.recv().await {
        if let Err(error) = client.publish(subject(to), bytes.into()).await {
            tracing::debug!(%error, "not sent");
        }
    }
}

/// Until nobody listens.
async fn receive(mut subscriber: Subscriber, received: mpsc::Sender<Vec<u8>>) {
    loop {
        let message = tokio::select! {
            message = subscriber.next() => message,
            () = received.closed() => return,
        };
        let Some(message) = message else { return };
        if received.send(message.payload.into()).await.is_err() {
            return;
        }
    }
}

fn note(event: &Event) {
    match event {
        Event::Connected => tracing::info!(event = "bus_up", "connected to NATS"),
        Event::Disconnected => {
            tracing::warn!(event = "bus_down", "NATS is gone: this tracker serves its own until it is back");
        }
        other => tracing::info!(event = "bus", %other, "NATS"),
    }
}
