//! What users see: rows computed from the state, with the original's names and columns (fact sheet 2.1, 2.2, 2.5).
//!
//! A view never decides anything; it shows what the state holds, and `CDB_STRANDLINE_WAITING` why nothing happens.

mod archive;
mod archive_status;
mod audit;
mod backup;
mod backup_tasks;
mod clean;
mod cluster;
mod drill;
mod held_up;
mod imported;
mod progress;
mod recover;
mod restore;
mod schedule;
mod standby;
mod storage;
mod validate;
mod value;

pub use clean::{clean_preview, policy_preview};
pub use value::Value;

use crate::state::State;
use strandline_types::TenantId;

/// Columns and rows.
#[derive(Clone, Debug, PartialEq)]
pub struct Table {
    /// Column names.
    pub columns: Vec<&'static str>,
    /// Rows, each as long as `columns`.
    pub rows: Vec<Vec<Value>>,
}

/// Every view's name, in upper case, without the `oceanbase.` before it. Each `CDB_…` has a twin [`twin_of`] it.
pub const NAMES: &[&str] = &[
    "CDB_OB_ARCHIVELOG",
    "CDB_OB_ARCHIVELOG_SUMMARY",
    "CDB_OB_BACKUP_ARCHIVELOG",
    "CDB_OB_BACKUP_ARCHIVELOG_PROGRESS",
    "CDB_OB_BACKUP_ARCHIVELOG_SUMMARY",
    "CDB_OB_BACKUP_PIECE_FILES",
    "CDB_OB_ARCHIVELOG_PIECE_FILES",
    "CDB_OB_ARCHIVE_DEST",
    "CDB_OB_LS_LOG_ARCHIVE_PROGRESS",
    "V$OB_ARCHIVE_DEST_STATUS",
    "CDB_OB_BACKUP_STORAGE_INFO",
    "CDB_OB_BACKUP_STORAGE_INFO_HISTORY",
    "CDB_OB_BACKUP_JOBS",
    "CDB_OB_BACKUP_JOB_HISTORY",
    "CDB_OB_BACKUP_TASKS",
    "CDB_OB_BACKUP_TASK_HISTORY",
    "CDB_OB_BACKUP_SET_FILES",
    "CDB_OB_BACKUP_PARAMETER",
    "__ALL_VIRTUAL_BACKUP_SCHEDULE_TASK",
    "CDB_STRANDLINE_BACKUP_SCHEDULES",
    "CDB_STRANDLINE_BACKUP_SCHEDULE_RUNS",
    "CDB_OB_BACKUP_VALIDATE_JOBS",
    "CDB_OB_BACKUP_VALIDATE_JOB_HISTORY",
    "CDB_OB_BACKUP_VALIDATE_TASKS",
    "CDB_OB_BACKUP_VALIDATE_TASK_HISTORY",
    "CDB_STRANDLINE_BACKUP_DAMAGES",
    "CDB_OB_BACKUP_DELETE_JOBS",
    "CDB_OB_BACKUP_DELETE_JOB_HISTORY",
    "CDB_OB_BACKUP_DELETE_TASKS",
    "CDB_OB_BACKUP_DELETE_TASK_HISTORY",
    "CDB_OB_BACKUP_DELETE_POLICY",
    "CDB_STRANDLINE_BACKUP_ORPHANS",
    "CDB_OB_RESTORE_PROGRESS",
    "CDB_OB_RESTORE_HISTORY",
    "CDB_OB_RECOVER_TABLE_JOBS",
    "CDB_OB_RECOVER_TABLE_JOB_HISTORY",
    "CDB_STRANDLINE_IMPORTED_CATALOGS",
    "CDB_OB_LOG_RESTORE_SOURCE",
    "V$OB_LS_LOG_RESTORE_STATUS",
    "CDB_STRANDLINE_RESTORE_DRILLS",
    "CDB_STRANDLINE_RESTORE_DRILL_PLANS",
    "CDB_OB_TENANTS",
    "CDB_OB_SERVERS",
    "CDB_OB_LS_LOCATIONS",
    "CDB_OB_TABLES",
    "CDB_OB_TABLET_TO_LS",
    "CDB_STRANDLINE_ARCHIVE_GAPS",
    "CDB_STRANDLINE_ARCHIVE_LAG_HISTORY",
    "CDB_STRANDLINE_ARCHIVE_SPOOL",
    "CDB_STRANDLINE_DEST_CHECK",
    "CDB_STRANDLINE_WAITING",
    EVENTS,
];

/// The one view of the original that only has this name.
const EVENTS: &str = "DBA_OB_ROOTSERVICE_EVENT_HISTORY";

/// One view by name (without case), or `None` when there is no such view.
#[must_use]
pub fn view(state: &State, now_ms: u64, name: &str) -> Option<Table> {
    let table = match name.to_ascii_uppercase().as_str() {
        // The second names are those of the original's generation 3.
        "CDB_OB_ARCHIVELOG" | "CDB_OB_BACKUP_ARCHIVELOG" => archive::current_rounds(state),
        "CDB_OB_ARCHIVELOG_SUMMARY" | "CDB_OB_BACKUP_ARCHIVELOG_SUMMARY" => archive::all_rounds(state),
        "CDB_OB_ARCHIVELOG_PIECE_FILES" | "CDB_OB_BACKUP_PIECE_FILES" => archive::pieces(state),
        "CDB_OB_ARCHIVE_DEST" => archive::dests(state),
        "CDB_OB_LS_LOG_ARCHIVE_PROGRESS" | "CDB_OB_BACKUP_ARCHIVELOG_PROGRESS" => archive::progress(state),
        "V$OB_ARCHIVE_DEST_STATUS" => archive_status::dest_status(state, now_ms),
        "CDB_OB_BACKUP_STORAGE_INFO" => storage::info(state),
        "CDB_OB_BACKUP_STORAGE_INFO_HISTORY" => storage::history(state),
        "CDB_STRANDLINE_ARCHIVE_GAPS" => archive_status::gaps(state),
        "CDB_STRANDLINE_ARCHIVE_LAG_HISTORY" => archive_status::lag_history(state),
        "CDB_STRANDLINE_ARCHIVE_SPOOL" => archive_status::spools(state, now_ms),
        "CDB_STRANDLINE_DEST_CHECK" => storage::checks(state),
        "CDB_OB_BACKUP_JOBS" => backup::jobs(state, false),
        "CDB_OB_BACKUP_JOB_HISTORY" => backup::jobs(state, true),
        "CDB_OB_BACKUP_TASKS" => backup_tasks::tasks(state, false),
        "CDB_OB_BACKUP_TASK_HISTORY" => backup_tasks::tasks(state, true),
        "CDB_OB_BACKUP_SET_FILES" => backup::sets(state),
        "CDB_OB_BACKUP_PARAMETER" => backup::parameters(state),
        "__ALL_VIRTUAL_BACKUP_SCHEDULE_TASK" => backup_tasks::schedule_tasks(state),
        "CDB_STRANDLINE_BACKUP_SCHEDULES" => schedule::schedules(state, now_ms),
        "CDB_STRANDLINE_BACKUP_SCHEDULE_RUNS" => schedule::runs(state),
        "CDB_OB_BACKUP_VALIDATE_JOBS" => validate::jobs(state, false),
        "CDB_OB_BACKUP_VALIDATE_JOB_HISTORY" => validate::jobs(state, true),
        "CDB_OB_BACKUP_VALIDATE_TASKS" => validate::tasks(state, false),
        "CDB_OB_BACKUP_VALIDATE_TASK_HISTORY" => validate::tasks(state, true),
        "CDB_STRANDLINE_BACKUP_DAMAGES" => validate::damages(state),
        "CDB_OB_BACKUP_DELETE_JOBS" => clean::jobs(state, false),
        "CDB_OB_BACKUP_DELETE_JOB_HISTORY" => clean::jobs(state, true),
        "CDB_OB_BACKUP_DELETE_TASKS" => clean::tasks(state, false),
        "CDB_OB_BACKUP_DELETE_TASK_HISTORY" => clean::tasks(state, true),
        "CDB_OB_BACKUP_DELETE_POLICY" => clean::policies(state),
        "CDB_STRANDLINE_BACKUP_ORPHANS" => clean::orphans(state),
        "CDB_OB_RESTORE_PROGRESS" => restore::progress(state),
        "CDB_OB_RESTORE_HISTORY" => restore::history(state),
        "CDB_OB_RECOVER_TABLE_JOBS" => recover::jobs(state, false),
        "CDB_OB_RECOVER_TABLE_JOB_HISTORY" => recover::jobs(state, true),
        "CDB_STRANDLINE_IMPORTED_CATALOGS" => imported::catalogs(state),
        "CDB_OB_LOG_RESTORE_SOURCE" => standby::sources(state),
        "V$OB_LS_LOG_RESTORE_STATUS" => standby::status(state, now_ms),
        "CDB_STRANDLINE_RESTORE_DRILLS" => drill::drills(state),
        "CDB_STRANDLINE_RESTORE_DRILL_PLANS" => drill::plans(state),
        "CDB_OB_TENANTS" => cluster::tenants(state),
        "CDB_OB_SERVERS" => cluster::servers(state, now_ms),
        "CDB_OB_LS_LOCATIONS" => cluster::locations(state, now_ms),
        "CDB_OB_TABLES" => cluster::tables(state),
        "CDB_OB_TABLET_TO_LS" => cluster::tablets(state),
        EVENTS => audit::events(state),
        "CDB_STRANDLINE_WAITING" => cluster::waiting(state, now_ms),
        _ => return None,
    };
    Some(table)
}

/// The twin of a view without TENANT_ID, as a tenant's own administrator reads it: `DBA_…` for `CDB_…`. Views that do
/// not tell tenants apart have none.
#[must_use]
pub fn twin_of(name: &str) -> Option<String> {
    name.strip_prefix("CDB_").map(|rest| format!("DBA_{rest}"))
}

/// Every name that can be read, twins included.
#[must_use]
pub fn all_names() -> Vec<String> {
    let own = NAMES.iter().map(|n| (*n).to_owned());
    own.chain(NAMES.iter().filter_map(|n| twin_of(n))).collect()
}

/// True for the name of a view or of a twin, in upper case.
#[must_use]
pub fn is_view(name: &str) -> bool {
    NAMES.contains(&name)
        || name.strip_prefix("DBA_").is_some_and(|rest| NAMES.contains(&format!("CDB_{rest}").as_str()))
}

/// A view as a session sees it: one of a tenant sees that tenant's rows and what belongs to none, `sys` (`None`) sees
/// all. A `DBA_…` twin has no TENANT_ID.
#[must_use]
pub fn view_for(state: &State, now_ms: u64, name: &str, session: Option<TenantId>) -> Option<Table> {
    let name = name.to_ascii_uppercase();
    if name == EVENTS {
        let mut table = view(state, now_ms, &name)?;
        if let Some(tenant) = session {
            table.rows.retain(|row| row.get(4) == Some(&value::t(tenant)));
        }
        return Some(table);
    }
    let base = name.strip_prefix("DBA_").map_or_else(|| name.clone(), |rest| format!("CDB_{rest}"));
    let mut table = view(state, now_ms, &base)?;
    let Some(at) = table.columns.iter().position(|c| *c == "TENANT_ID") else { return Some(table) };
    if let Some(tenant) = session {
        table.rows.retain(|row| row[at] == Value::Uint(tenant.0));
    }
    if base != name {
        table.columns.remove(at);
        for row in &mut table.rows {
            row.remove(at);
        }
    }
    Some(table)
}

/// A view as it is built: each row names its columns, so that a value never stands in another column.
struct Build {
    table: Table,
}

impl Build {
    /// A view whose columns are known even when it has no rows.
    fn new(columns: &[&'static str]) -> Self {
        Self { table: Table { columns: columns.to_vec(), rows: Vec::new() } }
    }

    /// Adds a row in the order of the columns.
    fn row<const N: usize>(&mut self, values: [Value; N]) {
        debug_assert_eq!(N, self.table.columns.len(), "a row of {:?}", self.table.columns);
        self.table.rows.push(values.into());
    }

    fn done(self) -> Table {
        self.table
    }
}
