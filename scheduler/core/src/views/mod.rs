//! What users see: rows computed from the state, with the original's names and columns.
//!
//! A view never decides anything; it shows what the state holds, and `CDB_STRANDLINE_WAITING` why nothing happens.
//! Each view is one static declaration ([`View`]): its names, whose rows it has, where the rows come from, and one line
//! per column. A new view is its declaration and a line in [`ALL`]; SELECT, DESC, the types in the MySQL protocol,
//! the `DBA_` twin and `docs/views-reference.md` are made from these.

mod archive;
mod archive_progress;
mod archive_spool;
mod archive_status;
mod audit;
mod backup_jobs;
mod backup_schedule_tasks;
mod backup_sets;
mod backup_tasks;
mod clean;
mod cluster;
mod column;
mod drill;
mod imported;
mod job;
mod locations;
mod progress;
mod recover;
mod restore;
mod retention;
mod schedule;
mod standby;
mod storage;
mod validate;
mod value;
mod view;

pub use column::{ColumnType, SqlType};
pub use retention::{clean_preview, policy_preview};
pub use value::Value;
pub use view::{Named, Table, Tenancy, View};

use crate::state::State;
use strandline_types::TenantId;
use view::Context;

/// Every view.
pub static ALL: &[&View] = &[
    &archive::CURRENT_ROUNDS,
    &archive::ALL_ROUNDS,
    &archive::PIECES,
    &archive::DESTS,
    &archive_progress::PROGRESS,
    &archive_status::DEST_STATUS,
    &storage::INFO,
    &storage::HISTORY,
    &backup_jobs::RUNNING,
    &backup_jobs::ENDED,
    &backup_tasks::RUNNING,
    &backup_tasks::ENDED,
    &backup_sets::SETS,
    &backup_sets::PARAMETERS,
    &backup_schedule_tasks::SCHEDULE_TASKS,
    &schedule::SCHEDULES,
    &schedule::RUNS,
    &validate::RUNNING_JOBS,
    &validate::ENDED_JOBS,
    &validate::RUNNING_TASKS,
    &validate::ENDED_TASKS,
    &validate::DAMAGES,
    &clean::RUNNING_JOBS,
    &clean::ENDED_JOBS,
    &clean::RUNNING_TASKS,
    &clean::ENDED_TASKS,
    &retention::POLICIES,
    &retention::ORPHANS,
    &restore::PROGRESS,
    &restore::HISTORY,
    &recover::RUNNING,
    &recover::ENDED,
    &imported::CATALOGS,
    &standby::SOURCES,
    &standby::STATUS,
    &drill::DRILLS,
    &drill::PLANS,
    &cluster::TENANTS,
    &cluster::SERVERS,
    &locations::LOCATIONS,
    &cluster::TABLES,
    &cluster::TABLETS,
    &archive_status::GAPS,
    &archive_status::LAG_HISTORY,
    &archive_spool::SPOOLS,
    &storage::CHECKS,
    &cluster::WAITING,
    &audit::EVENTS,
];

/// The view of a name, of its own or of its twin's; names have no case.
#[must_use]
pub fn named(name: &str) -> Option<Named> {
    let is_own = |view: &View| view.names().any(|own| own.eq_ignore_ascii_case(name));
    let is_twins = |view: &View| view.twin_names().any(|twin| twin.eq_ignore_ascii_case(name));
    let own = ALL.iter().find(|view| is_own(view)).map(|view| Named { view, is_twin: false });
    own.or_else(|| ALL.iter().find(|view| is_twins(view)).map(|view| Named { view, is_twin: true }))
}

/// Every name that can be read, those of twins last.
#[must_use]
pub fn all_names() -> Vec<String> {
    let own = ALL.iter().flat_map(|view| view.names()).map(str::to_owned);
    own.chain(ALL.iter().flat_map(|view| view.twin_names())).collect()
}

/// True for the name of a view or of a twin.
#[must_use]
pub fn is_view(name: &str) -> bool {
    named(name).is_some()
}

/// All rows of one view by one of its own names, or `None` when there is no such view.
#[must_use]
pub fn view(state: &State, now_ms: u64, name: &str) -> Option<Table> {
    named(name).filter(|found| !found.is_twin).map(|found| found.view.table(&Context { state, now_ms }))
}

/// A view as a session sees it: one of a tenant sees that tenant's rows and what belongs to none, `sys` (`None`) sees
/// all. A twin lacks the columns that its view declares.
#[must_use]
pub fn view_for(state: &State, now_ms: u64, name: &str, session: Option<TenantId>) -> Option<Table> {
    named(name).map(|found| found.table(&Context { state, now_ms }, session))
}
