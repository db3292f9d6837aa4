//! What holds up jobs of every kind, told in one place: no kind of job can be held up and not say so.
//!
//! One line per job, by its oldest trouble. What a stage of a job waits for, and what is no trouble, the plan of that job
//! says itself.

use crate::jobs::machine::logic::JobLogic;
use crate::state::{State, Trouble};
use crate::step::Plan;
use crate::waiting::On;
use std::collections::BTreeMap;
use strandline_types::TenantId;

pub(super) fn plan(state: &State, plan: &mut Plan) {
    let mut held_up: BTreeMap<(TenantId, String), (&dyn JobLogic, Vec<&Trouble>)> = BTreeMap::new();
    for job in state.all_jobs() {
        let troubles = troubles(job);
        // A set or piece is told under the job that it is a part of.
        if !troubles.is_empty() {
            let of_job = held_up.entry((job.head().tenant_id, job.to_string())).or_insert((job, Vec::new()));
            of_job.1.extend(troubles);
        }
    }
    for ((tenant, _), (job, troubles)) in held_up {
        let Some(oldest) = troubles.iter().min_by_key(|t| t.since_ms) else { continue };
        let on = On::Failure { failure: oldest.failure.clone(), more: troubles.len() - 1 };
        plan.wait(tenant, job.who(), on, oldest.since_ms);
    }
}

/// Of a job that runs, and of one whose end is still to be written.
fn troubles(job: &dyn JobLogic) -> Vec<&Trouble> {
    if job.is_running() {
        job.troubles().collect()
    } else if job.is_closing() {
        job.head().trouble.iter().collect()
    } else {
        Vec::new()
    }
}
