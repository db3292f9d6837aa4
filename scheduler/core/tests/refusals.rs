//! Every refusal says what happened, names the object, and what to do; nothing is changed by it.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod harness;

use harness::jobs::{Job, start, world};
use harness::{TENANT, TaskHook, World, archive_spec, restore_request};
use strandline_catalogue::retention::Policy;
use strandline_scheduler_core::state::{CleanWhat, DestOptions, DestState, Encryption, JobKind};
use strandline_scheduler_core::*;
use strandline_types::*;

/// Refused: what it says must contain these words.
fn refused(w: &World, action: Action, words: &[&str]) {
    let mut state = w.state.clone();
    let name = format!("{action:?}");
    let failure = match apply(&mut state, Command { proposed_at_ms: w.now_ms, action }) {
        Err(failure) => failure,
        Ok(done) => panic!("{name} was taken: {done:?}"),
    };
    let text = failure.to_string();
    assert!(!failure.what.is_empty() && !failure.object.is_empty(), "{name}: {failure:?}");
    // What is so already needs nothing to be done.
    let is_so_already = failure.what.contains("already") || failure.what.starts_with("no ");
    assert!(!failure.todo.is_empty() || is_so_already, "{name}: {failure:?}");
    for word in words {
        assert!(text.contains(word), "{name}: {text:?} lacks {word:?}");
    }
    assert_eq!(State { clock_ms: w.state.clock_ms, ..state }, w.state, "{name} changed something");
}

fn dest(options: DestOptions) -> Action {
    let spec = ArchiveDestSpec { options, ..archive_spec("file:///new", 3600) };
    Action::SetArchiveDest { tenant: TENANT, no: DestNo(3), dest: Some(spec) }
}

fn create(name: &str, log_streams: u32, replicas: u32) -> Action {
    Action::CreateTenant { name: name.to_owned(), log_streams, replicas }
}

#[test]
fn names_and_numbers_out_of_their_bounds_are_named_with_the_bounds() {
    let w = world();
    let tenant = TENANT;
    for (action, words) in [
        (create("a b", 1, 1), ["'a b'", "letters, digits and _"]),
        (create("", 1, 1), ["''", "letters, digits and _"]),
        (create("SYS", 1, 1), ["'SYS'", "choose another name"]),
        (create("T", 1, 1), ["tenant T", "drop it first"]),
        (create("u", 0, 1), ["0 is out of bounds", "use 1 to 255"]),
        (create("u", 256, 1), ["256 is out of bounds", "use 1 to 255"]),
        (create("u", 1, 0), ["0 replicas", "1 to 5"]),
        (create("u", 1, 6), ["6 replicas", "1 to 5"]),
        (create("u", 1, 4), ["4 live workers, there are 3", "start more workers"]),
        (Action::CreateTable { tenant, name: "x y".to_owned(), tablets: 1 }, ["'x y'", "letters"]),
        (Action::CreateTable { tenant, name: "x".to_owned(), tablets: 0 }, ["0 is out of bounds", "use 1 to 1024"]),
        (Action::SetArchiveLag { tenant, lag_target_ms: 7_200_001 }, ["7200001 ms", "0 to 7200 s"]),
        (Action::SetArchiveConcurrency { tenant, threads: 101 }, ["101 threads", "to 100"]),
        (dest(DestOptions { piece_interval_s: 0, ..DestOptions::default() }), ["0 s", "1s to 604800s"]),
        (dest(DestOptions { piece_interval_s: 604_801, ..DestOptions::default() }), ["604801 s", "1s to 604800s"]),
        (
            dest(DestOptions { spool_bytes: limits::SPOOL_BYTES_MIN - 1, ..DestOptions::default() }),
            ["SPOOL_SIZE", "128MB"],
        ),
        (dest(DestOptions { spool_age_ms: 9_999, ..DestOptions::default() }), ["SPOOL_AGE", "10s"]),
        (
            Action::SetArchiveDest { tenant, no: DestNo(8), dest: Some(archive_spec("file:///new", 60)) },
            ["LOG_ARCHIVE_DEST_8", "_1 to _7"],
        ),
    ] {
        refused(&w, action, &words);
    }
    let bound = DestOptions { binding: Binding::Mandatory, spool_age_ms: 60_000, ..DestOptions::default() };
    refused(&w, dest(bound), &["SPOOL_AGE"]);
    let encryption = Encryption::Aes256 { key_source: "secret".to_owned() };
    refused(&w, dest(DestOptions { encryption, ..DestOptions::default() }), &["file:/"]);
}

#[test]
fn what_is_not_there_is_named() {
    let w = world();
    let (tenant, nobody) = (TENANT, TenantId(4444));
    let cancel = |kind| Action::CancelJob { kind, tenant };
    let policy = Action::DropCleanPolicy { tenant, name: "default".to_owned() };
    for (action, words) in [
        (Action::DropTenant { tenant: nobody }, ["tenant 4444", "CDB_OB_TENANTS"]),
        (Action::ArchiveLog { tenant: nobody }, ["no such tenant", "tenant 4444"]),
        (Action::DropTable { tenant, name: "gone".to_owned() }, ["table gone of tenant t", "CDB_OB_TABLES"]),
        (Action::ChangeSchedule { tenant, change: ScheduleChange::Drop }, ["no backup schedule", "tenant t"]),
        (policy, ["no delete policy 'default'", "tenant t"]),
        (cancel(JobKind::Backup), ["no backup runs", "tenant t"]),
        (cancel(JobKind::Restore), ["no restore runs", "tenant t"]),
        (cancel(JobKind::Clean), ["no cleaning runs", "tenant t"]),
        (cancel(JobKind::Validate), ["no validation runs", "tenant t"]),
        (cancel(JobKind::Drill), ["no restore drill runs", "tenant t"]),
        (cancel(JobKind::RecoverTable), ["no table recovery runs", "CDB_OB_RECOVER_TABLE_JOB_HISTORY"]),
        (Action::ActivateStandby { tenant }, ["no standby", "standby=true"]),
        (Action::RecoverStandby { tenant, until: None }, ["no standby", "tenant t"]),
        (
            Action::SetArchiveDestState { tenant, no: DestNo(5), state: DestState::Defer },
            ["no archive destination", "tenant t"],
        ),
        (
            Action::ChangeStorage { dest: DestId(99), uri: "file:///x".to_owned(), access: Access::default() },
            ["file:///x", "CDB_OB_BACKUP_STORAGE_INFO"],
        ),
        (
            Action::ForgetCatalog { uri: DestUri::parse("file:///x").unwrap() },
            ["file:///x", "CDB_STRANDLINE_IMPORTED_CATALOGS"],
        ),
    ] {
        refused(&w, action, &words);
    }
}

#[test]
fn a_place_that_is_taken_names_who_has_it() {
    let mut w = world();
    w.act(create("u", 1, 1)).unwrap();
    let other = w.state.tenant_by_name("u").unwrap().id;
    let archive =
        |tenant, no, uri: &str| Action::SetArchiveDest { tenant, no: DestNo(no), dest: Some(archive_spec(uri, 3600)) };
    let data = |tenant, uri: &str| Action::SetDataDest { tenant, uri: Some(uri.to_owned()), access: Access::default() };
    refused(&w, archive(other, 0, "file:///arc"), &["archive_log destination 1001 of tenant t", "of its own"]);
    refused(&w, data(other, "file:///data"), &["backup_data destination 1002 of tenant t", "file:///data"]);
    refused(&w, archive(TENANT, 1, "file:///arc"), &["another LOG_ARCHIVE_DEST", "file:///arc"]);
    refused(&w, data(TENANT, "file:///arc"), &["archive_log destination 1001 of tenant t"]);
    refused(&w, data(other, "file:///data/below"), &["lie in each other", "file:///data/below"]);
    refused(&w, data(other, "file:///a b"), &["white space", "'file:///a b'"]);
    refused(&w, data(other, "file:///a,file:///b"), &["several destinations", "name one destination"]);
    refused(&w, archive(TENANT, 0, "file:///arc2"), &["round 1 (DOING)", "NOARCHIVELOG"]);
    let (dest, uri) = (DestId(1001), "file:///other".to_owned());
    let elsewhere = Action::ChangeStorage { dest, uri, access: Access::default() };
    refused(&w, elsewhere, &["another place than destination 1001 (file:///arc)", "NOARCHIVELOG"]);
}

#[test]
fn what_runs_already_is_named_with_its_number_and_how_to_end_it() {
    let hangs: TaskHook = |_, _, order| Some(harness::report(order, TaskState::Doing, None, None));
    for (job, words) in [
        (Job::Full, ["backup job", "CANCEL BACKUP"]),
        (Job::Drill, ["restore drill", "CANCEL RESTORE DRILL"]),
        (Job::RecoverTable, ["table recovery job", "CANCEL RECOVER TABLE"]),
        (Job::Validate, ["validation job", "CANCEL VALIDATE BACKUP"]),
        (Job::Clean, ["cleaning job", "CANCEL DELETE BACKUP"]),
    ] {
        let mut w = world();
        w.task_hook = hangs;
        start(&mut w, job).unwrap();
        w.run(2);
        let id = w.state.next.job.0;
        let failure = start(&mut w, job).unwrap_err();
        let text = failure.to_string();
        assert!(words.iter().all(|word| text.contains(word)), "{job:?}: {text}");
        let number = failure.object.rsplit(' ').next().unwrap().parse::<u64>().unwrap();
        assert!(w.state.jobs.contains_key(&JobId(number)) && number < id, "{job:?}: {text}");
    }
    let w = world();
    refused(&w, Action::ArchiveLog { tenant: TENANT }, &["ARCHIVELOG mode already", "tenant t"]);
    refused(&w, Action::DropTenant { tenant: TENANT }, &["archive round 1 is DOING", "NOARCHIVELOG"]);
    refused(&w, restore_request("t", 1), &["a tenant of this name exists", "tenant t"]);
    let policy =
        Policy { window_ns: 1, redundancy: 1, keep_weekly: 0, keep_monthly: 0, keep_yearly: 0, log_only: true };
    refused(&w, Action::AddCleanPolicy { tenant: TENANT, policy }, &["log_only", "clear DATA_BACKUP_DEST"]);
    let last = CleanWhat::All(w.round().dest_id);
    let clean = Action::StartClean { tenant: TENANT, what: last, description: String::new() };
    refused(&w, clean, &["destination 1001", "in use"]);
    let request = BackupRequest::new(BackupMode::Full, "x".repeat(limits::DESCRIPTION_BYTES_MAX + 1));
    refused(&w, Action::StartBackup { tenant: TENANT, request }, &["4097 bytes", "4096 bytes"]);
}
