//! When a scheduler leader was last heard.

use parking_lot::Mutex;
use std::time::{Duration, Instant};

/// Remembers the last answer of a leader.
#[derive(Debug, Default)]
pub(crate) struct Contact(Mutex<Option<Instant>>);

impl Contact {
    /// A leader has answered now.
    pub(crate) fn heard(&self) {
        *self.0.lock() = Some(Instant::now());
    }

    /// For how long no leader was heard; `None`: never.
    pub(crate) fn silence(&self) -> Option<Duration> {
        self.0.lock().map(|at| at.elapsed())
    }
}
