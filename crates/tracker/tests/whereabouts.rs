//! Where clients are, as a tracker behind a proxy sees it, and which autonomous system that is.

mod support;

use std::{fs, net::IpAddr, path::Path};

use maxminddb_writer::{Database, metadata::IpVersion, paths::IpAddrWithMask};
use serde::Serialize;
use serde_json::json;
use support::*;
use tokio::net::TcpListener;
use tokio_tungstenite::{connect_async, tungstenite::client::IntoClientRequest};
use tracker::{
    Asns, Config, Tracker, Whereabouts,
    listener::{self, Door, Limits},
};

const PROXY: &str = "127.0.0.0/8";

/// A tracker on the listener, one WebSocket a neighbourhood.
async fn behind(whereabouts: Whereabouts, sockets_per_neighbourhood: usize) -> Server {
    let tracker = Tracker::new(Config { whereabouts, ..Config::default() });
    let server = tracker::server::Server::new(tracker.clone());
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let limits = Limits { sockets_per_neighbourhood, ..Limits::default() };
    let door = Door { whereabouts: tracker.whereabouts().clone(), ..Door::default() };
    tokio::spawn(listener::serve(listener, server.router(), limits, door, std::future::pending()));
    Server { tracker, address, serving: None }
}

/// A client of whom the proxy says that it comes `from` there. The status if it is not let in.
async fn client(server: &Server, from: &str) -> Result<Client, String> {
    let mut request = server.url().into_client_request().unwrap();
    request.headers_mut().insert("x-forwarded-for", format!("192.0.2.200, {from}").parse().unwrap());
    connect_async(request).await.map(|(socket, _)| Client(socket)).map_err(|error| error.to_string())
}

#[tokio::test]
async fn clients_behind_a_proxy_count_each_for_its_own_network() {
    let proxies = || Whereabouts::behind([PROXY.parse().unwrap()]);
    let server = behind(proxies(), 1).await;
    let _first = client(&server, "203.0.113.5").await.unwrap();
    let second = client(&server, "203.0.113.6").await.err().unwrap();
    assert!(second.contains("503"), "{second}");
    client(&server, "198.51.100.5").await.expect("another network has its own room");

    let mut request = server.url().into_client_request().unwrap();
    request.headers_mut().insert("x-forwarded-for", "203.0.113.5".parse().unwrap());
    request.headers_mut().insert("forwarded", "for=198.18.0.1".parse().unwrap());
    let contradiction = connect_async(request).await.unwrap_err().to_string();
    assert!(contradiction.contains("400"), "{contradiction}");

    let unbelieved = behind(Whereabouts::default(), 1).await;
    let _first = client(&unbelieved, "203.0.113.5").await.unwrap();
    client(&unbelieved, "203.0.113.6").await.expect("both are seen on loopback, which is no network");
}

/// What of two candidates, the own and another's, comes through to a neighbour, for a client that comes `from` there.
async fn passed_on(server: &Server, from: &str) -> Vec<&'static str> {
    let mut bob = client(server, "198.51.100.7").await.unwrap();
    bob.ask(announce(&name(2))).await;
    let mut ann = client(server, from).await.unwrap();
    let candidates = ["203.0.113.5", "198.18.0.9"];
    let lines = candidates.map(|address| format!("a=candidate:1 1 udp 1 {address} 5000 typ host\r\n"));
    let sdp = sdp(1).replace("a=ice-ufrag", &format!("{}a=ice-ufrag", lines.concat()));
    let offers = json!([{"offer_id": name(7), "offer": {"type": "offer", "sdp": sdp}}]);
    ann.ask(announce_with(&name(1), json!({"offers": offers}))).await;
    let heard = bob.hear().await["offer"]["sdp"].as_str().unwrap().to_owned();
    candidates.into_iter().filter(|address| heard.contains(address)).collect()
}

#[tokio::test]
async fn who_comes_through_a_proxy_is_not_inside_and_names_no_address_but_its_own() {
    let server = behind(Whereabouts::behind([PROXY.parse().unwrap()]), 100).await;
    assert_eq!(passed_on(&server, "203.0.113.5").await, ["203.0.113.5"]);
    // All are inside behind a proxy that is not known as one.
    let server = behind(Whereabouts::default(), 100).await;
    assert_eq!(passed_on(&server, "203.0.113.5").await.len(), 2);
}

#[derive(Serialize)]
struct Record {
    autonomous_system_number: u32,
    autonomous_system_organization: String,
}

/// Writes a file as MaxMind's are, of networks of IPv4 or of IPv6.
fn write_asns(file: &Path, kind: &str, version: IpVersion, networks: &[(&str, u8, u32)]) {
    let mut database = Database::default();
    database.metadata.ip_version = version;
    database.metadata.binary_format_major_version = 2;
    database.metadata.database_type = kind.to_owned();
    for &(address, prefix, asn) in networks {
        let organization = format!("carrier {asn}");
        let record = Record { autonomous_system_number: asn, autonomous_system_organization: organization };
        let data = database.insert_value(record).unwrap();
        database.insert_node(IpAddrWithMask::new(address.parse().unwrap(), prefix), data);
    }
    fs::write(file, database.write_to(Vec::new()).unwrap()).unwrap();
}

#[test]
fn addresses_have_the_autonomous_system_that_the_file_says_until_it_says_another() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("asn.mmdb");
    let networks = [("203.0.113.0", 24, 64_500), ("198.51.100.0", 25, 64_501)];
    write_asns(&file, "GeoLite2-ASN", IpVersion::V4, &networks);
    let asns = Asns::open(&file).unwrap();
    let of = |address: &str| asns.of(address.parse::<IpAddr>().unwrap());
    assert_eq!(of("203.0.113.77"), Some(64_500));
    assert_eq!((of("198.51.100.127"), of("198.51.100.128")), (Some(64_501), None));
    assert_eq!((of("192.0.2.1"), of("2001:db8::1")), (None, None));

    write_asns(&file, "GeoLite2-ASN", IpVersion::V6, &[("2001:db8::", 32, 64_502)]);
    asns.reload().unwrap();
    assert_eq!((of("2001:db8:1::1"), of("203.0.113.77")), (Some(64_502), None));

    for (kind, bytes) in [("GeoLite2-City", None), ("", Some("nothing"))] {
        write_asns(&file, kind, IpVersion::V4, &networks);
        bytes.into_iter().for_each(|bytes| fs::write(&file, bytes).unwrap());
        let error = asns.reload().unwrap_err().to_string();
        assert!(error.contains("asn.mmdb"), "{error}");
    }
    assert_eq!(of("2001:db8:1::1"), Some(64_502), "what was read last stays");
    assert!(Asns::open(&folder.path().join("none")).is_err());
}

#[tokio::test]
async fn members_of_one_autonomous_system_are_named_to_each_other_first() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("asn.mmdb");
    // Networks that have nothing in common but their carrier.
    write_asns(&file, "GeoLite2-ASN", IpVersion::V4, &[("203.0.113.0", 24, 1), ("198.51.100.0", 24, 1)]);
    let whereabouts =
        Whereabouts::behind([PROXY.parse().unwrap()]).with_asns(Some(Asns::open(&file).unwrap()));
    let server = behind(whereabouts, 100).await;
    let mut others = Vec::new();
    for n in 0..40 {
        let mut other = client(&server, &format!("192.0.2.{n}")).await.unwrap();
        other.ask(announce(&name(100 + n))).await;
        others.push(other);
    }
    let mut near = client(&server, "203.0.113.5").await.unwrap();
    near.ask(announce(&name(1))).await;
    let mut asker = client(&server, "198.51.100.5").await.unwrap();
    for _ in 0..10 {
        let reply = asker.ask(announce_with(&name(2), json!({"want": 4}))).await;
        let named = reply["candidates"].as_array().unwrap();
        assert!(named.contains(&json!(name(1))), "{reply}");
    }
}
