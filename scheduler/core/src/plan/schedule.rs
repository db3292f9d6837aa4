//! Runs that are due. A tenant whose last backup still runs waits with the next one.

use super::dest::dest_ref;
use crate::chain;
use crate::command::{Action, BackupRequest, Subject};
use crate::cron;
use crate::state::{BackupSchedule, State, TenantStatus};
use crate::step::{MediumWork, Plan, SealRun};
use crate::waiting::{On, Who};
use strandline_types::{BackupMode, moment_text};

pub(super) fn plan(state: &State, now_ms: u64, plan: &mut Plan) {
    for schedule in state.schedules.values() {
        let is_open = state.tenants.get(&schedule.tenant_id).is_some_and(|t| t.status == TenantStatus::Normal);
        if is_open {
            plan_one(state, schedule, now_ms, plan);
        }
    }
}

fn plan_one(state: &State, schedule: &BackupSchedule, now_ms: u64, plan: &mut Plan) {
    let Some(due) = cron::due(schedule, now_ms) else { return };
    let tenant = schedule.tenant_id;
    if let Some(on) = waits_for(state, schedule, &due) {
        return plan.wait(tenant, Who::ScheduledRun(due.mode, due.due_ms), on, due.due_ms);
    }
    let request = (!due.is_skipped).then(|| BackupRequest {
        plus_archivelog: schedule.plan.plus_archivelog && due.mode != BackupMode::Synthetic,
        version: env!("CARGO_PKG_VERSION").to_owned(),
        ..BackupRequest::new(due.mode, format!("scheduled for {}", moment_text(due.due_ms)))
    });
    let is_sealed = request.is_some() && !schedule.plan.key_source.is_empty();
    let (revision, due_ms, mode) = (schedule.revision, due.due_ms, due.mode);
    let left_out = cron::left_out(schedule, due_ms, now_ms);
    let run = Action::RunSchedule { tenant, revision, due_ms, mode, request, left_out };
    // Without a destination the run is refused, whatever its key.
    let dest = state.tenants.get(&tenant).and_then(|t| t.data_dest).and_then(|d| state.destinations.get(&d));
    let Some(dest) = dest.filter(|_| is_sealed) else { return plan.propose(run) };
    if let Some(trouble) = &schedule.trouble {
        let who = Who::ScheduledRun(due.mode, due.due_ms);
        plan.wait(tenant, who, On::failure(trouble.failure.clone()), trouble.since_ms);
    }
    let newest = chain::newest(state, tenant, dest.id).filter(|_| due.mode != BackupMode::Full);
    let seal = SealRun {
        dest: dest_ref(state, dest),
        key_source: schedule.plan.key_source.clone(),
        chain: newest.and_then(|set| set.seal),
        run,
    };
    let then = Action::RunSealed { tenant };
    plan.work(Subject::Schedule(tenant), vec![MediumWork::SealRun(Box::new(seal))], then);
}

/// What a due run waits for before anything is done for it: the backup before it.
fn waits_for(state: &State, schedule: &BackupSchedule, due: &cron::Due) -> Option<On> {
    let job = state.open_backup_job(schedule.tenant_id).filter(|_| !due.is_skipped)?;
    Some(On::BackupJob(job.id))
}

/// What holds a run up that is due: the same words as in the list of what waits.
#[must_use]
pub(crate) fn held_up(state: &State, schedule: &BackupSchedule, now_ms: u64) -> Option<String> {
    let due = cron::due(schedule, now_ms)?;
    let trouble = || schedule.trouble.as_ref().map(|t| t.failure.to_string());
    let waits = waits_for(state, schedule, &due);
    waits.map(|on| format!("the {} backup of {} waits for {on}", due.mode, moment_text(due.due_ms))).or_else(trouble)
}
