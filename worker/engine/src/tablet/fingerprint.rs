//! One hash per key, over tablet, key and value.

use super::{TabletStore, name_of, rocks};
use rocksdb::{IteratorMode, ReadOptions, Snapshot};
use std::io;
use std::sync::PoisonError;
use strandline_types::{Fingerprint, TabletId};
use xxhash_rust::xxh3::Xxh3;

/// Bytes after which the caller is asked whether to go on.
const ASK_BYTES: u64 = 1 << 20;

impl TabletStore {
    /// A view of the store that later writes do not change.
    pub(crate) fn snapshot(&self) -> Snapshot<'_> {
        self.db.snapshot()
    }

    /// Digest of every tablet but the inner one; `None` once `go_on` (which gets the bytes since the last call) says no.
    pub(crate) fn fingerprint(
        &self,
        snapshot: &Snapshot<'_>,
        mut go_on: impl FnMut(u64) -> bool,
    ) -> io::Result<Option<Fingerprint>> {
        let tablets = self.tablets.read().unwrap_or_else(PoisonError::into_inner).clone();
        let (mut print, mut bytes) = (Fingerprint::default(), 0);
        for tablet in tablets.into_iter().filter(|t| *t != TabletId::INNER) {
            let Some(cf) = self.db.cf_handle(&name_of(tablet)) else { continue };
            let mut options = ReadOptions::default();
            options.set_snapshot(snapshot);
            options.fill_cache(false);
            for pair in self.db.iterator_cf_opt(&cf, options, IteratorMode::Start) {
                let (key, value) = pair.map_err(rocks)?;
                print.add(hash_of(tablet, &key, &value));
                bytes += (key.len() + value.len()) as u64;
                if bytes >= ASK_BYTES && !go_on(std::mem::take(&mut bytes)) {
                    return Ok(None);
                }
            }
        }
        Ok(go_on(bytes).then_some(print))
    }
}

/// Lengths go in, so that no two pairs read alike.
fn hash_of(tablet: TabletId, key: &[u8], value: &[u8]) -> u128 {
    let mut hash = Xxh3::new();
    hash.update(&tablet.0.to_be_bytes());
    hash.update(&(key.len() as u64).to_be_bytes());
    hash.update(key);
    hash.update(value);
    hash.digest128()
}
