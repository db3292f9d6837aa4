//! What one kind of job asks of another. Kinds know one another through this file alone.

use crate::command::BackupRequest;
use crate::jobs::{backup, clean, drill, standby};
use crate::state::{RestoreJob, State};
use strandline_types::{Failure, JobId, TenantId};

use super::logic::JobLogic;

/// Accepts a backup of one tenant, as a part of another job or on its own.
pub(crate) fn start_backup(
    state: &mut State,
    tenant: TenantId,
    request: BackupRequest,
    initiator: Option<JobId>,
) -> Result<JobId, Failure> {
    backup::start::start(state, tenant, request, initiator)
}

/// A restore has begun: a drill may have asked for it.
pub(crate) fn restore_began(state: &mut State, job: JobId) {
    drill::logic::note_restore(state, job);
}

/// Ends a restore that has not ended well. False when there is none.
pub(crate) fn fail_restore(state: &mut State, job: JobId, failure: Failure) -> bool {
    RestoreJob::fail(state, job, failure)
}

/// A restored tenant stays a standby.
pub(crate) fn standby_began(state: &mut State, job: &RestoreJob) {
    standby::logic::begin(state, job, job.source.clone());
}

/// Whether a policy leaves room for data backups.
///
/// # Errors
/// Names the policy.
pub(crate) fn check_may_have_data(state: &State, tenant: TenantId) -> Result<(), Failure> {
    clean::policy::check_may_have_data(state, tenant)
}

/// Something was found damaged, or sound: deletions that have not begun are decided anew.
pub(crate) fn ask_cleaning_again(state: &mut State, tenant: TenantId) {
    clean::logic::ask_again(state, tenant);
}
