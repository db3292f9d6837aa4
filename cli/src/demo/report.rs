//! What the demo found out. Field names are part of the interface: scripts read the JSON.

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
    /// Full backup: bytes of the set over the time of the data stage.
    pub backup_mb_s: f64,
    /// Restore of the baseline: bytes of the set over the time of the data stage.
    pub restore_mb_s: f64,
    /// Replay: bytes that were written between the backup and the target over the time of the log stage.
    pub replay_mb_s: f64,
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
}

impl Report {
    /// Prints it as a short table.
    pub fn print_table(&self) -> Outcome<()> {
        let rows = [
            ("files", self.files.to_string(), "imported"),
            ("bytes", self.bytes.to_string(), "imported"),
            ("import", rate(self.import_mb_s), "into 3 replicas"),
            ("backup", rate(self.backup_mb_s), "full set"),
            ("restore", rate(self.restore_mb_s), "baseline"),
            ("replay", rate(self.replay_mb_s), "archived log"),
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
        output::print_table(&["WHAT".to_owned(), "FIGURE".to_owned(), "NOTE".to_owned()], &rows)
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

fn rate(figure: f64) -> String {
    format!("{figure:.1} MB/s")
}

fn ms(figure: f64) -> String {
    format!("{figure:.0} ms")
}
