//! What an operator sees and does while a tracker runs: an HTTP API with a key, for an address of its own, with an OpenAPI document that
//! is made from the same code as the routes.
//!
//! The invariant: without the key nothing is told but the document, and nothing that is told has an address of a client.

mod model;
mod routes;

use std::{fmt, sync::Arc, time::Duration};

use axum::{
    Router,
    extract::{Request, State},
    http::{StatusCode, header},
    middleware::{Next, from_fn_with_state},
    response::{IntoResponse, Response},
};
use utoipa::openapi::OpenApi;

pub use crate::admin::routes::MOST_LISTED;
use crate::{admin::model::Problem, listener::Limits, server::Server};

/// Shortest key that is taken.
const SHORTEST: usize = 16;

/// Limits for the listener of an admin address: a few people and programs of the operator's.
pub fn limits() -> Limits {
    Limits {
        connections: 64,
        per_neighbourhood: 64,
        header_time: Duration::from_secs(5),
        ..Limits::default()
    }
}

/// What the bearer of a request must say. Of the key only its hash is kept.
#[derive(Clone, Copy)]
pub struct Key(blake3::Hash);

/// A key that can be guessed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the key for the admin address must have {SHORTEST} letters or more, and no blanks")]
pub struct WeakKey;

impl Key {
    /// A key of at least 16 letters; blanks around it do not count.
    ///
    /// # Errors
    /// [`WeakKey`] if it is shorter, or has blanks in it.
    pub fn new(text: &str) -> Result<Self, WeakKey> {
        let text = text.trim();
        let strong = text.len() >= SHORTEST && text.bytes().all(|byte| byte.is_ascii_graphic());
        strong.then(|| Self(blake3::hash(text.as_bytes()))).ok_or(WeakKey)
    }

    fn is(&self, text: &[u8]) -> bool {
        // Hashes are compared in constant time.
        self.0 == blake3::hash(text)
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Key")
    }
}

/// Reads what may have changed again, and says what could not be read.
pub type Reload = dyn Fn() -> Result<(), String> + Send + Sync;

/// The admin API of a server.
#[derive(Clone)]
pub struct Admin {
    server: Server,
    limits: Limits,
    key: Option<Key>,
    reload: Arc<Reload>,
}

impl fmt::Debug for Admin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Admin").field("key", &self.key).finish_non_exhaustive()
    }
}

impl Admin {
    /// For `server`, whose public listener keeps to `limits`. `None` for a key lets in everybody who gets here: for a Unix socket, whose
    /// owner the system looks after.
    pub fn new(server: Server, limits: Limits, key: Option<Key>, reload: Arc<Reload>) -> Self {
        Self { server, limits, key, reload }
    }

    /// All routes.
    pub fn router(&self) -> Router {
        let (routes, document) = routes::all().split_for_parts();
        let guarded = routes.layer(from_fn_with_state(self.clone(), guard)).with_state(self.clone());
        let json = move || std::future::ready(axum::Json(document.clone()));
        Router::new().route("/openapi.json", axum::routing::get(json)).merge(guarded)
    }

    /// Serves the routes at a Unix socket. There only its owner comes, so that nothing is limited.
    #[cfg(unix)]
    pub async fn serve_unix(self, listener: tokio::net::UnixListener) {
        if let Err(error) = axum::serve(listener, self.router()).await {
            tracing::error!(%error, "the admin socket has ended");
        }
    }

    /// What the routes are and answer, as OpenAPI 3.1.
    pub fn document() -> OpenApi {
        routes::all().into_openapi()
    }
}

/// Lets in who has the key (RFC 6750).
async fn guard(State(admin): State<Admin>, request: Request, next: Next) -> Response {
    let said = request.headers().get(header::AUTHORIZATION).map(|value| value.as_bytes());
    let bearer = said.and_then(|said| {
        let (scheme, key) = said.split_at_checked(b"bearer ".len())?;
        scheme.eq_ignore_ascii_case(b"bearer ").then_some(key)
    });
    let is_let_in = admin.key.is_none_or(|key| bearer.is_some_and(|said| key.is(said)));
    if !is_let_in {
        let problem = Problem::new("this address wants the operator's key: Authorization: Bearer KEY");
        return (StatusCode::UNAUTHORIZED, [(header::WWW_AUTHENTICATE, "Bearer")], problem).into_response();
    }
    let mut response = next.run(request).await;
    response.headers_mut().insert(header::CACHE_CONTROL, header::HeaderValue::from_static("no-store"));
    response
}
