//! `SELECT @@variable, FUNCTION()`: what MySQL clients ask before they let a user type. Fixed answers; unknown variables
//! are empty. A statement that asks for anything else as well is none of these and goes to SQLite whole.

use super::select::Rows;
use super::tokens::{Token, TokenKind, tokens};
use strandline_scheduler_core::views::Value as Cell;
use strandline_types::Failure;

/// What the MySQL door says it is.
pub const SERVER_VERSION: &str = "5.7.25-Strandline";

/// The answer when the statement asks for nothing but `@@` variables and functions of the session, one column each;
/// `None` when it asks for anything else.
///
/// # Errors
/// `Invalid` when the statement cannot be cut into tokens.
pub fn answer(sql: &str) -> Result<Option<Rows>, Failure> {
    let tokens = tokens(sql)?;
    let mut rows = Rows { columns: Vec::new(), rows: vec![Vec::new()] };
    // The first word is SELECT.
    let mut at = 1;
    loop {
        let Some((mut column, value, next)) = item(&tokens, at) else { return Ok(None) };
        at = next;
        if let (Some(TokenKind::Word(a)), Some(TokenKind::Word(alias))) = (kind(&tokens, at), kind(&tokens, at + 1))
            && a.eq_ignore_ascii_case("AS")
        {
            column.clone_from(alias);
            at += 2;
        }
        rows.columns.push(column);
        rows.rows[0].push(value);
        if kind(&tokens, at) != Some(&TokenKind::Symbol(',')) {
            break;
        }
        at += 1;
    }
    Ok(is_over(&tokens, at).then_some(rows))
}

/// Name and value of a variable or function, and where the tokens go on.
fn item(tokens: &[Token], at: usize) -> Option<(String, Cell, usize)> {
    let Some(TokenKind::Word(word)) = kind(tokens, at) else { return None };
    let is = |offset, symbol| kind(tokens, at + offset) == Some(&TokenKind::Symbol(symbol));
    let Some(name) = word.strip_prefix("@@") else {
        let is_call = is(1, '(') && is(2, ')');
        return is_call.then(|| function(word)).flatten().map(|value| (format!("{word}()"), value, at + 3));
    };
    match kind(tokens, at + 2) {
        Some(TokenKind::Word(part)) if is(1, '.') => Some((format!("{word}.{part}"), value(part), at + 3)),
        _ => Some((word.clone(), value(name), at + 1)),
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

fn value(name: &str) -> Cell {
    let text = |t: &str| Cell::Text(t.to_owned());
    match name.to_ascii_lowercase().as_str() {
        "version" => text(SERVER_VERSION),
        "version_comment" => text("Strandline, a distributed physical-backup system"),
        "autocommit" | "auto_increment_increment" | "auto_increment_offset" | "lower_case_table_names" => Cell::Int(1),
        "max_allowed_packet" => Cell::Int(67_108_864),
        "wait_timeout" | "interactive_timeout" | "net_write_timeout" => Cell::Int(28_800),
        "tx_isolation" | "transaction_isolation" => text("READ-COMMITTED"),
        "time_zone" | "system_time_zone" => text("UTC"),
        "sql_mode" => text("ANSI_QUOTES"),
        n if n.starts_with("character_set") => text("utf8mb4"),
        n if n.starts_with("collation") => text("utf8mb4_general_ci"),
        _ => text(""),
    }
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
    fn nothing_of_another_question_is_left_out() {
        for other in
            ["SELECT 1", "SELECT @@version, 1", "SELECT @@version FROM t", "SELECT COUNT()", "SELECT", "SELECT @@a b"]
        {
            assert_eq!(answer(other).unwrap(), None, "{other}");
        }
    }
}
