//! Backup schedules: set, switched, and run.

use super::normal::normal;
use crate::command::{BackupRequest, Done, Outcome, ScheduleChange};
use crate::jobs::machine::between::backup;
use crate::refuse;
use crate::state::{BackupSchedule, ScheduledRun, State};
use strandline_types::{BackupMode, TenantId, limits};

/// Sets, switches or drops a tenant's schedule. What was due before is no matter of the new one.
pub(crate) fn change(state: &mut State, id: TenantId, change: ScheduleChange) -> Outcome {
    let name = normal(state, id)?.name.clone();
    let now_ms = state.clock_ms;
    let known = state.schedules.get_mut(&id);
    match (change, known) {
        (ScheduleChange::Set { plan, enable }, known) => {
            let (revision, runs) = known.map_or((1, Vec::new()), |s| (s.revision + 1, s.runs.clone()));
            let (tenant_id, after_ms, trouble) = (id, now_ms, None);
            let schedule = BackupSchedule { tenant_id, plan, enabled: enable, revision, after_ms, runs, trouble };
            state.schedules.insert(id, schedule);
        }
        (ScheduleChange::Enable(on), Some(schedule)) => {
            if schedule.enabled == on {
                return Ok(Done::Nothing);
            }
            schedule.enabled = on;
            // What held up a run that is not wanted any more is over.
            schedule.trouble = None;
            schedule.revision += 1;
            schedule.after_ms = schedule.after_ms.max(now_ms);
        }
        (ScheduleChange::Drop, Some(_)) => {
            state.schedules.remove(&id);
        }
        (_, None) => return Err(refuse::no_schedule(&name)),
    }
    Ok(Done::Ok)
}

/// The key of a run was found: nothing holds the schedule up any more.
pub(crate) fn sealed(state: &mut State, id: TenantId) -> Outcome {
    if let Some(schedule) = state.schedules.get_mut(&id) {
        schedule.trouble = None;
    }
    Ok(Done::Ok)
}

/// Deals with one due time: starts its backup, or keeps why not. Void when it was dealt with already, or when the
/// schedule is another one by now.
pub(crate) fn run(
    state: &mut State,
    id: TenantId,
    revision: u64,
    (due_ms, mode): (u64, BackupMode),
    request: Option<BackupRequest>,
    left_out: (Vec<(u64, BackupMode)>, u64),
) -> Outcome {
    let now_ms = state.clock_ms;
    let is_current =
        |s: &&mut BackupSchedule| s.enabled && s.revision == revision && due_ms > s.after_ms && due_ms <= now_ms;
    if state.schedules.get_mut(&id).filter(is_current).is_none() {
        return Ok(Done::Nothing);
    }
    let (job, refusal) = match request.map(|request| backup::start(state, id, request, None)) {
        Some(Ok(job)) => (Some(job), None),
        Some(Err(failure)) => (None, Some(failure)),
        None => (None, Some(refuse::run_missed())),
    };
    if let Some(schedule) = state.schedules.get_mut(&id) {
        schedule.after_ms = due_ms;
        schedule.trouble = None;
        note_left_out(schedule, left_out, due_ms, now_ms);
        schedule.runs.push(ScheduledRun { due_ms, decided_ms: now_ms, mode, job, refusal });
        let extra = schedule.runs.len().saturating_sub(limits::SCHEDULE_RUNS_KEPT_MAX);
        schedule.runs.drain(..extra);
    }
    Ok(job.map_or(Done::Ok, Done::BackupJob))
}

/// Due times that passed while nothing could be started: each has a row, the oldest row counts those before it.
fn note_left_out(schedule: &mut BackupSchedule, left_out: (Vec<(u64, BackupMode)>, u64), due_ms: u64, now_ms: u64) {
    let (times, count) = left_out;
    let mut before = count.saturating_sub(times.len() as u64);
    for (at_ms, mode) in times.into_iter().take(limits::SCHEDULE_LEFT_OUT_MAX) {
        let refusal = Some(refuse::run_left_out(schedule.plan.missed, due_ms, std::mem::take(&mut before)));
        schedule.runs.push(ScheduledRun { due_ms: at_ms, decided_ms: now_ms, mode, job: None, refusal });
    }
}
