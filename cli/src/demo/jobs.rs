//! Statements of the demo and waiting for what they started. Every wait has a deadline and looks at the views that any
//! administrator has; a job that failed is reported with the words of its view.

use crate::Outcome;
use crate::cluster::Cluster;
use std::path::Path;
use std::time::{Duration, Instant};
use strandline_types::{ErrorClass, Failure, Scn};

/// Longest wait for one job.
const PATIENCE: Duration = Duration::from_secs(15 * 60);
const LOOK_EVERY: Duration = Duration::from_millis(20);

/// How long each status of a job lasted, in the order in which they were seen.
#[derive(Debug, Default)]
pub struct Stages {
    seen: Vec<(String, Instant)>,
}

impl Stages {
    fn note(&mut self, status: &str) {
        if self.seen.last().is_none_or(|(last, _)| last != status) {
            self.seen.push((status.to_owned(), Instant::now()));
        }
    }

    /// Time in the statuses that `wanted` picks; the last status lasts until now.
    pub fn time_in(&self, wanted: impl Fn(&str) -> bool) -> Duration {
        let ends = self.seen.iter().skip(1).map(|(_, at)| *at).chain([Instant::now()]);
        self.seen.iter().zip(ends).filter(|((s, _), _)| wanted(s)).map(|((_, from), to)| to - *from).sum()
    }
}

/// Archives `tenant` into `directory` and waits until the round is open.
pub async fn archive(cluster: &mut Cluster, tenant: &str, directory: &Path, piece: &str) -> Outcome<()> {
    let mut admin = cluster.admin()?;
    let uri = uri(directory);
    let dest = format!("LOCATION={uri} PIECE_SWITCH_INTERVAL={piece}");
    admin.sql(&format!("ALTER SYSTEM SET LOG_ARCHIVE_DEST = '{dest}' TENANT = {tenant}")).await?;
    admin.sql(&format!("ALTER SYSTEM ARCHIVELOG TENANT = {tenant}")).await?;
    let wait = Wait::new("archive round");
    loop {
        let round = admin.query("SELECT * FROM CDB_OB_ARCHIVELOG").await?;
        match round.text(0, "STATUS").as_str() {
            "DOING" => return Ok(()),
            ended @ ("INTERRUPTED" | "STOP") => return Err(wait.ended(ended, &round.text(0, "COMMENT"))),
            _ => wait.once_more(cluster).await?,
        }
    }
}

/// What a finished backup says about itself.
#[derive(Debug)]
pub struct Backup {
    /// Bytes of the set.
    pub bytes: u64,
    /// Time of the data stage.
    pub data_time: Duration,
}

/// Takes a full backup of `tenant` into `directory` and waits for its end.
pub async fn backup(cluster: &mut Cluster, tenant: &str, directory: &Path) -> Outcome<Backup> {
    let mut admin = cluster.admin()?;
    admin.sql(&format!("ALTER SYSTEM SET DATA_BACKUP_DEST = '{}' TENANT = {tenant}", uri(directory))).await?;
    admin.sql(&format!("ALTER SYSTEM BACKUP TENANT = {tenant}")).await?;
    let mut stages = Stages::default();
    let wait = Wait::new("backup");
    loop {
        let running = admin.query("SELECT STATUS FROM CDB_OB_BACKUP_TASKS").await?;
        if !running.is_empty() {
            stages.note(&running.text(0, "STATUS"));
        }
        let ended = admin.query("SELECT * FROM CDB_OB_BACKUP_JOB_HISTORY").await?;
        match ended.text(0, "STATUS").as_str() {
            "COMPLETED" => break,
            "" => {}
            other => return Err(wait.ended(other, &ended.text(0, "COMMENT"))),
        }
        wait.once_more(cluster).await?;
    }
    stages.note("COMPLETED");
    let sets = admin.query("SELECT * FROM CDB_OB_BACKUP_SET_FILES").await?;
    let data_time = stages.time_in(|s| s.contains("DATA"));
    Ok(Backup { bytes: sets.number(0, "OUTPUT_BYTES"), data_time })
}

/// Parts of a restore, told apart by its bytes: the baseline is there once all of them are finished.
const DATA: &str = "data";
const LOG: &str = "log";

/// What a finished restore says about itself.
#[derive(Debug)]
pub struct Restored {
    /// Time from the statement until every replica had its baseline.
    pub data_time: Duration,
    /// Time from then until the tenant was open: start of the log streams and replay.
    pub log_time: Duration,
}

/// Restores `tenant` from two destinations up to `until` and waits until it is open.
pub async fn restore(
    cluster: &mut Cluster,
    tenant: &str,
    data: &Path,
    archive: &Path,
    until: Scn,
) -> Outcome<Restored> {
    let mut admin = cluster.admin()?;
    let from = format!("{},{}", uri(data), uri(archive));
    let statement =
        format!("ALTER SYSTEM RESTORE {tenant} FROM '{from}' UNTIL SCN = {until} WITH 'pool_list=default&replicas=2'");
    admin.sql(&statement).await?;
    let mut stages = Stages::default();
    let wait = Wait::new("restore");
    loop {
        let running = admin.query("SELECT TOTAL_BYTES, FINISH_BYTES FROM CDB_OB_RESTORE_PROGRESS").await?;
        let total = running.number(0, "TOTAL_BYTES");
        stages.note(if total > 0 && running.number(0, "FINISH_BYTES") == total { LOG } else { DATA });
        let ended = admin.query("SELECT * FROM CDB_OB_RESTORE_HISTORY").await?;
        match ended.text(0, "STATUS").as_str() {
            "SUCCESS" | "RESTORE_SUCCESS" => break,
            "" => {}
            other => return Err(wait.ended(other, &ended.text(0, "COMMENT"))),
        }
        wait.once_more(cluster).await?;
    }
    stages.note("RESTORE_SUCCESS");
    Ok(Restored { data_time: stages.time_in(|s| s == DATA), log_time: stages.time_in(|s| s == LOG) })
}

/// Waiting for one job: bounded, and ended early when a server of the cluster dies by itself.
struct Wait {
    job: &'static str,
    deadline: Instant,
}

impl Wait {
    fn new(job: &'static str) -> Self {
        Self { job, deadline: Instant::now() + PATIENCE }
    }

    async fn once_more(&self, cluster: &mut Cluster) -> Outcome<()> {
        cluster.check_alive()?;
        if Instant::now() >= self.deadline {
            let what = format!("the {} did not end within {PATIENCE:?}", self.job);
            let todo = "SELECT * FROM CDB_STRANDLINE_WAITING says on what it waits";
            return Err(Failure::new(ErrorClass::Transient, what, self.job, todo));
        }
        tokio::time::sleep(LOOK_EVERY).await;
        Ok(())
    }

    fn ended(&self, status: &str, why: &str) -> Failure {
        let what = format!("the {} ended as {status}: {why}", self.job);
        Failure::new(ErrorClass::Invalid, what, self.job, "see the reason above and the logs of the servers")
    }
}

/// The destination of a directory.
pub fn uri(directory: &Path) -> String {
    format!("file://{}", directory.display())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stages_add_up_over_repetitions() {
        let start = Instant::now();
        let at = |ms| start + Duration::from_millis(ms);
        let seen = vec![("INIT".to_owned(), at(0)), ("DATA".to_owned(), at(10)), ("END".to_owned(), at(40))];
        let stages = Stages { seen };
        assert_eq!(stages.time_in(|s| s == "DATA"), Duration::from_millis(30));
        assert_eq!(stages.time_in(|s| s == "INIT" || s == "DATA"), Duration::from_millis(40));
    }
}
