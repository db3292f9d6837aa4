//! Invariants of a state, for tests and simulations: whatever commands came, these hold.
//!
//! A finding is a bug of `apply`, never of a user.

mod archive;
mod finding;
mod jobs;
mod tenants;

pub(crate) use finding::check;

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
