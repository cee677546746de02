//! Live streams whose media goes through S3-compatible storage: a real server of that kind, on a real socket.

mod common;

use common::live::{KEYS, Publisher, config, film, passthrough};
use common::stage::{Believer, List, Theatre, short, until};
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto::Builder;
use origin::live::bucket::{BadBucket, Bucket};
use s3s::access::{S3Access, S3AccessContext};
use s3s::auth::SimpleAuth;
use s3s::service::S3ServiceBuilder;
use std::net::SocketAddr;
use std::path::PathBuf;
use tempfile::TempDir;
use tokio::net::TcpListener;
use tokio::task::{JoinHandle, JoinSet};

const ACCESS: &str = "publisher";
const SECRET: &str = "a-secret-of-the-bucket";

/// Everybody may read; whoever has the keys may write.
struct PublicRead;

#[async_trait::async_trait]
impl S3Access for PublicRead {
    async fn check(&self, cx: &mut S3AccessContext<'_>) -> s3s::S3Result<()> {
        let reads = cx.s3_op().name() == "GetObject";
        if reads || cx.credentials().is_some() { Ok(()) } else { Err(s3s::s3_error!(AccessDenied)) }
    }
}

/// A storage with the bucket `media`.
struct Storage {
    address: SocketAddr,
    root: TempDir,
    server: JoinHandle<()>,
}

impl Storage {
    async fn open() -> Self {
        let root = tempfile::tempdir().unwrap();
        std::fs::create_dir(root.path().join("media")).unwrap();
        let mut service = S3ServiceBuilder::new(s3s_fs::FileSystem::new(root.path()).unwrap());
        service.set_auth(SimpleAuth::from_single(ACCESS, SECRET));
        service.set_access(PublicRead);
        let service = service.build();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let server = tokio::spawn(async move {
            // They end with it.
            let mut connections = JoinSet::new();
            loop {
                let (socket, _) = listener.accept().await.unwrap();
                let service = service.clone();
                connections.spawn(async move {
                    let serving = Builder::new(TokioExecutor::new());
                    serving.serve_connection(TokioIo::new(socket), service).await.ok();
                });
            }
        });
        Self { address, root, server }
    }

    fn bucket(&self, secret: &str) -> Bucket {
        let settings = [
            ("AWS_ENDPOINT_URL", format!("http://{}", self.address)),
            ("AWS_REGION", "us-east-1".to_owned()),
            ("AWS_ACCESS_KEY_ID", ACCESS.to_owned()),
            ("AWS_SECRET_ACCESS_KEY", secret.to_owned()),
        ];
        let public = format!("http://{}/media/live", self.address);
        let settings = settings.map(|(key, value)| (key.to_owned(), value));
        Bucket::open("s3://media/live", &public, settings).unwrap()
    }

    /// Media that is there.
    fn files(&self) -> Vec<PathBuf> {
        let mut folders = vec![self.root.path().join("media")];
        let mut files = Vec::new();
        while let Some(folder) = folders.pop() {
            for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
                let path = entry.path();
                if path.is_dir() {
                    folders.push(path);
                } else if path.extension().is_some_and(|of| of == "m4s" || of == "mp4") {
                    files.push(path);
                }
            }
        }
        files
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn viewers_get_media_from_the_bucket_believe_only_what_was_signed_and_nothing_is_left_there() {
    let storage = Storage::open().await;
    let bucket = storage.bucket(SECRET);
    assert!(!bucket.check().await.unwrap(), "it has no CORS headers, and its owner is told");
    assert_eq!(storage.files(), Vec::<PathBuf>::new());
    let theatre = Theatre::with_bucket(short(), config(passthrough()), Some(bucket.clone())).await;
    let film = film(&theatre.temp, 12, "film.flv");
    let publisher = Publisher::rtmp(&film, theatre.rtmp, KEYS[0].1);
    let channel = theatre.channel("one").await;
    let viewer = theatre.viewer("one");

    let mut believer = Believer::come(&viewer).await;
    let mut parts = 0;
    while !believer.over {
        for part in believer.ask(&viewer).await {
            let path = believer.path(part);
            // What is told of is there already.
            let sent = viewer.ask_only(&path).await;
            assert_eq!(sent.status, 302, "{path}");
            let place = sent.headers["location"].clone();
            assert!(place.starts_with(&format!("http://{}/media/live/one/", storage.address)), "{place}");
            assert_eq!(sent.headers["access-control-allow-origin"], "*");
            assert!(sent.headers["cache-control"].contains("max-age=6"));
            let answer = viewer.ok(&path).await;
            assert!(believer.believes(part, &answer.body), "{path}");
            parts += 1;
        }
    }
    assert_eq!(publisher.end().await, (true, String::new()));
    assert_eq!(parts, channel.parts());
    assert_eq!(channel.uploaded().unwrap().1, 0);
    let metrics = theatre.get("metrics").await.text();
    assert!(metrics.contains("braidcast_live_bucket_failures{stream=\"one\"} 0"), "{metrics}");

    // Segments and their beginnings too; and the bucket's owner can forge nothing.
    let list = List::of(&viewer.ok("v0/media.m3u8").await.text());
    assert!(list.segments.len() > 8);
    for path in ["v0/init/1.mp4", "v0/1.m4s", "a0/2.m4s"] {
        until("an object in the bucket", || {
            storage.files().iter().any(|file| file.to_string_lossy().ends_with(path)).then_some(())
        })
        .await;
        assert_eq!(viewer.ask_only(path).await.status, 302, "{path}");
    }
    let file = storage.files().into_iter().find(|f| f.to_string_lossy().ends_with("v0/part/3.m4s")).unwrap();
    let mut forged = std::fs::read(&file).unwrap();
    forged[100] ^= 1;
    std::fs::write(&file, &forged).unwrap();
    let part = manifest::SegmentId::new(0, 3);
    let answer = viewer.ok(&believer.path(part)).await;
    assert!(answer.body == forged && !believer.believes(part, &answer.body));

    assert!(storage.files().len() as u64 > parts);
    bucket.close().await;
    assert_eq!(storage.files(), Vec::<PathBuf>::new());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bucket_that_fails_keeps_nobody_from_watching() {
    let storage = Storage::open().await;
    let bucket = storage.bucket(SECRET);
    let theatre = Theatre::with_bucket(short(), config(passthrough()), Some(bucket)).await;
    let film = film(&theatre.temp, 16, "film.flv");
    let publisher = Publisher::rtmp(&film, theatre.rtmp, KEYS[0].1);
    let channel = theatre.channel("one").await;
    let viewer = theatre.viewer("one");
    let mut believer = Believer::come(&viewer).await;
    let (mut parts, mut from_origin, mut dead) = (0, 0, false);
    while !believer.over {
        for part in believer.ask(&viewer).await {
            let path = believer.path(part);
            let elsewhere = viewer.ask_only(&path).await.status == 302;
            if dead && !elsewhere {
                assert!(believer.believes(part, &viewer.ok(&path).await.body), "{path}");
                from_origin += 1;
            }
            parts += 1;
        }
        if parts > 20 && !dead {
            storage.server.abort();
            dead = true;
        }
    }
    assert_eq!(publisher.end().await, (true, String::new()));
    assert_eq!(parts, channel.parts());
    assert!(from_origin > 20, "{from_origin}");
    // Also what had been there.
    assert_eq!(viewer.ask_only("v0/part/2.m4s").await.status, 200);
    assert!(channel.uploaded().unwrap().1 > 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bucket_is_tried_before_anybody_depends_on_it() {
    let storage = Storage::open().await;
    let why = storage.bucket("another-secret").check().await.unwrap_err();
    assert!(matches!(why, BadBucket::Write(..)), "{why}");
    assert!(!why.to_string().contains(SECRET));
    let settings = [
        ("AWS_ENDPOINT_URL".to_owned(), format!("http://{}", storage.address)),
        ("AWS_ACCESS_KEY_ID".to_owned(), ACCESS.to_owned()),
        ("AWS_SECRET_ACCESS_KEY".to_owned(), SECRET.to_owned()),
    ];
    let elsewhere = format!("http://{}/media/nowhere", storage.address);
    let why = Bucket::open("s3://media/live", &elsewhere, settings).unwrap().check().await.unwrap_err();
    assert!(matches!(why, BadBucket::Read(..)), "{why}");
}
