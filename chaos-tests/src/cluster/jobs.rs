//! Statements of a run, and waiting for what they started, by the views that any administrator has. Schedulers may be
//! killed all the while: a statement is repeated only when it cannot have been run.

use super::{Outcome, Patience};
use std::path::Path;
use std::time::Duration;
use strandline_cli::admin::{Admin, Rows};
use strandline_cli::cluster::Cluster;
use strandline_types::{ErrorClass, Failure, Scn};

const PATIENCE: Duration = Duration::from_secs(90);

/// One statement without rows.
///
/// # Errors
/// A refusal.
pub async fn sql(cluster: &Cluster, statement: &str) -> Outcome<()> {
    cluster.admin()?.sql(statement).await.map(drop)
}

/// Makes a tenant with three replicas of each log stream, and a table in it.
///
/// # Errors
/// A refusal.
pub async fn make_tenant(cluster: &Cluster, tenant: &str, log_streams: usize, table: &str) -> Outcome<()> {
    let mut admin = cluster.admin()?;
    admin.sql(&format!("CREATE TENANT {tenant} LOG_STREAMS = {log_streams} REPLICAS = 3")).await?;
    admin.sql(&format!("CREATE TABLE {table} TABLETS = {} TENANT = {tenant}", 2 * log_streams)).await?;
    Ok(())
}

/// Opens a round with pieces of `piece_seconds`.
///
/// # Errors
/// A refusal, or the round ended.
pub async fn archive(cluster: &Cluster, tenant: &str, directory: &Path, piece_seconds: u64) -> Outcome<()> {
    archive_to(cluster, tenant, &[uri(directory)], piece_seconds).await
}

/// The same with any destinations at once; options may follow an address, as in `LOG_ARCHIVE_DEST`.
///
/// # Errors
/// A refusal, or a round ended.
pub async fn archive_to(cluster: &Cluster, tenant: &str, dests: &[String], piece_seconds: u64) -> Outcome<()> {
    let mut admin = cluster.admin()?;
    for (n, dest) in dests.iter().enumerate() {
        let name = if n == 0 { "LOG_ARCHIVE_DEST".to_owned() } else { format!("LOG_ARCHIVE_DEST_{n}") };
        let value = format!("LOCATION={dest} PIECE_SWITCH_INTERVAL={piece_seconds}s");
        admin.sql(&format!("ALTER SYSTEM SET {name} = '{value}' TENANT = {tenant}")).await?;
    }
    admin.sql(&format!("ALTER SYSTEM ARCHIVELOG TENANT = {tenant}")).await?;
    until_rounds(&mut admin, "the rounds are open", (dests.len(), "DOING")).await
}

/// Waits until this client sees so many rounds, all of them in one status.
///
/// # Errors
/// A round ended in another way, or they do not in time.
pub async fn until_rounds(admin: &mut Admin, what: &str, (count, status): (usize, &str)) -> Outcome<()> {
    let patience = Patience::new(what, PATIENCE);
    loop {
        let rounds = admin.query("SELECT * FROM CDB_OB_ARCHIVELOG").await?;
        let states: Vec<String> = (0..rounds.len()).map(|row| rounds.text(row, "STATUS")).collect();
        if states.len() == count && states.iter().all(|s| s == status) {
            return Ok(());
        }
        let has_ended = |s: &String| s != status && matches!(s.as_str(), "INTERRUPTED" | "STOP");
        if let Some(row) = states.iter().position(has_ended) {
            return Err(ended_badly("round", &states[row], &rounds.text(row, "COMMENT")));
        }
        patience.once_more(&states.join(", ")).await?;
    }
}

/// Waits until the checkpoints of these destinations (by number) cover an SCN, as the cluster itself says.
///
/// # Errors
/// They do not in time, or a server died.
pub async fn until_covered(cluster: &mut Cluster, dests: &[u64], scn: Scn) -> Outcome<()> {
    let mut admin = cluster.admin()?;
    let patience = Patience::new(format!("the checkpoints cover SCN {scn}"), PATIENCE);
    loop {
        let rounds = admin.query("SELECT * FROM CDB_OB_ARCHIVELOG").await?;
        let behind = (0..rounds.len()).find(|&row| {
            dests.contains(&rounds.number(row, "DEST_NO")) && rounds.number(row, "CHECKPOINT_SCN") < scn.0
        });
        let Some(row) = behind else { return Ok(()) };
        cluster.check_alive()?;
        let (at, why) = (rounds.number(row, "CHECKPOINT_SCN"), rounds.text(row, "COMMENT"));
        patience.once_more(&format!("destination {}: {at} {why}", rounds.number(row, "DEST_NO"))).await?;
    }
}

/// Ends all rounds, and waits until they have ended.
///
/// # Errors
/// A refusal, or a round was interrupted.
pub async fn stop_archive(cluster: &Cluster, tenant: &str) -> Outcome<()> {
    let mut admin = cluster.admin()?;
    admin.sql(&format!("ALTER SYSTEM NOARCHIVELOG TENANT = {tenant}")).await?;
    let patience = Patience::new("the rounds have ended", PATIENCE);
    loop {
        let rounds = admin.query("SELECT * FROM CDB_OB_ARCHIVELOG").await?;
        let states: Vec<String> = (0..rounds.len()).map(|row| rounds.text(row, "STATUS")).collect();
        if let Some(row) = states.iter().position(|s| s == "INTERRUPTED") {
            return Err(ended_badly("round", "INTERRUPTED", &rounds.text(row, "COMMENT")));
        }
        if states.iter().all(|s| s == "STOP") {
            return Ok(());
        }
        patience.once_more(&states.join(", ")).await?;
    }
}

/// Begins a full backup.
///
/// # Errors
/// A refusal.
pub async fn begin_backup(cluster: &Cluster, tenant: &str, directory: &Path) -> Outcome<()> {
    begin_backup_to(cluster, tenant, &uri(directory)).await
}

/// The same with any destination.
///
/// # Errors
/// A refusal.
pub async fn begin_backup_to(cluster: &Cluster, tenant: &str, dest: &str) -> Outcome<()> {
    let mut admin = cluster.admin()?;
    admin.sql(&format!("ALTER SYSTEM SET DATA_BACKUP_DEST = '{dest}' TENANT = {tenant}")).await?;
    admin.sql(&format!("ALTER SYSTEM BACKUP TENANT = {tenant}")).await?;
    Ok(())
}

/// Waits for the end of the only backup; gives the least SCN to which its set can be restored.
///
/// # Errors
/// It failed.
pub async fn until_backed_up(cluster: &Cluster) -> Outcome<Scn> {
    let mut admin = cluster.admin()?;
    let patience = Patience::new("the backup ends", PATIENCE);
    loop {
        let ended = admin.query("SELECT * FROM CDB_OB_BACKUP_JOB_HISTORY").await?;
        match ended.text(0, "STATUS").as_str() {
            "COMPLETED" => break,
            "" => patience.once_more("it runs").await?,
            other => return Err(ended_badly("backup", other, &ended.text(0, "COMMENT"))),
        }
    }
    let sets = admin.query("SELECT * FROM CDB_OB_BACKUP_SET_FILES").await?;
    Ok(Scn(sets.number(0, "MIN_RESTORE_SCN")))
}

/// Begins the restore of a new tenant from both destinations.
///
/// # Errors
/// A refusal.
pub async fn begin_restore(cluster: &Cluster, tenant: &str, data: &Path, archive: &Path, until: Scn) -> Outcome<()> {
    begin_restore_from(cluster, tenant, &uri(data), &uri(archive), until).await
}

/// The same from any two destinations.
///
/// # Errors
/// A refusal.
pub async fn begin_restore_from(cluster: &Cluster, tenant: &str, data: &str, archive: &str, until: Scn) -> Outcome<()> {
    let from = format!("{data},{archive}");
    let with = "pool_list=default&replicas=2";
    let statement = format!("ALTER SYSTEM RESTORE {tenant} FROM '{from}' UNTIL SCN = {until} WITH '{with}'");
    cluster.admin()?.sql(&statement).await.map(drop)
}

/// Begins a job and waits for its end: gives the status and the comment of its row in `history`, which may hold so many of
/// earlier ones that it grows no more.
///
/// # Errors
/// A refusal; it does not end in time.
pub async fn run_to_end(admin: &mut Admin, begin: &str, history: &str, limit: Duration) -> Outcome<(String, String)> {
    let newest = |rows: &Rows| (0..rows.len()).max_by_key(|row| rows.number(*row, "JOB_ID"));
    let id = |rows: &Rows| newest(rows).map(|row| rows.number(row, "JOB_ID"));
    let before = id(&admin.query(history).await?);
    admin.sql(begin).await?;
    let patience = Patience::new(format!("{begin} ends"), limit);
    loop {
        let ended = admin.query(history).await?;
        if let Some(row) = newest(&ended).filter(|_| id(&ended) > before) {
            return Ok((ended.text(row, "STATUS"), ended.text(row, "COMMENT")));
        }
        patience.once_more("it runs").await?;
    }
}

/// True for the status of a job that ended well.
#[must_use]
pub fn is_success(status: &str) -> bool {
    status == "COMPLETED" || status.ends_with("SUCCESS")
}

/// Waits until a tenant is restored.
///
/// # Errors
/// It failed.
pub async fn until_restored(cluster: &mut Cluster, tenant: &str) -> Outcome<()> {
    let mut admin = cluster.admin()?;
    let patience = Patience::new(format!("tenant {tenant} is restored"), PATIENCE);
    while !is_restored(&mut admin, tenant).await? {
        patience.once_more("it runs").await?;
        cluster.check_alive()?;
    }
    Ok(())
}

/// True once a tenant is restored; asked in a session of `sys`.
///
/// # Errors
/// The restore failed.
pub(super) async fn is_restored(admin: &mut Admin, tenant: &str) -> Outcome<bool> {
    let ended = admin.query("SELECT * FROM CDB_OB_RESTORE_HISTORY").await?;
    let row = (0..ended.len()).find(|&row| ended.text(row, "RESTORE_TENANT_NAME") == tenant);
    match row.map(|row| (ended.text(row, "STATUS"), ended.text(row, "COMMENT"))) {
        Some((status, _)) if status.ends_with("SUCCESS") => Ok(true),
        Some((status, comment)) => Err(ended_badly(tenant, &status, &comment)),
        None => Ok(false),
    }
}

fn uri(directory: &Path) -> String {
    format!("file://{}", directory.display())
}

fn ended_badly(job: &str, status: &str, comment: &str) -> Failure {
    Failure::new(ErrorClass::Invalid, format!("it ended as {status}: {comment}"), job, "read the schedulers' logs")
}
