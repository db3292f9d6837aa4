//! Every statement that is understood, and what is said about the others.
#![allow(clippy::unwrap_used, clippy::expect_used)]
use super::super::request::SessionWord;
use super::super::request::archive::{ArchiveDest, ArchiveRequest as A, StorageChange};
use super::super::request::backup::BackupRequest;
use super::super::request::clean::{CleanRequest, DeleteWhat, PolicyText, ValidateRequest, ValidateWhat};
use super::super::request::restore::*;
use super::*;
use strandline_scheduler_core::BackupParam;
use strandline_scheduler_core::state::{DestOptions, MissedRun, SchedulePlan};
use strandline_types::{BackupMode, Binding, Compression, DestNo, ErrorClass, Scn, ValidateLevel, limits};

fn named(names: &[&str]) -> Tenants {
    Tenants::Named(names.iter().map(|n| (*n).to_owned()).collect())
}

fn backup(mode: BackupMode, tenants: Tenants) -> BackupRequest {
    BackupRequest { mode, tenants, to: None, plus_archivelog: false, description: String::new() }
}

fn both() -> RestoreFrom {
    RestoreFrom::Destinations { data: "file:///d".into(), archive: Some("file:///a".into()) }
}

#[test]
fn every_statement_is_read() {
    use AdminRequest as R;
    let t = |name: &str| Some(name.to_owned());
    let options = DestOptions { binding: Binding::Mandatory, piece_interval_s: 60, ..DestOptions::default() };
    let dest = ArchiveDest { location: "file:///a".into(), options };
    let list = |list, filter| R::Show(Show::List { list, filter });
    let columns = |view: &str| list(ShowList::Columns { view: view.into() }, Filter::All);
    let (zero, three) = (DestNo(0), DestNo(3));
    let restore = |until, replicas| {
        R::Restore(RestoreRequest {
            tenant: "n".into(),
            from: both(),
            until,
            options: RestoreOptions { replicas, ..RestoreOptions::default() },
            description: String::new(),
        })
    };
    for (text, expected) in [
        (
            "ALTER SYSTEM SET LOG_ARCHIVE_DEST = 'LOCATION=file:///a BINDING=Mandatory PIECE_SWITCH_INTERVAL=1m' TENANT = t1;",
            R::Archive(A::SetDest { tenant: t("t1"), no: zero, dest: Some(dest.clone()) }),
        ),
        (
            "alter system set log_archive_dest 'location=file:///a binding=mandatory piece_switch_interval=60s'",
            R::Archive(A::SetDest { tenant: None, no: zero, dest: Some(dest.clone()) }),
        ),
        ("ALTER SYSTEM SET LOG_ARCHIVE_DEST=''", R::Archive(A::SetDest { tenant: None, no: zero, dest: None })),
        ("ALTER SYSTEM SET log_archive_dest_3 = ''", R::Archive(A::SetDest { tenant: None, no: three, dest: None })),
        (
            "ALTER SYSTEM SET LOG_ARCHIVE_DEST_STATE_3 = 'ENABLE'",
            R::Archive(A::SetState { tenant: None, no: three, enable: true }),
        ),
        (
            "ALTER SYSTEM SET log_archive_concurrency = 4 TENANT = all_user",
            R::Archive(A::SetConcurrency { tenants: Tenants::All, threads: 4 }),
        ),
        (
            "ALTER SYSTEM SET archive_new_tenants = 'LOCATION=file:///a BINDING=Mandatory PIECE_SWITCH_INTERVAL=1m'",
            R::Archive(A::NewTenants(Some(dest))),
        ),
        ("ALTER SYSTEM SET archive_new_tenants = ''", R::Archive(A::NewTenants(None))),
        (
            "ALTER SYSTEM ALTER EXTERNAL_STORAGE_DEST PATH = 's3://b/x?host=h' SET ACCESS_INFO = 'access_id=a&access_key=b'",
            R::Archive(A::ChangeStorage {
                path: "s3://b/x?host=h".into(),
                change: StorageChange::Access("access_id=a&access_key=b".into()),
            }),
        ),
        (
            "ALTER SYSTEM MODIFY EXTERNAL_STORAGE_DEST PATH 's3://b/x' SET ATTRIBUTE 'max_iops=9'",
            R::Archive(A::ChangeStorage {
                path: "s3://b/x".into(),
                change: StorageChange::Attribute("max_iops=9".into()),
            }),
        ),
        ("ALTER SYSTEM CHECK DESTINATION 'file:///a'", R::Archive(A::CheckDest { uri: "file:///a".into() })),
        (
            "ALTER SYSTEM SET LOG_ARCHIVE_DEST_STATE='DEFER' TENANT t1",
            R::Archive(A::SetState { tenant: t("t1"), no: zero, enable: false }),
        ),
        (
            "ALTER SYSTEM SET LOG_ARCHIVE_DEST_STATE=enable",
            R::Archive(A::SetState { tenant: None, no: zero, enable: true }),
        ),
        ("ALTER SYSTEM ARCHIVELOG", R::Archive(A::On(Tenants::Session))),
        ("ALTER SYSTEM ARCHIVELOG TENANT = all DESCRIPTION = 'x'", R::Archive(A::On(Tenants::All))),
        ("ALTER SYSTEM NOARCHIVELOG TENANT = t1, t2", R::Archive(A::Off(named(&["t1", "t2"])))),
        (
            "ALTER SYSTEM SET DATA_BACKUP_DEST = 'file:///d' TENANT = `t 1`",
            R::SetDataBackupDest { tenant: t("t 1"), uri: t("file:///d") },
        ),
        ("ALTER SYSTEM SET DATA_BACKUP_DEST = ''", R::SetDataBackupDest { tenant: None, uri: None }),
        (
            "ALTER SYSTEM BACKUP DATABASE DESCRIPTION 'nightly'",
            R::Backup(BackupRequest { description: "nightly".into(), ..backup(BackupMode::Full, Tenants::Session) }),
        ),
        ("ALTER SYSTEM BACKUP TENANT = t1,t2", R::Backup(backup(BackupMode::Full, named(&["t1", "t2"])))),
        ("ALTER SYSTEM BACKUP SYNTHETIC DATABASE", R::Backup(backup(BackupMode::Synthetic, Tenants::Session))),
        (
            "ALTER SYSTEM BACKUP INCREMENTAL TENANT t1 TO 'file:///x' PLUS ARCHIVELOG DESCRIPTION = 'd'",
            R::Backup(BackupRequest {
                to: t("file:///x"),
                plus_archivelog: true,
                description: "d".into(),
                ..backup(BackupMode::Incremental, named(&["t1"]))
            }),
        ),
        (
            "ALTER SYSTEM BACKUP CLUSTER PARAMETERS TO 'file:///p'",
            R::BackupClusterParameters { uri: "file:///p".into() },
        ),
        (
            "ALTER SYSTEM SET backup_data_file_size = '512M' TENANT = t1",
            R::SetBackupParam { tenant: t("t1"), param: BackupParam::DataFileBytes(512 << 20) },
        ),
        (
            "ALTER SYSTEM SET ha_low_thread_score = 8",
            R::SetBackupParam { tenant: None, param: BackupParam::LowThreads(8) },
        ),
        (
            "ALTER SYSTEM SET backup_compression = 'zstd'",
            R::SetBackupParam { tenant: None, param: BackupParam::Compression(Compression::Zstd) },
        ),
        ("SET ENCRYPTION ON IDENTIFIED BY 'secret' ONLY", R::Session(SessionWord::Encryption(t("secret")))),
        (
            "ALTER SYSTEM SET BACKUP SCHEDULE WEEKLY TIME ZONE = 'Europe/Berlin' MISSED RUN = SKIP ENABLE TENANT = t1",
            R::Schedule {
                tenants: named(&["t1"]),
                change: ScheduleChange::Set {
                    plan: SchedulePlan {
                        full: "0 2 * * 6".into(),
                        incremental: "0 2 * * 2,4".into(),
                        time_zone: "Europe/Berlin".into(),
                        missed: MissedRun::Skip,
                        ..SchedulePlan::default()
                    },
                    enable: true,
                },
            },
        ),
        (
            "ALTER SYSTEM SET BACKUP SCHEDULE FULL = '5 3 * * *' PLUS ARCHIVELOG ENCRYPTION KEY = 'file:/k'",
            R::Schedule {
                tenants: Tenants::Session,
                change: ScheduleChange::Set {
                    plan: SchedulePlan {
                        full: "5 3 * * *".into(),
                        time_zone: "UTC".into(),
                        plus_archivelog: true,
                        key_source: "file:/k".into(),
                        ..SchedulePlan::default()
                    },
                    enable: false,
                },
            },
        ),
        (
            "ALTER SYSTEM DISABLE BACKUP SCHEDULE",
            R::Schedule { tenants: Tenants::Session, change: ScheduleChange::Enable(false) },
        ),
        (
            "ALTER SYSTEM DROP BACKUP SCHEDULE TENANT = ALL",
            R::Schedule { tenants: Tenants::All, change: ScheduleChange::Drop },
        ),
        ("SET ENCRYPTION OFF", R::Session(SessionWord::Encryption(None))),
        ("ALTER SYSTEM CANCEL RESTORE n", R::CancelRestore { tenant: "n".into() }),
        (
            "ALTER SYSTEM SET archive_lag_target = '120s' TENANT = t1",
            R::Archive(A::SetLag { tenant: t("t1"), lag_target_ms: 120_000 }),
        ),
        ("ALTER SYSTEM CANCEL BACKUP TENANT t1", R::CancelBackup(named(&["t1"]))),
        ("ALTER SYSTEM RESTORE n FROM 'file:///d,file:///a'", restore(Until::Latest, None)),
        (
            "ALTER SYSTEM RESTORE n FROM 'file:///d,file:///a' UNTIL SCN = 77 WITH 'replicas=2&pool_list=default'",
            restore(Until::Scn(Scn(77)), Some(2)),
        ),
        (
            "ALTER SYSTEM RESTORE n FROM 'file:///d,file:///a' UNTIL TIME='1970-01-01 00:00:01.5' WITH 'pool_list=default'",
            restore(Until::Scn(Scn(1_500_000_000)), None),
        ),
        (
            "CREATE TENANT t LOG_STREAMS = 4 REPLICAS = 3",
            R::CreateTenant { name: "t".into(), log_streams: 4, replicas: 3 },
        ),
        ("create tenant t replicas 1", R::CreateTenant { name: "t".into(), log_streams: 1, replicas: 1 }),
        ("DROP TENANT t", R::DropTenant { name: "t".into() }),
        (
            "CREATE TABLE files TABLETS = 8 TENANT = t",
            R::CreateTable { tenant: t("t"), name: "files".into(), tablets: 8 },
        ),
        ("DROP TABLE files TENANT = t", R::DropTable { tenant: t("t"), name: "files".into() }),
        ("drop table files", R::DropTable { tenant: None, name: "files".into() }),
        ("select 1;", R::Select("select 1".into())),
        ("WITH x AS (SELECT 1) SELECT * FROM x", R::Select("WITH x AS (SELECT 1) SELECT * FROM x".into())),
        ("SHOW TABLES", list(ShowList::Tables { full: false }, Filter::All)),
        (
            "SHOW FULL TABLES FROM `oceanbase` LIKE 'CDB%'",
            list(ShowList::Tables { full: true }, Filter::Like("CDB%".into())),
        ),
        ("DESC oceanbase.CDB_OB_ARCHIVELOG", columns("CDB_OB_ARCHIVELOG")),
        ("SHOW FULL COLUMNS FROM `DBA_OB_ARCHIVELOG` FROM oceanbase", columns("DBA_OB_ARCHIVELOG")),
        ("SHOW DATABASES", list(ShowList::Databases, Filter::All)),
        ("SHOW GLOBAL VARIABLES LIKE 'x%'", list(ShowList::Variables, Filter::Like("x%".into()))),
        (
            "SHOW VARIABLES WHERE Variable_name IN ('a','b');",
            list(ShowList::Variables, Filter::Where("Variable_name IN ('a','b')".into())),
        ),
        ("SHOW SESSION STATUS", list(ShowList::Status, Filter::All)),
        ("SHOW WARNINGS LIMIT 64", list(ShowList::Warnings, Filter::All)),
        ("SHOW CHARACTER SET", list(ShowList::Charsets, Filter::All)),
        ("SET NAMES utf8mb4", R::Nothing),
        ("USE oceanbase", R::Nothing),
        ("BEGIN", R::Nothing),
    ] {
        assert_eq!(parse(text).map_err(|f| f.to_string()), Ok(expected), "{text}");
    }
}

#[test]
fn what_is_not_understood_says_where_and_what_is() {
    for (text, at, understood) in [
        ("", "character 1:", "ALTER"),
        ("EXPLODE", "character 1:", "SELECT"),
        ("ALTER TABLE t", "character 7:", "SYSTEM"),
        ("ALTER SYSTEM EXPLODE", "character 14:", "ARCHIVELOG"),
        ("ALTER SYSTEM SET SPEED = 9", "character 18:", "DATA_BACKUP_DEST"),
        ("ALTER SYSTEM SET LOG_ARCHIVE_DEST = file", "character 37:", "LOCATION"),
        ("ALTER SYSTEM ARCHIVELOG now", "character 25:", "TENANT"),
        ("ALTER SYSTEM ARCHIVELOG TENANT = ", "character 34:", "a tenant name"),
        ("ALTER SYSTEM BACKUP EVERYTHING", "character 21:", "DATABASE"),
        ("ALTER SYSTEM RESTORE n TO 'x'", "character 24:", "FROM"),
        ("ALTER SYSTEM RESTORE n FROM 'a,b' UNTIL NOW", "character 41:", "SCN"),
        ("ALTER SYSTEM RESTORE n FROM 'a,b' UNTIL SCN = 'x'", "character 47:", "an SCN"),
        ("ALTER SYSTEM RESTORE n FROM 'a,b' WITH 'replicas=2' ÄÄ x", "character 53:", "the end of the statement"),
        ("CREATE DATABASE d", "character 8:", "TABLE"),
        ("CREATE TENANT t LOG_STREAMS = many", "character 31:", "a number of log streams"),
        ("CREATE TABLE t TABLETS = 4 IN t1", "character 28:", "TENANT"),
        ("DROP DATABASE d", "character 6:", "TABLE"),
        ("DROP TABLE", "character 11:", "a table name"),
        ("DROP TABLE t CASCADE", "character 14:", "TENANT"),
        ("SHOW GRANTS", "character 6:", "VARIABLES"),
        ("SHOW FULL PROCESSLIST", "character 11:", "TABLES"),
        ("SHOW CREATE TABLE x", "character 6:", "DATABASES"),
    ] {
        let failure = parse(text).expect_err(text);
        assert_eq!(failure.class, ErrorClass::Invalid, "{text}");
        assert!(failure.what.contains(at), "{text}: {failure}");
        assert!(failure.todo.contains(understood), "{text}: {failure}");
    }
}

#[test]
fn several_archives_are_refused_with_the_statement_that_takes_them() {
    let refused = parse("ALTER SYSTEM RESTORE n FROM 'file:///a,file:///b,file:///c'").unwrap_err();
    assert!(refused.todo.contains("ADD RESTORE SOURCE"), "{refused}");
}

#[test]
fn what_is_well_formed_but_wrong_is_refused_with_its_cause() {
    for (text, cause) in [
        ("ALTER SYSTEM SET LOG_ARCHIVE_DEST_STATE = 'ON'", "not a state"),
        ("ALTER SYSTEM SET LOG_ARCHIVE_DEST = 'LOCATION=file:///a PIECE_SWITCH_INTERVAL=30d'", "not supported"),
        ("ALTER SYSTEM RESTORE n FROM 'file:///a,file:///b,file:///c'", "two URIs"),
        ("ALTER SYSTEM VALIDATE BACKUP LEVEL = 'deep'", "not a level"),
        ("ALTER SYSTEM DELETE BACKUPSET '1,x'", "not an id"),
        ("ALTER SYSTEM ADD DELETE BACKUP POLICY = 'default' RECOVERY_WINDOW = '7 weeks'", "not a span of time"),
        ("ALTER SYSTEM RECOVER TABLE t TO u FROM 'a,b' REMAP TABLE *.*:x", "only single tables"),
        ("ALTER SYSTEM SET LOG_RESTORE_SOURCE = 'file:///a'", "no LOCATION"),
        ("ALTER SYSTEM RESTORE n FROM 'a,b' UNTIL TIME = 'yesterday'", "not a time"),
        ("ALTER SYSTEM RESTORE n FROM 'a,b' WITH 'replicas=all'", "not a number of replicas"),
        ("ALTER SYSTEM BACKUP SYNTHETIC DATABASE PLUS ARCHIVELOG", "its log neither"),
        ("ALTER SYSTEM SET backup_data_file_size = '8G'", "not supported"),
        ("ALTER SYSTEM SET backup_data_file_size = 'big'", "not a size"),
        ("ALTER SYSTEM SET ha_low_thread_score = 101", "not supported"),
        ("ALTER SYSTEM SET backup_compression = 'rar'", "not a compression"),
        ("ALTER SYSTEM SET BACKUP SCHEDULE ENABLE", "nothing to run"),
        ("ALTER SYSTEM SET BACKUP SCHEDULE FULL = 'now'", "not a cron text"),
        ("ALTER SYSTEM SET BACKUP SCHEDULE WEEKLY TIME ZONE = 'Here'", "no such time zone"),
        ("ALTER SYSTEM SET BACKUP SCHEDULE WEEKLY MISSED RUN = ALWAYS", "not a policy"),
        ("SET ENCRYPTION ON IDENTIFIED BY '' ONLY", "protects nothing"),
        ("SET ENCRYPTION ON IDENTIFIED BY ' pw' ONLY", "blanks at its beginning"),
        ("SET ENCRYPTION ON IDENTIFIED BY 'two\nlines' ONLY", "more than one line"),
        ("SET DECRYPTION IDENTIFIED BY 'a', 'pw '", "blanks at its beginning"),
        ("SET DECRYPTION IDENTIFIED BY ''", "empty"),
        ("ALTER SYSTEM RESTORE n FROM 'a,b' WITH 'pool_list=nosuchpool'", "pool_list=nosuchpool"),
        ("ALTER SYSTEM ADD DELETE BACKUP POLICY = 'default' BACKUP_COPIES = 2", "BACKUP_COPIES"),
        ("ALTER SYSTEM SET BACKUP SCHEDULE FULL = '0 2 * * *' FULL = '0 3 * * *'", "FULL is said twice"),
        ("ALTER SYSTEM SET BACKUP SCHEDULE FULL = '0 2 31 2 *'", "never come due"),
        ("ALTER SYSTEM ADD DELETE BACKUP POLICY = 'default' REDUNDANCY = 1 REDUNDANCY = 2", "REDUNDANCY is said twice"),
        ("ALTER SYSTEM ADD DELETE BACKUP POLICY = 'default' RECOVERY_WINDOW = '99999999999d'", "longer than 100 years"),
        ("SET ENCRYPTOIN ON IDENTIFIED BY 'x' ONLY", "no session setting 'encryptoin'"),
    ] {
        let failure = parse(text).expect_err(text);
        assert!(failure.what.contains(cause), "{text}: {failure}");
        assert!(!failure.todo.is_empty(), "{text}");
    }
}

#[test]
fn a_statement_that_is_too_long_is_refused_before_it_is_read() {
    let failure = parse(&"x".repeat(limits::SQL_BYTES_MAX + 1)).unwrap_err();
    assert_eq!(failure.class, ErrorClass::Exhausted);
}

#[test]
fn statements_about_restores_are_read() {
    use AdminRequest as R;
    let t = |name: &str| Some(name.to_owned());
    let preview = |from, until| R::RestorePreview(RestorePreview { from, until });
    let recover = |tables: &[&str], remap: &[(&str, &str)]| {
        R::RecoverTable(RecoverTableRequest {
            tables: tables.iter().map(|t| (*t).to_owned()).collect(),
            target: "u".into(),
            from: both(),
            until: Until::Scn(Scn(9)),
            options: RestoreOptions::default(),
            remap: remap.iter().map(|(a, b)| ((*a).to_owned(), (*b).to_owned())).collect(),
            description: String::new(),
        })
    };
    for (text, expected) in [
        ("ALTER SYSTEM RESTORE FROM 'file:///d,file:///a' UNTIL SCN = 5 PREVIEW", preview(both(), Until::Scn(Scn(5)))),
        ("ALTER SYSTEM RESTORE PREVIEW", preview(RestoreFrom::Added, Until::Latest)),
        ("ALTER SYSTEM RESTORE n UNTIL SCN 5 PREVIEW", preview(RestoreFrom::Added, Until::Scn(Scn(5)))),
        ("SHOW RESTORE PREVIEW", R::Show(Show::RestorePreview)),
        (
            "ALTER SYSTEM ADD RESTORE SOURCE 'file:///x/a, file:///x/b'",
            R::Session(SessionWord::AddSources(vec!["file:///x/a".into(), "file:///x/b".into()])),
        ),
        ("ALTER SYSTEM CLEAR RESTORE SOURCE", R::Session(SessionWord::ClearSources)),
        ("SET DECRYPTION IDENTIFIED BY 'a', 'b'", R::Session(SessionWord::Decryption(vec!["a".into(), "b".into()]))),
        (
            "ALTER SYSTEM RECOVER STANDBY TENANT = s UNTIL UNLIMITED",
            R::Standby(StandbyRequest::Recover { tenant: t("s"), until: None }),
        ),
        (
            "ALTER SYSTEM RECOVER STANDBY UNTIL SCN = 7",
            R::Standby(StandbyRequest::Recover { tenant: None, until: Some(Scn(7)) }),
        ),
        ("ALTER SYSTEM RECOVER STANDBY TENANT s CANCEL", R::Standby(StandbyRequest::Stop { tenant: t("s") })),
        ("ALTER SYSTEM ACTIVATE STANDBY TENANT = s", R::Standby(StandbyRequest::Activate { tenant: t("s") })),
        (
            "ALTER SYSTEM SET LOG_RESTORE_SOURCE = 'LOCATION=file:///a' TENANT = s",
            R::Standby(StandbyRequest::SetSource { tenant: t("s"), uri: "file:///a".into() }),
        ),
        (
            "ALTER SYSTEM RECOVER TABLE db.a, b TO TENANT u FROM 'file:///d,file:///a' UNTIL SCN = 9 REMAP TABLE db.a:x.y",
            recover(&["a", "b"], &[("a", "y")]),
        ),
        ("ALTER SYSTEM RECOVER TABLE db.* TO u FROM 'file:///d,file:///a' UNTIL SCN = 9", recover(&[], &[])),
        ("ALTER SYSTEM CANCEL RECOVER TABLE u", R::CancelRecoverTable { target: "u".into() }),
        ("ALTER SYSTEM RUN RESTORE DRILL TENANT = t", R::Drill(DrillRequest::Run { tenant: t("t") })),
        ("ALTER SYSTEM CANCEL RESTORE DRILL TENANT = t", R::Drill(DrillRequest::Cancel { tenant: t("t") })),
        (
            "ALTER SYSTEM SET RESTORE_DRILL_INTERVAL = '1d' TENANT = t",
            R::Drill(DrillRequest::Every { tenant: t("t"), interval_ms: 86_400_000 }),
        ),
        (
            "ALTER SYSTEM IMPORT CATALOG 'file:///d' ALLOW DELETE",
            R::Catalog(CatalogRequest::Import { uri: "file:///d".into(), name: None, allow_delete: true }),
        ),
        ("ALTER SYSTEM DROP CATALOG 'file:///d'", R::Catalog(CatalogRequest::Drop { uri: "file:///d".into() })),
    ] {
        assert_eq!(parse(text).map_err(|f| f.to_string()), Ok(expected), "{text}");
    }
}

#[test]
fn statements_about_validation_and_cleaning_are_read() {
    use AdminRequest as R;
    let validate = |what, dest: Option<&str>, level, tenants| {
        let description = String::new();
        let (dest, key_source) = (dest.map(str::to_owned), String::new());
        R::Validate(ValidateRequest { tenants, what, dest, key_source, level, description })
    };
    let delete = |what, preview| {
        let (tenants, description) = (named(&["t"]), String::new());
        R::Clean(CleanRequest::Delete { tenants, what, description, preview })
    };
    let (basic, physical) = (ValidateLevel::Basic, ValidateLevel::Physical);
    for (text, expected) in [
        ("ALTER SYSTEM VALIDATE BACKUP", validate(ValidateWhat::Database, None, physical, Tenants::Session)),
        (
            "ALTER SYSTEM VALIDATE BACKUPSET = '1,2' DATA_BACKUP_DEST = 'file:///d' LEVEL = 'basic' TENANT = t",
            validate(ValidateWhat::Sets(vec![1, 2]), Some("file:///d"), basic, named(&["t"])),
        ),
        (
            "ALTER SYSTEM VALIDATE ARCHIVELOG_PIECE LOG_ARCHIVE_DEST = 'file:///a'",
            validate(ValidateWhat::Pieces(Vec::new()), Some("file:///a"), physical, Tenants::Session),
        ),
        ("ALTER SYSTEM CANCEL VALIDATE BACKUP TENANT = t", R::CancelValidate(named(&["t"]))),
        ("ALTER SYSTEM DELETE OBSOLETE BACKUP TENANT = t PREVIEW", delete(DeleteWhat::Obsolete, true)),
        ("ALTER SYSTEM DELETE BACKUPSET 1,2 TENANT = t", delete(DeleteWhat::Sets(vec![1, 2]), false)),
        ("ALTER SYSTEM DELETE BACKUPPIECE '3' TENANT = t", delete(DeleteWhat::Pieces(vec![3], None), false)),
        (
            "ALTER SYSTEM DELETE BACKUPPIECE 1,2 LOG_ARCHIVE_DEST = 'file:///a' TENANT = t PREVIEW",
            delete(DeleteWhat::Pieces(vec![1, 2], Some("file:///a".into())), true),
        ),
        (
            "ALTER SYSTEM DELETE BACKUP ALL DATA_BACKUP_DEST = 'file:///d' TENANT = t",
            delete(DeleteWhat::AllData("file:///d".into()), false),
        ),
        ("ALTER SYSTEM CANCEL DELETE BACKUP TENANT = t", R::Clean(CleanRequest::Cancel(named(&["t"])))),
        (
            "ALTER SYSTEM ADD DELETE BACKUP POLICY = 'default' RECOVERY_WINDOW = '7d' REDUNDANCY = 2 KEEP_MONTHLY 12 TENANT = t",
            R::Clean(CleanRequest::AddPolicy {
                tenants: named(&["t"]),
                policy: PolicyText {
                    name: "default".into(),
                    window_ms: 7 * 86_400_000,
                    redundancy: 2,
                    keep_weekly: 0,
                    keep_monthly: 12,
                    keep_yearly: 0,
                },
                preview: false,
            }),
        ),
        (
            "ALTER SYSTEM ADD DELETE BACKUP POLICY = 'log_only' RECOVERY_WINDOW = '1h' PREVIEW",
            R::Clean(CleanRequest::AddPolicy {
                tenants: Tenants::Session,
                policy: PolicyText {
                    name: "log_only".into(),
                    window_ms: 3_600_000,
                    redundancy: 1,
                    keep_weekly: 0,
                    keep_monthly: 0,
                    keep_yearly: 0,
                },
                preview: true,
            }),
        ),
        (
            "ALTER SYSTEM DROP DELETE BACKUP POLICY = 'default'",
            R::Clean(CleanRequest::DropPolicy { tenants: Tenants::Session, name: "default".into() }),
        ),
    ] {
        assert_eq!(parse(text).map_err(|f| f.to_string()), Ok(expected), "{text}");
    }
}
