//! `SELECT @@variable`: what MySQL clients ask before they let a user type. Fixed answers; unknown ones are empty.

use super::select::Rows;
use super::tokens::{Token, TokenKind, tokens};
use strandline_scheduler_core::views::Value as Cell;
use strandline_types::Failure;

/// What the MySQL door says it is.
pub const SERVER_VERSION: &str = "5.7.25-Strandline";

/// The answer when the statement asks for `@@` variables, one column each; `None` when it asks for anything else.
///
/// # Errors
/// `Invalid` when the statement cannot be cut into tokens.
pub fn answer(sql: &str) -> Result<Option<Rows>, Failure> {
    let tokens = tokens(sql)?;
    let mut rows = Rows { columns: Vec::new(), rows: vec![Vec::new()] };
    let mut at = 1;
    while let Some(TokenKind::Word(word)) = tokens.get(at).map(|t| &t.kind) {
        let Some(mut name) = word.strip_prefix("@@") else {
            break;
        };
        let mut column = word.clone();
        if let (Some(TokenKind::Symbol('.')), Some(TokenKind::Word(part))) =
            (kind(&tokens, at + 1), kind(&tokens, at + 2))
        {
            name = part;
            column = format!("{word}.{part}");
            at += 2;
        }
        let value = value(name);
        if let (Some(TokenKind::Word(a)), Some(TokenKind::Word(alias))) = (kind(&tokens, at + 1), kind(&tokens, at + 2))
            && a.eq_ignore_ascii_case("AS")
        {
            column.clone_from(alias);
            at += 2;
        }
        rows.columns.push(column);
        rows.rows[0].push(value);
        at += 1;
        if kind(&tokens, at) == Some(&TokenKind::Symbol(',')) {
            at += 1;
        }
    }
    Ok((!rows.columns.is_empty()).then_some(rows))
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
        assert_eq!(answer("SELECT 1").unwrap(), None);
    }
}
