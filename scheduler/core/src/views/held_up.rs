//! What COMMENT says of a job that runs: what holds it up, in the words of CDB_STRANDLINE_WAITING.

use crate::state::Job;
use strandline_types::Failure;

/// The oldest trouble of some jobs that run.
pub(super) fn held_up<'a>(jobs: impl IntoIterator<Item = Job<'a>>) -> Option<&'a Failure> {
    let running = jobs.into_iter().filter(|job| job.is_running());
    running.flat_map(Job::troubles).min_by_key(|t| t.since_ms).map(|t| &t.failure)
}
