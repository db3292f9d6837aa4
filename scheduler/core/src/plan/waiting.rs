//! What holds up jobs of every kind, told in one place: no kind of job can be held up and not say so.
//!
//! One line per job, by its oldest trouble. What a stage of a job waits for, and what is no trouble, the plan of that job
//! says itself.

use crate::state::{Job, State, Trouble};
use crate::step::Plan;
use std::collections::BTreeMap;
use strandline_types::TenantId;

pub(super) fn plan(state: &State, plan: &mut Plan) {
    let mut held_up: BTreeMap<(TenantId, String), Vec<&Trouble>> = BTreeMap::new();
    for job in state.jobs() {
        let troubles = troubles(job);
        // A set or piece is told under the job that it is a part of.
        if !troubles.is_empty() {
            held_up.entry((job.tenant_id(), job.to_string())).or_default().extend(troubles);
        }
    }
    for ((tenant, name), troubles) in held_up {
        let Some(oldest) = troubles.iter().min_by_key(|t| t.since_ms) else { continue };
        let more = match troubles.len() - 1 {
            0 => String::new(),
            more => format!(" (and {more} more of its tasks)"),
        };
        plan.wait(tenant, name, format!("{}{more}", oldest.failure), oldest.since_ms);
    }
}

/// Of a job that runs, and of one whose end is still to be written.
fn troubles(job: Job<'_>) -> Vec<&Trouble> {
    if job.is_running() {
        job.troubles().collect()
    } else if job.is_closing() {
        job.own_trouble().into_iter().collect()
    } else {
        Vec::new()
    }
}
