//! The operator's address: nothing without the key, no client's address in anything, and all as its document says.

mod support;

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use serde_json::{Value, json};
use support::*;
use tokio::net::TcpListener;
use tokio_tungstenite::{connect_async, tungstenite::client::IntoClientRequest};
use tracker::{
    Config, Site, SiteMode, Tracker, Whereabouts,
    admin::{self, Admin, Key},
    listener::{self, Door, Limits},
};

const KEY: &str = "a-key-of-the-operator";
const SWARM: &str = "/v1/swarms/66696c6d2d2d2d2d2d2d2d2d2d2d2d2d2d2d2d2d";

struct Both {
    public: Server,
    admin: String,
    /// Reloading fails.
    is_broken: Arc<AtomicBool>,
}

impl Both {
    async fn start() -> Self {
        let whereabouts = Whereabouts::behind(["127.0.0.1/32".parse().unwrap()]);
        let mut config = Config { whereabouts, ..Config::default() };
        let networks = vec!["203.0.113.0/28".parse().unwrap()];
        config.table.sites = vec![Site { name: "berlin".to_owned(), networks, mode: SiteMode::Wan }];
        let tracker = Tracker::new(config);
        let server = tracker::server::Server::new(tracker.clone());
        let door = Door { whereabouts: tracker.whereabouts().clone(), ..Door::default() };
        let (listener, address) = bound().await;
        let limits = Limits::default();
        tokio::spawn(listener::serve(listener, server.router(), limits, door, std::future::pending()));

        let is_broken = Arc::new(AtomicBool::new(false));
        let broken = is_broken.clone();
        let reload =
            move || if broken.load(Ordering::Relaxed) { Err("it is gone".to_owned()) } else { Ok(()) };
        let admin = Admin::new(server, limits, Some(Key::new(KEY).unwrap()), Arc::new(reload));
        let (listener, admin_address) = bound().await;
        let (router, door) = (admin.router(), Door::default());
        tokio::spawn(listener::serve(listener, router, admin::limits(), door, std::future::pending()));
        Self { public: Server { tracker, address, serving: None }, admin: admin_address, is_broken }
    }

    async fn ask(&self, method: &str, path: &str) -> (u16, Value) {
        let lines = format!("authorization: Bearer {KEY}\r\n");
        let (status, body) = http::request(&self.admin, method, path, &lines).await;
        (status, if body.is_empty() { Value::Null } else { serde_json::from_str(&body).unwrap() })
    }

    /// A member of the swarm that comes `from` there.
    async fn member(&self, number: u64, from: &str, more: Value) -> Client {
        let mut request = self.public.url().into_client_request().unwrap();
        request.headers_mut().insert("x-forwarded-for", from.parse().unwrap());
        let mut client = Client(connect_async(request).await.unwrap().0);
        client.ask(announce_with(&name(number), more)).await;
        client
    }
}

async fn bound() -> (TcpListener, String) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    (listener, address)
}

#[tokio::test]
async fn every_route_wants_the_key_and_the_public_port_has_none_of_them() {
    let both = Both::start().await;
    let document = serde_json::to_value(Admin::document()).unwrap();
    let paths = document["paths"].as_object().unwrap();
    assert!(paths.len() >= 7, "{paths:?}");
    for (path, methods) in paths {
        for method in methods.as_object().unwrap().keys().map(|method| method.to_uppercase()) {
            let keys = [
                "",
                "authorization: Bearer a-key-of-nobody-here\r\n",
                "authorization: Basic a-key-of-the-operator\r\n",
            ];
            for lines in keys {
                let (status, body) = http::request(&both.admin, &method, path, lines).await;
                assert_eq!(status, 401, "{method} {path}");
                assert!(body.contains("error") && !body.contains("swarms"), "{body}");
            }
            let lines = format!("authorization: Bearer {KEY}\r\n");
            let public = http::request(&both.public.address, &method, path, &lines).await;
            // To the public port it is a path like any other, at which there are WebSockets.
            assert_eq!(public.0, 426, "{method} {path}");
        }
    }
    assert_eq!(http::request(&both.admin, "GET", "/v1/nothing", "").await.0, 401);
    let lines = format!("authorization: bearer {KEY}\r\n");
    assert_eq!(http::request(&both.admin, "GET", "/v1/nothing", &lines).await.0, 404);
    for weak in ["", "short", "with a blank in the middle"] {
        assert!(Key::new(weak).is_err());
    }
    assert_eq!(format!("{:?}", Key::new(KEY).unwrap()), "Key");
}

/// Of each route an answer for each status that the document names, but 401.
#[tokio::test]
async fn the_routes_answer_as_the_document_says() {
    let both = Both::start().await;
    let _ann = both.member(1, "203.0.113.5", json!({"left": 0, "role": "edge"})).await;
    let _bob = both.member(2, "198.51.100.5", json!({})).await;
    let peer = |number| -> String { name(number).bytes().map(|byte| format!("{byte:02x}")).collect() };
    let asks = [
        ("GET", "/v1/status".to_owned(), 200),
        ("GET", "/v1/config".to_owned(), 200),
        ("PUT", "/v1/drain".to_owned(), 204),
        ("DELETE", "/v1/drain".to_owned(), 204),
        ("POST", "/v1/reload".to_owned(), 204),
        ("GET", "/v1/swarms".to_owned(), 200),
        ("GET", "/v1/swarms?limit=1".to_owned(), 200),
        ("GET", "/v1/swarms?after=zz".to_owned(), 400),
        ("GET", SWARM.to_owned(), 200),
        ("GET", "/v1/swarms/abc".to_owned(), 400),
        ("GET", format!("/v1/swarms/{}", "0".repeat(40)), 404),
        ("GET", format!("{SWARM}/peers"), 200),
        ("GET", format!("{SWARM}/peers?limit=1"), 200),
        ("GET", format!("{SWARM}/peers?after=1"), 400),
        ("DELETE", format!("{SWARM}/peers/{}", peer(1)), 204),
        ("DELETE", format!("{SWARM}/peers/{}", peer(9)), 404),
        ("DELETE", format!("{SWARM}/peers/9"), 400),
        ("DELETE", SWARM.to_owned(), 200),
        ("DELETE", format!("/v1/swarms/{}", "0".repeat(40)), 404),
        ("DELETE", "/v1/swarms/abc".to_owned(), 400),
    ];
    let (_, document) = both.ask("GET", "/openapi.json").await;
    assert_eq!(document["openapi"], "3.1.0");
    assert_eq!(document, serde_json::to_value(Admin::document()).unwrap());
    let mut seen = Vec::new();
    let mut told = String::new();
    let mut judge = |method: &str, path: &str, wanted: u16, (status, body): (u16, Value)| {
        assert_eq!(status, wanted, "{method} {path}: {body}");
        let template = path.split('?').next().unwrap().split('/').enumerate();
        let template: Vec<&str> = template
            .map(|(at, part)| match at {
                3 => "{info_hash}",
                5 => "{peer_id}",
                _ => part,
            })
            .collect();
        let template = template.join("/");
        let response = &document["paths"][&template][method.to_lowercase()]["responses"][status.to_string()];
        assert!(response.is_object(), "{method} {template} is not said to answer {status}");
        match response["content"]["application/json"].get("schema") {
            Some(schema) => {
                let wrong = http::differs(&document, schema, &body);
                assert!(wrong.is_none(), "{method} {path}: {} in {body}", wrong.unwrap());
            }
            None => assert_eq!(body, Value::Null, "{method} {path}"),
        }
        seen.push((template, method.to_lowercase(), status.to_string()));
        told.push_str(&body.to_string());
    };
    for (method, path, wanted) in &asks {
        judge(method, path, *wanted, both.ask(method, path).await);
    }
    both.is_broken.store(true, Ordering::Relaxed);
    judge("POST", "/v1/reload", 422, both.ask("POST", "/v1/reload").await);
    for (path, methods) in document["paths"].as_object().unwrap() {
        for (method, operation) in methods.as_object().unwrap() {
            for status in operation["responses"].as_object().unwrap().keys().filter(|&status| status != "401")
            {
                let all = (path.clone(), method.clone(), status.clone());
                assert!(seen.contains(&all), "{all:?} was not asked for");
            }
        }
    }
    for address in ["203.0.113.5", "198.51.100.5", "127.0.0.2"] {
        assert!(!told.contains(address), "the address of a client in {told}");
    }
}

#[tokio::test]
async fn swarms_are_seen_by_sites_and_closed_and_so_are_connections() {
    let both = Both::start().await;
    let mut ann = both.member(1, "203.0.113.5", json!({"left": 0, "role": "edge"})).await;
    let mut bob = both.member(2, "198.51.100.5", json!({})).await;
    let (_, swarm) = both.ask("GET", SWARM).await;
    assert_eq!((&swarm["complete"], &swarm["edges"], &swarm["elsewhere"]), (&json!(1), &json!(1), &json!(1)));
    assert_eq!(swarm["sites"], json!([{"name": "berlin", "members": 1, "complete": 1}]));
    let (_, first) = both.ask("GET", &format!("{SWARM}/peers?limit=1")).await;
    let next = first["next"].as_str().unwrap();
    let (_, second) = both.ask("GET", &format!("{SWARM}/peers?limit=1&after={next}")).await;
    assert_eq!(
        (&first["peers"][0]["site"], &second["peers"][0]["role"]),
        (&json!("berlin"), &json!("viewer"))
    );

    let path = format!("{SWARM}/peers/{next}");
    assert_eq!(both.ask("DELETE", &path).await.0, 204);
    let closed = ann.closed().await;
    assert_eq!((u16::from(closed.code), closed.reason.as_str()), (1008, "closed by the tracker's operator"));
    both.public.until(|stats| stats.connections == 1).await;
    assert_eq!(both.ask("DELETE", &path).await.0, 404);

    assert_eq!(both.ask("DELETE", SWARM).await, (200, json!({"members": 1})));
    assert!(bob.hear().await["failure reason"].as_str().unwrap().contains("closed"));
    assert_eq!(both.public.tracker.stats().swarms, 0);
    assert_eq!(bob.ask(announce(&name(2))).await["incomplete"], 1, "the connection goes on");
}

#[tokio::test]
async fn a_tracker_that_drains_keeps_who_is_there_and_sends_newcomers_away() {
    let both = Both::start().await;
    let mut bob = both.member(2, "198.51.100.5", json!({})).await;
    assert_eq!(both.ask("PUT", "/v1/drain").await.0, 204);
    assert_eq!(both.ask("GET", "/v1/status").await.1["draining"], true);
    assert_eq!(http::request(&both.public.address, "GET", "/healthz", "").await.0, 503);
    let error = connect_async(both.public.url()).await.unwrap_err().to_string();
    assert!(error.contains("503"), "{error}");
    assert_eq!(bob.ask(announce(&name(2))).await["incomplete"], 1);
    both.ask("DELETE", "/v1/drain").await;
    assert_eq!(http::request(&both.public.address, "GET", "/healthz", "").await.0, 200);
    connect_async(both.public.url()).await.unwrap();
}
