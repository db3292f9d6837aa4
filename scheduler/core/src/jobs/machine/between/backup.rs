//! What is asked of backups.

use crate::command::BackupRequest;
use crate::jobs::backup;
use crate::state::State;
use strandline_types::{Failure, JobId, TenantId};

/// Accepts a backup of one tenant, as a part of another job or on its own.
///
/// # Errors
/// What stands in the way.
pub(crate) fn start(
    state: &mut State,
    tenant: TenantId,
    request: BackupRequest,
    initiator: Option<JobId>,
) -> Result<JobId, Failure> {
    backup::start::start(state, tenant, request, initiator)
}
