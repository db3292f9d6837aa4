//! Refusals and failures of jobs.

use super::{invalid, tenant};
use crate::state::{JobKind, MissedRun};
use crate::waiting::Who;
use strandline_types::{ErrorClass, Failure, Scn, limits, moment_text, scn_text};

pub fn backup_in_progress(job: impl ToString) -> Failure {
    let object = format!("backup job {}", job.to_string());
    invalid("a backup is in progress (OB_BACKUP_IN_PROGRESS)", object, "wait for it, or ALTER SYSTEM CANCEL BACKUP")
}

pub fn backup_cannot_start(name: &str, why: &str, todo: &str) -> Failure {
    invalid(format!("backup can not start: {why}"), tenant(name), todo).with_code(-9040)
}

pub fn bad_description(bytes: usize) -> Failure {
    let todo = format!("use up to {} bytes", strandline_types::limits::DESCRIPTION_BYTES_MAX);
    invalid(format!("a description of {bytes} bytes is too long"), "DESCRIPTION", todo)
}

pub fn empty_schedule() -> Failure {
    let todo = "write FULL = '<cron>', INCREMENTAL = '<cron>', SYNTHETIC = '<cron>' or WEEKLY";
    invalid("the schedule has nothing to run", "BACKUP SCHEDULE", todo)
}

pub fn bad_cron(text: &str, why: &str) -> Failure {
    let todo = "write five fields: minute, hour, day of month, month, day of week, as in '0 2 * * 6'";
    invalid(format!("not a cron text: {why}"), format!("'{text}'"), todo)
}

pub fn bad_time_zone(name: &str) -> Failure {
    invalid("no such time zone", format!("'{name}'"), "use a name like 'UTC', 'Europe/Berlin' or 'Asia/Shanghai'")
}

pub fn no_schedule(name: &str) -> Failure {
    let todo = "ALTER SYSTEM SET BACKUP SCHEDULE WEEKLY";
    Failure::new(ErrorClass::NotFound, "no backup schedule is set", tenant(name), todo)
}

pub fn run_missed() -> Failure {
    let what = "missed: nothing could start it at its time, and MISSED RUN is SKIP";
    Failure::new(ErrorClass::Transient, what, "scheduled backup", "the next one comes at its time")
}

/// A due time that passed while a backup ran, or while nothing could start one.
pub fn run_left_out(missed: MissedRun, by_ms: u64, before: u64) -> Failure {
    let what = match missed {
        MissedRun::RunOnce => format!("left out: the run of {} makes up for it", moment_text(by_ms)),
        MissedRun::Skip => "left out: nothing could start it at its time, and MISSED RUN is SKIP".to_owned(),
    };
    let more = if before > 0 { format!("; so were {before} due times before it") } else { String::new() };
    let todo = "a schedule whose backups take longer than the time between them needs more time between them";
    Failure::new(ErrorClass::Transient, format!("{what}{more}"), "scheduled backup", todo)
}

pub fn one_tenant_only() -> Failure {
    let todo = "ALTER SYSTEM BACKUP TENANT = <name> TO '<uri>'";
    invalid("a backup TO a path is of exactly one tenant", "BACKUP … TO", todo).with_code(-9040)
}

pub fn backup_completing(job: impl ToString) -> Failure {
    let object = format!("backup job {}", job.to_string());
    Failure::new(ErrorClass::Transient, "the set is whole and being closed", object, "wait for it")
}

pub fn end_unknown(set: impl ToString) -> Failure {
    let object = format!("backup set {}", set.to_string());
    let what = "the set is whole, but the medium did not take its end placeholder; it was given up";
    let todo = "the medium decides: if backup_sets/ shows end_success the set can be restored, else it never can";
    Failure::new(ErrorClass::Exhausted, what, object, todo).with_code(-4012)
}

/// The original's number for an end with a reason: the reason's own, else the one of its class (docs/oceanbase.md, 4.13).
pub fn result_code(failure: &Failure) -> i32 {
    if failure.code != 0 {
        return failure.code;
    }
    match failure.class {
        // OB_INVALID_ARGUMENT
        ErrorClass::Invalid => -4002,
        // OB_BACKUP_FILE_NOT_EXIST
        ErrorClass::NotFound => -9011,
        // OB_OBJECT_STORAGE_PERMISSION_DENIED
        ErrorClass::Permission => -9116,
        // OB_CHECKSUM_ERROR
        ErrorClass::Corrupt => -4103,
        // OB_STATE_NOT_MATCH
        ErrorClass::Fenced => -4109,
        // OB_SERVER_OUTOF_DISK_SPACE
        ErrorClass::Exhausted => -4184,
        // OB_TIMEOUT
        ErrorClass::Transient => -4012,
    }
}

pub fn archive_not_running(round: &str) -> Failure {
    let what = "the log archive does not run any more (OB_LOG_ARCHIVE_NOT_RUNNING)";
    invalid(what, round, "see CDB_OB_ARCHIVELOG, then start the backup again")
}

pub fn archive_interrupted(round: &str) -> Failure {
    let what = "the archive round that the backup relies on is over (OB_LOG_ARCHIVE_INTERRUPTED)";
    invalid(what, round, "start the backup again")
}

pub fn restore_in_progress(name: &str) -> Failure {
    let todo = "wait for it, or ALTER SYSTEM CANCEL RESTORE";
    invalid("a restore is in progress (OB_RESTORE_IN_PROGRESS)", tenant(name), todo)
}

/// CANCEL of what does not run.
pub fn no_job_running(kind: JobKind, name: &str) -> Failure {
    let todo = if kind == JobKind::RecoverTable { "see CDB_OB_RECOVER_TABLE_JOB_HISTORY" } else { "" };
    Failure::new(ErrorClass::NotFound, format!("no {} runs", kind.noun()), tenant(name), todo)
}

pub fn restore_source(why: &str) -> Failure {
    Failure::new(ErrorClass::Corrupt, why, "backup set", "verify the destination")
}

pub fn canceled(job: &str) -> Failure {
    invalid("it was cancelled", job, "start it again when it is wanted").with_code(-4072)
}

pub fn stalled(who: &Who) -> Failure {
    let what = "nothing has moved for too long";
    Failure::new(ErrorClass::Exhausted, what, who.to_string(), "see CDB_STRANDLINE_WAITING, mend it and start again")
        .with_code(-4012)
}

pub fn executor_lost(worker: impl ToString, why: &str) -> Failure {
    let object = format!("worker {}", worker.to_string());
    Failure::new(ErrorClass::Transient, why, object, "the task goes to another worker").with_code(-4554)
}

pub fn too_many_retries(task: impl ToString, last: &Failure) -> Failure {
    let what = format!("given up after too many attempts; the last one: {last}");
    Failure::new(last.class, what, task.to_string(), "mend the cause and start again").with_code(last.code)
}

pub fn policy_exists(name: &str, policy: &str) -> Failure {
    let todo = "ALTER SYSTEM DROP DELETE BACKUP POLICY first";
    invalid(format!("the tenant has the delete policy '{policy}'"), tenant(name), todo)
}

pub fn no_policy(name: &str, policy: &str) -> Failure {
    let todo = "ALTER SYSTEM ADD DELETE BACKUP POLICY = 'default' RECOVERY_WINDOW = '7d'";
    Failure::new(ErrorClass::NotFound, format!("the tenant has no delete policy '{policy}'"), tenant(name), todo)
}

pub fn log_only_with_data(name: &str) -> Failure {
    let todo = "clear DATA_BACKUP_DEST, or use the policy 'default'";
    invalid("the policy log_only is for tenants without a data backup destination", tenant(name), todo)
}

pub fn log_only_without_data(name: &str) -> Failure {
    let todo = "DROP DELETE BACKUP POLICY 'log_only' first, then ADD DELETE BACKUP POLICY 'default'";
    invalid("the tenant's delete policy log_only is for tenants that have no data backups", tenant(name), todo)
}

pub fn would_lose(uri: &str, loss: &strandline_catalogue::retention::Loss) -> Failure {
    let todo =
        "take a full backup in the current destinations first; what nobody wants any more is removed on the medium";
    invalid(loss.to_string(), uri, todo)
}

pub fn called_back(why: &str) -> Failure {
    Failure::new(ErrorClass::Invalid, format!("it may not be deleted any more: {why}"), "", "")
}

pub fn clean_in_progress(job: impl ToString) -> Failure {
    let object = format!("cleaning job {}", job.to_string());
    invalid("backups are being deleted already", object, "wait for it, or ALTER SYSTEM CANCEL DELETE BACKUP")
}

pub fn clean_current(dest: impl ToString) -> Failure {
    let object = format!("destination {}", dest.to_string());
    invalid("the destination is in use", object, "set another path first; then wait until its round has stopped")
}

pub fn still_written(uri: &str, piece: &str) -> Failure {
    let minutes = limits::IMPORTED_QUIET_MS / 60_000;
    let what =
        format!("another cluster writes this archive: {piece} had grown in the {minutes} minutes before the import");
    let todo =
        format!("stop archiving there (or wait {minutes} minutes after that cluster's end), then IMPORT CATALOG again");
    invalid(what, uri, todo)
}

pub fn in_use(object: &str, who: &str) -> Failure {
    Failure::new(ErrorClass::Transient, format!("it cannot be deleted now: {who}"), object, "wait for that job")
}

pub fn is_being_deleted(object: &str) -> Failure {
    let todo = "see CDB_OB_BACKUP_DELETE_TASKS; wait for the end of the cleaning, then try again";
    Failure::new(ErrorClass::Transient, "it is being deleted", object, todo)
}

pub fn validate_in_progress(job: impl ToString) -> Failure {
    let object = format!("validation job {}", job.to_string());
    invalid("a validation runs already", object, "wait for it, or ALTER SYSTEM CANCEL VALIDATE BACKUP")
}

pub fn nothing_to_validate(name: &str) -> Failure {
    let todo = "see CDB_OB_BACKUP_SET_FILES and CDB_OB_ARCHIVELOG_PIECE_FILES";
    Failure::new(ErrorClass::NotFound, "there is nothing to validate", tenant(name), todo)
}

pub fn too_many_objects(got: usize, max: usize) -> Failure {
    let what = format!("{got} sets and pieces are too many for one job");
    Failure::new(ErrorClass::Exhausted, what, "VALIDATE", format!("name ids; one job takes {max}"))
}

pub fn no_standby(name: &str) -> Failure {
    let todo = "restore it with WITH 'standby=true'";
    invalid("the tenant is no standby", tenant(name), todo)
}

pub fn standby_activating() -> Failure {
    invalid("the tenant is being activated", "standby", "wait until CDB_OB_TENANTS shows NORMAL")
}

pub fn standby_is_past(asked: Scn, at: Scn) -> Failure {
    let what = format!("the standby is at SCN {at} ({}) already", scn_text(at));
    invalid(
        what,
        format!("SCN {asked} ({})", scn_text(asked)),
        "log is never taken back: restore again to an earlier SCN",
    )
}

pub fn recover_in_progress(job: impl ToString) -> Failure {
    let object = format!("table recovery job {}", job.to_string());
    invalid("tables are being recovered into the tenant already", object, "wait for it, or CANCEL RECOVER TABLE")
}

pub fn recovered_table_exists(name: &str, tenant: &str) -> Failure {
    let todo = format!("give it another name with REMAP TABLE {name}:<new name>");
    invalid(format!("a table of this name exists in tenant {tenant}"), format!("table {name}"), todo)
}

pub fn table_in_no_stream(ls: impl ToString) -> Failure {
    restore_source(&format!("a table lies in log stream {}, which the set does not have", ls.to_string()))
}

pub fn drill_in_progress(drill: impl ToString) -> Failure {
    let object = format!("restore drill {}", drill.to_string());
    invalid("a restore drill runs already", object, "wait for it, or ALTER SYSTEM CANCEL RESTORE DRILL")
}

pub fn drill_cannot_start(name: &str) -> Failure {
    let todo = "set DATA_BACKUP_DEST and LOG_ARCHIVE_DEST, ALTER SYSTEM ARCHIVELOG, and take a backup";
    invalid("there is nothing to drill: a data backup destination and a running archive are needed", tenant(name), todo)
}

pub fn drill_differs(scn: Scn, ls: Option<strandline_types::LsId>) -> Failure {
    let object = ls.map_or_else(|| "log streams".to_owned(), |ls| format!("log stream {ls}"));
    let what = format!("what was restored to SCN {scn} is not what the source held then");
    Failure::new(
        ErrorClass::Corrupt,
        what,
        object,
        "keep the destinations as they are and report it; take a new full backup",
    )
}
