//! What the documents tell others to write does what they say. It needs `node`, and `python3` with the package `cryptography`
//! (`scripts/setup.sh test` installs it).

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::SystemTime;

use access::proof::Occasion;
use access::{
    Challenge, Config, Denied, Gate, KeySet, PeerId, Policy, Proof, Request, Stream, SwarmId, Timestamp,
};
use manifest::SecretKey;
use serde_json::Value;

const STREAM: Stream<'static> = Stream { swarm: SwarmId([7; 20]), name: Some("my-film") };
const PEER: PeerId = PeerId(*b"-BC0001-abcdefghijkl");
const CHALLENGE: Challenge = Challenge([0xfb; 32]);

/// The block of a document whose first line is a comment with this name.
fn block(document: &str, name: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs").join(document);
    let text = fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let mut blocks = text.split("\n```").skip(1).step_by(2).filter_map(|block| block.split_once('\n'));
    let named =
        |code: &str| matches!(code.lines().next(), Some(first) if first.ends_with(&format!(" {name}")));
    let (_, code) =
        blocks.find(|(_, code)| named(code)).unwrap_or_else(|| panic!("{document} has no {name}"));
    code.to_owned()
}

/// A site's server: a folder with what the guide says, and a gate that has its keys.
struct Site {
    folder: tempfile::TempDir,
    gate: Gate,
}

impl Site {
    fn new() -> Self {
        let folder = tempfile::tempdir().expect("there is room for a folder");
        for (document, name) in [
            ("guides/tokens.md", "make-key.mjs"),
            ("guides/tokens.md", "token.mjs"),
            ("guides/tokens.md", "mint.py"),
            ("spec/access.md", "proof.mjs"),
        ] {
            fs::write(folder.path().join(name), block(document, name)).expect("it can be written");
        }
        let keys = run("node", &["make-key.mjs", "key-1"], folder.path());
        let keys = KeySet::parse(&keys).expect("what it prints is a key set");
        assert_eq!(keys.kids().collect::<Vec<_>>(), ["key-1"]);
        Self { folder, gate: Gate::new(Config::default(), Policy::Tokens(keys)) }
    }

    /// What `program` of the site's prints.
    fn says(&self, program: &str, arguments: &[&str]) -> String {
        run(program, arguments, self.folder.path())
    }

    fn admits(&mut self, token: &str, proof: &str) -> Result<(), Denied> {
        let now =
            SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).expect("it is after 1970").as_secs();
        let request = Request {
            stream: STREAM,
            peer: PEER,
            challenge: CHALLENGE,
            site: Some("https://www.example.org"),
            token: Some(token),
            proof: Some(proof),
        };
        self.gate.admit(Timestamp(now), &request).map(|_| ())
    }
}

fn run(program: &str, arguments: &[&str], folder: &Path) -> String {
    let output = Command::new(program)
        .args(arguments)
        .current_dir(folder)
        .output()
        .unwrap_or_else(|error| panic!("{program} cannot be started: {error}"));
    assert!(output.status.success(), "{program}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).expect("it prints text").trim().to_owned()
}

/// The Python that has the package: the first in the path, or else the system's.
fn python() -> PathBuf {
    let has = |python: &&str| {
        Command::new(python)
            .args(["-c", "import cryptography"])
            .output()
            .is_ok_and(|output| output.status.success())
    };
    let python = ["python3", "/usr/bin/python3"].into_iter().find(has);
    python.expect("no python3 has the package cryptography; `scripts/setup.sh test` installs it").into()
}

/// The proof of a viewer without a browser.
fn proof(viewer: &SecretKey, token: &str) -> String {
    let occasion = Occasion { challenge: &CHALLENGE, swarm: STREAM.swarm, peer: PEER, token };
    Proof::sign(viewer, &occasion).to_string()
}

#[test]
fn a_token_by_the_guides_node_admits_and_only_once() {
    let mut site = Site::new();
    let viewer = SecretKey::from_seed([2; 32]);
    let script = "import { token } from './token.mjs'; console.log(token('my-film', process.argv[1]));";
    let mint =
        |site: &Site| site.says("node", &["--input-type=module", "-e", script, &viewer.public().to_string()]);
    let (token, other) = (mint(&site), mint(&site));
    assert_ne!(token, other);
    assert_eq!(site.admits(&token, &proof(&SecretKey::from_seed([3; 32]), &token)), Err(Denied::BadProof));
    assert_eq!(site.admits(&token, &proof(&viewer, &token)), Ok(()));
    assert_eq!(site.admits(&token, &proof(&viewer, &token)), Err(Denied::Spent));
    assert_eq!(site.admits(&other, &proof(&viewer, &other)), Ok(()));
}

#[test]
fn a_token_by_the_guides_python_admits() {
    let mut site = Site::new();
    let viewer = SecretKey::from_seed([2; 32]);
    let script = "import sys, mint; print(mint.token('my-film', sys.argv[1]))";
    let python = python();
    let token = site.says(&python.to_string_lossy(), &["-c", script, &viewer.public().to_string()]);
    assert_eq!(site.admits(&token, &proof(&viewer, &token)), Ok(()));
}

#[test]
fn a_page_that_makes_its_key_and_proof_as_the_spec_says_is_admitted() {
    let mut site = Site::new();
    // Node has the same WebCrypto as browsers.
    let script = "import { webcrypto } from 'node:crypto';
        globalThis.crypto ??= webcrypto; // Node 18
        import { token } from './token.mjs';
        import { proof, viewerKey } from './proof.mjs';
        const [challenge, infoHash, peerId] = process.argv.slice(1);
        const key = await viewerKey();
        const shown = token('my-film', key.x);
        const bytes = (hex) => Uint8Array.from(Buffer.from(hex, 'hex'));
        const made = await proof(key.privateKey, challenge, bytes(infoHash), bytes(peerId), shown);
        const out = await crypto.subtle.exportKey('jwk', key.privateKey).then(() => true, () => false);
        console.log(JSON.stringify({ token: shown, proof: made, out }));";
    let challenge = CHALLENGE.to_string();
    assert!(challenge.contains(['-', '_']), "what differs from plain base64 is tried");
    let (swarm, peer) = (STREAM.swarm.to_string(), SwarmId(PEER.0).to_string());
    let said = site.says("node", &["--input-type=module", "-e", script, "--", &challenge, &swarm, &peer]);
    let said: Value = serde_json::from_str(&said).expect("it prints JSON");
    let text = |member: &str| said[member].as_str().expect("it is there").to_owned();
    assert_eq!(said["out"], false, "the secret half stays in the browser");
    assert_eq!(site.admits(&text("token"), &text("proof")), Ok(()));
}

#[test]
fn a_key_is_not_written_over() {
    let site = Site::new();
    let again = Command::new("node").arg("make-key.mjs").current_dir(site.folder.path()).output();
    assert!(!again.expect("node can be started").status.success());
}

#[test]
fn the_guides_servers_sign_for_public_keys_only() {
    let site = Site::new();
    let node = "import { token } from './token.mjs'; try { token('my-film', JSON.parse(process.argv[1])) } catch { console.log('refused') }";
    let python_script = "import json, sys, mint
try: mint.token('my-film', json.loads(sys.argv[1]))
except (TypeError, ValueError): print('refused')";
    for viewer in ["\"\"", "\"short\"", "{\"kty\":\"RSA\"}", "null"] {
        assert_eq!(
            site.says("node", &["--input-type=module", "-e", node, "--", viewer]),
            "refused",
            "{viewer}"
        );
        assert_eq!(
            site.says(&python().to_string_lossy(), &["-c", python_script, viewer]),
            "refused",
            "{viewer}"
        );
    }
}
