//! A tracker on its own: WebSockets at every path, and what those who run it ask for.

use std::{
    sync::{
        Arc,
        atomic::{AtomicI64, AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use axum::{
    Json, Router,
    extract::State,
    http::{StatusCode, header},
    middleware::from_fn,
    response::{IntoResponse, Response},
    routing::get,
};
use prometheus_client::{
    encoding::text::encode,
    metrics::{
        counter::{ConstCounter, Counter},
        gauge::ConstGauge,
    },
    registry::{Registry, Unit},
};
use serde_json::json;

use crate::{
    ClusterFigures, Tracker,
    listener::{Door, hold_place},
};

/// Figures of a server.
#[derive(Clone, Debug)]
pub struct Server(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    tracker: Tracker,
    begun: Instant,
    connections: AtomicI64,
    taken: AtomicU64,
    turned_away: Counter,
}

/// Counts an open connection until it is dropped.
#[derive(Debug)]
pub struct Connected(Server);

impl Drop for Connected {
    fn drop(&mut self) {
        self.0.0.connections.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Server {
    /// A server round `tracker`.
    pub fn new(tracker: Tracker) -> Self {
        let (connections, taken) = (AtomicI64::new(0), AtomicU64::new(0));
        let turned_away = Counter::default();
        Self(Arc::new(Inner { tracker, begun: Instant::now(), connections, taken, turned_away }))
    }

    /// `/healthz`, `/metrics` and `/stats.json`; at every other path, WebSockets.
    pub fn router(&self) -> Router {
        let sockets = self.0.tracker.router().layer(from_fn(hold_place));
        Router::new()
            .route("/healthz", get(healthz))
            .route("/metrics", get(metrics))
            .route("/stats.json", get(stats))
            .with_state(self.clone())
            .fallback_service(sockets)
    }

    /// Counts a connection that came.
    pub fn connected(&self) -> Connected {
        self.0.connections.fetch_add(1, Ordering::Relaxed);
        self.0.taken.fetch_add(1, Ordering::Relaxed);
        Connected(self.clone())
    }

    /// The door of its listener, without TLS: what happens there is among the figures.
    pub fn door(&self) -> Door {
        let counting = self.clone();
        Door {
            counted: Some(Arc::new(move || Box::new(counting.connected()))),
            whereabouts: self.0.tracker.whereabouts().clone(),
            turns: true,
            turned_away: self.0.turned_away.clone(),
            ..Door::default()
        }
    }

    /// From now on `/healthz` answers 503, so that load balancers send nobody any more, and who comes all the same is sent away.
    pub fn drain(&self) {
        self.0.tracker.turn_away(true);
    }

    /// Newcomers are let in again.
    pub fn undrain(&self) {
        self.0.tracker.turn_away(false);
    }

    pub(crate) fn tracker(&self) -> &Tracker {
        &self.0.tracker
    }

    pub(crate) fn uptime(&self) -> Duration {
        self.0.begun.elapsed()
    }

    /// Everything as text in the OpenMetrics format.
    fn metrics(&self) -> String {
        let stats = self.0.tracker.stats();
        let mut registry = Registry::with_prefix("braidcast_tracker");
        let level = |value: usize| ConstGauge::new(value as i64);
        registry.register(
            "http_connections",
            "Open connections",
            ConstGauge::new(self.0.connections.load(Ordering::Relaxed)),
        );
        registry.register("connections", "Open WebSockets", level(stats.connections));
        registry.register(
            "held_bytes",
            "Bytes that wait, or have not come whole",
            level(self.0.tracker.0.held()),
        );
        registry.register("members", "Members of all swarms", level(stats.members));
        registry.register("swarms", "Swarms with members", level(stats.swarms));
        let draining = i64::from(self.0.tracker.is_draining());
        registry.register("draining", "Whether it is about to stop", ConstGauge::new(draining));
        let turned_away = "Connections reset, or WebSockets refused, for too many of one network or too fast";
        registry.register("turned_away", turned_away, self.0.turned_away.clone());
        let sums = [
            ("taken", "Connections taken in", self.0.taken.load(Ordering::Relaxed)),
            ("announces", "Announces carried out", stats.announces),
            ("offers", "Offers passed on", stats.offers),
            ("answers", "Answers passed on", stats.answers),
            ("unexpected_answers", "Answers that nobody waited for, dropped", stats.unexpected_answers),
            ("refused", "Messages refused with an error", stats.refused),
        ];
        for (name, help, sum) in sums {
            registry.register(name, help, ConstCounter::new(sum));
        }
        if let Some(cluster) = self.0.tracker.cluster() {
            add_cluster(&mut registry, &cluster);
        }
        let up = ConstGauge::new(self.0.begun.elapsed().as_secs_f64());
        registry.register_with_unit("up", "Since the start", Unit::Seconds, up);
        let mut text = String::new();
        encode(&mut text, &registry).expect("writing to a String does not fail");
        text
    }
}

/// What a node of a cluster has beside.
fn add_cluster(registry: &mut Registry, ClusterFigures { node, unsent }: &ClusterFigures) {
    let levels = [
        ("cluster_nodes", "Other nodes that are heard", node.nodes),
        ("cluster_cells", "Swarms, and cells of swarms, kept here", node.cells),
        ("cluster_relayed", "Connections of other nodes whose memberships are kept here", node.relayed),
        ("cluster_elsewhere", "Memberships of connections here that other nodes keep", node.elsewhere),
    ];
    for (name, help, level) in levels {
        registry.register(name, help, ConstGauge::new(level as i64));
    }
    let sums = [
        ("cluster_sent", "Envelopes to other nodes", node.sent),
        ("cluster_received", "Envelopes from other nodes", node.received),
        ("cluster_bad", "Envelopes that could not be used", node.bad),
        ("cluster_unsent", "Envelopes the bus had no room for", *unsent),
    ];
    for (name, help, sum) in sums {
        registry.register(name, help, ConstCounter::new(sum));
    }
}

async fn healthz(State(server): State<Server>) -> Response {
    match server.0.tracker.is_draining() {
        false => "ok\n".into_response(),
        true => (StatusCode::SERVICE_UNAVAILABLE, "draining\n").into_response(),
    }
}

async fn metrics(State(server): State<Server>) -> Response {
    let media_type = "application/openmetrics-text; version=1.0.0; charset=utf-8";
    ([(header::CONTENT_TYPE, media_type)], server.metrics()).into_response()
}

async fn stats(State(server): State<Server>) -> Response {
    let stats = server.0.tracker.stats();
    let headers = [(header::CACHE_CONTROL, "no-store"), (header::ACCESS_CONTROL_ALLOW_ORIGIN, "*")];
    let figures = json!({
        "version": env!("CARGO_PKG_VERSION"),
        "uptimeSeconds": server.0.begun.elapsed().as_secs(),
        "connections": stats.connections,
        "peers": stats.members,
        "swarms": stats.swarms,
        "announces": stats.announces,
        "offers": stats.offers,
        "answers": stats.answers,
        "unexpectedAnswers": stats.unexpected_answers,
        "refused": stats.refused,
        "draining": server.0.tracker.is_draining(),
        "nodes": server.0.tracker.cluster().map(|cluster| cluster.node.nodes + 1),
    });
    (headers, Json(figures)).into_response()
}
