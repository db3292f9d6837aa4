//! Tenants that are open for work.

use crate::refuse;
use crate::state::{State, Tenant, TenantStatus};
use strandline_types::{Failure, TenantId};

/// A tenant that is open, or a refusal.
pub(crate) fn normal(state: &State, id: TenantId) -> Result<&Tenant, Failure> {
    let tenant = state.tenant(id)?;
    if tenant.status == TenantStatus::Normal {
        Ok(tenant)
    } else {
        Err(refuse::tenant_not_normal(&tenant.name, tenant.status))
    }
}
