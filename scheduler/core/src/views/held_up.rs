//! What COMMENT says of a job that runs: what holds it up, in the words of CDB_STRANDLINE_WAITING.

use crate::jobs::machine::logic::JobLogic;
use strandline_types::Failure;

/// The oldest trouble of some jobs that run.
pub(super) fn held_up<'a>(jobs: impl IntoIterator<Item = &'a (impl JobLogic + 'a)>) -> Option<&'a Failure> {
    held_up_of(jobs.into_iter().map(|job| job as &dyn JobLogic))
}

/// The same of jobs of several kinds.
pub(super) fn held_up_of<'a>(jobs: impl IntoIterator<Item = &'a dyn JobLogic>) -> Option<&'a Failure> {
    let running = jobs.into_iter().filter(|job| job.is_running());
    running.flat_map(<dyn JobLogic>::troubles).min_by_key(|t| t.since_ms).map(|t| &t.failure)
}
