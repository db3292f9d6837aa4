//! Jobs of every kind, sets and tasks.

use super::{check, medium};
use crate::state::{
    BackupJob, Job, RecoverStage, RecoverTableJob, RestoreJob, RestoreSource, State, TaskRun, TenantStatus,
};
use strandline_types::{
    BackupJobStatus, BackupMode, BackupSetKind, BackupSetStatus, FileStatus, LsTaskStatus, RestoreStage, limits,
};

pub(super) fn lint(state: &State, found: &mut Vec<String>) {
    for tenant in state.tenants.keys() {
        let open = state.backup_jobs.values().filter(|j| j.tenant_id == *tenant && j.is_open()).count();
        check(found, open <= 1, || format!("tenant {tenant} has {open} open backup jobs"));
    }
    for job in state.jobs() {
        lint_job(state, job, found);
    }
    for (dest, left) in &state.leftovers {
        let is_bounded = (1..=limits::LEFTOVERS_KEPT_MAX).contains(&left.sets.len());
        check(found, is_bounded, || format!("destination {dest} has {} sets left over", left.sets.len()));
        let tenant = state.destinations.get(dest).map(|d| d.tenant_id);
        check(found, tenant.is_some(), || format!("sets are left over in destination {dest}, which is not there"));
        for set in left.sets.keys() {
            let set = tenant.and_then(|t| state.backup_sets.get(&(t, *set)));
            let has_failed = set.is_some_and(|s| s.status == BackupSetStatus::Failed);
            check(found, has_failed, || format!("a set that did not fail is left over in destination {dest}"));
        }
    }
    for set in state.backup_sets.values() {
        let is_whole = set.status == BackupSetStatus::Success;
        let is_readable = set.file_status == FileStatus::Available;
        let is_unfinished = matches!(set.file_status, FileStatus::Incomplete | FileStatus::Copying);
        check(found, is_whole >= is_readable && !(is_whole && is_unfinished), || {
            format!("set {}: {} and {}", set.set_id, set.status, set.file_status)
        });
        let is_ordered = set.start_replay_scn <= set.min_restore_scn && set.consistent_scn <= set.min_restore_scn;
        check(found, !is_whole || is_ordered, || format!("set {}: its SCNs are out of order", set.set_id));
    }
}

fn lint_job(state: &State, job: Job<'_>, found: &mut Vec<String>) {
    check(found, job.id() < state.next.job, || format!("{job} is not below the next id"));
    for run in job.runs() {
        lint_run(&job.to_string(), run, found);
    }
    match job {
        Job::Backup(job) => lint_backup(state, job, found),
        Job::Initiator(job) => {
            let is_over = job.children.values().all(|c| c.end.is_some());
            check(found, is_over == job.ended_ms.is_some(), || format!("backup job {} of sys and its end", job.id));
        }
        Job::Restore(job) => lint_restore(state, job, found),
        Job::RecoverTable(job) => lint_recover(state, job, found),
        Job::Standby(standby) => medium::lint_standby(state, standby, found),
        Job::Drill(drill) => medium::lint_drill(drill, found),
        Job::DestCheck(dest_check) => medium::lint_dest_check(dest_check, found),
        Job::Clean(job) => medium::lint_clean(state, job, found),
        Job::CleanTask(task) => medium::lint_clean_task(state, task, found),
        Job::Validate(job) => medium::lint_validate(state, job, found),
        Job::ValidateTask(task) => medium::lint_validate_task(state, task, found),
    }
}

fn lint_backup(state: &State, job: &BackupJob, found: &mut Vec<String>) {
    let name = format!("backup job {}", job.id);
    check(found, !job.is_open() || state.backup_sets.contains_key(&(job.tenant_id, job.set_id)), || {
        format!("{name} has no set")
    });
    check(found, job.is_open() || job.status.is_ended(), || format!("{name} is closed and {}", job.status));
    let is_past_data = matches!(
        job.status,
        BackupJobStatus::Index
            | BackupJobStatus::Log
            | BackupJobStatus::CopyLog
            | BackupJobStatus::Infos
            | BackupJobStatus::End
            | BackupJobStatus::Completed
    );
    let all_done = !job.tasks.is_empty() && job.tasks.values().all(TaskRun::is_finished);
    check(found, !is_past_data || all_done, || format!("{name} is {} with open tasks", job.status));
    if job.status == BackupJobStatus::Completed {
        let set = state.backup_sets.get(&(job.tenant_id, job.set_id));
        let round = state.rounds.get(&(job.tenant_id, job.round_id));
        let has_own_range = job.mode == BackupMode::Synthetic;
        let is_covered = has_own_range || set.zip(round).is_none_or(|(s, r)| r.checkpoint_scn >= s.min_restore_scn);
        check(found, is_covered, || format!("{name} is complete, its log is not on the medium"));
        let is_success = set.is_none_or(|s| s.status == BackupSetStatus::Success);
        check(found, is_success, || format!("{name} is complete, its set is no success"));
    }
    check(found, !job.status.is_ended() || job.seal_key.is_empty(), || format!("{name} has ended and keeps its key"));
    check(found, job.turn.0 <= limits::BACKUP_TURNS_MAX, || format!("{name}: turn {}", job.turn));
    let has_base = job.kind == BackupSetKind::Full || job.base.is_some();
    check(found, has_base, || format!("{name} is incremental without a base"));
    let ends_with_reason = matches!(job.status, BackupJobStatus::Failed | BackupJobStatus::Canceled);
    check(found, !ends_with_reason || job.failure.is_some(), || format!("{name} ended without a reason"));
}

fn lint_restore(state: &State, job: &RestoreJob, found: &mut Vec<String>) {
    let name = format!("restore job {}", job.id);
    check(found, !job.stage.is_ended() || keeps_no_key(&job.source), || format!("{name} has ended and keeps keys"));
    check(found, job.stage.is_ended() == job.ended_ms.is_some(), || format!("{name}: {} and its end", job.stage));
    let ends_with_reason = job.stage == RestoreStage::Failed;
    check(found, !ends_with_reason || job.failure.is_some(), || format!("{name} failed without a reason"));
    let tenant = state.tenants.get(&job.tenant_id);
    if ends_with_reason {
        let is_leaving = tenant.is_none_or(|t| t.status == TenantStatus::Dropping);
        check(found, is_leaving, || format!("{name} failed and its tenant stays"));
    }
    if job.stage == RestoreStage::RestoreData {
        let seats = tenant.into_iter().flat_map(|t| t.log_streams.values());
        let seats: Vec<_> = seats.flat_map(|ls| ls.members.iter().map(move |m| (ls.id, *m))).collect();
        let has_all = seats.len() == job.data_tasks.len() && seats.iter().all(|s| job.data_tasks.contains_key(s));
        check(found, has_all, || format!("{name}: not one data task per replica"));
    }
}

/// A running recovery has all of its tables, hidden; an ended one has none of them under a hidden name.
fn lint_recover(state: &State, job: &RecoverTableJob, found: &mut Vec<String>) {
    let name = format!("table recovery job {}", job.id);
    check(found, job.stage.is_ended() == job.ended_ms.is_some(), || format!("{name}: {} and its end", job.stage));
    check(found, !job.stage.is_ended() || keeps_no_key(&job.source), || format!("{name} has ended and keeps keys"));
    let has_failed = matches!(job.stage, RecoverStage::Failed | RecoverStage::Canceled);
    check(found, has_failed == job.failure.is_some(), || format!("{name}: {} and its reason", job.stage));
    let Some(tenant) = state.tenants.get(&job.tenant_id) else { return };
    for made in &job.tables {
        let hidden = tenant.tables.get(&made.table_id).filter(|t| t.is_hidden()).is_some();
        check(found, hidden != job.stage.is_ended(), || format!("{name}: table {} is hidden: {hidden}", made.table_id));
    }
}

fn keeps_no_key(source: &RestoreSource) -> bool {
    let opens = source.data.access.is_empty() && source.log.iter().all(|log| log.from.access.is_empty());
    opens && source.seal_key.is_empty() && source.chain_keys.is_empty()
}

fn lint_run(name: &str, run: &TaskRun, found: &mut Vec<String>) {
    let has_executor = run.executor.is_some();
    check(found, has_executor == (run.status != LsTaskStatus::Init), || {
        format!("{name}: a task is {} with executor {:?}", run.status, run.executor)
    });
    check(found, run.retry.0 <= limits::LS_TASK_RETRIES_MAX + 1, || format!("{name}: retry {}", run.retry));
    check(found, run.bytes_done <= run.bytes_total, || format!("{name}: more done than there is"));
}
