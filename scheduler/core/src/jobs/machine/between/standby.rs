//! What is asked of standbys.

use crate::jobs::standby;
use crate::state::{RestoreJob, State};

/// A restored tenant stays a standby.
pub(crate) fn began(state: &mut State, job: &RestoreJob) {
    standby::logic::begin(state, job, job.source.clone());
}
