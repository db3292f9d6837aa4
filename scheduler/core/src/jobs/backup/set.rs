//! The set that a backup makes.

use crate::state::{BackupSet, State};
use strandline_types::JobId;

/// Changes the set of a backup.
pub(super) fn edit(state: &mut State, job: JobId, edit: impl FnOnce(&mut BackupSet)) {
    let key = state.backup_job(job).map(|j| (j.tenant_id, j.set_id));
    if let Some(set) = key.and_then(|k| state.backup_sets.get_mut(&k)) {
        edit(set);
    }
}
