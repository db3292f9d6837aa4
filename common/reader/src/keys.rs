//! Keys that reading may need: secrets are given once, keys are found by the fingerprint that sealed bytes carry.
//! Printed by nothing.

use parking_lot::Mutex;
use std::collections::{BTreeMap, BTreeSet};
use strandline_format::cipher::{self, Key, SALT_BYTES};
use strandline_format::secret::KeySecret;

/// Secrets (keys or passphrases), and the keys that came from them so far.
#[derive(Default)]
pub struct Keys {
    secrets: Vec<KeySecret>,
    known: Mutex<Known>,
}

#[derive(Default)]
struct Known {
    keys: BTreeMap<[u8; 8], Key>,
    tried: BTreeSet<[u8; SALT_BYTES]>,
}

impl Keys {
    /// No key at all.
    #[must_use]
    pub fn none() -> Self {
        Self::default()
    }

    /// These secrets.
    #[must_use]
    pub fn new(secrets: impl IntoIterator<Item = KeySecret>) -> Self {
        let secrets: Vec<KeySecret> = secrets.into_iter().collect();
        let mut known = Known::default();
        for secret in &secrets {
            if let KeySecret::Key(key) = secret {
                known.keys.insert(cipher::fingerprint(key), key.clone());
            }
        }
        Self { secrets, known: Mutex::new(known) }
    }

    /// The key with this fingerprint, if it is known already.
    #[must_use]
    pub fn find(&self, fingerprint: &[u8; 8]) -> Option<Key> {
        self.known().keys.get(fingerprint).cloned()
    }

    /// The key with this fingerprint; passphrases are tried with `salt`, each salt once. Slow the first time.
    #[must_use]
    pub fn derive(&self, salt: &[u8; SALT_BYTES], fingerprint: &[u8; 8]) -> Option<Key> {
        self.find(fingerprint).or_else(|| {
            self.meet(salt);
            self.find(fingerprint)
        })
    }

    /// Makes the keys of all passphrases with this salt, unless that was done before. Slow the first time.
    pub fn meet(&self, salt: &[u8; SALT_BYTES]) {
        // The lock is held while deriving: others that wait for the same salt find its keys afterwards.
        let mut known = self.known();
        if known.tried.insert(*salt) {
            for secret in &self.secrets {
                if let KeySecret::Passphrase(text) = secret {
                    let key = cipher::derive_key(text, salt);
                    known.keys.insert(cipher::fingerprint(&key), key);
                }
            }
        }
    }

    /// True when there is nothing to open with.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.secrets.is_empty()
    }

    fn known(&self) -> parking_lot::MutexGuard<'_, Known> {
        self.known.lock()
    }
}

impl std::fmt::Debug for Keys {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Keys({} secrets)", self.secrets.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_passphrase_opens_what_was_sealed_with_its_salt_and_nothing_else() {
        let keys = Keys::new([KeySecret::Passphrase("correct horse".to_owned())]);
        let salt = [7; SALT_BYTES];
        let print = cipher::fingerprint(&cipher::derive_key("correct horse", &salt));
        assert!(keys.find(&print).is_none());
        assert!(keys.derive(&salt, &print).is_some() && keys.find(&print).is_some());
        assert!(keys.derive(&[8; SALT_BYTES], &[0; 8]).is_none());
        assert!(!format!("{keys:?}").contains("horse"));
    }
}
