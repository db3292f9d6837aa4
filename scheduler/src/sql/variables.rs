//! `SELECT @@variable, FUNCTION()`: what MySQL clients ask before they let a user type. Fixed answers; an unknown variable
//! is an error, as in MySQL. A statement that asks for anything else as well is none of these and goes to SQLite whole.

use super::select::Rows;
use super::tokens::{Token, TokenKind, tokens};
use strandline_scheduler_core::views::Value as Cell;
use strandline_types::{ErrorClass, Failure, limits};

/// The version that the MySQL server reports.
pub const SERVER_VERSION: &str = "5.7.25-Strandline";
/// MySQL's number for a variable that is not there.
pub const UNKNOWN_VARIABLE_CODE: i32 = 1193;

/// The answer when the statement asks for nothing but `@@` variables and functions of the session, one column each;
/// `None` when it asks for anything else.
///
/// # Errors
/// `Invalid` when the statement cannot be cut into tokens, `NotFound` for a variable that is not there.
pub fn answer(sql: &str) -> Result<Option<Rows>, Failure> {
    let tokens = tokens(sql)?;
    let mut rows = Rows::default();
    let mut asked_for = Vec::new();
    // The first word is SELECT.
    let mut at = 1;
    loop {
        let Some((mut column, asked, next)) = item(&tokens, at) else { return Ok(None) };
        at = next;
        if let (Some(TokenKind::Word(a)), Some(TokenKind::Word(alias))) = (kind(&tokens, at), kind(&tokens, at + 1))
            && a.eq_ignore_ascii_case("AS")
        {
            column.clone_from(alias);
            at += 2;
        }
        rows.columns.push(column);
        asked_for.push(asked);
        if kind(&tokens, at) != Some(&TokenKind::Symbol(',')) {
            break;
        }
        at += 1;
    }
    if !is_over(&tokens, at) {
        return Ok(None);
    }
    // Only now: a statement that asks for something else as well is not ours to refuse.
    rows.rows.push(asked_for.into_iter().map(Asked::value).collect::<Result<_, _>>()?);
    Ok(Some(rows))
}

/// What one column asks for.
enum Asked {
    Variable(String),
    Function(Cell),
}

impl Asked {
    fn value(self) -> Result<Cell, Failure> {
        match self {
            Self::Function(value) => Ok(value),
            Self::Variable(name) => value(&name).ok_or_else(|| {
                let todo = "SHOW VARIABLES lists them";
                Failure::new(ErrorClass::NotFound, format!("Unknown system variable '{name}'"), "SELECT @@", todo)
                    .with_code(UNKNOWN_VARIABLE_CODE)
            }),
        }
    }
}

/// Name and value of a variable or function, and where the tokens go on.
fn item(tokens: &[Token], at: usize) -> Option<(String, Asked, usize)> {
    let Some(TokenKind::Word(word)) = kind(tokens, at) else { return None };
    let is = |offset, symbol| kind(tokens, at + offset) == Some(&TokenKind::Symbol(symbol));
    let Some(name) = word.strip_prefix("@@") else {
        let is_call = is(1, '(') && is(2, ')');
        return is_call
            .then(|| function(word))
            .flatten()
            .map(|value| (format!("{word}()"), Asked::Function(value), at + 3));
    };
    match kind(tokens, at + 2) {
        Some(TokenKind::Word(part)) if is(1, '.') => {
            Some((format!("{word}.{part}"), Asked::Variable(part.clone()), at + 3))
        }
        _ => Some((word.clone(), Asked::Variable(name.to_owned()), at + 1)),
    }
}

/// True at the end, or before a LIMIT: there is one row anyway.
fn is_over(tokens: &[Token], at: usize) -> bool {
    match kind(tokens, at) {
        Some(TokenKind::Word(word)) => word.eq_ignore_ascii_case("LIMIT"),
        other => matches!(other, None | Some(TokenKind::End)),
    }
}

/// Functions that clients ask for their status line: the same for every session.
fn function(name: &str) -> Option<Cell> {
    let text = |t: &str| Some(Cell::Text(t.to_owned()));
    match name.to_ascii_lowercase().as_str() {
        "version" => text(SERVER_VERSION),
        "database" | "schema" => text("oceanbase"),
        "user" | "current_user" | "session_user" | "system_user" => text("root"),
        _ => None,
    }
}

fn kind(tokens: &[Token], at: usize) -> Option<&TokenKind> {
    tokens.get(at).map(|t| &t.kind)
}

fn value(name: &str) -> Option<Cell> {
    all().into_iter().find(|(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, value)| value)
}

/// Every variable with its value, by name: numbers as numbers, because drivers parse them.
#[must_use]
pub fn all() -> Vec<(&'static str, Cell)> {
    let text = |t: &str| Cell::Text(t.to_owned());
    let (charset, collation, utc) = (|| text("utf8mb4"), || text("utf8mb4_general_ci"), || text("UTC"));
    let statement_bytes = i64::try_from(limits::SQL_BYTES_MAX).unwrap_or(i64::MAX);
    vec![
        ("auto_increment_increment", Cell::Int(1)),
        ("auto_increment_offset", Cell::Int(1)),
        ("autocommit", Cell::Int(1)),
        ("character_set_client", charset()),
        ("character_set_connection", charset()),
        ("character_set_database", charset()),
        ("character_set_filesystem", text("binary")),
        ("character_set_results", charset()),
        ("character_set_server", charset()),
        ("character_set_system", charset()),
        ("collation_connection", collation()),
        ("collation_database", collation()),
        ("collation_server", collation()),
        ("default_storage_engine", text("")),
        ("foreign_key_checks", Cell::Int(0)),
        ("have_openssl", text("DISABLED")),
        ("have_ssl", text("DISABLED")),
        ("init_connect", text("")),
        ("interactive_timeout", Cell::Int(28_800)),
        ("license", text("Apache-2.0")),
        ("lower_case_file_system", Cell::Int(0)),
        ("lower_case_table_names", Cell::Int(1)),
        ("max_allowed_packet", Cell::Int(statement_bytes)),
        ("net_buffer_length", Cell::Int(16_384)),
        ("net_read_timeout", Cell::Int(28_800)),
        ("net_write_timeout", Cell::Int(28_800)),
        ("performance_schema", Cell::Int(0)),
        ("protocol_version", Cell::Int(10)),
        ("query_cache_size", Cell::Int(0)),
        ("query_cache_type", text("OFF")),
        ("read_only", Cell::Int(0)),
        ("session_track_schema", Cell::Int(0)),
        ("sql_auto_is_null", Cell::Int(0)),
        ("sql_mode", text("ANSI_QUOTES")),
        ("sql_safe_updates", Cell::Int(0)),
        ("system_time_zone", utc()),
        ("time_zone", utc()),
        ("transaction_isolation", text("READ-COMMITTED")),
        ("transaction_read_only", Cell::Int(0)),
        ("tx_isolation", text("READ-COMMITTED")),
        ("tx_read_only", Cell::Int(0)),
        ("version", text(SERVER_VERSION)),
        ("version_comment", text("Strandline, a distributed physical-backup system")),
        ("version_compile_machine", text(std::env::consts::ARCH)),
        ("version_compile_os", text(std::env::consts::OS)),
        ("wait_timeout", Cell::Int(28_800)),
    ]
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used)]
    use super::*;

    #[test]
    fn what_clients_ask_at_login_is_answered() {
        let rows = answer("select @@version_comment limit 1").unwrap().unwrap();
        assert_eq!(rows.columns, ["@@version_comment"]);
        let rows = answer("SELECT @@session.auto_increment_increment AS inc, @@wait_timeout").unwrap().unwrap();
        assert_eq!(rows.columns, ["inc", "@@wait_timeout"]);
        assert_eq!(rows.rows, [vec![Cell::Int(1), Cell::Int(28_800)]]);
        let rows = answer("select DATABASE(), USER() limit 1").unwrap().unwrap();
        assert_eq!(rows.columns, ["DATABASE()", "USER()"]);
        assert_eq!(rows.rows, [vec![Cell::Text("oceanbase".into()), Cell::Text("root".into())]]);
        let rows = answer("SELECT @@version, version();").unwrap().unwrap();
        assert_eq!(rows.rows, [vec![Cell::Text(SERVER_VERSION.into()); 2]]);
    }

    #[test]
    fn a_variable_that_is_not_there_is_an_error_and_numbers_are_numbers() {
        for text in ["SELECT @@no_such", "SELECT @@version, @@session.no_such AS x LIMIT 1"] {
            let refused = answer(text).unwrap_err();
            assert!(refused.code == UNKNOWN_VARIABLE_CODE && refused.what.contains("'no_such'"), "{refused}");
        }
        let jdbc = "SELECT @@session.auto_increment_increment AS auto_increment_increment, @@character_set_client AS \
                    character_set_client, @@init_connect AS i, @@license AS l, @@performance_schema AS p, \
                    @@query_cache_size AS q, @@query_cache_type AS t, @@net_read_timeout, @@Max_Allowed_Packet";
        let row = &answer(jdbc).unwrap().unwrap().rows[0];
        let numbers = [0, 4, 5, 7, 8].map(|n| matches!(row[n], Cell::Int(_)));
        assert_eq!((row.len(), numbers), (9, [true; 5]), "{row:?}");
    }

    #[test]
    fn nothing_of_another_question_is_left_out() {
        for other in
            ["SELECT 1", "SELECT @@version, 1", "SELECT @@version FROM t", "SELECT COUNT()", "SELECT", "SELECT @@a b"]
        {
            assert_eq!(answer(other).unwrap(), None, "{other}");
        }
    }
}
