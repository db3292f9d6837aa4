//! Lists that MySQL clients ask for with SHOW: MySQL's columns, and what is true here.

use super::select::{Rows, select};
use super::variables;
use strandline_scheduler_core::views::{Table, Value as Cell};
use strandline_types::Failure;

/// Lists of `SHOW`, with the columns that MySQL gives them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ShowList {
    /// `SHOW [FULL] TABLES`: the views.
    Tables {
        /// With their kind.
        full: bool,
    },
    /// `SHOW COLUMNS FROM view`, `DESC view`.
    Columns {
        /// The view.
        view: String,
    },
    /// `SHOW DATABASES`.
    Databases,
    /// `SHOW VARIABLES`.
    Variables,
    /// `SHOW STATUS`.
    Status,
    /// `SHOW WARNINGS`: there are none, what is wrong is an error.
    Warnings,
    /// `SHOW COLLATION`.
    Collations,
    /// `SHOW CHARACTER SET`.
    Charsets,
    /// `SHOW ENGINES`: none that a client could choose.
    Engines,
    /// `SHOW PLUGINS`: none.
    Plugins,
}

/// The rows of a list that are asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Filter {
    /// All.
    All,
    /// Those whose first column is like the pattern.
    Like(String),
    /// Those for which the expression is true.
    Where(String),
}

/// What a list is called while it is filtered.
const LIST: &str = "SHOWN";

/// The rows that a filter leaves. Blocking, as [`select`].
///
/// # Errors
/// What SQLite says about the expression.
pub fn filtered(list: Table, filter: &Filter) -> Result<Rows, Failure> {
    let condition = match filter {
        Filter::All => {
            return Ok(Rows { columns: list.columns.iter().map(|c| (*c).to_owned()).collect(), rows: list.rows });
        }
        Filter::Like(pattern) => {
            let column = list.columns.first().copied().unwrap_or_default();
            format!("\"{column}\" LIKE '{}'", pattern.replace('\'', "''"))
        }
        Filter::Where(expression) => expression.clone(),
    };
    select(&format!("SELECT * FROM oceanbase.\"{LIST}\" WHERE {condition}"), &[(LIST.to_owned(), list)])
}

/// A list with these columns.
pub fn list(columns: &[&'static str], rows: Vec<Vec<Cell>>) -> Table {
    Table { columns: columns.to_vec(), rows }
}

fn text(text: &str) -> Cell {
    Cell::Text(text.to_owned())
}

/// `SHOW DATABASES`.
#[must_use]
pub fn databases() -> Table {
    list(&["Database"], vec![vec![text("oceanbase")]])
}

/// `SHOW VARIABLES`: as text, as MySQL gives them here.
#[must_use]
pub fn variables() -> Table {
    let shown = |cell: Cell| match cell {
        Cell::Int(n) => Cell::Text(n.to_string()),
        other => other,
    };
    let rows = variables::all().into_iter().map(|(name, value)| vec![text(name), shown(value)]).collect();
    list(&["Variable_name", "Value"], rows)
}

/// `SHOW STATUS`: the MySQL server has no TLS.
#[must_use]
pub fn status() -> Table {
    let rows = ["Ssl_cipher", "Ssl_version"].map(|name| vec![text(name), text("")]).to_vec();
    list(&["Variable_name", "Value"], rows)
}

/// `SHOW WARNINGS`.
#[must_use]
pub fn warnings() -> Table {
    list(&["Level", "Code", "Message"], Vec::new())
}

/// `SHOW COLLATION`.
#[must_use]
pub fn collations() -> Table {
    let row = vec![text("utf8mb4_general_ci"), text("utf8mb4"), Cell::Int(45), text("Yes"), text("Yes"), Cell::Int(1)];
    list(&["Collation", "Charset", "Id", "Default", "Compiled", "Sortlen"], vec![row])
}

/// `SHOW CHARACTER SET`.
#[must_use]
pub fn charsets() -> Table {
    let row = vec![text("utf8mb4"), text("UTF-8 Unicode"), text("utf8mb4_general_ci"), Cell::Int(4)];
    list(&["Charset", "Description", "Default collation", "Maxlen"], vec![row])
}

/// `SHOW ENGINES`.
#[must_use]
pub fn engines() -> Table {
    list(&["Engine", "Support", "Comment", "Transactions", "XA", "Savepoints"], Vec::new())
}

/// `SHOW PLUGINS`.
#[must_use]
pub fn plugins() -> Table {
    list(&["Name", "Status", "Type", "Library", "License"], Vec::new())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used)]
    use super::*;

    #[test]
    fn variables_are_shown_and_filtered_as_mysql_does() {
        let like = filtered(variables(), &Filter::Like("lower_case_%".into())).unwrap();
        assert_eq!(like.columns, ["Variable_name", "Value"]);
        let (file_system, names) = ("lower_case_file_system", "lower_case_table_names");
        assert_eq!(like.rows, [vec![text(file_system), text("0")], vec![text(names), text("1")]]);
        let wanted = Filter::Where("Variable_name IN ('max_allowed_packet', 'time_zone')".into());
        let rows = filtered(variables(), &wanted).unwrap().rows;
        assert_eq!(rows, [vec![text("max_allowed_packet"), text("65536")], vec![text("time_zone"), text("UTC")]]);
        let none = filtered(variables(), &Filter::Like("it's".into())).unwrap();
        assert!(none.rows.is_empty() && none.columns.len() == 2);
        assert!(filtered(variables(), &Filter::Where("1; DROP TABLE x".into())).is_err());
        assert!(filtered(variables(), &Filter::Where("no_such = 1".into())).is_err());
    }
}
