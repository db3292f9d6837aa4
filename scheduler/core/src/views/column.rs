//! Columns of views: a name, a type of SQL, and the value as a function of a row.
//!
//! The type of a column is the type of its function, so that no value can be of another type than its column's. NULL is
//! allowed in every column.

use super::value::Value;
use super::view::Context;

/// The types of SQL that columns have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SqlType {
    /// Whole number from 0 on: ids, counts, bytes, SCN, LSN.
    Unsigned,
    /// Whole number that may be negative: result codes, offsets.
    Signed,
    /// Ratio or percentage.
    Double,
    /// Text; times as well, written out in UTC.
    Text,
}

impl SqlType {
    /// The type in MySQL's words, as `DESC` shows it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Unsigned => "bigint(20) unsigned",
            Self::Signed => "bigint(20)",
            Self::Double => "double",
            Self::Text => "varchar(4096)",
        }
    }

    /// True for a value that a column of this type may hold.
    #[must_use]
    pub const fn holds(self, value: &Value) -> bool {
        match value {
            Value::Null => true,
            Value::Uint(_) => matches!(self, Self::Unsigned),
            Value::Int(_) => matches!(self, Self::Signed),
            Value::Real(_) => matches!(self, Self::Double),
            Value::Text(_) => matches!(self, Self::Text),
        }
    }
}

/// Name and type of a column.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ColumnType {
    /// Its name, in upper case.
    pub name: &'static str,
    /// The type of all its values.
    pub sql_type: SqlType,
}

/// A kind of rows. What a row borrows from the state lives as long as the state, so the kind is named without a lifetime.
pub(super) trait RowKind: 'static {
    /// One row.
    type Row<'a>;
}

/// The value of a row; `None` is NULL.
type Get<K, T> = for<'a, 'r> fn(&'r <K as RowKind>::Row<'a>) -> Option<T>;

enum Getter<K: RowKind> {
    Unsigned(Get<K, u64>),
    Signed(Get<K, i64>),
    Double(Get<K, f64>),
    Text(Get<K, String>),
}

/// One column of rows of a kind.
pub(super) struct Column<K: RowKind> {
    name: &'static str,
    getter: Getter<K>,
}

/// A column of whole numbers from 0 on.
pub(super) const fn unsigned<K: RowKind>(name: &'static str, value: Get<K, u64>) -> Column<K> {
    Column { name, getter: Getter::Unsigned(value) }
}

/// A column of whole numbers.
pub(super) const fn signed<K: RowKind>(name: &'static str, value: Get<K, i64>) -> Column<K> {
    Column { name, getter: Getter::Signed(value) }
}

/// A column of ratios or percentages.
pub(super) const fn double<K: RowKind>(name: &'static str, value: Get<K, f64>) -> Column<K> {
    Column { name, getter: Getter::Double(value) }
}

/// A column of texts.
pub(super) const fn text<K: RowKind>(name: &'static str, value: Get<K, String>) -> Column<K> {
    Column { name, getter: Getter::Text(value) }
}

impl<K: RowKind> Column<K> {
    pub(super) const fn column_type(&self) -> ColumnType {
        let sql_type = match self.getter {
            Getter::Unsigned(_) => SqlType::Unsigned,
            Getter::Signed(_) => SqlType::Signed,
            Getter::Double(_) => SqlType::Double,
            Getter::Text(_) => SqlType::Text,
        };
        ColumnType { name: self.name, sql_type }
    }

    fn value(&self, row: &K::Row<'_>) -> Value {
        let value = match self.getter {
            Getter::Unsigned(get) => get(row).map(Value::Uint),
            Getter::Signed(get) => get(row).map(Value::Int),
            Getter::Double(get) => get(row).map(Value::Real),
            Getter::Text(get) => get(row).map(Value::Text),
        };
        value.unwrap_or(Value::Null)
    }
}

/// What a view shows: its rows and its columns.
pub(super) struct Rows<K: RowKind> {
    /// The rows, in the order in which they are shown.
    pub(super) of: for<'a> fn(&Context<'a>) -> Vec<K::Row<'a>>,
    /// The columns, in the order in which they are shown.
    pub(super) columns: &'static [Column<K>],
}

/// [`Rows`] of any kind.
pub(super) trait Content: Sync {
    /// The columns.
    fn columns(&self) -> Vec<ColumnType>;
    /// The values of all rows, in the order of the columns.
    fn values(&self, context: &Context<'_>) -> Vec<Vec<Value>>;
}

impl<K: RowKind> Content for Rows<K> {
    fn columns(&self) -> Vec<ColumnType> {
        self.columns.iter().map(Column::column_type).collect()
    }

    fn values(&self, context: &Context<'_>) -> Vec<Vec<Value>> {
        values(self.columns, &(self.of)(context))
    }
}

/// The values of rows, in the order of the columns.
pub(super) fn values<K: RowKind>(columns: &[Column<K>], rows: &[K::Row<'_>]) -> Vec<Vec<Value>> {
    rows.iter().map(|row| columns.iter().map(|column| column.value(row)).collect()).collect()
}
