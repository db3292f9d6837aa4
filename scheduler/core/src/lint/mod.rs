//! Invariants of a state, for tests and simulations: whatever commands came, these hold.
//!
//! A finding is a bug of `apply`, never of a user.

mod archive;
mod jobs;
mod tenants;

use crate::state::State;

pub(crate) use jobs::keeps_no_key;

/// Everything that is wrong with a state; empty when it is sound.
#[must_use]
pub fn lint(state: &State) -> Vec<String> {
    let mut found = Vec::new();
    tenants::lint(state, &mut found);
    archive::lint(state, &mut found);
    jobs::lint(state, &mut found);
    found
}

/// Notes a finding when something does not hold.
pub(crate) fn check(found: &mut Vec<String>, holds: bool, what: impl FnOnce() -> String) {
    if !holds {
        found.push(what());
    }
}
