//! A tracker as a server of its own: what it says of itself, and TLS whose certificate is renewed.

mod support;

use std::{fs, path::Path, sync::Arc};

use rustls::pki_types::CertificateDer;
use serde_json::Value;
use support::{PATIENCE, http, name};
use tokio::{net::TcpListener, time::timeout};
use tracker::{
    Config, Tracker,
    listener::{self, Door, Limits},
    server::Server,
    tls::{Tls, TlsError},
};

/// A server on a port of this machine; it ends with the test.
async fn open(tls: Option<Tls>) -> (String, Server) {
    let server = Server::new(Tracker::new(Config::default()));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let counting = server.clone();
    let door =
        Door { tls, counted: Some(Arc::new(move || Box::new(counting.connected()))), ..Door::default() };
    let router = server.router();
    tokio::spawn(listener::serve(listener, router, Limits::default(), door, std::future::pending()));
    (address, server)
}

#[tokio::test]
async fn it_says_how_it_is_and_takes_websockets_at_every_path() {
    let (address, server) = open(None).await;
    let ask = async |path: &str| http::request(&address, "GET", path, "").await;
    assert_eq!(ask("/healthz").await, (200, "ok\n".to_owned()));
    for path in ["", "announce", "some/longer/path?key=1"] {
        let (mut socket, _) =
            tokio_tungstenite::connect_async(format!("ws://{address}/{path}")).await.unwrap();
        let announce = support::announce(&name(1));
        futures_util::SinkExt::send(&mut socket, announce.to_string().into()).await.unwrap();
        let reply =
            timeout(PATIENCE, futures_util::StreamExt::next(&mut socket)).await.unwrap().unwrap().unwrap();
        let reply: Value = serde_json::from_str(reply.to_text().unwrap()).unwrap();
        assert_eq!(reply["action"], "announce", "{path}: {reply}");
        let figures: Value = serde_json::from_str(&ask("/stats.json").await.1).unwrap();
        assert_eq!((&figures["connections"], &figures["peers"]), (&1.into(), &1.into()), "{figures}");
        futures_util::SinkExt::close(&mut socket).await.unwrap();
        while futures_util::StreamExt::next(&mut socket).await.is_some() {}
        let gone = timeout(PATIENCE, async {
            loop {
                let figures: Value = serde_json::from_str(&ask("/stats.json").await.1).unwrap();
                if figures["connections"] == 0 {
                    break;
                }
            }
        });
        gone.await.unwrap();
    }
    let metrics = ask("/metrics").await.1;
    for line in ["braidcast_tracker_announces_total 3", "braidcast_tracker_members 0", "# EOF"] {
        assert!(metrics.contains(line), "{line} in {metrics}");
    }
    server.drain();
    assert_eq!(ask("/healthz").await, (503, "draining\n".to_owned()));
}

/// Writes a certificate for `localhost`, and its key.
fn certify(folder: &Path) -> CertificateDer<'static> {
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    fs::write(folder.join("cert.pem"), made.cert.pem()).unwrap();
    fs::write(folder.join("key.pem"), made.signing_key.serialize_pem()).unwrap();
    made.cert.der().clone()
}

/// A client that believes this certificate only.
async fn trusting(address: &str, root: CertificateDer<'static>) -> std::io::Result<(u16, String)> {
    http::get_trusting(address, "localhost", root, "/healthz").await
}

#[tokio::test]
async fn a_certificate_that_was_renewed_is_taken_up_and_a_damaged_one_is_not() {
    let folder = tempfile::tempdir().unwrap();
    let (cert, key) = (folder.path().join("cert.pem"), folder.path().join("key.pem"));
    let first = certify(folder.path());
    let tls = Tls::open(&cert, &key).unwrap();
    let (address, _server) = open(Some(tls.clone())).await;
    assert_eq!(trusting(&address, first.clone()).await.unwrap().0, 200);

    let second = certify(folder.path());
    assert!(trusting(&address, second.clone()).await.is_err(), "before it is read again");
    tls.reload().unwrap();
    assert_eq!(trusting(&address, second.clone()).await.unwrap().0, 200);
    assert!(trusting(&address, first).await.is_err());

    fs::write(&cert, "nothing").unwrap();
    assert!(matches!(tls.reload(), Err(TlsError::File { file, .. }) if file == cert));
    certify(folder.path());
    fs::write(&key, rcgen::KeyPair::generate().unwrap().serialize_pem()).unwrap();
    assert!(matches!(tls.reload(), Err(TlsError::Pair(_))), "a key that is not the certificate's");
    assert_eq!(trusting(&address, second).await.unwrap().0, 200);
}
