//! Validation jobs, what they looked at and what they found (fact sheet 2.3).

use super::held_up::held_up;
use super::value::{n, t, time};
use super::{Build, Table, Value};
use crate::catalogue::file_status;
use crate::orders::MediumName;
use crate::state::{State, TaskRun, ValidateKind, ValidateTask};
use strandline_types::{Failure, FileStatus, INCARNATION, JobStatus, LsId};

const JOB_COLUMNS: [&str; 20] = [
    "TENANT_ID",
    "JOB_ID",
    "INCARNATION",
    "INITIATOR_TENANT_ID",
    "INITIATOR_JOB_ID",
    "EXECUTOR_TENANT_ID",
    "TYPE",
    "PATH",
    "PATH_TYPE",
    "ID",
    "VALIDATE_LEVEL",
    "START_TIMESTAMP",
    "END_TIMESTAMP",
    "STATUS",
    "RETRY_COUNT",
    "TASK_COUNT",
    "SUCCESS_TASK_COUNT",
    "RESULT",
    "DESCRIPTION",
    "COMMENT",
];

/// Running jobs, or ended ones.
pub(super) fn jobs(state: &State, ended: bool) -> Table {
    let mut view = Build::new(&JOB_COLUMNS);
    for j in state.validate_jobs().filter(|j| j.status.is_ended() == ended) {
        let tasks = || j.tasks.iter().filter_map(|id| state.validate_task(*id));
        let runs = tasks().flat_map(|t| t.runs.values());
        let ids: Vec<String> = tasks().map(|t| id_of(t.object.name).to_string()).collect();
        view.row([
            n(j.tenant_id.0),
            n(j.id.0),
            n(INCARNATION),
            n(j.tenant_id.0),
            n(0u64),
            n(j.tenant_id.0),
            t(j.kind),
            t(&j.path),
            t(if j.kind == ValidateKind::Piece { "ARCHIVELOG_DEST" } else { "BACKUP_DEST" }),
            t(ids.join(",")),
            t(j.level),
            time(Some(j.started_ms)),
            time(j.ended_ms),
            t(j.status),
            n(runs.map(|r| u64::from(r.retry.0)).sum::<u64>()),
            n(j.tasks.len() as u64),
            n(tasks().filter(|t| t.status == JobStatus::Completed).count() as u64),
            result(j.failure.as_ref()),
            t(&j.description),
            t(comment(j.failure.as_ref().or_else(|| held_up(tasks())))),
        ]);
    }
    view.done()
}

fn id_of(name: MediumName) -> u64 {
    match name {
        MediumName::Set(id, _) => id.0,
        MediumName::Piece(key) => key.piece_id.0,
    }
}

fn result(failure: Option<&Failure>) -> Value {
    Value::Int(failure.map_or(0, |f| if f.code == 0 { -4000 } else { f.code }).into())
}

fn comment(failure: Option<&Failure>) -> String {
    failure.map(ToString::to_string).unwrap_or_default()
}

const TASK_COLUMNS: [&str; 22] = [
    "TENANT_ID",
    "TASK_ID",
    "INCARNATION",
    "JOB_ID",
    "TASK_TYPE",
    "ID",
    "PATH",
    "PATH_TYPE",
    "DEST_ID",
    "VALIDATE_LEVEL",
    "ROUND_ID",
    "START_TIMESTAMP",
    "END_TIMESTAMP",
    "STATUS",
    "TOTAL_LS_COUNT",
    "FINISH_LS_COUNT",
    "TOTAL_BYTES",
    "VALIDATED_BYTES",
    "VALIDATED_OBJECTS",
    "DAMAGE_COUNT",
    "RESULT",
    "COMMENT",
];

/// Sets and pieces of running jobs, or of ended ones.
pub(super) fn tasks(state: &State, ended: bool) -> Table {
    let mut view = Build::new(&TASK_COLUMNS);
    for task in state.validate_tasks().filter(|t| t.status.is_ended() == ended) {
        let level = state.validate_job(task.job_id()).map(|j| j.level.to_string()).unwrap_or_default();
        let (kind, path_type, round) = match task.object.name {
            MediumName::Set(..) => ("BACKUPSET", "BACKUP_SET_DEST", 0),
            MediumName::Piece(key) => ("ARCHIVELOG_PIECE", "ARCHIVELOG_PIECE_DEST", key.round_id.0),
        };
        let moving = task.runs.values().filter(|r| !r.is_finished()).map(|r: &TaskRun| r.bytes_done).sum::<u64>();
        let looked_at = task.results.values().map(|r| r.bytes).sum::<u64>() + moving;
        view.row([
            n(task.tenant_id.0),
            n(task.id.0),
            n(INCARNATION),
            n(task.job_id().0),
            t(kind),
            n(id_of(task.object.name)),
            t(&task.object.at),
            t(path_type),
            n(task.object.dest_id.0),
            t(level),
            n(round),
            time(Some(task.started_ms)),
            time(task.ended_ms),
            t(task.status),
            n(task.runs.len() as u64),
            n(task.runs.values().filter(|r| r.is_finished()).count() as u64),
            n(task.object.bytes.max(looked_at)),
            n(looked_at),
            n(task.results.values().map(|r| r.objects).sum::<u64>()),
            n(task.damage_count()),
            result(task.failure.as_ref()),
            t(comment(task.failure.as_ref().or_else(|| held_up([task])))),
        ]);
    }
    view.done()
}

const DAMAGE_COLUMNS: [&str; 9] =
    ["TENANT_ID", "JOB_ID", "TASK_ID", "OBJECT", "LS_ID", "DEST", "PATH", "KIND", "DETAIL"];

/// Every damage that was named, but of what was deleted since then, or is being deleted: nobody has to do anything about
/// that any more.
pub(super) fn damages(state: &State) -> Table {
    let mut view = Build::new(&DAMAGE_COLUMNS);
    let is_gone = |task: &&ValidateTask| {
        let dest = state.destinations.values().find(|d| d.uri.place() == task.object.at.place());
        let status = dest.and_then(|d| file_status(state, d.tenant_id, task.object.name));
        matches!(status, Some(FileStatus::Deleting | FileStatus::Deleted))
    };
    for task in state.validate_tasks().filter(|t| !is_gone(t)) {
        for (ls, result) in &task.results {
            for d in &result.damages {
                let ls: LsId = *ls;
                view.row([
                    n(task.tenant_id.0),
                    n(task.job_id().0),
                    n(task.id.0),
                    t(task.object.name),
                    n(ls.0),
                    t(&task.object.at),
                    t(&d.path),
                    t(&d.kind),
                    t(&d.detail),
                ]);
            }
        }
    }
    view.done()
}
