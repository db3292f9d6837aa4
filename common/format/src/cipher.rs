//! Sealed bytes: AES-256-GCM whose nonce follows from key, place and content.
//!
//! A second writer of the same object thus writes the same bytes (docs/format-reference.md). Layout:
//! `fingerprint of the key (8) | raw CRC32C of the fingerprint (4, little-endian) | nonce (12) | ciphertext | tag (16)`.
//! The fingerprint with a checksum of its own tells a wrong key from damage. Three subkeys come from the key by
//! HMAC-SHA256 over a label each: what encrypts never makes a nonce, and what is shown (the fingerprint) does neither.
//!
//! The context (name and place of the object) is authenticated: sealed bytes that were moved elsewhere do not open.
//! A key must never be printed, and never be written beside what it seals.

use crate::FormatError;
use crate::checksum::crc32c_raw;
use argon2::{Algorithm, Argon2, Params, Version};
use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
use aws_lc_rs::hmac;
use std::fmt;

/// Bytes of a key.
pub const KEY_BYTES: usize = 32;
/// Bytes of the salt of a password.
pub const SALT_BYTES: usize = 16;
/// What sealing adds to the length.
pub const SEAL_OVERHEAD_BYTES: usize = HEAD_BYTES + TAG_BYTES;

const FINGERPRINT_BYTES: usize = 8;
const NONCE_BYTES: usize = 12;
const NONCE_AT: usize = FINGERPRINT_BYTES + 4;
const HEAD_BYTES: usize = NONCE_AT + NONCE_BYTES;
const TAG_BYTES: usize = 16;
const WHAT: &str = "sealed bytes";

/// Cost of a password guess: 19 MiB, two passes, one lane. Part of the format: other costs give another key.
const ARGON2_KIB: u32 = 19 * 1024;
const ARGON2_PASSES: u32 = 2;

/// A key of 32 bytes. It shows itself nowhere.
#[derive(Clone, PartialEq, Eq)]
pub struct Key([u8; KEY_BYTES]);

impl Key {
    /// A key that somebody else made.
    #[must_use]
    pub const fn from_bytes(bytes: [u8; KEY_BYTES]) -> Self {
        Self(bytes)
    }

    /// A key as exactly 32 bytes; `None` for any other length.
    #[must_use]
    pub fn from_slice(bytes: &[u8]) -> Option<Self> {
        bytes.try_into().ok().map(Self)
    }

    /// A key as 64 hexadecimal digits; `None` for anything else.
    #[must_use]
    pub fn from_hex(text: &str) -> Option<Self> {
        let digits = text.as_bytes();
        if digits.len() != 2 * KEY_BYTES {
            return None;
        }
        let mut key = [0; KEY_BYTES];
        for (byte, pair) in key.iter_mut().zip(digits.chunks_exact(2)) {
            let (high, low) = (char::from(pair[0]).to_digit(16)?, char::from(pair[1]).to_digit(16)?);
            *byte = (high * 16 + low) as u8;
        }
        Some(Self(key))
    }

    /// The bytes, for the code that hands the key on.
    #[must_use]
    pub const fn bytes(&self) -> &[u8; KEY_BYTES] {
        &self.0
    }

    fn subkey(&self, label: &str) -> [u8; KEY_BYTES] {
        let tag = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, &self.0), label.as_bytes());
        let mut subkey = [0; KEY_BYTES];
        subkey.copy_from_slice(tag.as_ref());
        subkey
    }

    #[allow(clippy::expect_used)]
    fn cipher(&self) -> LessSafeKey {
        // The only refusal is a key of another length than the algorithm's 32 bytes.
        let key = UnboundKey::new(&AES_256_GCM, &self.subkey("strandline encrypt")).expect("a key of 32 bytes");
        LessSafeKey::new(key)
    }

    fn nonce(&self, context: &[u8], plain: &[u8]) -> [u8; NONCE_BYTES] {
        let mut mac = hmac::Context::with_key(&hmac::Key::new(hmac::HMAC_SHA256, &self.subkey("strandline nonce")));
        mac.update(&(context.len() as u64).to_le_bytes());
        mac.update(context);
        mac.update(plain);
        let mut nonce = [0; NONCE_BYTES];
        nonce.copy_from_slice(&mac.sign().as_ref()[..NONCE_BYTES]);
        nonce
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Key(******)")
    }
}

/// The key of a password: Argon2id, slow on purpose. The salt lies beside what is sealed, the password nowhere.
#[must_use]
#[allow(clippy::expect_used)]
pub fn derive_key(password: &str, salt: &[u8; SALT_BYTES]) -> Key {
    // The costs are constants inside the algorithm's bounds (at least 8 KiB and one pass).
    let params = Params::new(ARGON2_KIB, ARGON2_PASSES, 1, Some(KEY_BYTES)).expect("costs inside the bounds");
    let mut key = [0; KEY_BYTES];
    Argon2::new(Algorithm::Argon2id, Version::V0x13, params)
        .hash_password_into(password.as_bytes(), salt, &mut key)
        // Salt and output have legal lengths and a password of 4 GiB fits through no request of this system; what is left
        // is memory that the machine does not have, which ends a process everywhere else, too.
        .expect("memory for one password");
    Key(key)
}

/// What may be shown and stored of a key: tells two keys apart, gives nothing away.
#[must_use]
pub fn fingerprint(key: &Key) -> [u8; FINGERPRINT_BYTES] {
    let mut short = [0; FINGERPRINT_BYTES];
    short.copy_from_slice(&key.subkey("strandline fingerprint")[..FINGERPRINT_BYTES]);
    short
}

/// Seals `plain` for the place that `context` names. The same arguments give the same bytes.
#[must_use]
#[allow(clippy::expect_used)]
pub fn seal(key: &Key, context: &[u8], plain: &[u8]) -> Vec<u8> {
    let (print, nonce) = (fingerprint(key), key.nonce(context, plain));
    let mut sealed = Vec::with_capacity(plain.len() + SEAL_OVERHEAD_BYTES);
    sealed.extend_from_slice(&print);
    sealed.extend_from_slice(&crc32c_raw(0, &print).to_le_bytes());
    sealed.extend_from_slice(&nonce);
    sealed.extend_from_slice(plain);
    let nonce = Nonce::assume_unique_for_key(nonce);
    let tag = key
        .cipher()
        .seal_in_place_separate_tag(nonce, Aad::from(context), &mut sealed[HEAD_BYTES..])
        // The only refusal is a message beyond the algorithm's 64 GiB; ours are at most a block or a data file part.
        .expect("a message below 64 GiB");
    sealed.extend_from_slice(tag.as_ref());
    sealed
}

/// Opens what [`seal`] made for the same place.
///
/// # Errors
/// [`FormatError::WrongKey`] when another key sealed it; `Truncated` or `Checksum` when it is damaged or stood elsewhere.
pub fn open(key: &Key, context: &[u8], sealed: &[u8]) -> Result<Vec<u8>, FormatError> {
    if sealed.len() < SEAL_OVERHEAD_BYTES {
        let (need, have) = (SEAL_OVERHEAD_BYTES as u64, sealed.len() as u64);
        return Err(FormatError::Truncated { what: WHAT, at: 0, need, have });
    }
    let (head, body) = sealed.split_at(HEAD_BYTES);
    let found = sealed_with(sealed)?;
    let expected = fingerprint(key);
    if found != expected {
        return Err(FormatError::WrongKey { what: WHAT, found, given: expected });
    }
    let mut nonce = [0; NONCE_BYTES];
    nonce.copy_from_slice(&head[NONCE_AT..]);
    let (cipher_text, tag) = body.split_at(body.len() - TAG_BYTES);
    let mut plain = vec![0; cipher_text.len()];
    let nonce = Nonce::assume_unique_for_key(nonce);
    match key.cipher().open_separate_gather(nonce, Aad::from(context), cipher_text, tag, &mut plain) {
        Ok(()) => Ok(plain),
        Err(_) => Err(FormatError::Structure {
            what: WHAT,
            at: HEAD_BYTES as u64,
            detail: "the authentication tag does not fit: damaged, or moved from another place".to_owned(),
        }),
    }
}

/// Fingerprint of the key that sealed these bytes.
///
/// # Errors
/// `Truncated` or `Checksum`: the fingerprint itself is damaged.
pub fn sealed_with(sealed: &[u8]) -> Result<[u8; FINGERPRINT_BYTES], FormatError> {
    let head = crate::error::need(sealed, NONCE_AT, WHAT)?;
    let (mut print, mut sum) = ([0; FINGERPRINT_BYTES], [0; 4]);
    print.copy_from_slice(&head[..FINGERPRINT_BYTES]);
    sum.copy_from_slice(&head[FINGERPRINT_BYTES..]);
    let (found, computed) = (u64::from(u32::from_le_bytes(sum)), u64::from(crc32c_raw(0, &print)));
    if found != computed {
        return Err(FormatError::Checksum { what: WHAT, at: 0, found, computed });
    }
    Ok(print)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::describe::hex;
    use proptest::prelude::*;

    const SALT: [u8; SALT_BYTES] = [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15];

    fn key() -> Key {
        let mut bytes = [0; KEY_BYTES];
        for (i, byte) in bytes.iter_mut().enumerate() {
            *byte = i as u8;
        }
        Key::from_bytes(bytes)
    }

    /// The golden bytes were made by another implementation of the same algorithms.
    #[test]
    fn the_sealed_bytes_are_the_golden_ones() {
        assert_eq!(hex::text(&fingerprint(&key())), "682082475b3b2748");
        let sealed = seal(&key(), b"piece_d1r1p1/x", b"strandline");
        let golden =
            "682082475b3b27482a49ba6b919b1513e25fcd0a4f3d058495ccab590f0af4a84049f67051c150e78e90b41672ab733d08e2";
        assert_eq!(hex::text(&sealed), golden);
        let empty = "682082475b3b27482a49ba6b30ab3284f596788c8cb771cd1b4f3b8eec85434e5775b38fa172bc84";
        assert_eq!(hex::text(&seal(&key(), b"", b"")), empty);
    }

    #[test]
    fn the_key_of_a_password_is_the_golden_one() {
        let golden = "d00b90c40f918cf889780d7d3a9ec3c2b1719df87dc5e4d4d93ea6163db04e17";
        let derived = derive_key("correct horse", &SALT);
        assert_eq!(Some(&derived), Key::from_hex(golden).as_ref());
        assert_ne!(derived, derive_key("correct horse", &[9; SALT_BYTES]));
    }

    #[test]
    fn a_wrong_key_is_told_apart_from_damage() {
        let sealed = seal(&key(), b"place", b"strandline");
        let other = Key::from_bytes([7; KEY_BYTES]);
        assert!(matches!(open(&other, b"place", &sealed), Err(FormatError::WrongKey { .. })));
        assert_eq!(sealed_with(&sealed).unwrap(), fingerprint(&key()));
        assert!(open(&key(), b"elsewhere", &sealed).is_err(), "moved bytes do not open");
    }

    #[test]
    fn a_key_never_shows_itself() {
        assert_eq!(format!("{:?}", key()), "Key(******)");
        assert_eq!(Key::from_hex("00"), None);
        assert_eq!(Key::from_hex(&"zz".repeat(32)), None);
        assert_eq!(Key::from_slice(key().bytes()), Some(key()));
    }

    proptest! {
        #[test]
        fn what_was_sealed_opens_and_every_flip_and_cut_is_damage(
            plain in proptest::collection::vec(any::<u8>(), 0..300), at: prop::sample::Index, mask in 1u8..,
        ) {
            let sealed = seal(&key(), b"place", &plain);
            prop_assert_eq!(sealed.len(), plain.len() + SEAL_OVERHEAD_BYTES);
            prop_assert_eq!(open(&key(), b"place", &sealed).unwrap(), plain);
            let at = at.index(sealed.len());
            let mut bad = sealed.clone();
            bad[at] ^= mask;
            let e = open(&key(), b"place", &bad).unwrap_err();
            prop_assert!(!matches!(e, FormatError::WrongKey { .. }), "{}", e);
            prop_assert!(open(&key(), b"place", &sealed[..at]).is_err());
        }
    }
}
