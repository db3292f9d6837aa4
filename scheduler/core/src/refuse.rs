//! Every refusal in one place: what happened, to which object, what to do, and the original's error number where it
//! has one (docs/oceanbase.md, 4.13).

use crate::state::{Destination, MissedRun, Round, TenantStatus};
use crate::waiting::Who;
use strandline_types::{DestUri, ErrorClass, Failure, MASK, Scn, is_place_of_secret, limits, moment_text, scn_text};

fn invalid(what: impl Into<String>, object: impl Into<String>, todo: impl Into<String>) -> Failure {
    Failure::new(ErrorClass::Invalid, what, object, todo)
}

fn tenant(name: &str) -> String {
    format!("tenant {name}")
}

pub fn no_such_tenant(name: &str) -> Failure {
    Failure::new(ErrorClass::NotFound, "no such tenant", tenant(name), "see oceanbase.CDB_OB_TENANTS")
}

pub fn tenant_exists(name: &str) -> Failure {
    invalid("a tenant of this name exists", tenant(name), "choose another name, or drop it first")
}

pub fn tenant_is_going(name: &str) -> Failure {
    let todo = "wait until CDB_OB_TENANTS does not list it any more";
    Failure::new(ErrorClass::Transient, "a tenant of this name is still being dropped", tenant(name), todo)
}

pub fn bad_name(name: &str) -> Failure {
    invalid("not a name: letters, digits and _ are, up to 64 of them", format!("'{name}'"), "choose another name")
}

pub fn reserved_name(name: &str) -> Failure {
    invalid("the name means something else in statements", format!("'{name}'"), "choose another name")
}

/// What is asked for needs an open tenant. What leads to one depends on why it is none.
pub fn tenant_not_normal(name: &str, status: TenantStatus) -> Failure {
    let todo = match status {
        TenantStatus::Normal => String::new(),
        TenantStatus::Restoring => {
            format!("wait until CDB_OB_TENANTS shows NORMAL, or give it up with ALTER SYSTEM CANCEL RESTORE {name}")
        }
        TenantStatus::Standby => format!("it only follows its archive; ALTER SYSTEM ACTIVATE STANDBY TENANT = {name} opens it"),
        TenantStatus::Imported => {
            "it stands for backups of another cluster, which can be validated and cleaned; restore one to work with its data"
                .to_owned()
        }
        TenantStatus::Dropping => "it is being dropped; name another tenant".to_owned(),
    };
    invalid(format!("the tenant is {status}"), tenant(name), todo)
}

pub fn bad_replicas(replicas: u32) -> Failure {
    invalid(format!("{replicas} replicas"), "REPLICAS", "use 1 to 5; odd numbers serve best")
}

pub fn bad_count(what: &str, got: u32, max: usize) -> Failure {
    invalid(format!("{got} is out of bounds"), what, format!("use 1 to {max}"))
}

pub fn dictionary_full(name: &str, bytes: usize) -> Failure {
    let max = limits::DICTIONARY_BYTES_MAX;
    let what = format!("its tables and tablets would take {bytes} bytes of its dictionary, at most {max} fit");
    Failure::new(ErrorClass::Exhausted, what, tenant(name), "drop tables, or create them in another tenant")
}

pub fn too_many_tablets(name: &str, tablets: usize, max: usize) -> Failure {
    let what = format!("{tablets} tablets are more than the {max} that its log streams hold");
    let todo = "create tables with fewer tablets, or a tenant with more log streams";
    Failure::new(ErrorClass::Exhausted, what, tenant(name), todo)
}

pub fn too_few_workers(needed: usize, live: usize) -> Failure {
    let what = format!("{needed} replicas need {needed} live workers, there are {live}");
    Failure::new(
        ErrorClass::Exhausted,
        what,
        "workers",
        "start more workers (CDB_OB_SERVERS) or ask for fewer replicas",
    )
}

pub fn table_exists(name: &str) -> Failure {
    invalid("a table of this name exists", format!("table {name}"), "choose another name")
}

/// The original's code for a table that is not there.
const NO_TABLE_CODE: i32 = -5019;

pub fn no_such_table(name: &str, tenant: &str) -> Failure {
    let object = format!("table {name} of tenant {tenant}");
    Failure::new(ErrorClass::NotFound, "no such table", object, "see oceanbase.CDB_OB_TABLES").with_code(NO_TABLE_CODE)
}

pub fn table_is_recovered(name: &str, job: impl ToString) -> Failure {
    let what = format!("the table is being recovered by table recovery job {}", job.to_string());
    invalid(what, format!("table {name}"), "wait for it, or CANCEL RECOVER TABLE, which removes it")
}

pub fn drop_while(name: &str, what: &str, todo: &str) -> Failure {
    invalid(format!("the tenant cannot be dropped while {what}"), tenant(name), todo)
}

pub fn blank_in_dest(text: &str) -> Failure {
    let shown = strandline_types::split_secrets(text).0;
    invalid("a destination in a statement has no white space", format!("'{shown}'"), "use a path without it")
}

pub fn several_dests(text: &str) -> Failure {
    let shown = strandline_types::split_secrets(text).0;
    let what = "these are several destinations: a comma with scheme:// behind it separates them";
    invalid(what, format!("'{shown}'"), "name one destination, and one whose path has no such comma")
}

pub fn dest_taken(dest: &Destination, owner: &str) -> Failure {
    let what = format!("the path is the {} destination {} of tenant {owner}", dest.kind, dest.id);
    invalid(what, dest.uri.to_string(), "give every tenant and every purpose a path of its own").with_code(-9081)
}

pub fn dest_nested(uri: &DestUri, other: &Destination, owner: &str) -> Failure {
    let what = format!("the path and the {} destination {} of tenant {owner} lie in each other", other.kind, other.uri);
    invalid(what, uri.to_string(), "give every tenant and every purpose a path of its own").with_code(-9081)
}

pub fn bad_interval(seconds: u64) -> Failure {
    use strandline_types::limits::{PIECE_INTERVAL_SECONDS_MAX, PIECE_INTERVAL_SECONDS_MIN};
    let todo = format!("use {PIECE_INTERVAL_SECONDS_MIN}s to {PIECE_INTERVAL_SECONDS_MAX}s");
    invalid(format!("a piece of {seconds} s is out of bounds"), "PIECE_SWITCH_INTERVAL", todo).with_code(-4007)
}

pub fn bad_lag_target(ms: u64) -> Failure {
    invalid(format!("{ms} ms is out of bounds"), "archive_lag_target", "use 0 to 7200 s")
}

pub fn bad_spool_size(bytes: u64) -> Failure {
    let todo = format!("use at least {}MB", strandline_types::limits::SPOOL_BYTES_MIN >> 20);
    invalid(format!("a spool of {bytes} bytes is too small"), "SPOOL_SIZE", todo)
}

pub fn bad_spool_age(ms: u64) -> Failure {
    let todo = format!("use at least {}s", strandline_types::limits::SPOOL_AGE_MS_MIN / 1000);
    invalid(format!("a spool age of {ms} ms is too short"), "SPOOL_AGE", todo)
}

pub fn age_of_mandatory() -> Failure {
    let todo = "use BINDING=Optional with SPOOL_AGE, or BINDING=Mandatory with SPOOL_SIZE alone";
    invalid("a mandatory destination never lets log go, however old", "SPOOL_AGE", todo)
}

pub fn bad_key_source(source: &str) -> Failure {
    let todo = "write KEY=file:/path/of/a/passphrase or KEY=command:/path/of/a/program, as it is on every worker";
    invalid("ENCRYPTION=aes256 needs a KEY that workers can find", shown_source(source), todo)
}

pub fn bad_schedule_key(source: &str) -> Failure {
    let todo =
        "write ENCRYPTION KEY = 'file:/path/of/a/passphrase' or 'command:/path/of/a/program', as on every scheduler";
    invalid("scheduled sets are encrypted with a key that schedulers can find", shown_source(source), todo)
}

/// What is no place may be the secret itself, typed by mistake.
fn shown_source(source: &str) -> String {
    if source.is_empty() || is_place_of_secret(source) { format!("'{source}'") } else { format!("'{MASK}'") }
}

pub fn bad_dest_no(no: strandline_types::DestNo) -> Failure {
    invalid(format!("there is no LOG_ARCHIVE_DEST_{no}"), "LOG_ARCHIVE_DEST", "use LOG_ARCHIVE_DEST and _1 to _7")
}

pub fn dest_twice(uri: &str) -> Failure {
    let todo = "give every LOG_ARCHIVE_DEST a path of its own";
    invalid("another LOG_ARCHIVE_DEST of the tenant has this path", uri, todo).with_code(-9081)
}

pub fn no_such_dest(uri: &str) -> Failure {
    let todo = "see oceanbase.CDB_OB_BACKUP_STORAGE_INFO";
    Failure::new(ErrorClass::NotFound, "no destination of the tenant has this path", uri, todo)
}

pub fn other_place(dest: &Destination, uri: &DestUri) -> Failure {
    let what = format!("this is another place than destination {} ({})", dest.id, dest.uri);
    invalid(what, uri.to_string(), "ALTER SYSTEM NOARCHIVELOG, wait for STOP, then set the new path")
}

pub fn bad_concurrency(n: u32) -> Failure {
    let todo = format!("use 0 (by the worker's CPU) to {}", strandline_types::limits::ARCHIVE_CONCURRENCY_MAX);
    invalid(format!("{n} threads are out of bounds"), "log_archive_concurrency", todo)
}

pub fn archive_running(round: &Round) -> Failure {
    let object = format!("round {} ({})", round.round_id, round.state);
    invalid("change archive dest when archive is running", object, "ALTER SYSTEM NOARCHIVELOG, then wait for STOP")
}

pub fn no_archive_dest(name: &str) -> Failure {
    let todo = "ALTER SYSTEM SET LOG_ARCHIVE_DEST = 'LOCATION=...' first";
    invalid("no archive destination is set", tenant(name), todo)
}

pub fn archive_mode(name: &str, on: bool) -> Failure {
    let mode = if on { "ARCHIVELOG" } else { "NOARCHIVELOG" };
    invalid(format!("the tenant is in {mode} mode already"), tenant(name), "")
}

pub fn round_stopping(round: &Round) -> Failure {
    let object = format!("round {}", round.round_id);
    let todo = "wait until CDB_OB_ARCHIVELOG_SUMMARY shows STOP";
    Failure::new(ErrorClass::Transient, "the last archive round is still stopping", object, todo)
}

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

pub fn no_backup_running(name: &str) -> Failure {
    Failure::new(ErrorClass::NotFound, "no backup runs", tenant(name), "")
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

pub fn no_restore_running(name: &str) -> Failure {
    Failure::new(ErrorClass::NotFound, "no restore runs", tenant(name), "")
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

pub fn no_clean_running(name: &str) -> Failure {
    Failure::new(ErrorClass::NotFound, "no cleaning runs", tenant(name), "")
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

pub fn no_validate_running(name: &str) -> Failure {
    Failure::new(ErrorClass::NotFound, "no validation runs", tenant(name), "")
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

pub fn no_recover_running(name: &str) -> Failure {
    Failure::new(ErrorClass::NotFound, "no table recovery runs", tenant(name), "see CDB_OB_RECOVER_TABLE_JOB_HISTORY")
}

pub fn recovered_table_exists(name: &str, tenant: &str) -> Failure {
    let todo = format!("give it another name with REMAP TABLE {name}:<new name>");
    invalid(format!("a table of this name exists in tenant {tenant}"), format!("table {name}"), todo)
}

pub fn table_in_no_stream(ls: impl ToString) -> Failure {
    restore_source(&format!("a table lies in log stream {}, which the set does not have", ls.to_string()))
}

pub fn import_too_large(uri: &DestUri, count: usize, max: usize) -> Failure {
    let what = format!("{count} sets and pieces are more than the {max} that can be imported");
    Failure::new(
        ErrorClass::Exhausted,
        what,
        uri.to_string(),
        "restore from it by its URI; clean it with the cluster that made it",
    )
}

pub fn import_own(uri: &DestUri) -> Failure {
    let todo = "see CDB_OB_BACKUP_SET_FILES and CDB_OB_ARCHIVELOG_PIECE_FILES: its rows are there";
    invalid("the destination is this cluster's own", uri.to_string(), todo)
}

pub fn imported_as(there: &str, wanted: &str) -> Failure {
    let todo = format!("leave AS out, or DROP TENANT {there} first (its files stay)");
    invalid(format!("the same owner was imported as {there}"), tenant(wanted), todo)
}

pub fn no_such_catalog(uri: &DestUri) -> Failure {
    let todo = "see CDB_STRANDLINE_IMPORTED_CATALOGS";
    Failure::new(ErrorClass::NotFound, "the destination was not imported", uri.to_string(), todo)
}

pub fn import_is_read_only(name: &str) -> Failure {
    let todo = "make sure that no cluster writes it any more, then IMPORT CATALOG '<uri>' ALLOW DELETE";
    invalid("the destination was imported without the right to delete", tenant(name), todo)
}

pub fn drill_in_progress(drill: impl ToString) -> Failure {
    let object = format!("restore drill {}", drill.to_string());
    invalid("a restore drill runs already", object, "wait for it, or ALTER SYSTEM CANCEL RESTORE DRILL")
}

pub fn no_drill_running(name: &str) -> Failure {
    Failure::new(ErrorClass::NotFound, "no restore drill runs", tenant(name), "")
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
