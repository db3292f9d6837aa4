//! The types of the columns of an answer, which the MySQL protocol sends before the first row.
//!
//! They are found from the statement and from the declarations of the views, so that they are the same whether there are
//! rows or not. SQLite gives no types to expressions, so those are typed here ([`super::expression`]). Only an expression
//! that is not understood gets its type from the values in the answer. A column with a value that is not of its type is
//! text: no value is ever lost or rounded.

use super::expression::type_of;
use super::select_list::{is_word, select_list};
use super::{Rows, mentioned, open};
use crate::sql::tokens::{TokenKind, tokens};
use std::collections::BTreeMap;
use strandline_scheduler_core::views::{self, ColumnType, SqlType, Value as Cell};

/// What the types are called in the tables that a statement is prepared over.
const NAMES: [(SqlType, &str); 4] = [
    (SqlType::Unsigned, "UNSIGNED"),
    (SqlType::Signed, "SIGNED"),
    (SqlType::Double, "DOUBLE"),
    (SqlType::Text, "TEXT"),
];

/// The type of each column of `rows`, which are the answer to `statement`. Blocking: call it where blocking is allowed.
#[must_use]
pub fn column_types(statement: &str, rows: &Rows) -> Vec<SqlType> {
    let of_statement = of_statement(statement).filter(|found| {
        // Another node with other views may have answered.
        found.len() == rows.columns.len() && found.iter().zip(&rows.columns).all(|(found, name)| found.name == *name)
    });
    let column = |at: usize| {
        let known = of_statement.as_ref().and_then(|found| found[at].sql_type);
        let cells = || rows.rows.iter().filter_map(move |row| row.get(at));
        known.map_or_else(|| of_values(cells()), |sql_type| checked(sql_type, cells()))
    };
    (0..rows.columns.len()).map(column).collect()
}

/// A column of the answer to a statement, as far as the statement tells.
struct Known {
    name: String,
    sql_type: Option<SqlType>,
}

/// The columns of the answer; `None` for anything but a SELECT over the views.
fn of_statement(statement: &str) -> Option<Vec<Known>> {
    let kinds: Vec<TokenKind> = tokens(statement).ok()?.into_iter().map(|token| token.kind).collect();
    let is_select = kinds.first().is_some_and(|first| is_word(first, &["SELECT", "WITH"]));
    let names = mentioned(statement, views::is_view).ok().filter(|_| is_select)?;
    let declaration = |name: String| {
        let columns = views::named(&name)?.columns();
        Some((name, columns))
    };
    let declared: Vec<(String, Vec<ColumnType>)> = names.into_iter().filter_map(declaration).collect();
    let mut known = prepared(statement, &declared).ok()?;
    let by_name = by_name(&declared);
    let lookup = |name: &str| by_name.get(&name.to_ascii_uppercase()).copied().flatten();
    for (at, item) in positions(&select_list(&kinds), known.len()) {
        let known = &mut known[at];
        known.sql_type = known.sql_type.or_else(|| type_of(item, &lookup));
    }
    Some(known)
}

/// The columns of the answer as SQLite names them, and the types of those that are columns of views.
fn prepared(statement: &str, views: &[(String, Vec<ColumnType>)]) -> rusqlite::Result<Vec<Known>> {
    let db = open()?;
    for (name, columns) in views {
        let declared = |c: &ColumnType| NAMES.iter().find(|(t, _)| *t == c.sql_type).map(|(_, name)| (c.name, name));
        let columns = columns.iter().filter_map(declared).map(|(column, name)| format!("\"{column}\" {name}"));
        let columns: Vec<String> = columns.collect();
        db.execute_batch(&format!("CREATE TABLE oceanbase.\"{name}\" ({})", columns.join(", ")))?;
    }
    let statement = db.prepare(statement)?;
    let known = statement.columns().map(|column| Known {
        name: column.name().to_owned(),
        sql_type: column.decl_type().and_then(|decl| NAMES.iter().find(|(_, name)| *name == decl)).map(|(t, _)| *t),
    });
    Ok(known.collect())
}

/// The type of each column name, where all views that have the column agree.
fn by_name(views: &[(String, Vec<ColumnType>)]) -> BTreeMap<String, Option<SqlType>> {
    let mut types: BTreeMap<String, Option<SqlType>> = BTreeMap::new();
    for column in views.iter().flat_map(|(_, columns)| columns) {
        let known = types.entry(column.name.to_owned()).or_insert(Some(column.sql_type));
        *known = known.filter(|known| *known == column.sql_type);
    }
    types
}

/// The items of a select list with the column of the answer that each makes. A `*` makes any number of columns: what
/// stands before the first one counts from the front, what stands behind the last one from the end.
fn positions<'a>(items: &[&'a [TokenKind]], columns: usize) -> Vec<(usize, &'a [TokenKind])> {
    let is_star = |item: &&[TokenKind]| item.last() == Some(&TokenKind::Symbol('*'));
    let Some(first) = items.iter().position(is_star) else {
        return if items.len() == columns { items.iter().copied().enumerate().collect() } else { Vec::new() };
    };
    let last = items.iter().rposition(is_star).unwrap_or(first);
    let behind = items.len() - last - 1;
    if first + behind > columns {
        return Vec::new();
    }
    let front = items[..first].iter().copied().enumerate();
    let back = items[last + 1..].iter().copied().enumerate().map(|(n, item)| (columns - behind + n, item));
    front.chain(back).collect()
}

/// The type of a column of which nothing is known but the values.
fn of_values<'a>(cells: impl Iterator<Item = &'a Cell>) -> SqlType {
    let mut types = cells.filter_map(|cell| match cell {
        Cell::Null => None,
        Cell::Int(_) => Some(SqlType::Signed),
        Cell::Uint(_) => Some(SqlType::Unsigned),
        Cell::Real(_) => Some(SqlType::Double),
        Cell::Text(_) => Some(SqlType::Text),
    });
    let Some(first) = types.next() else { return SqlType::Text };
    if types.all(|other| other == first) { first } else { SqlType::Text }
}

/// The type, unless a value is not of it.
fn checked<'a>(sql_type: SqlType, mut cells: impl Iterator<Item = &'a Cell>) -> SqlType {
    if cells.all(|cell| cell == &Cell::Null || converted(cell, sql_type).is_some()) { sql_type } else { SqlType::Text }
}

/// The value as a value of a type; `None` for NULL and for a value that is not of the type.
#[must_use]
pub fn converted(cell: &Cell, sql_type: SqlType) -> Option<Cell> {
    Some(match (sql_type, cell) {
        (_, Cell::Null) => return None,
        (SqlType::Unsigned, Cell::Int(n)) => Cell::Uint(u64::try_from(*n).ok()?),
        (SqlType::Unsigned, Cell::Uint(n)) => Cell::Uint(*n),
        // SQLite has no numbers past the signed range: those come as their digits.
        (SqlType::Unsigned, Cell::Text(t)) => Cell::Uint(t.parse().ok()?),
        (SqlType::Signed, Cell::Int(n)) => Cell::Int(*n),
        (SqlType::Signed, Cell::Uint(n)) => Cell::Int(i64::try_from(*n).ok()?),
        (SqlType::Double, Cell::Real(r)) => Cell::Real(*r),
        (SqlType::Double, Cell::Int(n)) => Cell::Real(*n as f64),
        (SqlType::Text, Cell::Int(n)) => Cell::Text(n.to_string()),
        (SqlType::Text, Cell::Uint(n)) => Cell::Text(n.to_string()),
        (SqlType::Text, Cell::Real(r)) => Cell::Text(r.to_string()),
        (SqlType::Text, Cell::Text(t)) => Cell::Text(t.clone()),
        (SqlType::Unsigned | SqlType::Signed, Cell::Real(_))
        | (SqlType::Signed | SqlType::Double, Cell::Text(_))
        | (SqlType::Double, Cell::Uint(_)) => return None,
    })
}

#[cfg(test)]
mod tests;
