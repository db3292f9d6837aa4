//! Stopping the apply of a replica between two SCNs, so that its content can be seen exactly as of an SCN that is still
//! to come.
//!
//! Order rules: one pause at a time; apply never waits longer than [`PAUSE_MAX`], because a leader that does not apply
//! answers no client. The observer that asked is told when the moment was missed.

use parking_lot::{Condvar, Mutex, MutexGuard};
use std::time::{Duration, Instant};
use strandline_consensus::{Entry, EntryBody};
use strandline_format::entry::EntryKind;
use strandline_types::Scn;

/// Longest pause of the apply.
const PAUSE_MAX: Duration = Duration::from_secs(2);
/// A waiting observer checks this often whether its result is still needed.
const LOOK: Duration = Duration::from_millis(20);

/// Where apply has to stop, if anywhere.
#[derive(Debug, Default)]
pub(super) struct ApplyPause {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct State {
    at: Option<Scn>,
    /// Apply stands at the pause and waits.
    reached: bool,
    /// SCN of the last entry that changed a tablet, as far as this process knows.
    last_change: Scn,
}

impl ApplyPause {
    /// Everything up to `scn` may have been a change.
    pub(super) fn after(scn: Scn) -> Self {
        Self { state: Mutex::new(State { last_change: scn, ..State::default() }), ..Self::default() }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock()
    }

    /// How many of the entries may be applied before the pause; all of them when there is none.
    pub(super) fn before(&self, entries: &[Entry]) -> usize {
        let Some(at) = self.lock().at else { return entries.len() };
        entries.iter().position(|e| matches!(&e.body, EntryBody::Normal(p) if p.scn > at.0)).unwrap_or(entries.len())
    }

    /// Notes what was applied.
    pub(super) fn saw(&self, entries: &[Entry]) {
        let is_change = |kind| {
            let kind = EntryKind::from_number(kind);
            matches!(kind, Some(EntryKind::ClientBatch | EntryKind::Replayed | EntryKind::Tablets))
        };
        let change = entries.iter().rev().find_map(|e| match &e.body {
            EntryBody::Normal(p) if is_change(p.kind) => Some(Scn(p.scn)),
            _ => None,
        });
        if let Some(scn) = change {
            self.lock().last_change = scn;
        }
        self.changed.notify_all();
    }

    /// Apply waits here until the observer has looked, or for [`PAUSE_MAX`].
    pub(super) fn wait(&self) {
        let deadline = Instant::now() + PAUSE_MAX;
        let mut state = self.lock();
        state.reached = true;
        self.changed.notify_all();
        while state.at.is_some() {
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                // The observer finds its pause gone.
                state.at = None;
                break;
            }
            self.changed.wait_for(&mut state, left);
        }
        state.reached = false;
    }

    pub(super) fn last_change(&self) -> Scn {
        self.lock().last_change
    }

    /// Asks for a pause; false when another one is under way.
    pub(super) fn ask(&self, at: Scn) -> bool {
        let mut state = self.lock();
        let is_free = state.at.is_none() && !state.reached;
        if is_free {
            state.at = Some(at);
        }
        is_free
    }

    #[cfg(test)]
    pub(super) fn is_asked(&self) -> bool {
        self.lock().at.is_some()
    }

    /// Lets apply go on.
    pub(super) fn release(&self) {
        self.lock().at = None;
        self.changed.notify_all();
    }

    /// Waits until apply stands at the pause (true), the pause is gone (`None`), or a moment has passed (false).
    pub(super) fn look(&self) -> Option<bool> {
        let mut state = self.lock();
        if state.at.is_some() && !state.reached {
            self.changed.wait_for(&mut state, LOOK);
        }
        state.at.map(|_| state.reached)
    }
}
