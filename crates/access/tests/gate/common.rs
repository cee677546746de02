//! A backend, a viewer and a tracker, as every story here has them.

use std::time::Duration;

use access::proof::Occasion;
use access::{
    Challenge, Claims, Config, Denied, Gate, Grant, KeySet, Pattern, PeerId, Policy, Proof, Request, Stream,
    SwarmId, Timestamp, Token,
};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use manifest::SecretKey;

/// When these stories are set.
pub const NOW: Timestamp = Timestamp(1_800_000_000);
pub const KID: &str = "2026-11";
pub const SWARM: SwarmId = SwarmId([7; 20]);
pub const FILM: Stream<'static> = Stream { swarm: SWARM, name: Some("film") };
pub const PEER: PeerId = PeerId(*b"-BC0001-abcdefghijkl");
/// Drawn for the viewer's connection.
pub const CHALLENGE: Challenge = Challenge([9; 32]);
pub const SITE: &str = "https://www.example.org";

pub fn key(n: u8) -> SecretKey {
    SecretKey::from_seed([n; 32])
}

/// The site's secret.
pub fn backend() -> SecretKey {
    key(1)
}

/// The key that the viewer's page has made.
pub fn viewer() -> SecretKey {
    key(2)
}

pub fn jwk(key: &SecretKey, kid: &str, more: &str) -> String {
    format!(r#"{{"kty":"OKP","crv":"Ed25519","kid":"{kid}","x":"{}"{more}}}"#, key.public())
}

pub fn jwks(keys: &[String]) -> String {
    format!(r#"{{"keys":[{}]}}"#, keys.join(","))
}

/// A gate for which the backend signs.
pub fn gate() -> Gate {
    let keys = KeySet::parse(&jwks(&[jwk(&backend(), KID, "")])).expect("this is a key set");
    Gate::new(Config::default(), Policy::Tokens(keys))
}

/// What the backend gives the viewer.
pub fn claims() -> Claims {
    let stream = Pattern::parse("film").expect("this is a name");
    Claims::new(stream, viewer().public(), "token-1", NOW, Duration::from_secs(300))
}

pub fn mint(claims: &Claims) -> String {
    Token::mint(&backend(), Some(KID), claims).as_str().to_owned()
}

/// What a connection shows, by default the honest viewer's.
#[derive(Clone, Debug)]
pub struct Shown {
    pub stream: Stream<'static>,
    pub peer: PeerId,
    pub challenge: Challenge,
    pub site: Option<&'static str>,
    pub token: Option<String>,
    pub proof: Option<String>,
}

/// The viewer shows `token`, and proves to have its key.
pub fn show(token: &str) -> Shown {
    Shown {
        stream: FILM,
        peer: PEER,
        challenge: CHALLENGE,
        site: Some(SITE),
        token: Some(token.to_owned()),
        proof: None,
    }
    .proven_by(&viewer())
}

impl Shown {
    /// The proof is made anew, for all that is shown now.
    pub fn proven_by(mut self, key: &SecretKey) -> Self {
        let token = self.token.clone().unwrap_or_default();
        let occasion =
            Occasion { challenge: &self.challenge, swarm: self.stream.swarm, peer: self.peer, token: &token };
        self.proof = Some(Proof::sign(key, &occasion).to_string());
        self
    }

    pub fn at(&self, gate: &mut Gate, now: Timestamp) -> Result<Grant, Denied> {
        gate.admit(
            now,
            &Request {
                stream: self.stream,
                peer: self.peer,
                challenge: self.challenge,
                site: self.site,
                token: self.token.as_deref(),
                proof: self.proof.as_deref(),
            },
        )
    }
}

/// What a new gate says to who shows this now.
pub fn judged(shown: &Shown) -> Result<Grant, Denied> {
    shown.at(&mut gate(), NOW)
}

/// A token of any text, well signed.
pub fn raw(header: &str, claims: &str) -> String {
    let part = |text: &str| URL_SAFE_NO_PAD.encode(text);
    let signed = format!("{}.{}", part(header), part(claims));
    let signature = URL_SAFE_NO_PAD.encode(backend().sign(signed.as_bytes()));
    format!("{signed}.{signature}")
}
