//! What a statement works with: the node, and the session with its tenant and settings.
//!
//! Order rule: what the core would refuse anyway is refused before any medium is touched (the action is tried on a copy of
//! the State).

use super::answer::done_text;
use super::settings::Settings;
use crate::clock;
use crate::node::SchedulerNode;
use crate::session::Session;
use strandline_scheduler_core::{Action, Command, apply};
use strandline_types::{Failure, TenantId};
use tokio::sync::Mutex;

/// Of one statement.
pub struct Context<'a> {
    /// The node. It leads.
    pub node: &'a SchedulerNode,
    /// The session.
    pub session: &'a Session,
    /// Held by statements that name a destination: two of them must not examine one empty path at the same time.
    pub destinations: &'a Mutex<()>,
}

impl<'a> Context<'a> {
    /// The session's tenant; `None` = `sys`.
    #[must_use]
    pub fn tenant(&self) -> Option<&'a str> {
        self.session.tenant()
    }

    /// What earlier statements of the session have set.
    ///
    /// # Errors
    /// `Invalid` for a session with a text that is no statement.
    pub fn settings(&self) -> Result<Settings, Failure> {
        Settings::of(self.session)
    }

    /// Does one action for the tenant of a statement with at most one. The answer names the tenant.
    ///
    /// # Errors
    /// Those of the core; `Invalid` when it is not clear which tenant is meant.
    pub async fn act_for(
        &self,
        clause: Option<&str>,
        action: impl FnOnce(TenantId) -> Action,
    ) -> Result<String, Failure> {
        let (tenant, name) = self.one_tenant(clause)?;
        let done = self.node.act(action(tenant)).await?;
        Ok(format!("{name}: {}", done_text(&done)))
    }

    /// Refuses what the core would refuse now.
    ///
    /// # Errors
    /// Those of the core.
    pub fn try_out(&self, action: Action) -> Result<(), Failure> {
        let mut copy = self.node.read(Clone::clone);
        apply(&mut copy, Command { proposed_at_ms: clock::now().as_ms(), action }).map(|_| ())
    }
}
