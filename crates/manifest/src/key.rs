//! The publisher's key: Ed25519 (RFC 8032), shown as base64url without padding (RFC 4648 section 5).

use alloc::string::String;
use alloc::vec::Vec;
use ed25519_dalek::{Signature, Signer, SigningKey, VerifyingKey};

/// What a text that should be a key is not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyError {
    /// Not 43 characters of base64url.
    Text,
    /// 32 bytes that are no point of the curve, or a weak one.
    Point,
}

impl core::fmt::Display for KeyError {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str(match self {
            Self::Text => "a key is 43 characters of base64url (A-Z a-z 0-9 - _)",
            Self::Point => "these 32 bytes are no Ed25519 public key",
        })
    }
}

impl core::error::Error for KeyError {}

/// Whom a viewer trusts for a film.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PublicKey([u8; 32]);

impl PublicKey {
    /// Reads the 43 characters that [`Display`](core::fmt::Display) writes.
    pub fn parse(text: &str) -> Result<Self, KeyError> {
        Self::from_bytes(base64url_decode(text.trim()).ok_or(KeyError::Text)?)
    }

    /// Takes the 32 bytes of RFC 8032.
    pub fn from_bytes(bytes: [u8; 32]) -> Result<Self, KeyError> {
        match VerifyingKey::from_bytes(&bytes) {
            Ok(key) if !key.is_weak() => Ok(Self(bytes)),
            _ => Err(KeyError::Point),
        }
    }

    /// The 32 bytes of RFC 8032.
    pub fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// Whether `signature` is this key's over `message`; strict (no malleable signatures).
    pub fn verifies(&self, message: &[u8], signature: &[u8; 64]) -> bool {
        VerifyingKey::from_bytes(&self.0)
            .is_ok_and(|key| key.verify_strict(message, &Signature::from_bytes(signature)).is_ok())
    }
}

impl core::fmt::Display for PublicKey {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str(&base64url(&self.0))
    }
}

/// The publisher's secret. Never printed: `Debug` shows the public half.
#[derive(Clone)]
pub struct SecretKey(SigningKey);

impl SecretKey {
    /// Takes the 32 random bytes of RFC 8032.
    pub fn from_seed(seed: [u8; 32]) -> Self {
        Self(SigningKey::from_bytes(&seed))
    }

    /// Reads the 43 characters of [`SecretKey::to_text`].
    pub fn parse(text: &str) -> Result<Self, KeyError> {
        base64url_decode(text.trim()).map(Self::from_seed).ok_or(KeyError::Text)
    }

    /// The seed as base64url: what a key file holds. Keep it secret.
    pub fn to_text(&self) -> String {
        base64url(&self.0.to_bytes())
    }

    /// The half that viewers are given.
    pub fn public(&self) -> PublicKey {
        PublicKey(self.0.verifying_key().to_bytes())
    }

    /// Signs `message`.
    pub fn sign(&self, message: &[u8]) -> [u8; 64] {
        self.0.sign(message).to_bytes()
    }
}

impl core::fmt::Debug for SecretKey {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "SecretKey(of {})", self.public())
    }
}

const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

pub(crate) fn base64url(bytes: &[u8; 32]) -> String {
    let mut text = String::with_capacity(43);
    for chunk in bytes.chunks(3) {
        let word =
            chunk.iter().enumerate().fold(0u32, |word, (i, &byte)| word | u32::from(byte) << (16 - 8 * i));
        for i in 0..=chunk.len() {
            text.push(ALPHABET[(word >> (18 - 6 * i)) as usize & 63] as char);
        }
    }
    text
}

pub(crate) fn base64url_decode(text: &str) -> Option<[u8; 32]> {
    if text.len() != 43 {
        return None;
    }
    let mut bytes = Vec::with_capacity(33);
    for chunk in text.as_bytes().chunks(4) {
        let mut word = 0u32;
        for (i, c) in chunk.iter().enumerate() {
            word |= (ALPHABET.iter().position(|a| a == c)? as u32) << (18 - 6 * i);
        }
        bytes.extend_from_slice(&word.to_be_bytes()[1..chunk.len()]);
        let spare = (u64::from(word) << (8 * chunk.len())) as u32;
        if spare != 0 {
            return None; // two texts must not name the same key
        }
    }
    bytes.try_into().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_and_back() {
        for seed in 0..=255u8 {
            let secret = SecretKey::from_seed([seed; 32]);
            assert_eq!(SecretKey::parse(&secret.to_text()).unwrap().public(), secret.public());
            assert_eq!(PublicKey::parse(&std::format!("{}", secret.public())), Ok(secret.public()));
        }
    }

    #[test]
    fn what_is_no_key_is_refused() {
        assert_eq!(PublicKey::parse("short"), Err(KeyError::Text));
        assert_eq!(PublicKey::parse(&"=".repeat(43)), Err(KeyError::Text));
        assert_eq!(PublicKey::parse(&"A".repeat(43)), Err(KeyError::Point));
        // 43 characters carry 258 bits: the last two must be zero.
        assert_eq!(PublicKey::parse(&("A".repeat(42) + "B")), Err(KeyError::Text));
    }
}
