//! The keys of encrypted archives on this worker: read once per source, and again after it turned out wrong.

use parking_lot::Mutex;
use std::collections::BTreeMap;
use std::sync::Arc;
use strandline_format::cipher::{Key, SALT_BYTES};
use strandline_format::secret::KeyRing;
use strandline_media::key_source::read_secret;
use strandline_types::{ErrorClass, Failure};

/// Secrets by source.
#[derive(Debug, Default)]
pub(super) struct Keys {
    rings: Mutex<BTreeMap<String, Arc<KeyRing>>>,
}

impl Keys {
    /// The key of a round.
    pub(super) async fn key(&self, source: &str, salt: [u8; SALT_BYTES]) -> Result<Key, Failure> {
        let known = self.lock().get(source).cloned();
        let ring = match known {
            Some(ring) => ring,
            None => {
                let ring = Arc::new(KeyRing::new(read_secret(source).await?));
                self.lock().insert(source.to_owned(), Arc::clone(&ring));
                ring
            }
        };
        // Deriving a key is slow on purpose.
        tokio::task::spawn_blocking(move || ring.key(&salt))
            .await
            .map_err(|e| Failure::new(ErrorClass::Transient, e.to_string(), source, "it is tried again"))
    }

    /// The secret of a source has to be read again.
    pub(super) fn forget(&self, source: &str) {
        self.lock().remove(source);
    }

    fn lock(&self) -> parking_lot::MutexGuard<'_, BTreeMap<String, Arc<KeyRing>>> {
        self.rings.lock()
    }
}
