//! One view: its names, one sentence about it, whose rows it has, and what it shows.

use super::column::{ColumnType, Content};
use super::value::Value;
use crate::state::State;
use std::fmt;
use strandline_types::TenantId;

/// What rows are computed from.
#[derive(Clone, Copy)]
pub(super) struct Context<'a> {
    /// Everything that the scheduler knows.
    pub(super) state: &'a State,
    /// The present, in milliseconds since 1970.
    pub(super) now_ms: u64,
}

/// Columns and rows.
#[derive(Clone, Debug, PartialEq)]
pub struct Table {
    /// Column names.
    pub columns: Vec<&'static str>,
    /// Rows, each as long as `columns`.
    pub rows: Vec<Vec<Value>>,
}

/// How a view tells tenants apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tenancy {
    /// The column with the id of the tenant that a row belongs to; `None` when rows belong to no tenant.
    pub column: Option<&'static str>,
    /// The columns that the twin lacks; `None` when the view has no twin.
    pub twin_lacks: Option<&'static [&'static str]>,
}

impl Tenancy {
    /// `CDB_` views with rows of tenants.
    pub(super) const TENANTS: Self = Self { column: Some("TENANT_ID"), twin_lacks: Some(&["TENANT_ID"]) };
    /// `CDB_` views of what all tenants share.
    pub(super) const CLUSTER: Self = Self { column: None, twin_lacks: Some(&[]) };
    /// Views with rows of tenants under one name only.
    pub(super) const TENANTS_WITHOUT_TWIN: Self = Self { column: Some("TENANT_ID"), twin_lacks: None };
}

/// The declaration of a view.
pub struct View {
    /// Its name, in upper case, without the `oceanbase.` before it.
    pub name: &'static str,
    /// Further names of the same view: those of the original's generation 3.
    pub aliases: &'static [&'static str],
    /// What a row is, in one sentence.
    pub about: &'static str,
    /// Whose rows it has.
    pub tenancy: Tenancy,
    /// Rows and columns.
    pub(super) content: &'static dyn Content,
}

impl fmt::Debug for View {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("View").field("name", &self.name).field("columns", &self.columns()).finish_non_exhaustive()
    }
}

impl View {
    /// Its columns, in their order.
    #[must_use]
    pub fn columns(&self) -> Vec<ColumnType> {
        self.content.columns()
    }

    /// Its own names, without those of twins.
    pub fn names(&self) -> impl Iterator<Item = &'static str> {
        std::iter::once(self.name).chain(self.aliases.iter().copied())
    }

    /// The twin's names, `DBA_…` for `CDB_…`; none when the view has no twin.
    pub fn twin_names(&self) -> impl Iterator<Item = String> {
        let names = self.tenancy.twin_lacks.map(|_| self.names());
        names.into_iter().flatten().filter_map(|name| name.strip_prefix("CDB_")).map(|rest| format!("DBA_{rest}"))
    }

    /// All columns and all rows.
    pub(super) fn table(&self, context: &Context<'_>) -> Table {
        let columns = self.columns().into_iter().map(|column| column.name).collect();
        Table { columns, rows: self.content.values(context) }
    }
}

/// A view under one of its names.
#[derive(Clone, Copy, Debug)]
pub struct Named {
    /// The view.
    pub view: &'static View,
    /// True under a name of its twin.
    pub is_twin: bool,
}

impl Named {
    /// Its columns, in their order, without those that a twin lacks.
    #[must_use]
    pub fn columns(self) -> Vec<ColumnType> {
        self.view.columns().into_iter().filter(|column| !self.lacks(column.name)).collect()
    }

    /// The rows that a session sees: one of a tenant sees that tenant's rows, and all rows of a view whose rows belong to
    /// no tenant; `sys` (`None`) sees all.
    pub(super) fn table(self, context: &Context<'_>, session: Option<TenantId>) -> Table {
        let mut table = self.view.table(context);
        let tenant_at = self.view.tenancy.column.and_then(|name| table.columns.iter().position(|c| *c == name));
        if let (Some(tenant), Some(at)) = (session, tenant_at) {
            table.rows.retain(|row| names_tenant(&row[at], tenant));
        }
        let is_kept: Vec<bool> = table.columns.iter().map(|name| !self.lacks(name)).collect();
        for row in &mut table.rows {
            retain(row, &is_kept);
        }
        retain(&mut table.columns, &is_kept);
        table
    }

    fn lacks(self, column: &str) -> bool {
        self.is_twin && self.view.tenancy.twin_lacks.is_some_and(|lacks| lacks.contains(&column))
    }
}

/// True for the id of the tenant, as a number or as text.
fn names_tenant(value: &Value, tenant: TenantId) -> bool {
    match value {
        Value::Uint(id) => *id == tenant.0,
        Value::Text(id) => *id == tenant.to_string(),
        Value::Null | Value::Int(_) | Value::Real(_) => false,
    }
}

fn retain<T>(items: &mut Vec<T>, is_kept: &[bool]) {
    let mut kept = is_kept.iter();
    items.retain(|_| kept.next().is_some_and(|kept| *kept));
}
