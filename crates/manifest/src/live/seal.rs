//! What heads and delegations have in common: `magic:4 version:u8=1 signature:64 body`, signed over `context || body`.

use super::refused::Refused;
use crate::digest::{self, Hash};
use crate::key::{PublicKey, SecretKey};
use crate::reader::Reader;
use alloc::vec::Vec;

const VERSION: u8 = 1;

/// Bytes before the body.
pub(super) const SEAL_BYTES: usize = 4 + 1 + 64;

/// One sort of signed thing. No two share a context, so that a signature over one is none over another.
pub(super) struct Sort {
    pub magic: &'static [u8; 4],
    pub context: &'static [u8],
    pub max_bytes: usize,
}

/// What was sealed, its signature not yet checked.
pub(super) struct Sealed {
    signature: [u8; 64],
    /// What is signed: the context and the body.
    message: Vec<u8>,
    context_len: usize,
}

impl Sort {
    pub fn seal(&self, body: &[u8], key: &SecretKey) -> Vec<u8> {
        let mut out = Vec::with_capacity(SEAL_BYTES + body.len());
        out.extend_from_slice(self.magic);
        out.push(VERSION);
        out.extend_from_slice(&key.sign(&[self.context, body].concat()));
        out.extend_from_slice(body);
        out
    }

    pub fn unseal(&self, bytes: &[u8]) -> Result<Sealed, Refused> {
        if bytes.len() > self.max_bytes {
            return Err(Refused::Malformed);
        }
        let mut reader = Reader(bytes);
        if reader.take(4)? != self.magic {
            return Err(Refused::Malformed);
        }
        match reader.u8()? {
            VERSION => {}
            other => return Err(Refused::Version(other)),
        }
        let signature = reader.array()?;
        Ok(Sealed { signature, message: [self.context, reader.0].concat(), context_len: self.context.len() })
    }
}

impl Sealed {
    pub fn body(&self) -> &[u8] {
        &self.message[self.context_len..]
    }

    pub fn verify(&self, key: &PublicKey) -> Result<(), Refused> {
        if key.verifies(&self.message, &self.signature) { Ok(()) } else { Err(Refused::BadSignature) }
    }

    /// Names the contents, whatever signature they carry.
    pub fn digest(&self) -> Hash {
        digest::root(&self.message)
    }
}
