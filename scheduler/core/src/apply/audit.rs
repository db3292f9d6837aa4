//! Notes audit events: a ring of the newest ones.

use crate::state::{AuditEvent, State};
use strandline_types::{TenantId, limits};

/// Remembers that something happened now.
pub(crate) fn note<const N: usize>(
    state: &mut State,
    tenant_id: TenantId,
    (module, event): (&str, &str),
    values: [(&str, String); N],
) {
    let values = values.into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
    let (module, event) = (module.to_owned(), event.to_owned());
    state.audit.push(AuditEvent { at_ms: state.clock_ms, tenant_id, module, event, values });
    let surplus = state.audit.len().saturating_sub(limits::AUDIT_EVENTS_KEPT_MAX);
    state.audit.drain(..surplus);
}
