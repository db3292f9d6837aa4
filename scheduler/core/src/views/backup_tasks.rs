//! The set that each backup job makes, with its stage, figures and progress.

use super::backup_jobs::{comment, ended_ms};
use super::backup_sets::rate;
use super::column::{Column, RowKind, Rows, double, signed, text, unsigned};
use super::job::result;
use super::progress::Progress;
use super::value::{n, scn, t, time};
use super::view::{Context, Tenancy, View};
use crate::report::BackupLsResult;
use crate::state::{BackupJob, BackupSet, SetSeal, State, TaskRun};
use strandline_types::{BackupJobStatus, INCARNATION};

pub(super) static RUNNING: View = View {
    name: "CDB_OB_BACKUP_TASKS",
    aliases: &[],
    about: "The set that a running backup job makes, with the stage that it is in.",
    tenancy: Tenancy::TENANTS,
    content: &Rows::<SetTask> { of: |cx| tasks(cx, false), columns: COLUMNS },
};

pub(super) static ENDED: View = View {
    name: "CDB_OB_BACKUP_TASK_HISTORY",
    aliases: &[],
    about: "The set that an ended backup job made, with the stage that it ended in.",
    tenancy: Tenancy::TENANTS,
    content: &Rows::<SetTask> { of: |cx| tasks(cx, true), columns: COLUMNS },
};

struct SetTask<'a> {
    state: &'a State,
    job: &'a BackupJob,
    set: &'a BackupSet,
    /// Progress of the stage that copies data.
    data: Progress,
    /// Progress of the stage that copies log.
    log: Progress,
    done: Done,
}

impl RowKind for SetTask<'static> {
    type Row<'a> = SetTask<'a>;
}

fn tasks<'a>(cx: &Context<'a>, ended: bool) -> Vec<SetTask<'a>> {
    let state = cx.state;
    let of_job = |job: &'a BackupJob| {
        let set = state.backup_sets.get(&(job.tenant_id, job.set_id))?;
        let data = Progress::of(job.data_tasks());
        let log = Progress::of(job.log_tasks());
        Some(SetTask { state, job, set, data, log, done: Done::of(job, set) })
    };
    state.backup_jobs().filter(|j| j.is_open() != ended).filter_map(of_job).collect()
}

const COLUMNS: &[Column<SetTask<'static>>] = &[
    unsigned("TENANT_ID", |x| n(x.job.tenant_id.0)),
    unsigned("TASK_ID", |x| n(x.job.set_id.0)),
    unsigned("JOB_ID", |x| n(x.job.id.0)),
    unsigned("INCARNATION", |_| n(INCARNATION)),
    unsigned("BACKUP_SET_ID", |x| n(x.job.set_id.0)),
    text("START_TIMESTAMP", |x| time(Some(x.job.started_ms))),
    text("END_TIMESTAMP", |x| time(ended_ms(x.job))),
    text("STATUS", |x| t(x.job.status)),
    unsigned("START_SCN", |x| scn(x.set.start_scn)),
    unsigned("END_SCN", |x| scn(x.set.min_restore_scn)),
    unsigned("USER_LS_START_SCN", |x| scn(x.set.start_scn)),
    text("ENCRYPTION_MODE", |x| t(SetSeal::mode(x.set.seal.as_ref()))),
    text("PASSWD", |x| t(SetSeal::passwd(x.set.seal.as_ref()))),
    unsigned("INPUT_BYTES", |x| n(x.set.input_bytes.max(x.done.input_bytes))),
    unsigned("OUTPUT_BYTES", |x| n(x.output_bytes())),
    unsigned("OUTPUT_RATE_BYTES", |x| n(x.output_rate())),
    unsigned("EXTRA_META_BYTES", |x| n(x.set.extra_bytes)),
    unsigned("TABLET_COUNT", |x| n(x.tablet_count())),
    unsigned("FINISH_TABLET_COUNT", |x| n(x.done.tablets)),
    unsigned("MACRO_BLOCK_COUNT", |x| n(x.done.blocks)),
    unsigned("FINISH_MACRO_BLOCK_COUNT", |x| n(x.done.blocks)),
    unsigned("FILE_COUNT", |x| n(x.set.file_count.max(x.done.files))),
    unsigned("META_TURN_ID", |x| n(x.set.meta_turn.0)),
    unsigned("DATA_TURN_ID", |x| n(x.set.data_turn.0)),
    signed("RESULT", |x| result(x.job.failure.as_ref())),
    text("COMMENT", |x| t(comment(x.state, x.job))),
    text("PATH", |x| t(&x.job.uri)),
    unsigned("MINOR_TURN_ID", |x| n(x.set.data_turn.0)),
    unsigned("MAJOR_TURN_ID", |x| n(x.set.data_turn.0)),
    double("DATA_PROGRESS", |x| Some(x.data.percent(x.is_past_data()))),
    unsigned("LOG_FILE_COUNT", |x| n(x.log_files())),
    unsigned("FINISH_LOG_FILE_COUNT", |x| n(x.log_files())),
    double("LOG_PROGRESS", |x| Some(x.log.percent(x.is_past_log()))),
    // Not in the original.
    unsigned("ETA_SECONDS", |x| x.eta_s()),
    text("LS_TASKS", |x| t(ls_tasks(x.job))),
];

impl SetTask<'_> {
    fn is_past_data(&self) -> bool {
        !matches!(self.job.status, BackupJobStatus::Init | BackupJobStatus::Data) && !self.set.parts.is_empty()
    }

    fn is_past_log(&self) -> bool {
        self.job.plus_archivelog && self.job.status == BackupJobStatus::Completed
    }

    fn output_bytes(&self) -> u64 {
        let of_stage = if self.is_past_data() { self.set.output_bytes } else { self.data.done };
        of_stage.max(self.done.output_bytes)
    }

    /// Bytes per second, up to the present while the job runs.
    fn output_rate(&self) -> u64 {
        rate(self.output_bytes(), self.set.start_ms, self.job.ended_ms.unwrap_or(self.state.clock_ms))
    }

    /// How many tablets have blocks is known at the end of the stage; until then all of the tenant's count.
    fn tablet_count(&self) -> u64 {
        let tenant = || self.state.tenants.get(&self.job.tenant_id);
        let of_tenant = || tenant().map_or(0, |t| t.tables.values().map(|x| x.tablets.len() as u64).sum());
        let known = if self.is_past_data() { self.set.tablet_count } else { of_tenant() };
        known.max(self.done.tablets)
    }

    fn log_files(&self) -> u64 {
        self.job.log_results.values().map(|r| r.file_count).sum::<u64>().max(self.set.log_file_count)
    }

    /// Seconds to the end of the stage.
    fn eta_s(&self) -> Option<u64> {
        match self.job.status {
            BackupJobStatus::Data => self.data.eta_s(self.state.clock_ms),
            BackupJobStatus::CopyLog => self.log.eta_s(self.state.clock_ms),
            _ => None,
        }
    }
}

/// Sums over the log streams that are done; those of the set's row once it has them.
struct Done {
    input_bytes: u64,
    output_bytes: u64,
    tablets: u64,
    blocks: u64,
    files: u64,
}

impl Done {
    fn of(j: &BackupJob, s: &BackupSet) -> Self {
        let sum = |of: fn(&BackupLsResult) -> u64| j.results.values().map(of).sum::<u64>();
        Self {
            input_bytes: sum(|r| r.input_bytes),
            output_bytes: sum(|r| r.output_bytes),
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
