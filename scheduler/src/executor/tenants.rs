//! Which tenants a statement is about: its own clause, else the session's tenant, else what is unambiguous.

use super::Executor;
use crate::sql::request::Tenants;
use strandline_scheduler_core::state::{State, Tenant, TenantStatus};
use strandline_types::{ErrorClass, Failure, TenantId};

/// Id and name.
pub(super) type Named = (TenantId, String);

impl Executor {
    /// The one tenant of a statement with at most one.
    pub(super) fn one_tenant(&self, clause: Option<&str>, session: Option<&str>) -> Result<Named, Failure> {
        self.node.read(|state| match clause.or(session) {
            Some(name) => state.tenant_by_name(name).map(named),
            None => the_only_one(state),
        })
    }

    /// The tenants of a statement that takes several.
    pub(super) fn tenants(&self, clause: &Tenants, session: Option<&str>) -> Result<Vec<Named>, Failure> {
        self.node.read(|state| match (clause, session) {
            (Tenants::Named(names), _) => names.iter().map(|n| state.tenant_by_name(n).map(named)).collect(),
            (Tenants::Session, Some(name)) => Ok(vec![named(state.tenant_by_name(name)?)]),
            (Tenants::Session | Tenants::All, _) => {
                let all: Vec<Named> = normal(state).map(named).collect();
                if all.is_empty() { Err(no_tenant("there is no tenant yet", "")) } else { Ok(all) }
            }
        })
    }
}

fn named(tenant: &Tenant) -> Named {
    (tenant.id, tenant.name.clone())
}

fn normal(state: &State) -> impl Iterator<Item = &Tenant> {
    state.tenants.values().filter(|t| t.status == TenantStatus::Normal)
}

fn the_only_one(state: &State) -> Result<Named, Failure> {
    let mut all = normal(state);
    match (all.next(), all.next()) {
        (Some(tenant), None) => Ok(named(tenant)),
        (None, _) => Err(no_tenant("there is no tenant yet", "")),
        (Some(a), Some(b)) => {
            Err(no_tenant("the statement does not say which tenant it is about", &format!("{}, {}, …", a.name, b.name)))
        }
    }
}

fn no_tenant(what: &str, object: &str) -> Failure {
    let todo = "add TENANT = <name>; oceanbase.CDB_OB_TENANTS lists them; CREATE TENANT makes one";
    Failure::new(ErrorClass::Invalid, what, if object.is_empty() { "tenants" } else { object }, todo)
}
