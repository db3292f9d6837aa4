//! `DBA_OB_ROOTSERVICE_EVENT_HISTORY`: what was begun and what changed its state (fact sheet 2.5).

use super::value::{t, time};
use super::{Build, Table, Value};
use crate::state::State;

const COLUMNS: [&str; 18] = [
    "TIMESTAMP",
    "MODULE",
    "EVENT",
    "NAME1",
    "VALUE1",
    "NAME2",
    "VALUE2",
    "NAME3",
    "VALUE3",
    "NAME4",
    "VALUE4",
    "NAME5",
    "VALUE5",
    "NAME6",
    "VALUE6",
    "EXTRA_INFO",
    "RS_SVR_IP",
    "RS_SVR_PORT",
];

/// Every event that is remembered, oldest first. The first name is always `tenant_id`.
pub(super) fn events(state: &State) -> Table {
    let mut view = Build::new(&COLUMNS);
    for event in &state.audit {
        let mut row = vec![time(Some(event.at_ms)), t(&event.module), t(&event.event)];
        row.extend([t("tenant_id"), t(event.tenant_id)]);
        for (name, value) in &event.values {
            row.extend([t(name), t(value)]);
        }
        row.resize(COLUMNS.len(), Value::Null);
        view.table.rows.push(row);
    }
    view.done()
}
