//! The tenants that a statement is about (its own clause, else the session's tenant, else the only one), and one action
//! for each of them.

use super::answer::done_text;
use super::context::Context;
use crate::sql::clauses::Tenants;
use strandline_scheduler_core::Action;
use strandline_scheduler_core::state::{State, Tenant, TenantStatus};
use strandline_types::{CODE_OUTCOME_UNKNOWN, ErrorClass, Failure, TenantId};

/// Id and name.
pub type Named = (TenantId, String);

impl Context<'_> {
    /// The one tenant of a statement with at most one.
    ///
    /// # Errors
    /// `NotFound` for a name that is none; `Invalid` when it is not clear which tenant is meant.
    pub fn one_tenant(&self, clause: Option<&str>) -> Result<Named, Failure> {
        self.node.read(|state| match clause.or(self.tenant()) {
            Some(name) => state.tenant_by_name(name).map(named),
            None => the_only_one(state),
        })
    }

    /// The tenants of a statement that takes several.
    ///
    /// # Errors
    /// `NotFound` for a name that is none; `Invalid` when there is no tenant.
    pub fn tenants(&self, clause: &Tenants) -> Result<Vec<Named>, Failure> {
        self.node.read(|state| match (clause, self.tenant()) {
            (Tenants::Named(names), _) => names.iter().map(|n| state.tenant_by_name(n).map(named)).collect(),
            (Tenants::Session, Some(name)) => Ok(vec![named(state.tenant_by_name(name)?)]),
            (Tenants::Session | Tenants::All, _) => {
                let all: Vec<Named> = normal(state).map(named).collect();
                if all.is_empty() { Err(no_tenant("there is no tenant yet", "")) } else { Ok(all) }
            }
        })
    }

    /// One action per tenant, as [`Context::try_for_each`].
    ///
    /// # Errors
    /// The first refusal.
    pub async fn for_each(&self, clause: &Tenants, action: impl Fn(TenantId) -> Action) -> Result<String, Failure> {
        self.try_for_each(clause, |tenant| Ok(action(tenant))).await
    }

    /// One action per tenant. All are tried; the first refusal is the statement's, and names the tenants for which it was done
    /// and those for which it was not.
    ///
    /// # Errors
    /// The first refusal.
    pub async fn try_for_each(
        &self,
        clause: &Tenants,
        action: impl Fn(TenantId) -> Result<Action, Failure>,
    ) -> Result<String, Failure> {
        let tenants = self.tenants(clause)?;
        let mut parts = Parts::default();
        for (tenant, name) in tenants {
            let done = match action(tenant) {
                Ok(action) => self.node.act(action).await,
                Err(failure) => Err(failure),
            };
            match done {
                Ok(done) => parts.done.push((name, done_text(&done))),
                Err(failure) => parts.refused.push((name, failure)),
            }
        }
        parts.outcome()
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

/// The outcome of a statement about several tenants.
#[derive(Default)]
struct Parts {
    /// Name, and what was done.
    done: Vec<(String, String)>,
    /// Name, and why nothing was done.
    refused: Vec<(String, Failure)>,
}

impl Parts {
    fn outcome(self) -> Result<String, Failure> {
        let all = self.done.len() + self.refused.len();
        let names = |of: Vec<String>| of.join(", ");
        let done = names(self.done.iter().map(|(name, _)| name.clone()).collect());
        let refused = names(self.refused.iter().map(|(name, _)| name.clone()).collect());
        let mut failures = self.refused.into_iter().map(|(_, failure)| failure);
        let Some(mut failure) = failures.next() else {
            let all: Vec<String> = self.done.into_iter().map(|(name, text)| format!("{name}: {text}")).collect();
            return Ok(all.join("; "));
        };
        if all == 1 {
            return Err(failure);
        }
        if self.done.is_empty() {
            failure.todo = format!("done for none of {all} tenants. {}", failure.todo);
            return Err(failure);
        }
        failure.todo =
            format!("done for {} of {all} tenants ({done}), not for {refused}. {}", self.done.len(), failure.todo);
        // It is done for some: a client that repeats the statement would do that part again.
        Err(if failure.class.is_retryable() { failure.with_code(CODE_OUTCOME_UNKNOWN) } else { failure })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_statement_about_several_tenants_says_for_whom_it_was_done_and_for_whom_not() {
        let refusal = |name: &str| {
            (name.to_owned(), Failure::new(ErrorClass::Invalid, "it has no destination", name, "name one"))
        };
        let done = |name: &str| (name.to_owned(), "done".to_owned());
        let parts = Parts { done: vec![done("t1"), done("t3")], refused: vec![refusal("t2")] };
        let text = parts.outcome().map_err(|f| f.to_string());
        assert_eq!(
            text,
            Err("it has no destination [t2]: done for 2 of 3 tenants (t1, t3), not for t2. name one".into())
        );
        let parts = Parts { done: vec![done("t1")], refused: Vec::new() };
        assert_eq!(parts.outcome(), Ok("t1: done".to_owned()));
        let parts = Parts { done: Vec::new(), refused: vec![refusal("t2")] };
        assert_eq!(parts.outcome().map_err(|f| f.todo), Err("name one".to_owned()));
    }
}
