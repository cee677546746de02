//! The routes of the admin API, and what its document says of them.

use axum::{
    Json,
    extract::{Path, Query, State},
    http::StatusCode,
};
use serde::Deserialize;
use utoipa::{
    IntoParams, Modify, OpenApi,
    openapi::{
        ComponentsBuilder,
        security::{Http, HttpAuthScheme, SecurityScheme},
    },
};
use utoipa_axum::{router::OpenApiRouter, routes};

use super::{
    Admin,
    model::{Closed, Peer, Peers, Problem, Settings, Status, Swarm, SwarmCounts, Swarms, hex, peer, swarm},
};

/// Most that one answer lists.
pub const MOST_LISTED: usize = 1000;
/// What it lists if nobody says how many.
const LISTED: usize = 100;

#[derive(OpenApi)]
#[openapi(
    info(
        title = "Braidcast tracker, for its operator",
        description = "Names of swarms and peers are 40 hexadecimal digits. Every request but that for this document has the operator's key."
    ),
    security(("key" = [])),
    modifiers(&Bearer)
)]
struct Document;

struct Bearer;

impl Modify for Bearer {
    fn modify(&self, document: &mut utoipa::openapi::OpenApi) {
        let bearer = SecurityScheme::Http(Http::new(HttpAuthScheme::Bearer));
        let components = document.components.take().unwrap_or_default();
        document.components =
            Some(ComponentsBuilder::from(components).security_scheme("key", bearer).build());
    }
}

pub(super) fn all() -> OpenApiRouter<Admin> {
    // Where streams are taken down, that is a route of its own here: a swarm that is closed may be joined again.
    OpenApiRouter::with_openapi(Document::openapi())
        .routes(routes!(status))
        .routes(routes!(settings))
        .routes(routes!(drain, undrain))
        .routes(routes!(reload))
        .routes(routes!(swarms))
        .routes(routes!(one_swarm, close_swarm))
        .routes(routes!(peers))
        .routes(routes!(close_peer))
}

type Answer<T> = Result<Json<T>, (StatusCode, Problem)>;

fn no_name() -> (StatusCode, Problem) {
    (StatusCode::BAD_REQUEST, Problem::new("a name is 40 hexadecimal digits"))
}

fn nobody() -> (StatusCode, Problem) {
    (StatusCode::NOT_FOUND, Problem::new("nobody of this name is here"))
}

/// Which part of a list.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
struct Page {
    /// The `next` of the part before.
    after: Option<String>,
    /// How many, 100 if it is left out.
    #[param(minimum = 1, maximum = 1000)]
    limit: Option<usize>,
}

impl Page {
    fn most(&self) -> usize {
        self.limit.unwrap_or(LISTED).clamp(1, MOST_LISTED)
    }

    fn after<T>(&self, read: fn(&str) -> Option<T>) -> Result<Option<T>, (StatusCode, Problem)> {
        self.after.as_deref().map(|text| read(text).ok_or_else(no_name)).transpose()
    }
}

/// How the tracker is.
#[utoipa::path(get, path = "/v1/status", responses((status = 200, body = Status), (status = 401, body = Problem)))]
async fn status(State(admin): State<Admin>) -> Json<Status> {
    let tracker = admin.server.tracker();
    let stats = tracker.stats();
    Json(Status {
        version: env!("CARGO_PKG_VERSION").to_owned(),
        uptime_seconds: admin.server.uptime().as_secs(),
        draining: tracker.is_draining(),
        connections: stats.connections,
        members: stats.members,
        swarms: stats.swarms,
    })
}

/// The settings that hold.
#[utoipa::path(get, path = "/v1/config", responses((status = 200, body = Settings), (status = 401, body = Problem)))]
async fn settings(State(admin): State<Admin>) -> Json<Settings> {
    Json(Settings::new(admin.server.tracker().0.config(), &admin.limits))
}

/// From now on newcomers are sent away, and `/healthz` answers 503. Who is there stays.
#[utoipa::path(put, path = "/v1/drain", responses((status = 204), (status = 401, body = Problem)))]
async fn drain(State(admin): State<Admin>) -> StatusCode {
    admin.server.drain();
    StatusCode::NO_CONTENT
}

/// Newcomers are let in again.
#[utoipa::path(delete, path = "/v1/drain", responses((status = 204), (status = 401, body = Problem)))]
async fn undrain(State(admin): State<Admin>) -> StatusCode {
    admin.server.undrain();
    StatusCode::NO_CONTENT
}

/// Reads certificates and the file of autonomous systems again. What cannot be read stays as it was.
#[utoipa::path(
    post, path = "/v1/reload",
    responses((status = 204), (status = 401, body = Problem), (status = 422, body = Problem))
)]
async fn reload(State(admin): State<Admin>) -> Result<StatusCode, (StatusCode, Problem)> {
    let reload = admin.reload.clone();
    let read = tokio::task::spawn_blocking(move || reload()).await;
    match read.unwrap_or_else(|error| Err(error.to_string())) {
        Ok(()) => Ok(StatusCode::NO_CONTENT),
        Err(why) => Err((StatusCode::UNPROCESSABLE_ENTITY, Problem::new(why))),
    }
}

/// The swarms, page by page.
#[utoipa::path(
    get, path = "/v1/swarms", params(Page),
    responses((status = 200, body = Swarms), (status = 400, body = Problem), (status = 401, body = Problem))
)]
async fn swarms(State(admin): State<Admin>, Query(page): Query<Page>) -> Answer<Swarms> {
    let most = page.most();
    let found = admin.server.tracker().0.swarms_after(page.after(swarm)?, most);
    let next = found.last().filter(|_| found.len() == most).map(|(last, _)| hex(last.0));
    let swarms = found.into_iter().map(|(info_hash, counts)| SwarmCounts::new(info_hash, counts)).collect();
    Ok(Json(Swarms { swarms, next }))
}

/// One swarm, by roles and sites.
#[utoipa::path(
    get, path = "/v1/swarms/{info_hash}", params(("info_hash" = String, Path)),
    responses(
        (status = 200, body = Swarm), (status = 400, body = Problem), (status = 401, body = Problem), (status = 404, body = Problem)
    )
)]
async fn one_swarm(State(admin): State<Admin>, Path(info_hash): Path<String>) -> Answer<Swarm> {
    let info_hash = swarm(&info_hash).ok_or_else(no_name)?;
    let overview = admin.server.tracker().0.overview(info_hash).ok_or_else(nobody)?;
    Ok(Json(Swarm::new(info_hash, overview)))
}

/// Ends all memberships of a swarm. Its members are told, and may come again.
#[utoipa::path(
    delete, path = "/v1/swarms/{info_hash}", params(("info_hash" = String, Path)),
    responses(
        (status = 200, body = Closed), (status = 400, body = Problem), (status = 401, body = Problem), (status = 404, body = Problem)
    )
)]
async fn close_swarm(State(admin): State<Admin>, Path(info_hash): Path<String>) -> Answer<Closed> {
    let info_hash = swarm(&info_hash).ok_or_else(no_name)?;
    match admin.server.tracker().0.close_swarm(info_hash) {
        0 => Err(nobody()),
        members => Ok(Json(Closed { members })),
    }
}

/// The members of a swarm, page by page.
#[utoipa::path(
    get, path = "/v1/swarms/{info_hash}/peers", params(("info_hash" = String, Path), Page),
    responses((status = 200, body = Peers), (status = 400, body = Problem), (status = 401, body = Problem))
)]
async fn peers(
    State(admin): State<Admin>,
    Path(info_hash): Path<String>,
    Query(page): Query<Page>,
) -> Answer<Peers> {
    let info_hash = swarm(&info_hash).ok_or_else(no_name)?;
    let most = page.most();
    let found = admin.server.tracker().0.members_after(info_hash, page.after(peer)?, most);
    let peers: Vec<Peer> = found.into_iter().map(Peer::from).collect();
    let next = peers.last().filter(|_| peers.len() == most).map(|last| last.peer_id.clone());
    Ok(Json(Peers { peers, next }))
}

/// Closes the connection of a member, with all its memberships.
#[utoipa::path(
    delete, path = "/v1/swarms/{info_hash}/peers/{peer_id}",
    params(("info_hash" = String, Path), ("peer_id" = String, Path)),
    responses((status = 204), (status = 400, body = Problem), (status = 401, body = Problem), (status = 404, body = Problem))
)]
async fn close_peer(
    State(admin): State<Admin>,
    Path((info_hash, peer_id)): Path<(String, String)>,
) -> Result<StatusCode, (StatusCode, Problem)> {
    let info_hash = swarm(&info_hash).ok_or_else(no_name)?;
    let peer_id = peer(&peer_id).ok_or_else(no_name)?;
    match admin.server.tracker().0.close_member(info_hash, peer_id) {
        true => Ok(StatusCode::NO_CONTENT),
        false => Err(nobody()),
    }
}
