//! What was begun and what changed its state.

use super::column::{Column, RowKind, Rows, text};
use super::value::{t, time};
use super::view::{Tenancy, View};
use crate::state::AuditEvent;

pub(super) static EVENTS: View = View {
    name: "DBA_OB_ROOTSERVICE_EVENT_HISTORY",
    aliases: &[],
    about: "An event that is remembered, oldest first.",
    // The one view of the original that has only its `DBA_` name.
    tenancy: Tenancy { column: Some("VALUE1"), twin_lacks: None },
    content: &Rows::<AuditEvent> { of: |cx| cx.state.audit.iter().collect(), columns: COLUMNS },
};

impl RowKind for AuditEvent {
    type Row<'a> = &'a Self;
}

const COLUMNS: &[Column<AuditEvent>] = &[
    text("TIMESTAMP", |e| time(Some(e.at_ms))),
    text("MODULE", |e| t(&e.module)),
    text("EVENT", |e| t(&e.event)),
    text("NAME1", |_| t("tenant_id")),
    text("VALUE1", |e| t(e.tenant_id)),
    text("NAME2", |e| name(e, 0)),
    text("VALUE2", |e| value(e, 0)),
    text("NAME3", |e| name(e, 1)),
    text("VALUE3", |e| value(e, 1)),
    text("NAME4", |e| name(e, 2)),
    text("VALUE4", |e| value(e, 2)),
    text("NAME5", |e| name(e, 3)),
    text("VALUE5", |e| value(e, 3)),
    text("NAME6", |e| name(e, 4)),
    text("VALUE6", |e| value(e, 4)),
    text("EXTRA_INFO", |_| None),
    text("RS_SVR_IP", |_| None),
    text("RS_SVR_PORT", |_| None),
];

fn name(event: &AuditEvent, at: usize) -> Option<String> {
    event.values.get(at).map(|(name, _)| name.clone())
}

fn value(event: &AuditEvent, at: usize) -> Option<String> {
    event.values.get(at).map(|(_, value)| value.clone())
}
