//! Keys that reading may need: given once, found by the fingerprint that sealed bytes carry. Printed by nothing.

use std::collections::BTreeMap;
use strandline_format::cipher::{self, Key};

/// Keys by fingerprint, and passwords that become keys once a salt is known.
#[derive(Clone, Default)]
pub struct Keys {
    keys: BTreeMap<[u8; 8], Key>,
    passwords: Vec<String>,
}

impl Keys {
    /// No key at all.
    #[must_use]
    pub fn none() -> Self {
        Self::default()
    }

    /// Adds a key.
    #[must_use]
    pub fn with(mut self, key: Key) -> Self {
        self.add(key);
        self
    }

    /// Adds a key.
    pub fn add(&mut self, key: Key) {
        self.keys.insert(cipher::fingerprint(&key), key);
    }

    /// Adds a password; it serves for every set whose salt is given to [`Keys::derive`].
    pub fn add_password(&mut self, password: String) {
        self.passwords.push(password);
    }

    /// Makes the key of every password with this salt. Slow on purpose: a salt whose key is known is not tried again.
    pub fn derive(&mut self, salt: &[u8; cipher::SALT_BYTES], wanted: &[u8; 8]) -> bool {
        for password in &self.passwords {
            if self.keys.contains_key(wanted) {
                break;
            }
            let key = cipher::derive_key(password, salt);
            self.keys.insert(cipher::fingerprint(&key), key);
        }
        self.keys.contains_key(wanted)
    }

    /// The key with this fingerprint.
    #[must_use]
    pub fn find(&self, fingerprint: &[u8; 8]) -> Option<&Key> {
        self.keys.get(fingerprint)
    }

    /// True when there is nothing to open with.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.keys.is_empty() && self.passwords.is_empty()
    }
}

impl std::fmt::Debug for Keys {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Keys({} keys, {} passwords)", self.keys.len(), self.passwords.len())
    }
}
