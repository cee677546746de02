//! What it costs to refuse bad tokens: 10,000 of each kind over one WebSocket, and none gets in.
//!
//!     cargo run --release -p braidcast-tracker --example refusals -- [COUNT]
//!
//! The time is processor time of the only thread: the server's part, and the client's, which is the same for all kinds. What
//! the kind without a token costs is what all of them have in common.

#[path = "../tests/support/mod.rs"]
mod support;

use std::time::Duration;

use access::{Claims, Pattern, Timestamp, Token};
use anyhow::ensure;
use serde_json::{Value, json};
use support::{Client, announce, announce_with, name, tokens::*};
use tracker::{Admission, Config, Rate};

const LIFE: Duration = Duration::from_secs(300);

#[tokio::main(flavor = "current_thread")]
async fn main() -> anyhow::Result<()> {
    let count: usize = std::env::args().nth(1).map_or(Ok(10_000), |count| count.parse())?;
    let all = Rate { burst: u32::MAX, every: Duration::from_nanos(1) };
    let mut config = Config { admission: Some(Admission::new(by_tokens())), ..Config::default() };
    (config.table.messages, config.table.announces) = (all, all);
    let server = start(config).await;
    let viewer = key(2);
    let thief = key(3);
    let (mut honest, first) = guest(&server).await;
    let used = token(&viewer);
    let recorded = shown(&viewer, &first, &name(1), &used);
    ensure!(honest.ask(recorded.clone()).await["incomplete"] == 1, "the honest viewer is let in");

    let (mut client, challenge) = guest(&server).await;
    let bad = |token: String| shown(&thief, &challenge, &name(2), &token);
    let old = |claims: Claims| Claims {
        issued: Timestamp(now().0 - 400),
        expires: Timestamp(now().0 - 100),
        ..claims
    };
    let foreign =
        |claims: Claims| Claims { stream: Pattern::parse("another").unwrap_or(Pattern::any()), ..claims };
    type Make<'a> = Box<dyn Fn() -> Value + 'a>;
    let kinds: [(&str, &str, Make<'_>); 7] = [
        ("none", "no-token", Box::new(|| announce(&name(2)))),
        (
            "garbage",
            "malformed",
            Box::new(|| announce_with(&name(2), json!({"token": "x".repeat(400), "proof": "y"}))),
        ),
        (
            "forged",
            "signature",
            Box::new(|| bad(Token::mint(&key(66), Some(KID), &claims(&thief, LIFE)).as_str().to_owned())),
        ),
        ("stolen", "proof", Box::new(|| bad(token(&viewer)))),
        (
            "replayed",
            "spent",
            Box::new(|| announce_with(&name(2), json!({"token": used, "proof": recorded["proof"]}))),
        ),
        ("expired", "expired", Box::new(|| bad(mint(&old(claims(&thief, LIFE)))))),
        ("foreign", "stream", Box::new(|| bad(mint(&foreign(claims(&thief, LIFE)))))),
    ];
    println!("{count} of each kind");
    for (kind, code, make) in &kinds {
        let messages: Vec<Value> = (0..count).map(|_| make()).collect();
        let before = processor()?;
        for message in messages {
            expect(&mut client, message, code).await?;
        }
        let each = (processor()? - before) / u32::try_from(count)?;
        println!("{kind:9} {:6.1} us of processor time each, refused as {code}", each.as_secs_f64() * 1e6);
    }
    let stats = server.tracker.stats();
    println!("let in: {} of {}", stats.members - 1, count * kinds.len());
    ensure!(stats.members == 1 && stats.denied == (count * kinds.len()) as u64, "{stats:?}");
    Ok(())
}

async fn expect(client: &mut Client, message: Value, code: &str) -> anyhow::Result<()> {
    let reply = client.ask(message).await;
    ensure!(reply["denied"] == code, "not {code} but {reply}");
    Ok(())
}

/// Processor time of this thread, which is all there is.
fn processor() -> anyhow::Result<Duration> {
    let figures = std::fs::read_to_string("/proc/thread-self/schedstat")?;
    let nanos = figures.split(' ').next().unwrap_or_default().parse()?;
    Ok(Duration::from_nanos(nanos))
}
