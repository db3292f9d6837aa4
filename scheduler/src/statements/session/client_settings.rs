//! What clients send by themselves: `USE`, `BEGIN`, and `SET` of a session. A value that is true here is answered with OK,
//! another one is refused by its name. An unknown name is refused too: it may be a mistyped `SET ENCRYPTION`, and the
//! backups that follow would be plain.

use crate::sql::NOT_SUPPORTED_CODE;
use crate::sql::cursor::Cursor;
use crate::statements::statement::{Statement, Syntax};
use strandline_types::{ErrorClass, Failure};

pub const SET: Syntax = Syntax {
    words: &["SET"],
    rest: "<name> = <value>, … | NAMES <charset> | CHARACTER SET <charset> | TRANSACTION …",
    about: "Settings that clients send by themselves: taken where they are true here, else refused.",
    parse,
};

pub const NO_EFFECT: Syntax = Syntax {
    words: &["USE", "BEGIN", "START", "COMMIT", "ROLLBACK"],
    rest: "…",
    about: "Taken without effect: there is one database, and there are no transactions.",
    parse: |c| {
        let _ = c.whole();
        Ok(Statement::NoEffect)
    },
};

/// Settings of writes and of connections. They change nothing that a client can see here: any value is taken.
const WITHOUT_EFFECT: [&str; 34] = [
    "autocommit",
    "big_tables",
    "default_storage_engine",
    "foreign_key_checks",
    "group_concat_max_len",
    "information_schema_stats_expiry",
    "innodb_lock_wait_timeout",
    "interactive_timeout",
    "lock_wait_timeout",
    "low_priority_updates",
    "max_allowed_packet",
    "net_buffer_length",
    "net_read_timeout",
    "net_write_timeout",
    "ob_query_timeout",
    "ob_trx_timeout",
    "optimizer_switch",
    "query_cache_type",
    "session_track_schema",
    "session_track_system_variables",
    "sql_auto_is_null",
    "sql_big_selects",
    "sql_log_bin",
    "sql_mode",
    "sql_notes",
    "sql_quote_show_create",
    "sql_safe_updates",
    "sql_warnings",
    "transaction_isolation",
    "transaction_read_only",
    "tx_isolation",
    "tx_read_only",
    "unique_checks",
    "wait_timeout",
];
/// Values of a character set that are true of an answer: text is UTF-8 here.
const CHARSETS: [&str; 6] = ["utf8", "utf8mb3", "utf8mb4", "binary", "default", "null"];
/// Values of `time_zone` that are true of a time.
const UTC: [&str; 9] = ["+00:00", "-00:00", "+0:00", "utc", "etc/utc", "gmt", "z", "system", "default"];
/// Settings with the values that are true here: a limit would not be kept.
const ONLY_DEFAULT: [(&str, [&str; 3]); 3] = [
    ("sql_select_limit", ["default", "18446744073709551615", "4294967295"]),
    ("max_execution_time", ["default", "0", "0"]),
    ("max_statement_time", ["default", "0", "0"]),
];

fn parse(c: &mut Cursor<'_>) -> Result<Statement, Failure> {
    if c.accept_quietly("NAMES") {
        charset("SET NAMES", &c.text_or_word("a character set")?)?;
        if c.accept("COLLATE") {
            c.text_or_word("a collation")?;
        }
        return c.ended(Statement::NoEffect);
    }
    if c.accept_quietly("CHARSET") {
        return character_set(c);
    }
    if c.accept_quietly("CHARACTER") {
        c.need("SET")?;
        return character_set(c);
    }
    loop {
        let scoped = ["GLOBAL", "SESSION", "LOCAL"].iter().any(|scope| c.accept_quietly(scope));
        if c.accept_quietly("TRANSACTION") {
            // There are no transactions: every level and every access mode is taken.
            let _ = c.rest();
            return c.ended(Statement::NoEffect);
        }
        assignment(c, scoped)?;
        if !c.accept_symbol(',') {
            return c.ended(Statement::NoEffect);
        }
    }
}

fn character_set(c: &mut Cursor<'_>) -> Result<Statement, Failure> {
    charset("SET CHARACTER SET", &c.text_or_word("a character set")?)?;
    c.ended(Statement::NoEffect)
}

fn assignment(c: &mut Cursor<'_>, scoped: bool) -> Result<(), Failure> {
    let what = "the name of a setting";
    let word = c.name(what)?;
    let name = match word.strip_prefix("@@") {
        Some("global" | "session" | "local" | "GLOBAL" | "SESSION" | "LOCAL") if c.accept_symbol('.') => {
            c.name(what)?
        }
        Some(name) => name.to_owned(),
        None => word,
    };
    let name = name.to_ascii_lowercase();
    let _ = c.accept_symbol(':');
    if !c.accept_symbol('=') {
        // Without `=` it is no setting of MySQL: most likely a mistyped SET ENCRYPTION or SET DECRYPTION.
        return if scoped { Err(c.failure()) } else { Err(unknown(&name)) };
    }
    let value = c.skip_value();
    check(&name, &value)
}

/// Whether a setting may have a value; an expression is taken where any value is.
fn check(name: &str, value: &str) -> Result<(), Failure> {
    let is_one_of = |values: &[&str]| values.iter().any(|v| v.eq_ignore_ascii_case(value));
    if WITHOUT_EFFECT.contains(&name) {
        return Ok(());
    }
    if name == "time_zone" {
        let todo = "times are UTC here: set '+00:00', and convert them in the client";
        return if is_one_of(&UTC) { Ok(()) } else { Err(untrue(name, value, todo)) };
    }
    if name.starts_with("character_set_") {
        return charset(name, value);
    }
    if name.starts_with("collation_") {
        let is_utf8 = value.to_ascii_lowercase().starts_with("utf8") || is_one_of(&["default", "binary"]);
        return if is_utf8 {
            Ok(())
        } else {
            Err(untrue(name, value, "text is UTF-8 here: use a collation of utf8mb4"))
        };
    }
    if let Some((_, allowed)) = ONLY_DEFAULT.iter().find(|(known, _)| *known == name) {
        let todo = "put a LIMIT into the statement; a statement computes for 10 s at most";
        return if is_one_of(allowed) { Ok(()) } else { Err(untrue(name, value, todo)) };
    }
    Err(unknown(name))
}

fn charset(name: &str, value: &str) -> Result<(), Failure> {
    let is_known = CHARSETS.iter().any(|c| c.eq_ignore_ascii_case(value));
    if is_known { Ok(()) } else { Err(untrue(name, value, "text is UTF-8 here: use utf8mb4")) }
}

fn untrue(name: &str, value: &str, todo: &str) -> Failure {
    Failure::new(ErrorClass::Invalid, format!("{name} cannot be set to {value}"), "SET", todo)
        .with_code(NOT_SUPPORTED_CODE)
}

/// The value is not repeated: it may be a password.
fn unknown(name: &str) -> Failure {
    let todo = "passwords are set with SET ENCRYPTION ON IDENTIFIED BY '…' ONLY and SET DECRYPTION IDENTIFIED BY '…', \
                parameters of tenants with ALTER SYSTEM SET";
    Failure::new(ErrorClass::Invalid, format!("there is no session setting '{name}'"), "SET", todo)
        .with_code(NOT_SUPPORTED_CODE)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used)]
    use crate::statements::parse;
    use crate::statements::testing::has_no_effect;

    #[test]
    fn what_drivers_send_at_log_in_is_taken() {
        for text in [
            "USE oceanbase",
            "BEGIN",
            "SET NAMES utf8mb4",
            "set names 'utf8' collate utf8_general_ci",
            "SET NAMES utf8mb4 COLLATE 'utf8mb4_unicode_ci';",
            "SET CHARACTER SET utf8",
            "SET AUTOCOMMIT = 0",
            "SET autocommit=1, sql_mode='STRICT_TRANS_TABLES'",
            "SET character_set_results = NULL",
            "SET SESSION sql_mode = CONCAT(@@sql_mode, ',X')",
            "SET @@session.time_zone='+00:00', sql_mode=CONCAT(@@sql_mode,',STRICT_TRANS_TABLES')",
            "SET time_zone = 'UTC'",
            "SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED",
            "SET TRANSACTION READ ONLY",
            "SET SQL_SELECT_LIMIT=DEFAULT",
            "SET net_write_timeout := 600",
            "SET LOCAL wait_timeout=28800",
            "SET @@tx_isolation = 'READ-COMMITTED'",
        ] {
            assert_eq!(has_no_effect(text), Ok(true), "{text}");
        }
    }

    #[test]
    fn what_would_do_nothing_is_refused_by_its_name() {
        for (text, name) in [
            ("SET ENCRYPTOIN ON IDENTIFIED BY 'secret' ONLY", "'encryptoin'"),
            ("SET ENCRYPTED ON", "'encrypted'"),
            ("SET backup_compression = 'zstd'", "'backup_compression'"),
            ("SET LOG_ARCHIVE_DEST = 'LOCATION=file:///a'", "'log_archive_dest'"),
            ("SET no_such = 1", "'no_such'"),
            ("SET autocommit=1, no_such=2", "'no_such'"),
            ("SET @mine = 1", "'@mine'"),
            ("SET time_zone = 'Europe/Berlin'", "time_zone"),
            ("SET @@session.time_zone='+02:00', autocommit=1", "time_zone"),
            ("SET NAMES latin1", "SET NAMES"),
            ("SET character_set_results = latin1", "character_set_results"),
            ("SET sql_select_limit = 10", "sql_select_limit"),
        ] {
            let refused = parse(text).expect_err(text);
            assert!(refused.what.contains(name) && !refused.todo.is_empty(), "{text}: {refused}");
            assert!(!format!("{refused:?}").contains("secret"), "{refused:?}");
        }
        assert!(parse("SET NAMES utf8 SOMETHING").is_err() && parse("SET").is_err());
    }
}
