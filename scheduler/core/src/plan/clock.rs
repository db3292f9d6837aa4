//! Clocks that are wrong: a worker gives writes the SCNs of its own clock, so one that is far off is told, until it is right.

use crate::clocks::{is_nobody_well, is_off};
use crate::state::{State, Worker};
use crate::step::Plan;
use strandline_types::TenantId;

pub(super) fn plan(state: &State, now_ms: u64, plan: &mut Plan) {
    let is_nobody_well = is_nobody_well(state, now_ms);
    for worker in state.workers.values().filter(|w| state.is_known(w.id, now_ms) && is_off(w)) {
        let what = format!("the clock of worker {}", worker.id);
        plan.wait(TenantId::SYS, what, said(worker, is_nobody_well), worker.last_heard_ms);
    }
}

fn said(worker: &Worker, is_nobody_well: bool) -> String {
    let offset_ms = worker.clock_offset_ms();
    let side = if offset_ms > 0 { "ahead of" } else { "behind" };
    let off = format!("it is {} s {side} the schedulers'", offset_ms.unsigned_abs() / 1000);
    if is_nobody_well {
        let cause = "no worker's clock is right against it, so the clock of the leading scheduler is the likely cause";
        return format!("{off}: {cause}. Compare the clocks of all hosts; no leader is moved meanwhile");
    }
    format!(
        "{off}: set the time of that host; writes there get SCNs of a wrong time, so what it leads is handed over to \
         members whose clocks are right, where there are such"
    )
}
