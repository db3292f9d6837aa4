//! The secret of an encrypted archive and the keys that come from it.
//!
//! A secret is what an administrator keeps in a file or behind a command: a key as 64 hexadecimal digits, or a
//! passphrase. A key from a passphrase needs a salt: each log file carries that of its round in its `FORMAT_META`, so a
//! reader needs nothing but the secret. Deriving is slow on purpose; a [`KeyRing`] does it once per salt.

use crate::cipher::{Key, SALT_BYTES, derive_key, fingerprint};
use crate::{FormatError, pb};
use aws_lc_rs::digest::{SHA256, digest};
use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Mutex, PoisonError};
use strandline_types::{DestId, RoundId, Scn, TenantId};

/// What an administrator keeps secret. It shows itself nowhere.
#[derive(Clone, PartialEq, Eq)]
pub enum KeySecret {
    /// A key.
    Key(Key),
    /// A passphrase.
    Passphrase(String),
}

impl KeySecret {
    /// From the text of a key file or the output of a key command, read as [`passphrase`] reads it.
    ///
    /// # Errors
    /// `Unwritable` when it is not one line of text.
    pub fn parse(text: &str) -> Result<Self, FormatError> {
        let text = passphrase(text)?;
        Ok(Key::from_hex(text).map_or_else(|| Self::Passphrase(text.to_owned()), Self::Key))
    }
}

impl KeySecret {
    /// Every way to read the text of a file whose use is not known: 64 hexadecimal digits are the key of an archive, or
    /// the password of a set.
    ///
    /// # Errors
    /// As [`KeySecret::parse`].
    pub fn readings(text: &str) -> Result<Vec<Self>, FormatError> {
        let as_password = Self::Passphrase(passphrase(text)?.to_owned());
        let parsed = Self::parse(text)?;
        Ok(if parsed == as_password { vec![parsed] } else { vec![parsed, as_password] })
    }
}

/// The one rule for passwords and passphrases, wherever they come from: one line of text; white space around it and a
/// byte order mark before it do not count. So what an editor leaves in a file and what `cat` shows of it are the same.
///
/// # Errors
/// `Unwritable` when nothing is left, or more than one line. The text is not repeated.
pub fn passphrase(text: &str) -> Result<&str, FormatError> {
    let text = text.trim_start_matches('\u{feff}').trim();
    let detail = match text {
        "" => "it is empty",
        text if text.contains(char::is_control) => "it has more than one line, or control characters",
        text => return Ok(text),
    };
    Err(FormatError::Unwritable { what: "key or passphrase", detail: detail.to_owned() })
}

impl fmt::Debug for KeySecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("KeySecret(******)")
    }
}

/// A secret with the keys that came from it so far.
#[derive(Debug)]
pub struct KeyRing {
    secret: KeySecret,
    derived: Mutex<BTreeMap<[u8; SALT_BYTES], Key>>,
}

impl KeyRing {
    /// A ring without derived keys.
    #[must_use]
    pub fn new(secret: KeySecret) -> Self {
        Self { secret, derived: Mutex::default() }
    }

    /// The key for a salt. Takes a noticeable part of a second the first time a passphrase meets a salt.
    #[must_use]
    pub fn key(&self, salt: &[u8; SALT_BYTES]) -> Key {
        match &self.secret {
            KeySecret::Key(key) => key.clone(),
            KeySecret::Passphrase(text) => {
                // Entries are inserted whole: a poisoned map is still good.
                let mut derived = self.derived.lock().unwrap_or_else(PoisonError::into_inner);
                derived.entry(*salt).or_insert_with(|| derive_key(text, salt)).clone()
            }
        }
    }

    /// The key that opens the parts of the log file with this `FORMAT_META`; `None` when they are not sealed.
    ///
    /// # Errors
    /// [`FormatError::WrongKey`] when another secret sealed them; `Structure` when the salt is none.
    pub fn key_of(&self, meta: &pb::AppendFormatMeta) -> Result<Option<Key>, FormatError> {
        const WHAT: &str = "append format meta";
        if meta.key_salt.is_empty() {
            return Ok(None);
        }
        let structure = |detail: &str| FormatError::Structure { what: WHAT, at: 0, detail: detail.to_owned() };
        let salt = meta.key_salt[..].try_into().map_err(|_| structure("the salt has another length"))?;
        let found = meta.key_fingerprint[..].try_into().map_err(|_| structure("the fingerprint has another length"))?;
        let key = self.key(&salt);
        let given = fingerprint(&key);
        if found != given {
            return Err(FormatError::WrongKey { what: WHAT, found, given });
        }
        Ok(Some(key))
    }
}

/// The salt of a round: no two rounds of the world share one, and every leader of a log stream finds the same.
#[must_use]
pub fn round_salt(tenant: TenantId, dest: DestId, round: RoundId, start: Scn) -> [u8; SALT_BYTES] {
    let mut text = b"strandline archive salt".to_vec();
    for number in [tenant.0, dest.0, round.0, start.0] {
        text.extend_from_slice(&number.to_le_bytes());
    }
    let mut salt = [0; SALT_BYTES];
    salt.copy_from_slice(&digest(&SHA256, &text).as_ref()[..SALT_BYTES]);
    salt
}

/// What `FORMAT_META` of a log file says: nothing about keys where nothing is sealed.
#[must_use]
pub fn format_meta(sealed: Option<(&Key, [u8; SALT_BYTES])>) -> pb::AppendFormatMeta {
    pb::AppendFormatMeta {
        format_version: 1,
        key_salt: sealed.map(|(_, salt)| salt.to_vec().into()).unwrap_or_default(),
        key_fingerprint: sealed.map(|(key, _)| fingerprint(key).to_vec().into()).unwrap_or_default(),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    const SALT: [u8; SALT_BYTES] = [3; SALT_BYTES];

    #[test]
    fn a_secret_is_a_key_or_a_passphrase_and_shows_itself_nowhere() {
        let key = Key::from_bytes([0xab; 32]);
        let hex = format!("\n{}  ", "ab".repeat(32));
        assert_eq!(KeySecret::parse(&hex).unwrap(), KeySecret::Key(key.clone()));
        assert_eq!(KeySecret::parse(" long ago \n").unwrap(), KeySecret::Passphrase("long ago".to_owned()));
        let readings = [KeySecret::Key(key.clone()), KeySecret::Passphrase("ab".repeat(32))];
        assert_eq!(KeySecret::readings(&hex).unwrap(), readings);
        assert_eq!(KeySecret::readings("pw\n").unwrap(), [KeySecret::Passphrase("pw".to_owned())]);
        for text in ["pw", "pw\n", "pw\r\n", " pw ", "\u{feff}pw\n"] {
            assert_eq!(passphrase(text).unwrap(), "pw", "{text:?}");
        }
        assert_eq!(passphrase("pä'ß\"\\ x\n").unwrap(), "pä'ß\"\\ x");
        for text in ["", "\n", " \r\n", "\u{feff}", "one\ntwo\n", "a\0b"] {
            assert!(passphrase(text).is_err() && KeySecret::parse(text).is_err(), "{text:?}");
        }
        let ring = KeyRing::new(KeySecret::parse("long ago").unwrap());
        assert!(!format!("{ring:?}").contains("long"));
        assert_eq!(KeyRing::new(KeySecret::Key(key.clone())).key(&SALT), key);
        assert_eq!(ring.key(&SALT), derive_key("long ago", &SALT));
    }

    #[test]
    fn a_log_file_names_the_key_that_opens_it() {
        let ring = KeyRing::new(KeySecret::parse("long ago").unwrap());
        let key = ring.key(&SALT);
        let meta = format_meta(Some((&key, SALT)));
        assert_eq!(ring.key_of(&meta).unwrap(), Some(key));
        assert_eq!(ring.key_of(&format_meta(None)).unwrap(), None);
        let other = KeyRing::new(KeySecret::parse("another").unwrap());
        assert!(matches!(other.key_of(&meta), Err(FormatError::WrongKey { .. })));
        assert!(ring.key_of(&pb::AppendFormatMeta { key_salt: vec![1].into(), ..meta }).is_err());
    }

    #[test]
    fn every_round_has_a_salt_of_its_own() {
        let salt = |n| round_salt(TenantId(1002), DestId(1001), RoundId(n), Scn(5));
        assert_eq!(salt(1), salt(1));
        assert_ne!(salt(1), salt(2));
    }
}
