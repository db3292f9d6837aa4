//! What the demo found out. Field names are part of the interface: scripts read the JSON.

use super::jobs::Backup;
use super::stages::{BASELINE, Stage, Timed};
use crate::Outcome;
use crate::output;
use serde::Serialize;
use std::time::Duration;

/// The figures.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Report {
    /// Everything was restored, byte for byte.
    pub ok: bool,
    /// Files that were imported.
    pub files: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Import into 3 replicas.
    pub import_mb_s: f64,
    /// Full backup: bytes of the set over the time from the statement to the end of the job.
    pub backup_mb_s: f64,
    /// Restore of the baseline: bytes of the set over the time from the statement until every replica has them.
    pub restore_mb_s: f64,
    /// Replay: bytes that were written between the backup and the target over the rest of the restore's time.
    pub replay_mb_s: f64,
    /// All of a restore: both over the time from the statement until the tenant is open.
    pub restore_whole_mb_s: f64,
    /// Archive lag, half of the samples.
    pub lag_p50_ms: f64,
    /// Archive lag, 99 of 100 samples.
    pub lag_p99_ms: f64,
    /// Archive lag, worst sample.
    pub lag_max_ms: f64,
    /// From `kill -9` of the leading scheduler until another one serves a statement.
    pub scheduler_failover_ms: f64,
    /// Longest time that a log stream took no write after `kill -9` of the worker that led most of them.
    pub log_stream_failover_ms: f64,
    /// Largest resident memory of a worker process.
    pub worker_rss_max_mb: f64,
    /// The moment that was restored.
    pub restored_scn: u64,
    /// Files that the restored tenant should have.
    pub restored_files: u64,
    /// What is not as it was at that moment.
    pub differences: u64,
    /// The whole run.
    pub seconds: f64,
    /// The backup, from the statement to its end.
    pub backup_seconds: f64,
    /// The part of it in which no worker worked.
    pub backup_waiting_share: f64,
    /// The restore, from the statement until the tenant is open.
    pub restore_seconds: f64,
    /// The part of it in which no worker worked.
    pub restore_waiting_share: f64,
    /// Where the backup's time went.
    pub backup_stages: Vec<Stage>,
    /// Where the restore's time went.
    pub restore_stages: Vec<Stage>,
}

impl Report {
    /// Takes in the backup.
    pub fn note_backup(&mut self, backup: &Backup) {
        let timed = &backup.timed;
        self.backup_mb_s = mb_s(backup.bytes, timed.wall);
        (self.backup_seconds, self.backup_waiting_share) =
            (fine(timed.wall.as_secs_f64()), fine(timed.waiting_share()));
        self.backup_stages.clone_from(&timed.stages);
    }

    /// Takes in the restore of a set and of what was written after it.
    pub fn note_restore(&mut self, timed: &Timed, set_bytes: u64, replayed_bytes: u64) {
        let baseline = timed.until_end_of(BASELINE);
        self.restore_mb_s = mb_s(set_bytes, baseline);
        self.replay_mb_s = mb_s(replayed_bytes, timed.wall.saturating_sub(baseline));
        self.restore_whole_mb_s = mb_s(set_bytes + replayed_bytes, timed.wall);
        (self.restore_seconds, self.restore_waiting_share) =
            (fine(timed.wall.as_secs_f64()), fine(timed.waiting_share()));
        self.restore_stages.clone_from(&timed.stages);
    }

    /// Prints it as a short table, and a second one of the stages of backup and restore.
    pub fn print_table(&self) -> Outcome<()> {
        let rows = [
            ("files", self.files.to_string(), "imported"),
            ("bytes", self.bytes.to_string(), "imported"),
            ("import", rate(self.import_mb_s), "into 3 replicas"),
            ("backup", rate(self.backup_mb_s), "bar 150; full set, from the statement to its end"),
            ("backup waiting", percent(self.backup_waiting_share), "of its time no worker worked"),
            ("restore", rate(self.restore_mb_s), "bar 150; baseline, from the statement to all replicas"),
            ("replay", rate(self.replay_mb_s), "archived log, from then until the tenant is open"),
            ("restore whole", rate(self.restore_whole_mb_s), "both, from the statement until the tenant is open"),
            ("restore waiting", percent(self.restore_waiting_share), "of its time no worker worked"),
            ("archive lag p50", ms(self.lag_p50_ms), ""),
            ("archive lag p99", ms(self.lag_p99_ms), "bar 2000 ms"),
            ("archive lag max", ms(self.lag_max_ms), ""),
            ("scheduler failover", ms(self.scheduler_failover_ms), "bar 3000 ms"),
            ("log stream failover", ms(self.log_stream_failover_ms), "bar 5000 ms"),
            ("worker memory", format!("{:.0} MB", self.worker_rss_max_mb), "bar 1024 MB"),
            ("restored to", self.restored_scn.to_string(), "SCN"),
            ("restored files", self.restored_files.to_string(), ""),
            ("differences", self.differences.to_string(), if self.ok { "byte for byte the same" } else { "" }),
            ("time", format!("{:.0} s", self.seconds), ""),
        ];
        let rows: Vec<_> = rows.into_iter().map(|(a, b, c)| vec![a.to_owned(), b, c.to_owned()]).collect();
        output::print_table(&["WHAT".to_owned(), "FIGURE".to_owned(), "NOTE".to_owned()], &rows)?;
        let stages = |job: &str, stages: &[Stage]| -> Vec<Vec<String>> {
            let row = |s: &Stage| vec![job.to_owned(), s.stage.clone(), ms(s.ms), ms(s.worked_ms)];
            stages.iter().map(row).collect()
        };
        let rows = [stages("backup", &self.backup_stages), stages("restore", &self.restore_stages)].concat();
        output::print_table(&["JOB", "STAGE", "TIME", "WORKED"].map(str::to_owned), &rows)
    }
}

/// Megabytes (10^6) per second.
pub fn mb_s(bytes: u64, time: Duration) -> f64 {
    rounded(bytes as f64 / 1e6 / time.as_secs_f64().max(1e-6))
}

/// Milliseconds with one digit.
pub fn millis(time: Duration) -> f64 {
    rounded(time.as_secs_f64() * 1000.0)
}

/// One digit after the point is all that such measurements carry.
pub fn rounded(figure: f64) -> f64 {
    (figure * 10.0).round() / 10.0
}

/// Three digits for what is about 1 or below.
pub fn fine(figure: f64) -> f64 {
    (figure * 1000.0).round() / 1000.0
}

fn percent(share: f64) -> String {
    format!("{:.0} %", share * 100.0)
}

fn rate(figure: f64) -> String {
    format!("{figure:.1} MB/s")
}

fn ms(figure: f64) -> String {
    format!("{figure:.0} ms")
}
