//! Audit events: what was begun and what changed its state, by whom it can be asked later (docs/oceanbase.md, 2.5).

use serde::{Deserialize, Serialize};
use strandline_types::TenantId;

/// Something that happened.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AuditEvent {
    /// When.
    pub at_ms: u64,
    /// Whose.
    pub tenant_id: TenantId,
    /// Which part: `log_archive`, `backup_data`, `physical_restore`.
    pub module: String,
    /// What: `change_status`, `start_backup_data`, …
    pub event: String,
    /// Up to five things to know of it, by name; the tenant is always the first one of the view.
    pub values: Vec<(String, String)>,
}
