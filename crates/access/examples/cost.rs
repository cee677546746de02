//! What a token costs a tracker, by how it ends: microseconds of one core.
//!
//!     cargo run --release -p braidcast-access --example cost -- [rounds]
//!
//! Each round shows one token of each kind, all of them different, so that nothing is measured that another round has left in a cache.
//! The median and the 99th percentile are of single calls.

use std::time::{Duration, Instant};

use access::proof::Occasion;
use access::{
    Challenge, Claims, Config, Gate, KeySet, Pattern, PeerId, Policy, Proof, Request, Stream, SwarmId,
    Timestamp, Token,
};
use manifest::SecretKey;

const NOW: Timestamp = Timestamp(1_800_000_000);
const STREAM: Stream<'static> = Stream { swarm: SwarmId([7; 20]), name: Some("film") };
const PEER: PeerId = PeerId(*b"-BC0001-abcdefghijkl");

/// What is shown, and how it must end.
struct Kind {
    name: &'static str,
    code: Option<&'static str>,
    make: fn(u64) -> (String, String),
}

const KINDS: &[Kind] = &[
    Kind { name: "admitted", code: None, make: |n| proven(&mint(&backend(), &claims(n)), &viewer()) },
    Kind { name: "no base64", code: Some("malformed"), make: |n| (format!("{n}!.e30.e30"), String::new()) },
    Kind {
        name: "2 KiB of noise",
        code: Some("malformed"),
        make: |n| (format!("{}.{}", "A".repeat(1000), format!("{n:010}").repeat(100)), String::new()),
    },
    Kind {
        name: "HS256",
        code: Some("algorithm"),
        make: |n| {
            let rest = mint(&backend(), &claims(n));
            let (_, rest) = rest.split_once('.').expect("a token has three parts");
            (format!("eyJhbGciOiJIUzI1NiIsImtpZCI6ImEifQ.{rest}"), String::new())
        },
    },
    Kind {
        name: "expired",
        code: Some("expired"),
        make: |n| {
            let issued = Timestamp(NOW.0 - 900);
            let claims = Claims { issued, expires: Timestamp(issued.0 + 300), ..claims(n) };
            proven(&mint(&backend(), &claims), &viewer())
        },
    },
    Kind {
        name: "for another stream",
        code: Some("stream"),
        make: |n| {
            let claims = Claims { stream: Pattern::parse("other").expect("this is a name"), ..claims(n) };
            proven(&mint(&backend(), &claims), &viewer())
        },
    },
    Kind {
        name: "used before",
        code: Some("spent"),
        make: |n| proven(&mint(&backend(), &claims(n)), &viewer()),
    },
    Kind {
        name: "forged",
        code: Some("signature"),
        make: |n| proven(&mint(&viewer(), &claims(u64::MAX - n)), &viewer()),
    },
    Kind {
        name: "stolen",
        code: Some("proof"),
        make: |n| proven(&mint(&backend(), &claims(u64::MAX - n)), &SecretKey::from_seed([66; 32])),
    },
];

fn main() {
    let rounds = std::env::args().nth(1).map_or(5000, |text| text.parse().expect("rounds are a number"));
    let keys = Policy::Tokens(KeySet::single(backend().public()));
    let mut gate = Gate::new(Config::default(), keys);
    println!("{:<20} {:>12} {:>12}   of {rounds} calls", "token", "median us", "99 % us");
    for kind in KINDS {
        let mut took = Vec::with_capacity(rounds as usize);
        for n in 0..rounds {
            let (token, proof) = (kind.make)(n);
            let request = Request {
                stream: STREAM,
                peer: PEER,
                challenge: Challenge([9; 32]),
                site: None,
                token: Some(&token),
                proof: Some(&proof),
            };
            let started = Instant::now();
            let verdict = gate.admit(NOW, &request);
            took.push(started.elapsed());
            assert_eq!(verdict.err().map(|why| why.code()), kind.code, "{}", kind.name);
        }
        took.sort_unstable();
        let at = |share: usize| micros(took[(took.len() - 1) * share / 100]);
        println!("{:<20} {:>12.1} {:>12.1}", kind.name, at(50), at(99));
    }
}

fn micros(time: Duration) -> f64 {
    time.as_secs_f64() * 1e6
}

fn backend() -> SecretKey {
    SecretKey::from_seed([1; 32])
}

fn viewer() -> SecretKey {
    SecretKey::from_seed([2; 32])
}

fn claims(n: u64) -> Claims {
    let stream = Pattern::parse("film").expect("this is a name");
    Claims::new(stream, viewer().public(), &format!("{n:020}"), NOW, Duration::from_secs(300))
}

fn mint(key: &SecretKey, claims: &Claims) -> String {
    Token::mint(key, None, claims).as_str().to_owned()
}

/// The token, and the proof that `key` makes for it.
fn proven(token: &str, key: &SecretKey) -> (String, String) {
    let occasion = Occasion { challenge: &Challenge([9; 32]), swarm: STREAM.swarm, peer: PEER, token };
    (token.to_owned(), Proof::sign(key, &occasion).to_string())
}
