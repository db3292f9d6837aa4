//! What backup jobs do now: the set that each makes with its stage, figures and progress, and the tasks at workers
//! (fact sheet 2.2).

use super::backup::{comment, ended_ms, rate, result};
use super::progress::Progress;
use super::value::{n, scn, t, time};
use super::{Build, Table, Value};
use crate::jobs::machine::logic::JobLogic;
use crate::jobs::machine::supervise::attempts;
use crate::state::{BackupJob, BackupSet, SetSeal, State, TaskRun};
use crate::task::TaskKey;
use strandline_types::{BackupJobStatus, INCARNATION};

const TASK_COLUMNS: [&str; 35] = [
    "TENANT_ID",
    "TASK_ID",
    "JOB_ID",
    "INCARNATION",
    "BACKUP_SET_ID",
    "START_TIMESTAMP",
    "END_TIMESTAMP",
    "STATUS",
    "START_SCN",
    "END_SCN",
    "USER_LS_START_SCN",
    "ENCRYPTION_MODE",
    "PASSWD",
    "INPUT_BYTES",
    "OUTPUT_BYTES",
    "OUTPUT_RATE_BYTES",
    "EXTRA_META_BYTES",
    "TABLET_COUNT",
    "FINISH_TABLET_COUNT",
    "MACRO_BLOCK_COUNT",
    "FINISH_MACRO_BLOCK_COUNT",
    "FILE_COUNT",
    "META_TURN_ID",
    "DATA_TURN_ID",
    "RESULT",
    "COMMENT",
    "PATH",
    "MINOR_TURN_ID",
    "MAJOR_TURN_ID",
    "DATA_PROGRESS",
    "LOG_FILE_COUNT",
    "FINISH_LOG_FILE_COUNT",
    "LOG_PROGRESS",
    // Not in the original.
    "ETA_SECONDS",
    "LS_TASKS",
];

/// The set that each running (or ended) job makes, with the stage that it is in.
pub(super) fn tasks(state: &State, ended: bool) -> Table {
    let mut view = Build::new(&TASK_COLUMNS);
    for j in state.backup_jobs().filter(|j| j.is_open() != ended) {
        let Some(s) = state.backup_sets.get(&(j.tenant_id, j.set_id)) else { continue };
        view.row(row(state, j, s));
    }
    view.done()
}

fn row(state: &State, j: &BackupJob, s: &BackupSet) -> [Value; 35] {
    let now_ms = state.clock_ms;
    let data = Progress::of(j.data_tasks());
    let log = Progress::of(j.log_tasks());
    let is_past_data = !matches!(j.status, BackupJobStatus::Init | BackupJobStatus::Data) && !s.parts.is_empty();
    let done = Done::of(j, s);
    // How many tablets have blocks is known at the end of the stage; until then all of the tenant's count.
    let of_tenant =
        || state.tenants.get(&j.tenant_id).map_or(0, |t| t.tables.values().map(|x| x.tablets.len() as u64).sum());
    let tablets = if is_past_data { s.tablet_count } else { of_tenant() };
    let until_ms = j.ended_ms.unwrap_or(now_ms);
    let output = if is_past_data { s.output_bytes.max(done.output) } else { data.done.max(done.output) };
    let turn = || n(u64::from(s.data_turn.0));
    let log_files = j.log_results.values().map(|r| r.file_count).sum::<u64>().max(s.log_file_count);
    let is_log_over = j.plus_archivelog && j.status == BackupJobStatus::Completed;
    let eta = match j.status {
        BackupJobStatus::Data => data.eta_s(now_ms),
        BackupJobStatus::CopyLog => log.eta_s(now_ms),
        _ => Value::Null,
    };
    [
        n(j.tenant_id.0),
        n(j.set_id.0),
        n(j.id.0),
        n(INCARNATION),
        n(j.set_id.0),
        time(Some(j.started_ms)),
        time(ended_ms(j)),
        t(j.status),
        scn(s.start_scn),
        scn(s.min_restore_scn),
        scn(s.start_scn),
        t(SetSeal::mode(s.seal.as_ref())),
        t(SetSeal::passwd(s.seal.as_ref())),
        n(s.input_bytes.max(done.input)),
        n(output),
        n(rate(output, s.start_ms, until_ms)),
        n(s.extra_bytes),
        n(tablets.max(done.tablets)),
        n(done.tablets),
        n(done.blocks),
        n(done.blocks),
        n(s.file_count.max(done.files)),
        n(u64::from(s.meta_turn.0)),
        turn(),
        result(j),
        t(comment(state, j)),
        t(&j.uri),
        turn(),
        turn(),
        data.percent(is_past_data),
        n(log_files),
        n(log_files),
        log.percent(is_log_over),
        eta,
        t(ls_tasks(j)),
    ]
}

/// Sums over the log streams that are done; those of the set's row once it has them.
struct Done {
    input: u64,
    output: u64,
    tablets: u64,
    blocks: u64,
    files: u64,
}

impl Done {
    fn of(j: &BackupJob, s: &BackupSet) -> Self {
        let sum = |of: fn(&crate::report::BackupLsResult) -> u64| j.results.values().map(of).sum::<u64>();
        Self {
            input: sum(|r| r.input_bytes),
            output: sum(|r| r.output_bytes),
            tablets: sum(|r| r.tablet_count).max(s.finish_tablet_count),
            blocks: sum(|r| r.macro_block_count).max(s.macro_block_count),
            files: sum(|r| r.file_count),
        }
    }
}

/// One word per log stream: `1001: DOING on worker 2, retry 0`.
fn ls_tasks(job: &BackupJob) -> String {
    let word = |run: &TaskRun| {
        let on = run.executor.map(|w| format!(" on worker {w}")).unwrap_or_default();
        format!("{}{on}, retry {}", run.status, run.retry)
    };
    let data = job.data_tasks().map(|(ls, run)| format!("{ls}: {}", word(run)));
    let log = job.log_tasks().map(|(ls, run)| format!("log of {ls}: {}", word(run)));
    data.chain(log).collect::<Vec<_>>().join("; ")
}

/// Tasks of running jobs at workers, or waiting for one.
pub(super) fn schedule_tasks(state: &State) -> Table {
    let mut view = Build::new(&[
        "TENANT_ID",
        "JOB_ID",
        "TASK_ID",
        "LS_ID",
        "TYPE",
        "TRACE_ID",
        "DESTINATION",
        "IS_SCHEDULE",
        "GENERATE_TS",
        "SCHEDULE_TS",
        "EXECUTOR_TS",
    ]);
    for job in state.backup_jobs().filter(|j| j.is_open()) {
        for (key, run) in running(job) {
            let is_at_worker = run.executor.is_some();
            view.row([
                n(job.tenant_id.0),
                n(job.id.0),
                n(job.set_id.0),
                n(key.part.ls_number().0),
                t(key.kind),
                t(key),
                run.executor.map_or(Value::Null, |worker| t(format!("worker {worker}"))),
                t(if is_at_worker { "true" } else { "false" }),
                time(Some(job.started_ms)),
                time(Some(run.assigned_ms).filter(|_| is_at_worker)),
                time(Some(run.assigned_ms).filter(|_| run.is_running())),
            ]);
        }
    }
    view.done()
}

/// The tasks of the stage that a job is in.
fn running(job: &BackupJob) -> impl Iterator<Item = (TaskKey, &TaskRun)> {
    let tasks = job.running_tasks().into_iter().flat_map(|kind| attempts(job, kind));
    tasks.filter(|(_, run)| !run.is_finished())
}
