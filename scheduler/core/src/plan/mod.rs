//! What to do next, from the whole state, every time anew.
//!
//! Nothing is remembered between two plans. Whatever cannot move says on what it waits. The time decides only what the
//! state cannot: which workers are known, and which deadlines have passed.

mod archive;
mod clock;
pub(crate) mod dest;
pub(crate) mod leftovers;
mod pieces;
mod restart;
mod round_ctx;
mod schedule;
mod tenant;
mod waiting;

use crate::jobs;
use crate::state::{JobKind, State};
use crate::step::Plan;

pub use crate::jobs::standby::plan::replayed_scn;
pub use dest::dest_ref;
pub(crate) use schedule::held_up as schedule_held_up;

/// The next steps. Pure: the same state and time give the same plan, and running a step twice is harmless.
#[must_use]
pub fn plan(state: &State, now_ms: u64) -> Plan {
    // Deadlines are set by the state's clock; a leader whose own clock is behind must not see them in the future.
    let now_ms = state.present(now_ms);
    let mut plan = Plan::default();
    clock::plan(state, now_ms, &mut plan);
    tenant::plan(state, now_ms, &mut plan);
    archive::plan(state, now_ms, &mut plan);
    let jobs = state.jobs_by_kind();
    for kind in JobKind::ALL {
        plan_around(state, *kind, now_ms, &mut plan);
        for job in jobs.iter().filter(|job| job.kind() == *kind && job.logic().is_open()) {
            job.logic().plan(state, now_ms, &mut plan);
        }
    }
    waiting::plan(state, &mut plan);
    plan
}

/// What starts jobs of a kind by itself, and what those of the kind before have left.
fn plan_around(state: &State, kind: JobKind, now_ms: u64, plan: &mut Plan) {
    match kind {
        JobKind::Backup => schedule::plan(state, now_ms, plan),
        JobKind::Restore => leftovers::plan(state, plan),
        JobKind::Drill => jobs::drill::plan::plan_schedules(state, now_ms, plan),
        JobKind::Clean => jobs::clean::plan::plan_policies(state, now_ms, plan),
        _ => {}
    }
}
