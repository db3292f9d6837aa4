//! When a scheduler leader was last heard: what readiness means for a worker.

use std::sync::Mutex;
use std::sync::PoisonError;
use std::time::{Duration, Instant};
use strandline_types::limits::WORKER_UNKNOWN_MS;

/// Remembers the last answer of a leader.
#[derive(Debug, Default)]
pub(crate) struct Contact(Mutex<Option<Instant>>);

impl Contact {
    /// A leader has answered now.
    pub(crate) fn heard(&self) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(Instant::now());
    }

    /// True while the scheduler does not count this worker as unknown.
    pub(crate) fn is_fresh(&self) -> bool {
        let last = *self.0.lock().unwrap_or_else(PoisonError::into_inner);
        last.is_some_and(|at| at.elapsed() < Duration::from_millis(WORKER_UNKNOWN_MS))
    }
}
