//! SELECT and SHOW.

use super::Executor;
use crate::clock;
use crate::sql::lists::{self, Filter, ShowList};
use crate::sql::select::{Rows, mentioned, select};
use std::collections::BTreeMap;
use strandline_scheduler_core::views::{self, ColumnType, Table, Value};
use strandline_types::{ErrorClass, Failure};

/// The original's number for a table that is not there.
const NO_TABLE_CODE: i32 = -5019;
/// The view with the scheduler nodes.
const SERVERS: &str = "CDB_OB_SERVERS";

impl Executor {
    /// Reads over the views as of now: everything that was committed before is in them. A session of a tenant sees that
    /// tenant's rows only, and what belongs to none.
    pub(super) async fn select(&self, sql: String, session: Option<&str>) -> Result<Rows, Failure> {
        let names = mentioned(&sql, views::is_view)?;
        // The semaphore is never closed; without a permit the read would only be one more.
        let _permit = self.reads.acquire().await.ok();
        self.node.barrier().await?;
        let (now_ms, voters) = (clock::now().as_ms(), self.node.voters());
        let tables = self.node.read(|state| {
            let tenant = session.map(|name| state.tenant_by_name(name).map(|t| t.id)).transpose()?;
            let seen = names.into_iter().filter_map(|name| {
                let mut view = views::view_for(state, now_ms, &name, tenant)?;
                if views::named(&name).is_some_and(|named| named.view.name == SERVERS) {
                    add_voters(&mut view, &voters);
                }
                Some((name, view))
            });
            Ok::<Vec<_>, Failure>(seen.collect())
        })?;
        let selected = tokio::task::spawn_blocking(move || select(&sql, &tables)).await;
        selected.map_err(|e| Failure::new(ErrorClass::Transient, format!("the read ended badly: {e}"), "SELECT", ""))?
    }
}

/// Adds the status of the scheduler nodes that do not lead: Raft knows it, the state does not.
fn add_voters(view: &mut Table, voters: &BTreeMap<u64, Option<bool>>) {
    let at = |name: &str| view.columns.iter().position(|c| *c == name);
    let (Some(id), Some(kind), Some(status)) = (at("SVR_ID"), at("SVR_TYPE"), at("STATUS")) else { return };
    let is_other =
        |row: &&mut Vec<Value>| row[kind] == Value::Text("SCHEDULER".to_owned()) && row[status] == Value::Null;
    for row in view.rows.iter_mut().filter(is_other) {
        let Value::Uint(node) = row[id] else { continue };
        let Some(votes) = voters.get(&node) else { continue };
        let known = match votes {
            Some(true) => "ACTIVE",
            Some(false) => "NOT_VOTING",
            None => "UNKNOWN",
        };
        row[status] = Value::Text(known.to_owned());
    }
}

/// `DESC`, `SHOW COLUMNS`: the columns that a view declares, as MySQL shows columns.
fn columns(view: &str) -> Result<Table, Failure> {
    let Some(named) = views::named(view) else {
        let todo = "SHOW TABLES lists the views";
        return Err(Failure::new(ErrorClass::NotFound, "there is no such view", view, todo).with_code(NO_TABLE_CODE));
    };
    let text = |t: &str| Value::Text(t.to_owned());
    let row = |column: &ColumnType| {
        vec![text(column.name), text(column.sql_type.name()), text("YES"), text(""), Value::Null, text("")]
    };
    let columns = ["Field", "Type", "Null", "Key", "Default", "Extra"];
    Ok(lists::list(&columns, named.columns().iter().map(row).collect()))
}

/// `SHOW …`: every node knows it.
pub(super) async fn show(list: &ShowList, filter: &Filter) -> Result<Rows, Failure> {
    let rows = match list {
        ShowList::Columns { view } => columns(view)?,
        ShowList::Tables { full } => tables(*full),
        ShowList::Databases => lists::databases(),
        ShowList::Variables => lists::variables(),
        ShowList::Status => lists::status(),
        ShowList::Warnings => lists::warnings(),
        ShowList::Collations => lists::collations(),
        ShowList::Charsets => lists::charsets(),
        ShowList::Engines => lists::engines(),
        ShowList::Plugins => lists::plugins(),
    };
    let filter = filter.clone();
    let filtered = tokio::task::spawn_blocking(move || lists::filtered(rows, &filter)).await;
    filtered.map_err(|e| Failure::new(ErrorClass::Transient, format!("the read ended badly: {e}"), "SHOW", ""))?
}

fn tables(full: bool) -> Table {
    let names = views::all_names().into_iter().map(Value::Text);
    if full {
        let rows = names.map(|name| vec![name, Value::Text("VIEW".to_owned())]).collect();
        return lists::list(&["Tables_in_oceanbase", "Table_type"], rows);
    }
    lists::list(&["Tables_in_oceanbase"], names.map(|name| vec![name]).collect())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn scheduler_nodes_have_the_status_that_raft_knows() {
        let text = |t: &str| Value::Text(t.to_owned());
        let row = |id, kind, status| vec![Value::Uint(id), text(kind), status];
        let rows = vec![
            row(1, "SCHEDULER", text("ACTIVE")),
            row(2, "SCHEDULER", Value::Null),
            row(3, "SCHEDULER", Value::Null),
            row(4, "SCHEDULER", Value::Null),
            row(5, "WORKER", Value::Null),
        ];
        let mut view = Table { columns: vec!["SVR_ID", "SVR_TYPE", "STATUS"], rows };
        add_voters(&mut view, &BTreeMap::from([(2, Some(true)), (3, Some(false)), (4, None), (5, None)]));
        let found: Vec<Value> = view.rows.into_iter().map(|row| row[2].clone()).collect();
        assert_eq!(found, [text("ACTIVE"), text("ACTIVE"), text("NOT_VOTING"), text("UNKNOWN"), Value::Null]);
    }

    #[test]
    fn desc_shows_the_types_that_the_views_declare() {
        let field = |table: &Table, name: &str| {
            let row = table.rows.iter().find(|row| row[0] == Value::Text(name.to_owned()));
            row.map(|row| row[1].clone())
        };
        let jobs = columns("cdb_ob_backup_jobs").unwrap();
        let text = |t: &str| Some(Value::Text(t.to_owned()));
        assert_eq!(field(&jobs, "JOB_ID"), text("bigint(20) unsigned"));
        assert_eq!(field(&jobs, "RESULT"), text("bigint(20)"));
        assert_eq!(field(&jobs, "STATUS"), text("varchar(4096)"));
        assert_eq!(field(&columns("CDB_STRANDLINE_ARCHIVE_SPOOL").unwrap(), "FILL_RATIO"), text("double"));
        assert_eq!(field(&columns("DBA_OB_BACKUP_JOBS").unwrap(), "TENANT_ID"), None, "a twin lacks it");
        assert_eq!(columns("CDB_OB_NOTHING").unwrap_err().code, NO_TABLE_CODE);
    }
}
