//! Jobs of every kind, sets and tasks.

use super::finding::check;
use crate::state::{Job, RestoreSource, State, TaskRun};
use strandline_types::{BackupSetStatus, FileStatus, LsTaskStatus, limits};

pub(super) fn lint(state: &State, found: &mut Vec<String>) {
    for tenant in state.tenants.keys() {
        let open = state.backup_jobs().filter(|j| j.tenant_id == *tenant && j.is_open()).count();
        check(found, open <= 1, || format!("tenant {tenant} has {open} open backup jobs"));
    }
    for (id, job) in &state.jobs {
        check(found, job.head().id == *id, || format!("job {id} under a wrong key"));
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

fn lint_job(state: &State, job: &Job, found: &mut Vec<String>) {
    let logic = job.logic();
    check(found, logic.head().id < state.next.job, || format!("{logic} is not below the next id"));
    for run in logic.head().runs.values() {
        lint_run(&logic.to_string(), run, found);
    }
    logic.lint(state, found);
}

pub(crate) fn keeps_no_key(source: &RestoreSource) -> bool {
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
