//! The next steps of validation jobs: one task per log stream of every set and piece, on all workers in parallel.

use crate::command::Action;
use crate::jobs::machine::supervise as tasks;
use crate::refuse;
use crate::state::{State, TaskRun, ValidateJob};
use crate::step::Plan;
use crate::task::TaskKind;
use crate::waiting::{On, Who};
use std::collections::BTreeMap;
use strandline_types::{JobStatus, NodeId, limits};

pub(super) fn plan(state: &State, job: &ValidateJob, now_ms: u64, plan: &mut Plan) {
    let mut tasks = job.tasks.iter().filter_map(|t| state.validate_task(*t));
    if tasks.all(|t| t.status.is_ended()) {
        plan.propose(Action::CloseJob { job: job.id });
    } else if now_ms.saturating_sub(job.progress_ms) >= limits::JOB_STALL_MS {
        plan.propose(Action::JobFailed { job: job.id, failure: refuse::stalled(&Who::Validate(job.id)) });
    } else {
        plan_tasks(state, job, now_ms, plan);
    }
}

/// Hands out as much as the workers take at once; the rest waits for its turn, in order.
fn plan_tasks(state: &State, job: &ValidateJob, now_ms: u64, plan: &mut Plan) {
    let known = tasks::by_load(state, now_ms);
    let mut room: BTreeMap<NodeId, usize> =
        known.iter().map(|w| (*w, limits::VALIDATE_TASKS_PER_WORKER.saturating_sub(tasks::turns(state, *w)))).collect();
    let open = || job.tasks.iter().filter_map(|t| state.validate_task(*t)).filter(|t| t.status == JobStatus::Doing);
    let moves = room.values().any(|n| *n > 0) || open().flat_map(|t| t.runs.values()).any(TaskRun::is_running);
    for task in open() {
        for (key, run) in tasks::attempts(task, TaskKind::Validate) {
            if run.is_finished() || tasks::supervise(state, now_ms, key, run, plan) || run.is_running() {
                continue;
            }
            let mut free: Vec<NodeId> = known.iter().filter(|w| room.get(w).is_some_and(|n| *n > 0)).copied().collect();
            free.sort_by_key(|w| (std::cmp::Reverse(room.get(w).copied().unwrap_or(0)), *w));
            if free.is_empty() && !known.is_empty() {
                if !moves {
                    plan.wait(job.tenant_id, Who::Validate(job.id), On::Room, job.progress_ms);
                }
                return;
            }
            if let Some(worker) = tasks::assign(now_ms, key, run, &free, plan)
                && let Some(n) = room.get_mut(&worker)
            {
                *n -= 1;
            }
        }
    }
}
