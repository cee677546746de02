//! Certificates from a real ACME server, pebble, which is started here: the tracker has none, asks, is looked at on its own port, and
//! serves with what it got. Without pebble (Debian has it) the test fails and says so.

mod support;

use std::{
    fs,
    net::UdpSocket,
    path::Path,
    process::{Child, Command, Stdio},
};

use rustls::pki_types::{CertificateDer, pem::PemObject};
use support::{PATIENCE, http};
use tokio::{
    net::TcpListener,
    time::{sleep, timeout},
};
use tracker::{
    Config, Tracker,
    acme::{self, Acme},
    listener::{self, Door, Limits},
    server::Server,
};

const NAME: &str = "tracker.test";

struct Pebble(Child);

impl Drop for Pebble {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// A port that is free at this moment.
fn port() -> u16 {
    std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

/// Answers every question of the DNS: 127.0.0.1 to those for addresses of IPv4, nothing to others.
fn name_server() -> u16 {
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    let port = socket.local_addr().unwrap().port();
    std::thread::spawn(move || {
        let mut query = [0; 512];
        while let Ok((len, from)) = socket.recv_from(&mut query) {
            // The question ends with a name, a type and a class.
            let name_end = 12 + query[12..len].iter().position(|&byte| byte == 0).unwrap();
            let is_a = query[name_end + 1..name_end + 3] == [0, 1];
            let head = [&query[..2], &[0x81, 0x80, 0, 1, 0, u8::from(is_a), 0, 0, 0, 0]].concat();
            let mut answer = [&head[..], &query[12..name_end + 5]].concat();
            if is_a {
                answer.extend([0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 60, 0, 4, 127, 0, 0, 1]);
            }
            socket.send_to(&answer, from).unwrap();
        }
    });
    port
}

/// A pebble that looks for names at `tls_port`. Its directory, and where it has its roots.
fn pebble(folder: &Path, tls_port: u16) -> (Pebble, String, String) {
    let names = ["localhost".to_owned(), "127.0.0.1".to_owned()];
    let made = rcgen::generate_simple_self_signed(names).unwrap();
    fs::write(folder.join("ca.pem"), made.cert.pem()).unwrap();
    fs::write(folder.join("ca.key"), made.signing_key.serialize_pem()).unwrap();
    let (here, roots) = (format!("localhost:{}", port()), format!("localhost:{}", port()));
    let config = serde_json::json!({"pebble": {
        "listenAddress": here, "managementListenAddress": roots,
        "certificate": folder.join("ca.pem"), "privateKey": folder.join("ca.key"),
        "httpPort": port(), "tlsPort": tls_port, "ocspResponderURL": "", "externalAccountBindingRequired": false,
    }});
    fs::write(folder.join("pebble.json"), config.to_string()).unwrap();
    let child = Command::new("pebble")
        .arg("-config")
        .arg(folder.join("pebble.json"))
        .arg("-dnsserver")
        .arg(format!("127.0.0.1:{}", name_server()))
        .env("PEBBLE_VA_NOSLEEP", "1")
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn();
    let child = child.expect("pebble is needed for this test: apt-get install pebble");
    (Pebble(child), format!("https://{here}/dir"), roots)
}

/// What a server says at `path` to one who believes this authority; an error if there is no TLS with it.
async fn get(
    address: &str,
    name: &str,
    root: CertificateDer<'static>,
    path: &str,
) -> std::io::Result<String> {
    Ok(http::get_trusting(address, name, root, path).await?.1)
}

#[tokio::test]
async fn a_tracker_gets_its_certificate_by_itself_and_keeps_it() {
    let folder = tempfile::tempdir().unwrap();
    let cache = folder.path().join("cache");
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (_pebble, directory, roots) = pebble(folder.path(), address.port());
    let config = acme::Config {
        domains: vec![NAME.to_owned()],
        contact: vec!["mailto:operator@tracker.test".to_owned()],
        cache: cache.clone(),
        directory,
        ca: Some(folder.path().join("ca.pem")),
    };
    let (tls, acme) = Acme::open(config.clone()).unwrap();
    let router = Server::new(Tracker::new(Config::default())).router();
    let door = Door { tls: Some(tls), ..Door::default() };
    tokio::spawn(listener::serve(listener, router, Limits::default(), door, std::future::pending()));

    let own = CertificateDer::from_pem_file(folder.path().join("ca.pem")).unwrap();
    let root = timeout(PATIENCE, async {
        loop {
            match get(&roots, "localhost", own.clone(), "/roots/0").await {
                Ok(pem) => break CertificateDer::from_pem_slice(pem.as_bytes()).unwrap(),
                Err(_) => sleep(std::time::Duration::from_millis(50)).await,
            }
        }
    });
    let root = root.await.expect("pebble says what its root is");
    let health = async || get(&address.to_string(), NAME, root.clone(), "/healthz").await;
    assert!(health().await.is_err(), "there is no certificate yet");
    acme.renew().await.unwrap();
    assert_eq!(health().await.unwrap(), "ok\n");

    let files: Vec<_> = fs::read_dir(&cache).unwrap().map(|entry| entry.unwrap().path()).collect();
    assert_eq!(files.len(), 2, "an account and a certificate: {files:?}");
    let times =
        || files.iter().map(|file| fs::metadata(file).unwrap().modified().unwrap()).collect::<Vec<_>>();
    let before = times();
    acme.renew().await.unwrap();
    assert_eq!(times(), before, "it is young");
    for file in &files {
        use std::os::unix::fs::PermissionsExt;
        assert_eq!(fs::metadata(file).unwrap().permissions().mode() & 0o777, 0o600, "{file:?}");
    }

    // The next start has it from the cache, with the server away.
    drop(_pebble);
    let (tls, acme) = Acme::open(config).unwrap();
    acme.renew().await.unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let again = listener.local_addr().unwrap().to_string();
    let router = Server::new(Tracker::new(Config::default())).router();
    let door = Door { tls: Some(tls), ..Door::default() };
    tokio::spawn(listener::serve(listener, router, Limits::default(), door, std::future::pending()));
    assert_eq!(get(&again, NAME, root, "/healthz").await.unwrap(), "ok\n");
}
