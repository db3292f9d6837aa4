//! Clocks that are wrong: a worker gives writes the SCNs of its own clock, so one that is far off is told, until it is right.

use crate::clocks::{is_nobody_well, is_off};
use crate::state::State;
use crate::step::Plan;
use crate::waiting::{On, Who};
use strandline_types::TenantId;

pub(super) fn plan(state: &State, now_ms: u64, plan: &mut Plan) {
    let is_nobody_well = is_nobody_well(state, now_ms);
    for worker in state.workers.values().filter(|w| state.is_known(w.id, now_ms) && is_off(w)) {
        let on = On::Clock { ahead_ms: worker.clock_offset_ms(), is_nobody_well };
        plan.wait(TenantId::SYS, Who::Clock(worker.id), on, worker.last_heard_ms);
    }
}
