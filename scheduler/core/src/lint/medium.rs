//! Jobs over what lies on a medium: standbys, drills, checks, cleaning, validation.

use super::check;
use crate::catalogue::file_status;
use crate::state::{
    CleanJob, CleanTask, DestCheck, Drill, DrillStage, Standby, StandbyStage, State, TaskRun, TenantStatus,
    ValidateJob, ValidateTask,
};
use strandline_types::{CleanStage, FileStatus, JobStatus};

pub(super) fn lint_standby(state: &State, standby: &Standby, found: &mut Vec<String>) {
    let name = format!("standby tenant {}", standby.tenant_id);
    let status = state.tenants.get(&standby.tenant_id).map(|t| t.status);
    let is_one = matches!(status, Some(TenantStatus::Standby | TenantStatus::Dropping));
    check(found, is_one, || format!("{name} is {status:?}"));
    let stands = matches!(standby.stage, StandbyStage::Stopped | StandbyStage::Reached);
    let is_quiet = !stands || standby.log_tasks.is_empty();
    check(found, is_quiet, || format!("{name} is stopped and has tasks"));
    let has_set_keys = !standby.source.seal_key.is_empty() || !standby.source.chain_keys.is_empty();
    check(found, !has_set_keys, || format!("{name} keeps the key of a set"));
}

pub(super) fn lint_drill(drill: &Drill, found: &mut Vec<String>) {
    let name = format!("restore drill {}", drill.id);
    let is_over = drill.stage.is_ended();
    check(found, is_over == drill.ended_ms.is_some(), || format!("{name}: {} and its end", drill.stage));
    let has_failed = drill.stage == DrillStage::Failed;
    check(found, !is_over || has_failed == drill.failure.is_some(), || format!("{name}: its end and its reason"));
    let has_restored = matches!(drill.stage, DrillStage::Restore | DrillStage::Restored | DrillStage::Drop);
    check(found, !has_restored || drill.restore.is_some(), || format!("{name} is {} of nothing", drill.stage));
    check(found, !is_over || drill.runs.is_empty(), || format!("{name} has ended with tasks"));
}

pub(super) fn lint_dest_check(dest_check: &DestCheck, found: &mut Vec<String>) {
    let name = format!("destination check {}", dest_check.id);
    let is_over = dest_check.runs.values().all(TaskRun::is_finished);
    check(found, is_over == dest_check.ended_ms.is_some(), || format!("{name} and its end"));
    check(found, !is_over || dest_check.access.is_empty(), || format!("{name} has ended and keeps keys"));
}

pub(super) fn lint_clean(state: &State, job: &CleanJob, found: &mut Vec<String>) {
    let name = format!("cleaning job {}", job.id);
    check(found, job.status.is_ended() == job.ended_ms.is_some(), || format!("{name}: {} and its end", job.status));
    let has_all = job.tasks.iter().all(|t| state.clean_tasks.get(t).is_some_and(|t| t.job_id == job.id));
    check(found, has_all, || format!("{name} has lost a task"));
    let is_done = job.tasks.iter().filter_map(|t| state.clean_tasks.get(t)).all(|t| t.stage.is_ended());
    check(found, !job.status.is_ended() || is_done, || format!("{name} has ended before its tasks"));
}

pub(super) fn lint_clean_task(state: &State, task: &CleanTask, found: &mut Vec<String>) {
    let name = format!("deletion {} of {}", task.id, task.name);
    check(found, task.stage.is_ended() == task.ended_ms.is_some(), || format!("{name}: its stage and its end"));
    check(found, state.clean_jobs.contains_key(&task.job_id), || format!("{name} of no job"));
    let status = file_status(state, task.tenant_id, task.name);
    let is_marked = status.is_none_or(|s| s == FileStatus::Deleting);
    check(found, task.stage.is_ended() || is_marked, || format!("{name} runs, and it is {status:?}"));
    let has_failed = task.stage == CleanStage::Failed;
    check(found, !has_failed || task.failure.is_some(), || format!("{name} failed without a reason"));
}

pub(super) fn lint_validate(state: &State, job: &ValidateJob, found: &mut Vec<String>) {
    let name = format!("validation job {}", job.id);
    let is_over = job.status.is_ended();
    check(found, is_over == job.ended_ms.is_some(), || format!("{name}: {} and its end", job.status));
    check(found, !is_over || job.keys.is_empty(), || format!("{name} has ended and keeps its keys"));
    let mut tasks = job.tasks.iter().map(|t| state.validate_tasks.get(t));
    let is_sound = tasks.all(|t| t.is_some_and(|t| t.job_id == job.id && (!is_over || t.status.is_ended())));
    check(found, is_sound, || format!("{name} has lost a task, or ended before it"));
}

pub(super) fn lint_validate_task(state: &State, task: &ValidateTask, found: &mut Vec<String>) {
    let name = format!("validation {} of {}", task.id, task.object.name);
    check(found, task.status.is_ended() == task.ended_ms.is_some(), || format!("{name}: {} and its end", task.status));
    check(found, state.validate_jobs.contains_key(&task.job_id), || format!("{name} of no job"));
    let has_failed = task.status == JobStatus::Failed;
    check(found, !has_failed || task.failure.is_some(), || format!("{name} failed without a reason"));
    let keeps_keys = !task.object.at.access.is_empty();
    check(found, !task.status.is_ended() || !keeps_keys, || format!("{name} has ended and keeps keys"));
}
