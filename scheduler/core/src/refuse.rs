//! Every refusal in one place: what happened, to which object, what to do, and the original's error number where it
//! has one (docs/oceanbase.md, 4.13). Those of jobs are in [`jobs`].

mod jobs;

pub use jobs::*;

use crate::state::{Destination, Round, TenantStatus};
use strandline_types::{DestUri, ErrorClass, Failure, MASK, is_place_of_secret, limits};

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
