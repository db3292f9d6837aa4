//! Every refusal in one place: what, which object, what to do, and the original's error number where it has one.

use strandline_types::{ErrorClass, Failure};

/// There is no such tenant.
pub fn no_such_tenant(name: &str) -> Failure {
    Failure::new(ErrorClass::NotFound, "no such tenant", format!("tenant {name}"), "see oceanbase.CDB_OB_TENANTS")
}
