//! The list of statements against itself and the documents, and what is answered to a text that is no statement.
#![allow(clippy::unwrap_used, clippy::expect_used)]
use super::parse::{find, spellings};
use super::*;
use crate::sql::SYNTAX_CODE;
use crate::sql::cursor::Cursor;
use std::collections::BTreeSet;
use std::path::PathBuf;
use strandline_types::{ErrorClass, limits};

fn document(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../docs").join(name)
}

/// The statements in the `sql` blocks of a page, without their comments.
fn examples(page: &str) -> Vec<String> {
    let blocks = page.split("```").skip(1).step_by(2).filter_map(|block| block.strip_prefix("sql\n"));
    let lines = blocks.flat_map(|block| block.lines().map(|line| line.split("--").next().unwrap_or_default()));
    let text = lines.collect::<Vec<_>>().join("\n");
    text.split(';').map(|one| one.trim().to_owned()).filter(|one| !one.is_empty()).collect()
}

#[test]
fn the_reference_page_is_made_of_the_list() {
    let path = document("statements.md");
    if std::env::var_os("STRANDLINE_WRITE_DOCS").is_some() {
        std::fs::write(&path, statement_reference()).unwrap();
    }
    let page = std::fs::read_to_string(&path).unwrap();
    assert!(
        page == statement_reference(),
        "write it again: STRANDLINE_WRITE_DOCS=1 cargo test -p strandline-scheduler --lib"
    );
}

#[test]
fn every_statement_of_the_operations_page_is_understood() {
    let examples = examples(&std::fs::read_to_string(document("operations.md")).unwrap());
    assert!(examples.len() > 40, "{}", examples.len());
    for example in examples {
        // Brackets, bars and dots stand for several statements: their first words are looked at.
        let is_form = example.contains(['[', '|', '…']);
        let read =
            if is_form { find(&mut Cursor::new(&example).unwrap()).map(|_| ()) } else { parse(&example).map(|_| ()) };
        assert!(read.is_ok(), "{example}: {read:?}");
    }
}

#[test]
fn the_first_words_name_one_statement() {
    let mut seen = BTreeSet::new();
    for (_, words) in spellings() {
        assert!(seen.insert(words.clone()), "{words:?} stands in the list twice");
        assert!(words.iter().all(|w| !w.is_empty()), "{words:?}: one blank between two words");
    }
}

#[test]
fn every_statement_is_found_by_its_words() {
    for (_, words) in spellings() {
        let text = words.join(" ").replace("[_n]", "_7");
        // The words alone are understood: a syntax error stands behind them.
        if let Err(failure) = parse(&text) {
            let end = format!("character {}:", text.chars().count() + 1);
            assert!(failure.code != SYNTAX_CODE || failure.what.contains(&end), "{text}: {failure}");
        }
    }
}

#[test]
fn every_statement_says_what_it_does_in_a_sentence() {
    for syntax in TOPICS.iter().flat_map(|topic| topic.statements) {
        let about = syntax.about;
        assert!(about.ends_with('.') && about.starts_with(char::is_uppercase), "{:?}: {about}", syntax.words);
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
        ("ALTER SYSTEM SET BACKUP SCHEDULE FULL = '0 2 * * *' FULL = '0 3 * * *'", "FULL is given twice"),
        ("ALTER SYSTEM SET BACKUP SCHEDULE FULL = '0 2 31 2 *'", "never come due"),
        (
            "ALTER SYSTEM ADD DELETE BACKUP POLICY = 'default' REDUNDANCY = 1 REDUNDANCY = 2",
            "REDUNDANCY is given twice",
        ),
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
