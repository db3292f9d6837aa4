//! Invariant 10: replicas agree: the same index is the same state.

use super::Broken;
use std::collections::BTreeMap;

/// The checker: a digest of the state after each index, from whichever replica came there first.
#[derive(Debug, Default)]
pub struct ReplicasAgree {
    digests: BTreeMap<u64, u64>,
}

impl ReplicasAgree {
    /// A replica has applied the entry at `index` and its state has this digest now.
    ///
    /// # Errors
    /// Another replica had another state there.
    pub fn applied(&mut self, replica: &str, index: u64, digest: u64) -> Result<(), Broken> {
        let first = *self.digests.entry(index).or_insert(digest);
        if first == digest {
            return Ok(());
        }
        Err(format!("{replica} has the state {digest:016x} after entry {index}, another replica has {first:016x}"))
    }
}
