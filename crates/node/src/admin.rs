//! Health and figures of a node that runs for long, for its operator: `/healthz`, and `/metrics` as Prometheus reads it. Its
//! invariant: nothing in it names a viewer, and nothing can be changed by asking.

use axum::Router;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::IntoResponse;
use axum::routing::get;
use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric, text::encode};
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::gauge::ConstGauge;
use prometheus_client::registry::Registry;
use std::future::Future;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

/// What OpenMetrics text is sent as.
const OPEN_METRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// One figure at one moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Figure {
    /// Its name, without the prefix `braidcast_` and the suffix `_total` of what only grows.
    pub name: &'static str,
    /// What it is, with its unit.
    pub help: &'static str,
    /// Whether it only grows.
    pub grows: bool,
    /// Its value.
    pub value: u64,
}

impl Figure {
    /// One that only grows.
    pub fn sum(name: &'static str, help: &'static str, value: u64) -> Self {
        Self { name, help, grows: true, value }
    }

    /// One that goes up and down.
    pub fn level(name: &'static str, help: &'static str, value: u64) -> Self {
        Self { name, help, grows: false, value }
    }
}

type Look = dyn Fn() -> Pin<Box<dyn Future<Output = Vec<Figure>> + Send>> + Send + Sync;

struct Page {
    look: Box<Look>,
    site: Option<String>,
    is_draining: Arc<AtomicBool>,
}

/// An admin address that listens; it closes when this is dropped.
#[derive(Debug)]
pub struct Admin {
    address: SocketAddr,
    server: JoinHandle<()>,
    is_draining: Arc<AtomicBool>,
}

impl Admin {
    /// Listens on `address`; `look` says what there is to see. Where the node stands at a place with a name, that is at every
    /// figure as the label `site`. Fails if the address cannot be had.
    pub async fn open<F>(
        address: SocketAddr,
        site: Option<String>,
        look: impl Fn() -> F + Send + Sync + 'static,
    ) -> std::io::Result<Self>
    where
        F: Future<Output = Vec<Figure>> + Send + 'static,
    {
        let listener = TcpListener::bind(address).await?;
        let address = listener.local_addr()?;
        let is_draining = Arc::new(AtomicBool::new(false));
        let look: Box<Look> = Box::new(move || Box::pin(look()));
        let page = Page { look, site, is_draining: is_draining.clone() };
        let app = Router::new()
            .route("/healthz", get(health))
            .route("/metrics", get(metrics))
            .with_state(Arc::new(page));
        let server = tokio::spawn(async move {
            if let Err(error) = axum::serve(listener, app).await {
                tracing::error!("the admin address has ended: {error}");
            }
        });
        Ok(Self { address, server, is_draining })
    }

    /// From now on it says that the node takes nobody new.
    pub fn drain(&self) {
        self.is_draining.store(true, Ordering::Relaxed);
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }
}

impl Drop for Admin {
    fn drop(&mut self) {
        self.server.abort();
    }
}

async fn health(State(page): State<Arc<Page>>) -> impl IntoResponse {
    match page.is_draining.load(Ordering::Relaxed) {
        true => (StatusCode::SERVICE_UNAVAILABLE, "draining\n"),
        false => (StatusCode::OK, "ok\n"),
    }
}

async fn metrics(State(page): State<Arc<Page>>) -> impl IntoResponse {
    let labels = page.site.iter().map(|site| ("site".into(), site.clone().into()));
    let mut registry = Registry::with_prefix_and_labels("braidcast", labels);
    registry.register_collector(Box::new(Figures((page.look)().await)));
    let mut text = String::new();
    encode(&mut text, &registry).expect("a string takes all that is written");
    ([(header::CONTENT_TYPE, OPEN_METRICS)], text)
}

#[derive(Debug)]
struct Figures(Vec<Figure>);

impl Collector for Figures {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), std::fmt::Error> {
        for figure in &self.0 {
            if figure.grows {
                let metric = ConstCounter::new(figure.value);
                let kind = metric.metric_type();
                metric.encode(encoder.encode_descriptor(figure.name, figure.help, None, kind)?)?;
            } else {
                let metric = ConstGauge::new(i64::try_from(figure.value).unwrap_or(i64::MAX));
                let kind = metric.metric_type();
                metric.encode(encoder.encode_descriptor(figure.name, figure.help, None, kind)?)?;
            }
        }
        Ok(())
    }
}
