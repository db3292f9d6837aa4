//! What a worker has to know of the source of a restore.

use super::{RestoreDataSpec, RestoreLogSpec};
use crate::state::{RestoreSource, SourceLs};
use strandline_types::{BackupSetKind, Scn};

/// Where the blocks of one log stream of a source are.
pub(crate) fn data_spec(source: &RestoreSource, from: &SourceLs) -> RestoreDataSpec {
    RestoreDataSpec {
        data: source.data.clone(),
        set_id: source.set_id,
        incremental: source.set_kind == BackupSetKind::Inc,
        data_turn: source.data_turn,
        source_ls_id: from.ls_id,
        ls_turn: from.turn,
        ls_retry: from.retry,
        seal_key: source.seal_key.clone(),
        chain_keys: source.chain_keys.clone(),
    }
}

/// Where its log is, and up to where it is replayed.
pub(crate) fn log_spec(source: &RestoreSource, from: &SourceLs, target_scn: Scn, follow: bool) -> RestoreLogSpec {
    RestoreLogSpec {
        log: source.log.clone(),
        source_ls_id: from.ls_id,
        base: from.base,
        target_scn,
        key_source: source.key_source.clone(),
        follow,
    }
}
