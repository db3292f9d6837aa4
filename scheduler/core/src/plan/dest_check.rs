//! Checks of destinations: a worker that does not answer is given up.

use super::tasks::supervise;
use crate::state::State;
use crate::step::Plan;

pub(super) fn plan(state: &State, now_ms: u64, plan: &mut Plan) {
    for check in state.dest_checks.values().filter(|c| c.ended_ms.is_none()) {
        for run in check.runs.values() {
            supervise(state, now_ms, check.key(), run, plan);
        }
    }
}
