//! Rows in the MySQL protocol. Every column has one type, which is written before the rows; a number is written as a number
//! of that type, in text and in binary answers alike.

use crate::sql::select::{Rows, column_types, converted};
use opensrv_mysql::{Column, ColumnFlags, ColumnType, QueryResultWriter};
use std::io;
use strandline_scheduler_core::views::{SqlType, Value as Cell};
use tokio::io::AsyncWrite;

/// Writes the answer to a statement: the columns with their types, then the rows.
pub(super) async fn write<W: AsyncWrite + Send + Unpin>(
    statement: &str,
    rows: Rows,
    results: QueryResultWriter<'_, W>,
) -> io::Result<()> {
    let (types, rows) = typed(statement, rows).await?;
    let columns: Vec<Column> = rows.columns.iter().zip(&types).map(|(name, t)| column(name, *t)).collect();
    let mut out = results.start(&columns).await?;
    for row in &rows.rows {
        for (cell, sql_type) in row.iter().zip(&types) {
            match converted(cell, *sql_type) {
                None | Some(Cell::Null) => out.write_col(None::<i64>)?,
                Some(Cell::Int(n)) => out.write_col(n)?,
                Some(Cell::Uint(n)) => out.write_col(n)?,
                Some(Cell::Real(r)) => out.write_col(r)?,
                Some(Cell::Text(t)) => out.write_col(t.as_str())?,
            }
        }
        out.end_row().await?;
    }
    out.finish().await
}

/// The answer to a statement with the types of its columns.
async fn typed(statement: &str, rows: Rows) -> io::Result<(Vec<SqlType>, Rows)> {
    let statement = statement.to_owned();
    let typed = tokio::task::spawn_blocking(move || (column_types(&statement, &rows), rows)).await;
    typed.map_err(io::Error::other)
}

fn column(name: &str, sql_type: SqlType) -> Column {
    let (coltype, colflags) = match sql_type {
        SqlType::Unsigned => (ColumnType::MYSQL_TYPE_LONGLONG, ColumnFlags::UNSIGNED_FLAG),
        SqlType::Signed => (ColumnType::MYSQL_TYPE_LONGLONG, ColumnFlags::empty()),
        SqlType::Double => (ColumnType::MYSQL_TYPE_DOUBLE, ColumnFlags::empty()),
        SqlType::Text => (ColumnType::MYSQL_TYPE_VAR_STRING, ColumnFlags::empty()),
    };
    Column { table: String::new(), column: name.to_owned(), coltype, colflags }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_column_has_its_declared_type_in_the_protocol() {
        let of = |sql_type| {
            let column = column("a", sql_type);
            (column.coltype, column.colflags)
        };
        assert_eq!(of(SqlType::Unsigned), (ColumnType::MYSQL_TYPE_LONGLONG, ColumnFlags::UNSIGNED_FLAG));
        assert_eq!(of(SqlType::Signed), (ColumnType::MYSQL_TYPE_LONGLONG, ColumnFlags::empty()));
        assert_eq!(of(SqlType::Double), (ColumnType::MYSQL_TYPE_DOUBLE, ColumnFlags::empty()));
        assert_eq!(of(SqlType::Text), (ColumnType::MYSQL_TYPE_VAR_STRING, ColumnFlags::empty()));
    }
}
