//! The clock of the worker's edges: wall-clock time that never goes back while the process runs.
//!
//! Only drivers and loops read it and hand the time to the cores; no core ever sees it.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// Wall-clock time at the start, moved on by the monotonic clock.
#[derive(Clone, Copy, Debug)]
pub struct WallClock {
    at_start: Duration,
    started: Instant,
}

impl WallClock {
    /// Starts from the wall clock as it is now.
    #[must_use]
    pub fn start() -> Self {
        // A clock before 1970 counts as 1970: only differences are used then, and they stay right.
        let at_start = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Self { at_start, started: Instant::now() }
    }

    /// Milliseconds since the Unix epoch.
    #[must_use]
    pub fn now_ms(&self) -> u64 {
        (self.at_start + self.started.elapsed()).as_millis() as u64
    }

    /// A number that another start of this process does not have.
    #[must_use]
    pub fn boot_id(&self) -> u64 {
        self.at_start.as_nanos() as u64
    }
}
