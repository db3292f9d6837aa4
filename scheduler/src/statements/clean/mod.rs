//! Retention policies and the deletion of sets and pieces.

pub mod delete;
pub mod policy;

use super::context::Context;
use crate::sql::clauses::Tenants;
use crate::sql::select::Rows;
use strandline_scheduler_core::views::Table;
use strandline_types::{Failure, TenantId};

/// The rows of a preview for all tenants of a statement.
fn previews(
    cx: &Context<'_>,
    tenants: &Tenants,
    of_one: impl Fn(TenantId) -> Result<Table, Failure>,
) -> Result<Rows, Failure> {
    let mut all = Rows { columns: Vec::new(), rows: Vec::new() };
    for (tenant, _) in cx.tenants(tenants)? {
        let table = of_one(tenant)?;
        all.columns = table.columns.iter().map(|c| (*c).to_owned()).collect();
        all.rows.extend(table.rows);
    }
    Ok(all)
}
