//! What happens in a run, with its time, on its output.

use std::time::Instant;

/// A run that has begun.
#[derive(Clone, Copy, Debug)]
pub struct EventLog {
    began: Instant,
}

impl EventLog {
    /// Begins now.
    #[must_use]
    pub fn begin() -> Self {
        Self { began: Instant::now() }
    }

    /// Prints what happened, with the time since the beginning.
    pub fn record(&self, what: &str) {
        eprintln!("chaos: {:6.2} s: {what}", self.began.elapsed().as_secs_f64());
    }
}
