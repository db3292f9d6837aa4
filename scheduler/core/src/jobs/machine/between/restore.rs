//! What is asked of restores.

use crate::jobs::machine::logic::JobLogic;
use crate::state::{RestoreJob, State};
use strandline_types::{Failure, JobId};

/// Ends a restore that has not ended well. False when there is none.
pub(crate) fn fail(state: &mut State, job: JobId, failure: Failure) -> bool {
    RestoreJob::fail(state, job, failure)
}
