//! Where a tenant's data backups go, and their parameters.

use super::known_dest;
use super::normal::normal;
use crate::command::{BackupParam, Done, Outcome};
use crate::jobs::machine::between;
use crate::refuse;
use crate::state::{DestKind, State};
use strandline_types::{Access, TenantId, limits};

pub(crate) fn set(state: &mut State, id: TenantId, uri: Option<String>, access: Access) -> Outcome {
    normal(state, id)?;
    if let Some(job) = state.open_backup_job(id) {
        return Err(refuse::backup_in_progress(job.id));
    }
    if uri.is_some() {
        between::clean::check_may_have_data(state, id)?;
    }
    let dest = match uri {
        Some(uri) => Some(known_dest::find_or_add(state, id, DestKind::Data, &uri, access)?),
        None => None,
    };
    if let Some(tenant) = state.tenants.get_mut(&id) {
        tenant.data_dest = dest;
    }
    // What is current has changed, and with it what may go.
    between::clean::ask_again(state, id);
    Ok(dest.map_or(Done::Ok, Done::Dest))
}

pub(crate) fn set_param(state: &mut State, id: TenantId, param: BackupParam) -> Outcome {
    normal(state, id)?;
    let Some(tenant) = state.tenants.get_mut(&id) else { return Ok(Done::Nothing) };
    let (min, max) = (limits::BACKUP_DATA_FILE_BYTES_MIN, limits::BACKUP_DATA_FILE_BYTES_MAX);
    match param {
        BackupParam::DataFileBytes(bytes) => tenant.backup.data_file_bytes = bytes.clamp(min, max),
        BackupParam::LowThreads(n) => tenant.backup.ha_low_thread_score = n.min(limits::HA_LOW_THREADS_MAX),
        BackupParam::Compression(compression) => tenant.backup.compression = compression,
    }
    Ok(Done::Ok)
}
