//! Every statement that is understood, and what is said about the others.
#![allow(clippy::unwrap_used, clippy::expect_used)]
use super::super::request::ArchiveDest;
use super::*;
use strandline_types::Binding;

fn named(names: &[&str]) -> Tenants {
    Tenants::Named(names.iter().map(|n| (*n).to_owned()).collect())
}

#[test]
fn every_statement_is_read() {
    use AdminRequest as R;
    let t = |name: &str| Some(name.to_owned());
    let dest = ArchiveDest { location: "file:///a".into(), binding: Binding::Mandatory, piece_interval_seconds: 60 };
    let restore = |until, replicas| {
        R::Restore(RestoreRequest {
            tenant: "n".into(),
            data_uri: "file:///d".into(),
            archive_uri: "file:///a".into(),
            until,
            replicas,
            description: String::new(),
        })
    };
    for (text, expected) in [
        (
            "ALTER SYSTEM SET LOG_ARCHIVE_DEST = 'LOCATION=file:///a BINDING=Mandatory PIECE_SWITCH_INTERVAL=1m' TENANT = t1;",
            R::SetArchiveDest { tenant: t("t1"), dest: Some(dest.clone()) },
        ),
        (
            "alter system set log_archive_dest 'location=file:///a binding=mandatory piece_switch_interval=60s'",
            R::SetArchiveDest { tenant: None, dest: Some(dest) },
        ),
        ("ALTER SYSTEM SET LOG_ARCHIVE_DEST=''", R::SetArchiveDest { tenant: None, dest: None }),
        (
            "ALTER SYSTEM SET LOG_ARCHIVE_DEST_STATE='DEFER' TENANT t1",
            R::SetArchiveDestState { tenant: t("t1"), enable: false },
        ),
        ("ALTER SYSTEM SET LOG_ARCHIVE_DEST_STATE=enable", R::SetArchiveDestState { tenant: None, enable: true }),
        ("ALTER SYSTEM ARCHIVELOG", R::ArchiveLog(Tenants::Session)),
        ("ALTER SYSTEM ARCHIVELOG TENANT = all DESCRIPTION = 'x'", R::ArchiveLog(Tenants::All)),
        ("ALTER SYSTEM NOARCHIVELOG TENANT = t1, t2", R::NoArchiveLog(named(&["t1", "t2"]))),
        (
            "ALTER SYSTEM SET DATA_BACKUP_DEST = 'file:///d' TENANT = `t 1`",
            R::SetDataBackupDest { tenant: t("t 1"), uri: t("file:///d") },
        ),
        ("ALTER SYSTEM SET DATA_BACKUP_DEST = ''", R::SetDataBackupDest { tenant: None, uri: None }),
        (
            "ALTER SYSTEM BACKUP DATABASE DESCRIPTION 'nightly'",
            R::Backup { tenants: Tenants::Session, description: "nightly".into() },
        ),
        ("ALTER SYSTEM BACKUP TENANT = t1,t2", R::Backup { tenants: named(&["t1", "t2"]), description: String::new() }),
        ("ALTER SYSTEM CANCEL RESTORE n", R::CancelRestore { tenant: "n".into() }),
        (
            "ALTER SYSTEM SET archive_lag_target = '120s' TENANT = t1",
            R::SetArchiveLag { tenant: t("t1"), lag_target_ms: 120_000 },
        ),
        ("ALTER SYSTEM CANCEL BACKUP TENANT t1", R::CancelBackup(named(&["t1"]))),
        ("ALTER SYSTEM RESTORE n FROM 'file:///d,file:///a'", restore(Until::Latest, None)),
        (
            "ALTER SYSTEM RESTORE n FROM 'file:///d,file:///a' UNTIL SCN = 77 WITH 'replicas=2&pool_list=p'",
            restore(Until::Scn(Scn(77)), Some(2)),
        ),
        (
            "ALTER SYSTEM RESTORE n FROM 'file:///d,file:///a' UNTIL TIME='1970-01-01 00:00:01.5' WITH 'pool_list=p'",
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
        ("select 1;", R::Select("select 1".into())),
        ("WITH x AS (SELECT 1) SELECT * FROM x", R::Select("WITH x AS (SELECT 1) SELECT * FROM x".into())),
        ("SHOW TABLES", R::Show(Show::Tables)),
        ("SHOW DATABASES", R::Show(Show::Databases)),
        ("SHOW VARIABLES LIKE 'x%'", R::Show(Show::Empty)),
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
        ("DROP TABLE t", "character 6:", "TENANT"),
    ] {
        let failure = parse(text).expect_err(text);
        assert_eq!(failure.class, ErrorClass::Invalid, "{text}");
        assert!(failure.what.contains(at), "{text}: {failure}");
        assert!(failure.todo.contains(understood), "{text}: {failure}");
    }
}

#[test]
fn what_is_well_formed_but_wrong_is_refused_with_its_cause() {
    for (text, cause) in [
        ("ALTER SYSTEM SET LOG_ARCHIVE_DEST_STATE = 'ON'", "not a state"),
        ("ALTER SYSTEM SET LOG_ARCHIVE_DEST = 'LOCATION=file:///a PIECE_SWITCH_INTERVAL=30d'", "not supported"),
        ("ALTER SYSTEM RESTORE n FROM 'file:///only_one'", "two URIs"),
        ("ALTER SYSTEM RESTORE n FROM 'a,b' UNTIL TIME = 'yesterday'", "not a time"),
        ("ALTER SYSTEM RESTORE n FROM 'a,b' WITH 'replicas=all'", "not a number of replicas"),
        ("ALTER SYSTEM BACKUP INCREMENTAL DATABASE", "not supported yet"),
        ("ALTER SYSTEM BACKUP DATABASE PLUS ARCHIVELOG", "not supported yet"),
        ("ALTER SYSTEM BACKUP DATABASE TO 'file:///x'", "not supported yet"),
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
