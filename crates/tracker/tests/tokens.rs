//! A tracker that asks for tokens, over real WebSockets: who gets in, for how long, and who does not.

mod support;

use std::time::Duration;

use access::{Challenge, Claims, KeySet, Pattern, Policy, Timestamp, Token};
use manifest::SecretKey;
use serde_json::{Value, json};
use support::{tokens::*, *};
use tokio_tungstenite::{connect_async, tungstenite::client::IntoClientRequest};
use tracker::{Admission, Config};

async fn asking() -> Server {
    start(config(Admission::new(by_tokens()))).await
}

fn viewer() -> SecretKey {
    key(2)
}

/// The code of a refusal, which says words as well and the challenge again.
fn code(reply: &Value) -> &str {
    assert!(reply["failure reason"].is_string(), "{reply}");
    assert!(Challenge::parse(reply["challenge"].as_str().unwrap_or_default()).is_some(), "{reply}");
    reply["denied"].as_str().unwrap_or_else(|| panic!("{reply}"))
}

#[tokio::test]
async fn a_viewer_with_a_token_and_its_key_is_let_in_and_told_until_when() {
    let server = asking().await;
    let (mut client, challenge) = guest(&server).await;
    let claims = claims(&viewer(), Duration::from_secs(300));
    let reply = client.ask(shown(&viewer(), &challenge, &name(1), &mint(&claims))).await;
    assert_eq!(reply["incomplete"], 1, "{reply}");
    assert_eq!(reply["token_until"], claims.expires.0 + 30, "with what clocks may differ");
    // Who is in needs no token to say that it is still there.
    assert_eq!(client.ask(announce(&name(1))).await["incomplete"], 1);
}

#[tokio::test]
async fn a_client_that_knows_nothing_of_tokens_is_refused_in_words_and_stays_connected() {
    let server = asking().await;
    let (mut client, challenge) = guest(&server).await;
    let reply = client.ask(announce(&name(1))).await;
    assert_eq!((code(&reply), reply["challenge"].as_str()), ("no-token", Some(&*challenge.to_string())));
    let reply = client.ask(shown(&viewer(), &challenge, &name(1), &token(&viewer()))).await;
    assert_eq!(reply["incomplete"], 1, "{reply}");
}

#[tokio::test]
async fn an_open_tracker_sends_no_challenge() {
    let server = Server::start(Config::default()).await;
    let mut client = server.client().await;
    let reply = client.ask(announce_with(&name(1), json!({"token": "what", "proof": "ever"}))).await;
    assert_eq!((&reply["incomplete"], reply.get("token_until")), (&json!(1), None));
}

#[tokio::test]
async fn forged_stolen_replayed_expired_and_foreign_tokens_are_refused_with_their_codes() {
    let server = asking().await;
    let (mut honest, challenge) = guest(&server).await;
    let good = token(&viewer());
    let first = shown(&viewer(), &challenge, &name(1), &good);
    assert_eq!(honest.ask(first.clone()).await["incomplete"], 1);

    let (mut thief, other) = guest(&server).await;
    let thiefs = key(3);
    let life = Duration::from_secs(300);
    let at = |ago: u64, life| Claims { issued: Timestamp(now().0 - ago), ..claims(&thiefs, life) };
    let old = |ago, life: u64| {
        let claims = at(ago, Duration::from_secs(life));
        mint(&Claims { expires: claims.issued.plus(Duration::from_secs(life)), ..claims })
    };
    let forged = Token::mint(&key(66), Some(KID), &claims(&thiefs, life)).as_str().to_owned();
    let unknown = Token::mint(&key(66), Some("mine"), &claims(&thiefs, life)).as_str().to_owned();
    let foreign = mint(&Claims { stream: Pattern::parse("another").unwrap(), ..claims(&thiefs, life) });
    let elsewhere = mint(&Claims { site: Some("www.example.org".to_owned()), ..claims(&thiefs, life) });
    let eternal = mint(&claims(&thiefs, Duration::from_secs(86_400)));
    let unused = token(&viewer());
    for (what, shown, expected) in [
        ("another key signed it", shown(&thiefs, &other, &name(2), &forged), "signature"),
        ("a key that nobody knows", shown(&thiefs, &other, &name(2), &unknown), "unknown-key"),
        ("used by its own viewer", shown(&viewer(), &other, &name(2), &good), "spent"),
        ("stolen, unused", shown(&thiefs, &other, &name(2), &unused), "proof"),
        (
            "stolen with the proof of another connection",
            shown(&viewer(), &challenge, &name(2), &unused),
            "proof",
        ),
        ("expired", shown(&thiefs, &other, &name(2), &old(400, 300)), "expired"),
        (
            "from the future",
            shown(
                &thiefs,
                &other,
                &name(2),
                &mint(&Claims {
                    issued: Timestamp(now().0 + 100),
                    expires: Timestamp(now().0 + 200),
                    ..claims(&thiefs, life)
                }),
            ),
            "early",
        ),
        ("too long", shown(&thiefs, &other, &name(2), &eternal), "life"),
        ("for another stream", shown(&thiefs, &other, &name(2), &foreign), "stream"),
        ("for another site", shown(&thiefs, &other, &name(2), &elsewhere), "site"),
        ("without a proof", announce_with(&name(2), json!({"token": unused})), "no-proof"),
        ("no token at all", announce_with(&name(2), json!({"token": "a.b", "proof": "c"})), "malformed"),
    ] {
        let reply = thief.ask(shown).await;
        assert_eq!(code(&reply), expected, "{what}: {reply}");
    }
    // All that was recorded, word by word, on a connection of the thief's.
    let mut replayed = first;
    replayed["peer_id"] = json!(name(2));
    assert_eq!(code(&thief.ask(replayed).await), "spent");
    assert_eq!(server.tracker.stats().members, 1, "none of them got in");
    // And what was tried with the viewer's other token did not use it up.
    let (mut again, challenge) = guest(&server).await;
    assert_eq!(again.ask(shown(&viewer(), &challenge, &name(5), &unused)).await["incomplete"], 2);
}

#[tokio::test]
async fn a_taken_name_and_a_full_swarm_cost_no_token() {
    let mut config = config(Admission::new(by_tokens()));
    config.table.members_per_swarm = 1;
    let server = start(config).await;
    let (mut first, challenge) = guest(&server).await;
    first.ask(shown(&key(3), &challenge, &name(1), &token(&key(3)))).await;
    let (mut second, challenge) = guest(&server).await;
    let mine = token(&viewer());
    for peer in [name(1), name(2)] {
        let reply = second.ask(shown(&viewer(), &challenge, &peer, &mine)).await;
        assert!(reply["failure reason"].is_string() && reply.get("denied").is_none(), "{reply}");
    }
    first.ask(announce_with(&name(1), json!({"event": "stopped"}))).await;
    let reply = second.ask(shown(&viewer(), &challenge, &name(2), &mine)).await;
    assert_eq!(reply["incomplete"], 1, "{reply}");
}

#[tokio::test]
async fn the_site_is_that_of_the_page() {
    let server = asking().await;
    let bound =
        Claims { site: Some("www.example.org".to_owned()), ..claims(&viewer(), Duration::from_secs(300)) };
    for (origin, expected) in [("https://evil.example", Some("site")), ("https://www.example.org", None)] {
        let mut request = server.url().into_client_request().unwrap();
        request.headers_mut().insert("origin", origin.parse().unwrap());
        let mut client = Client(connect_async(request).await.unwrap().0);
        let first = client.hear().await;
        let challenge = Challenge::parse(first["challenge"].as_str().unwrap()).unwrap();
        let reply = client.ask(shown(&viewer(), &challenge, &name(1), &mint(&bound))).await;
        assert_eq!(reply.get("denied").and_then(Value::as_str), expected, "{origin}: {reply}");
    }
}

#[tokio::test]
async fn a_membership_ends_with_its_token_unless_another_one_comes() {
    // Clocks may not differ here, so that a token of two seconds ends after two.
    let mut admission = Admission::new(by_tokens());
    admission.gate.skew = Duration::ZERO;
    let server = start(config(admission)).await;
    let (mut ends, challenge) = guest(&server).await;
    let (mut stays, other) = guest(&server).await;
    let brief = |viewer: &SecretKey, secs| mint(&claims(viewer, Duration::from_secs(secs)));
    ends.ask(shown(&key(3), &challenge, &name(1), &brief(&key(3), 2))).await;
    stays.ask(shown(&key(4), &other, &name(2), &brief(&key(4), 2))).await;
    let renewed = stays.ask(shown(&key(4), &other, &name(2), &brief(&key(4), 300))).await;
    assert!(renewed["token_until"].as_u64().unwrap() > now().0 + 200, "{renewed}");
    // Any message of anybody has the ends of others looked at.
    let told = tokio::time::timeout(PATIENCE, async {
        while stays.ask(announce_with(&name(2), json!({"want": 5}))).await["candidates"] != json!([]) {
            tokio::time::sleep(Duration::from_secs(1)).await;
        }
        ends.hear().await
    });
    let told = told.await.unwrap();
    assert_eq!((&told["denied"], &told["info_hash"]), (&json!("expired"), &json!(FILM)));
    assert_eq!(server.tracker.stats().members, 1);
    // It comes back on the same connection, with a new token.
    let reply = ends.ask(shown(&key(3), &challenge, &name(1), &token(&key(3)))).await;
    assert_eq!(reply["incomplete"], 2, "{reply}");
}

#[tokio::test]
async fn keys_are_changed_while_it_runs() {
    let server = asking().await;
    let new = |viewer: &SecretKey| {
        Token::mint(&key(9), Some("2026-12"), &claims(viewer, Duration::from_secs(300))).as_str().to_owned()
    };
    let keys = |keys: &[(&str, SecretKey)]| Policy::Tokens(KeySet::parse(&key_set(keys)).unwrap());
    let (mut client, challenge) = guest(&server).await;
    let mut try_token = async |viewer: u8, token: String| {
        let viewer = key(viewer);
        let reply = client.ask(shown(&viewer, &challenge, &name(1), &token)).await;
        client.ask(announce_with(&name(1), json!({"event": "stopped"}))).await;
        reply.get("denied").and_then(Value::as_str).unwrap_or("let in").to_owned()
    };
    assert_eq!(try_token(20, new(&key(20))).await, "unknown-key");
    server.tracker.set_policy(keys(&[(KID, backend()), ("2026-12", key(9))]));
    assert_eq!(try_token(20, new(&key(20))).await, "let in");
    assert_eq!(try_token(21, token(&key(21))).await, "let in", "the old one as well");
    server.tracker.set_policy(keys(&[("2026-12", key(9))]));
    assert_eq!(try_token(22, token(&key(22))).await, "unknown-key");
    assert_eq!(try_token(23, new(&key(23))).await, "let in");
}
