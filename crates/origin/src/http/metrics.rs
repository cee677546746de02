//! What was served, as Prometheus reads it. Its invariant: the number of series is bounded by the number of films, for
//! labels never hold text of a request.

use super::names::Class;
use crate::live::Channel;
use crate::slug::Slug;
use prometheus_client::encoding::text::encode;
use prometheus_client::encoding::{EncodeLabelSet, EncodeLabelValue};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::{Registry, Unit};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// Counters of the server.
#[derive(Debug)]
pub struct Metrics {
    registry: Registry,
    bytes: Family<Served, Counter>,
    requests: Family<Answered, Counter>,
    connections: Gauge,
    /// Who is reset or refused by the listener.
    pub(super) turned_away: Counter,
    tracker_connections: Gauge,
    tracker_members: Gauge,
    tracker_swarms: Gauge,
    live_parts: Family<Stream, Counter>,
    live_bytes: Family<Stream, Counter>,
    live_waiting: Family<Stream, Gauge>,
    live_speed: Family<Stream, Gauge<f64, AtomicU64>>,
    live_memory: Gauge,
    live_uploaded: Family<Stream, Gauge>,
    live_upload_failures: Family<Stream, Gauge>,
    media_bytes: AtomicU64,
    all_requests: AtomicU64,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Served {
    stream: String,
    kind: Kind,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Stream {
    stream: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Answered {
    status: u16,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, EncodeLabelValue)]
#[allow(non_camel_case_types)] // the names are the values of the label
enum Kind {
    media,
    manifest,
    extra,
}

impl Default for Metrics {
    fn default() -> Self {
        let mut registry = Registry::with_prefix("braidcast");
        let (bytes, requests) = (Family::default(), Family::default());
        let (connections, tracker_connections) = (Gauge::default(), Gauge::default());
        let turned_away = Counter::default();
        let (tracker_members, tracker_swarms) = (Gauge::default(), Gauge::default());
        let (live_parts, live_bytes) = (Family::default(), Family::default());
        let (live_waiting, live_speed) = (Family::default(), Family::default());
        let live_memory = Gauge::default();
        registry.register_with_unit("origin_served", "Bytes of bodies sent", Unit::Bytes, bytes.clone());
        registry.register("origin_requests", "HTTP requests answered", requests.clone());
        registry.register("origin_connections", "Open HTTP connections", connections.clone());
        let help = "Connections reset, or WebSockets refused, for too many of one network or too fast";
        registry.register("origin_turned_away", help, turned_away.clone());
        registry.register("tracker_connections", "Open WebSockets", tracker_connections.clone());
        registry.register("tracker_members", "Members of all swarms", tracker_members.clone());
        registry.register("tracker_swarms", "Swarms with members", tracker_swarms.clone());
        registry.register("live_parts", "Parts of live streams born", live_parts.clone());
        registry.register_with_unit(
            "live_born",
            "Bytes of live streams born",
            Unit::Bytes,
            live_bytes.clone(),
        );
        registry.register("live_waiting", "Requests that wait for a live stream", live_waiting.clone());
        registry.register(
            "live_encoder_speed",
            "Seconds of a live stream encoded in a second; 0 where nothing is encoded",
            live_speed.clone(),
        );
        registry.register_with_unit(
            "live_memory",
            "Media of live streams in memory",
            Unit::Bytes,
            live_memory.clone(),
        );
        let (live_uploaded, live_upload_failures) = (Family::default(), Family::default());
        registry.register_with_unit(
            "live_bucket",
            "Media of a live stream that the bucket took, since the stream began",
            Unit::Bytes,
            live_uploaded.clone(),
        );
        registry.register(
            "live_bucket_failures",
            "Uploads that failed, since the stream began",
            live_upload_failures.clone(),
        );
        Self {
            registry,
            bytes,
            requests,
            connections,
            turned_away,
            tracker_connections,
            tracker_members,
            tracker_swarms,
            live_parts,
            live_bytes,
            live_waiting,
            live_speed,
            live_memory,
            live_uploaded,
            live_upload_failures,
            media_bytes: AtomicU64::new(0),
            all_requests: AtomicU64::new(0),
        }
    }
}

impl Metrics {
    /// The counter for bytes of files of `slug` that are given to connections.
    pub fn served(&self, slug: &Slug, class: Class) -> Counter {
        let kind = match class {
            Class::Media => Kind::media,
            Class::Manifest => Kind::manifest,
            Class::Extra => Kind::extra,
        };
        self.bytes.get_or_create(&Served { stream: slug.to_string(), kind }).clone()
    }

    /// `bytes` of an init or media segment were given to a connection.
    pub fn served_media(&self, bytes: u64) {
        self.media_bytes.fetch_add(bytes, Ordering::Relaxed);
    }

    /// A request was answered with `status`.
    pub fn answered(&self, status: u16) {
        self.all_requests.fetch_add(1, Ordering::Relaxed);
        self.requests.get_or_create(&Answered { status }).inc();
    }

    /// A connection was taken in; it counts until what is returned is dropped.
    pub fn connected(&self) -> Connected {
        self.connections.inc();
        Connected(self.connections.clone())
    }

    /// Bytes of init and media segments sent since the start.
    pub fn media_bytes(&self) -> u64 {
        self.media_bytes.load(Ordering::Relaxed)
    }

    /// Requests answered since the start.
    pub fn requests(&self) -> u64 {
        self.all_requests.load(Ordering::Relaxed)
    }

    /// Everything as text in the OpenMetrics format.
    pub fn text(&self, tracker: &tracker::Stats, live: &[Arc<Channel>]) -> String {
        for channel in live {
            let of = Stream { stream: channel.slug.to_string() };
            // A stream that begins anew goes on counting.
            let (parts, bytes) = channel.uncounted();
            self.live_parts.get_or_create(&of).inc_by(parts);
            self.live_bytes.get_or_create(&of).inc_by(bytes);
            if let Some((bytes, failures)) = channel.uploaded() {
                self.live_uploaded.get_or_create(&of).set(bytes as i64);
                self.live_upload_failures.get_or_create(&of).set(failures as i64);
            }
            self.live_waiting.get_or_create(&of).set(channel.waiting() as i64);
            self.live_speed.get_or_create(&of).set(channel.figures.encoder_speed().unwrap_or(0.0));
        }
        self.live_memory.set(live.iter().map(|channel| channel.memory()).sum::<u64>() as i64);
        self.tracker_connections.set(tracker.connections as i64);
        self.tracker_members.set(tracker.members as i64);
        self.tracker_swarms.set(tracker.swarms as i64);
        let mut text = String::new();
        encode(&mut text, &self.registry).expect("writing to a String does not fail");
        text
    }
}

/// Counts an open connection.
#[derive(Debug)]
pub struct Connected(Gauge);

impl Drop for Connected {
    fn drop(&mut self) {
        self.0.dec();
    }
}
