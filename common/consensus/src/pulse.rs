//! When this replica last heard its leader, and how far the leader was when it was first heard.

use parking_lot::Mutex;
use std::sync::OnceLock;
use std::time::{Duration, Instant};

/// What a replica noted of its leaders since it started.
#[derive(Default)]
pub(crate) struct Pulse {
    heard: Mutex<Option<Instant>>,
    /// What the first leader had committed when it first spoke: a node that has applied that has caught up with the time in
    /// which it was away.
    goal: OnceLock<u64>,
}

impl Pulse {
    /// A leader has spoken, and was obeyed.
    pub(crate) fn heard(&self, leader_commit: Option<u64>) {
        *self.heard.lock() = Some(Instant::now());
        if let Some(commit) = leader_commit {
            self.goal.get_or_init(|| commit);
        }
    }

    pub(crate) fn silence(&self) -> Option<Duration> {
        self.heard.lock().map(|at| at.elapsed())
    }

    pub(crate) fn goal(&self) -> Option<u64> {
        self.goal.get().copied()
    }
}
