//! What to do next, from the whole state, every time anew.

use crate::state::State;
use crate::step::Plan;

/// The next steps. Pure: the same state and time give the same plan, and running a step twice is harmless.
#[must_use]
pub fn plan(state: &State, now_ms: u64) -> Plan {
    let _ = (state, now_ms);
    Plan::default()
}
