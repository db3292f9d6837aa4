//! One hash per key, over tablet, key and value.

use super::{TabletStore, name_of, rocks};
use rocksdb::{BoundColumnFamily, DB, IteratorMode, ReadOptions, Snapshot};
use std::io;
use std::sync::Arc;
use strandline_types::{Fingerprint, TabletId};
use xxhash_rust::xxh3::Xxh3;

/// Bytes after which the caller is asked whether to go on.
const ASK_BYTES: u64 = 1 << 20;

/// The content of a store at one moment: neither later writes nor dropped tablets change it.
pub(crate) struct View<'a> {
    db: &'a DB,
    snapshot: Snapshot<'a>,
    tablets: Vec<(TabletId, Arc<BoundColumnFamily<'a>>)>,
}

impl TabletStore {
    /// The content as it is now. Nothing may be applied meanwhile.
    pub(crate) fn view(&self) -> View<'_> {
        let tablets = self.tablets.read();
        let users = tablets.iter().copied().filter(|t| *t != TabletId::INNER);
        let held = users.filter_map(|t| Some((t, self.db.cf_handle(&name_of(t))?))).collect();
        View { db: &self.db, snapshot: self.db.snapshot(), tablets: held }
    }
}

impl View<'_> {
    /// Digest of every tablet but the inner one; `None` once `go_on` (which gets the bytes since the last call) says no.
    pub(crate) fn fingerprint(&self, mut go_on: impl FnMut(u64) -> bool) -> io::Result<Option<Fingerprint>> {
        let (mut print, mut bytes) = (Fingerprint::default(), 0);
        for (tablet, cf) in &self.tablets {
            let mut options = ReadOptions::default();
            options.set_snapshot(&self.snapshot);
            options.fill_cache(false);
            for pair in self.db.iterator_cf_opt(cf, options, IteratorMode::Start) {
                let (key, value) = pair.map_err(rocks)?;
                print.add(hash_of(*tablet, &key, &value));
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
