//! Statements of the demo and waiting for what they started. Every wait has a deadline and looks at the views that any
//! administrator has; a job that failed is reported with the words of its view.

use super::stages::{self, Before, Timed};
use crate::Outcome;
use crate::cluster::Cluster;
use std::path::Path;
use std::time::{Duration, Instant};
use strandline_types::{ErrorClass, Failure, Scn};

/// Longest wait for one job.
const PATIENCE: Duration = Duration::from_secs(15 * 60);
const LOOK_EVERY: Duration = Duration::from_millis(20);

/// Archives `tenant` into `directory` and waits until the round is open.
pub async fn archive(cluster: &mut Cluster, tenant: &str, directory: &Path, piece: &str) -> Outcome<()> {
    let mut admin = cluster.admin()?;
    let uri = uri(directory);
    let dest = format!("LOCATION={uri} PIECE_SWITCH_INTERVAL={piece}");
    admin.sql(&format!("ALTER SYSTEM SET LOG_ARCHIVE_DEST = '{dest}' TENANT = {tenant}")).await?;
    admin.sql(&format!("ALTER SYSTEM ARCHIVELOG TENANT = {tenant}")).await?;
    let wait = Wait::new("archive round");
    let of_tenant = format!("SELECT TENANT_ID FROM CDB_OB_TENANTS WHERE TENANT_NAME = '{tenant}'");
    let rounds = format!("SELECT * FROM CDB_OB_ARCHIVELOG WHERE TENANT_ID = ({of_tenant})");
    loop {
        let round = admin.query(&rounds).await?;
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
    /// Where its time went.
    pub timed: Timed,
}

/// Sets the destination of `tenant`'s backups.
pub async fn set_data_dest(cluster: &Cluster, tenant: &str, directory: &Path) -> Outcome<()> {
    let statement = format!("ALTER SYSTEM SET DATA_BACKUP_DEST = '{}' TENANT = {tenant}", uri(directory));
    cluster.admin()?.sql(&statement).await.map(drop)
}

/// Takes a full backup of `tenant` into its destination and waits for its end.
pub async fn backup(cluster: &mut Cluster, tenant: &str) -> Outcome<Backup> {
    let mut admin = cluster.admin()?;
    let before = Before::look(cluster, stages::BACKUP);
    let newest = admin.query("SELECT MAX(JOB_ID) AS JOB_ID FROM CDB_OB_BACKUP_JOB_HISTORY").await?.number(0, "JOB_ID");
    // The job of the tenant, not the one of the system tenant that may stand above it.
    let history = format!("SELECT * FROM CDB_OB_BACKUP_JOB_HISTORY WHERE TENANT_ID <> 1 AND JOB_ID > {newest}");
    let began = Instant::now();
    admin.sql(&format!("ALTER SYSTEM BACKUP TENANT = {tenant}")).await?;
    let wait = Wait::new("backup");
    let job = loop {
        let ended = admin.query(&history).await?;
        match ended.text(0, "STATUS").as_str() {
            "COMPLETED" => break ended,
            "" => {}
            other => return Err(wait.ended(other, &ended.text(0, "COMMENT"))),
        }
        wait.once_more(cluster).await?;
    };
    let wall = began.elapsed();
    let timed = before.stages_of(cluster, &mut admin, job.number(0, "JOB_ID"), wall).await?;
    let (tenant_id, set) = (job.number(0, "TENANT_ID"), job.number(0, "BACKUP_SET_ID"));
    let of_set = format!(
        "SELECT OUTPUT_BYTES FROM CDB_OB_BACKUP_SET_FILES WHERE TENANT_ID = {tenant_id} AND BACKUP_SET_ID = {set}"
    );
    let bytes = admin.query(&of_set).await?.number(0, "OUTPUT_BYTES");
    Ok(Backup { bytes, timed })
}

/// What is restored, and up to when.
#[derive(Clone, Copy, Debug)]
pub struct RestoreFrom<'a> {
    /// Data backup destination.
    pub data: &'a Path,
    /// Archive destination.
    pub archive: &'a Path,
    /// Everything up to this SCN; `None` = all that there is.
    pub until: Option<Scn>,
    /// Copies of the restored tenant.
    pub replicas: u32,
}

/// Restores `tenant` and waits until it is open.
pub async fn restore(cluster: &mut Cluster, tenant: &str, from: RestoreFrom<'_>) -> Outcome<Timed> {
    let mut admin = cluster.admin()?;
    let before = Before::look(cluster, stages::RESTORE);
    let RestoreFrom { data, archive, until, replicas } = from;
    let sources = format!("{},{}", uri(data), uri(archive));
    let with = format!("pool_list=default&replicas={replicas}");
    let history = format!("SELECT * FROM CDB_OB_RESTORE_HISTORY WHERE RESTORE_TENANT_NAME = '{tenant}'");
    let began = Instant::now();
    let until = until.map_or_else(String::new, |scn| format!("UNTIL SCN = {scn}"));
    admin.sql(&format!("ALTER SYSTEM RESTORE {tenant} FROM '{sources}' {until} WITH '{with}'")).await?;
    let wait = Wait::new("restore");
    let job = loop {
        let ended = admin.query(&history).await?;
        match ended.text(0, "STATUS").as_str() {
            "SUCCESS" | "RESTORE_SUCCESS" => break ended,
            "" => {}
            other => return Err(wait.ended(other, &ended.text(0, "COMMENT"))),
        }
        wait.once_more(cluster).await?;
    };
    let wall = began.elapsed();
    before.stages_of(cluster, &mut admin, job.number(0, "JOB_ID"), wall).await
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
