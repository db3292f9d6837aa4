//! Reads over the views: the views that a statement names are laid into an in-memory SQLite database, and SQLite
//! does the rest (filters, joins, grouping).
//!
//! One database per statement, thrown away after it: nothing that a statement does can outlive it, and the
//! authorizer lets it do nothing but read. SCNs fit SQLite's signed integers: nanoseconds since 1970 reach to 2262. The tables
//! of that database have no types; [`column_types`] gives those of an answer.

mod expression;
mod select_list;
mod types;

pub use types::{column_types, converted};

use super::masking::shown;
use super::tokens::{TokenKind, tokens};
use rusqlite::hooks::{AuthAction, Authorization};
use rusqlite::limits::Limit;
use rusqlite::types::{ToSqlOutput, Value, ValueRef};
use rusqlite::{Connection, ErrorCode, ToSql};
use std::time::{Duration, Instant};
use strandline_scheduler_core::views::{Table, Value as Cell};
use strandline_types::{ErrorClass, Failure};

/// Columns and rows of an answer.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Rows {
    /// Names of the columns.
    pub columns: Vec<String>,
    /// The rows, each as long as `columns`.
    pub rows: Vec<Vec<Cell>>,
}

/// Rows of one answer; a statement that makes more is refused and needs a LIMIT.
const ROWS_MAX: usize = 100_000;
/// Longest time one statement may compute.
const TIME_MAX: Duration = Duration::from_secs(10);
/// Longest text or number of bytes that a statement may make.
const CELL_BYTES_MAX: i32 = 16 << 20;
/// Memory of all statements of this process together: one that needs more is refused.
const MEMORY_BYTES_MAX: u64 = 1 << 30;
/// Longest answer.
const ANSWER_BYTES_MAX: usize = 32 << 20;
/// SQLite steps between two looks at the clock.
const STEPS_PER_LOOK: i32 = 10_000;

/// The view names that a statement mentions, in upper case, each once.
///
/// # Errors
/// `Invalid` when the statement cannot be cut into tokens.
pub fn mentioned(sql: &str, is_view: impl Fn(&str) -> bool) -> Result<Vec<String>, Failure> {
    let mut names: Vec<String> = tokens(sql)?
        .into_iter()
        .filter_map(|t| match t.kind {
            TokenKind::Word(w) | TokenKind::Quoted(w) | TokenKind::Text(w) => Some(w.to_ascii_uppercase()),
            _ => None,
        })
        .filter(|w| is_view(w))
        .collect();
    names.sort_unstable();
    names.dedup();
    Ok(names)
}

/// Runs one read over `views`. Blocking: call it where blocking is allowed.
///
/// # Errors
/// `Invalid` with SQLite's words when the statement is wrong, `Exhausted` when it computes too long or answers too much.
pub fn select(sql: &str, views: &[(String, Table)]) -> Result<Rows, Failure> {
    if tokens(sql)?.iter().any(|t| t.kind == TokenKind::Symbol(';')) {
        let todo = "send the statements one after the other";
        return Err(Failure::new(ErrorClass::Invalid, "more than one statement at once", shown(sql), todo));
    }
    let wrong = |e: rusqlite::Error| failure(sql, &e);
    let mut db = open().map_err(wrong)?;
    for (name, view) in views {
        load(&mut db, name, view).map_err(wrong)?;
    }
    let started = Instant::now();
    db.progress_handler(STEPS_PER_LOOK, Some(move || started.elapsed() > TIME_MAX)).map_err(wrong)?;
    db.authorizer(Some(|context: rusqlite::hooks::AuthContext<'_>| match context.action {
        AuthAction::Select | AuthAction::Read { .. } | AuthAction::Function { .. } | AuthAction::Recursive => {
            Authorization::Allow
        }
        _ => Authorization::Deny,
    }))
    .map_err(wrong)?;
    let mut statement = db.prepare(sql).map_err(wrong)?;
    let columns: Vec<String> = statement.column_names().map(str::to_owned).collect();
    let mut found = statement.query([]).map_err(wrong)?;
    let (mut rows, mut answer_bytes) = (Vec::new(), 0);
    while let Some(row) = found.next().map_err(wrong)? {
        if rows.len() == ROWS_MAX {
            let what = format!("the answer has more than {ROWS_MAX} rows");
            return Err(Failure::new(ErrorClass::Exhausted, what, shown(sql), "add a LIMIT"));
        }
        let cells = (0..columns.len()).map(|i| row.get_ref(i).map(cell)).collect::<Result<Vec<_>, _>>();
        let cells = cells.map_err(wrong)?;
        answer_bytes += cells.iter().map(bytes_of).sum::<usize>();
        if answer_bytes > ANSWER_BYTES_MAX {
            let what = format!("the answer is longer than {} MiB", ANSWER_BYTES_MAX >> 20);
            return Err(Failure::new(ErrorClass::Exhausted, what, shown(sql), "ask for fewer rows or columns at once"));
        }
        rows.push(cells);
    }
    Ok(Rows { columns, rows })
}

/// An empty database in memory with the schema `oceanbase`.
fn open() -> rusqlite::Result<Connection> {
    let db = Connection::open_in_memory()?;
    db.set_limit(Limit::SQLITE_LIMIT_LENGTH, CELL_BYTES_MAX)?;
    // One bound for all connections of the process; saying it again changes nothing.
    db.query_row(&format!("PRAGMA hard_heap_limit = {MEMORY_BYTES_MAX}"), [], |_| Ok(()))?;
    db.execute_batch("ATTACH ':memory:' AS oceanbase")?;
    Ok(db)
}

fn load(db: &mut Connection, name: &str, view: &Table) -> rusqlite::Result<()> {
    let columns: Vec<String> = view.columns.iter().map(|c| format!("\"{c}\"")).collect();
    db.execute_batch(&format!("CREATE TABLE oceanbase.\"{name}\" ({})", columns.join(", ")))?;
    let holes = vec!["?"; columns.len()].join(", ");
    let load = db.transaction()?;
    {
        let mut insert = load.prepare(&format!("INSERT INTO oceanbase.\"{name}\" VALUES ({holes})"))?;
        for row in &view.rows {
            insert.execute(rusqlite::params_from_iter(row.iter().map(Bound)))?;
        }
    }
    load.commit()
}

struct Bound<'a>(&'a Cell);

impl ToSql for Bound<'_> {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(match self.0 {
            Cell::Null => ToSqlOutput::Owned(Value::Null),
            Cell::Int(n) => ToSqlOutput::Owned(Value::Integer(*n)),
            // A number past the signed range ("no bound") keeps its digits as text.
            Cell::Uint(n) => {
                ToSqlOutput::Owned(i64::try_from(*n).map_or_else(|_| Value::Text(n.to_string()), Value::Integer))
            }
            Cell::Real(r) => ToSqlOutput::Owned(Value::Real(*r)),
            Cell::Text(t) => ToSqlOutput::Borrowed(ValueRef::Text(t.as_bytes())),
        })
    }
}

fn cell(value: ValueRef<'_>) -> Cell {
    match value {
        ValueRef::Null => Cell::Null,
        ValueRef::Integer(n) => Cell::Int(n),
        ValueRef::Real(r) => Cell::Real(r),
        ValueRef::Text(t) | ValueRef::Blob(t) => Cell::Text(String::from_utf8_lossy(t).into_owned()),
    }
}

fn bytes_of(cell: &Cell) -> usize {
    match cell {
        Cell::Text(text) => text.len(),
        Cell::Null | Cell::Int(_) | Cell::Uint(_) | Cell::Real(_) => size_of::<u64>(),
    }
}

fn failure(sql: &str, error: &rusqlite::Error) -> Failure {
    if error.sqlite_error_code() == Some(ErrorCode::OperationInterrupted) {
        let what = format!("the statement computed for more than {} s", TIME_MAX.as_secs());
        return Failure::new(ErrorClass::Exhausted, what, shown(sql), "ask for less at once");
    }
    if matches!(error.sqlite_error_code(), Some(ErrorCode::OutOfMemory | ErrorCode::TooBig)) {
        let what = "the statement makes a value or needs an amount of memory that no statement gets";
        return Failure::new(ErrorClass::Exhausted, what, shown(sql), "ask for less at once");
    }
    let what = match error {
        rusqlite::Error::SqlInputError { msg, .. } => msg.clone(),
        other => other.to_string(),
    };
    Failure::new(ErrorClass::Invalid, what, shown(sql), "SHOW TABLES lists the views; only reads over them are allowed")
        .with_code(super::SYNTAX_CODE)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn no_statement_gets_more_memory_than_a_server_can_give() {
        for greedy in [
            "SELECT randomblob(1000000000)",
            "SELECT length(printf('%.*c', 900000000, 'x'))",
            "SELECT group_concat(hex(zeroblob(1000000))) FROM (SELECT 1 UNION ALL SELECT 2 UNION ALL SELECT 3 UNION ALL \
             SELECT 4 UNION ALL SELECT 5 UNION ALL SELECT 6 UNION ALL SELECT 7 UNION ALL SELECT 8 UNION ALL SELECT 9)",
            "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n LIMIT 90) SELECT hex(zeroblob(500000)) FROM n",
        ] {
            let refused = select(greedy, &[]).unwrap_err();
            assert_eq!(refused.class, ErrorClass::Exhausted, "{greedy}: {refused}");
        }
        let small = select("SELECT length(zeroblob(1000))", &[]).unwrap();
        assert_eq!(small.rows, [[Cell::Int(1000)]]);
    }
}
