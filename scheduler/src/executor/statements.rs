//! Administrative statements to actions of the core.
//!
//! Order rule: what the core would refuse anyway is refused before any medium is touched (the action is tried on a copy
//! of the State).

use super::Executor;
use crate::clock;
use crate::sql::request::{AdminRequest, Tenants};
use strandline_scheduler_core::state::JobKind;
use strandline_scheduler_core::{Action, Command, Done, apply};
use strandline_types::{CODE_OUTCOME_UNKNOWN, Failure, TenantId};

impl Executor {
    /// Does what an administrator asks for and says what was done.
    pub(super) async fn administer(&self, request: AdminRequest, session: Option<&str>) -> Result<String, Failure> {
        match request {
            AdminRequest::Archive(request) => self.archive(request, session).await,
            AdminRequest::SetDataBackupDest { tenant, uri } => {
                let tenant = self.one_tenant(tenant.as_deref(), session)?;
                self.set_data_dest(&tenant, uri).await
            }
            AdminRequest::BackupClusterParameters { uri } => self.backup_cluster_parameters(&uri, session).await,
            AdminRequest::SetBackupParam { tenant, param } => {
                let (tenant, name) = self.one_tenant(tenant.as_deref(), session)?;
                self.node.act(Action::SetBackupParam { tenant, param }).await?;
                Ok(format!("set for the next backups of {name}"))
            }
            AdminRequest::Schedule { tenants, change } => {
                let action = |tenant| Action::ChangeSchedule { tenant, change: change.clone() };
                self.for_each(&tenants, session, action).await
            }
            AdminRequest::CancelBackup(tenants) => {
                self.for_each(&tenants, session, |tenant| Action::CancelJob { kind: JobKind::Backup, tenant }).await
            }
            AdminRequest::CancelRestore { tenant } => {
                let (tenant, name) = self.one_tenant(Some(&tenant), session)?;
                self.node.act(Action::CancelJob { kind: JobKind::Restore, tenant }).await?;
                Ok(format!("the restore of {name} is cancelled"))
            }
            AdminRequest::CreateTenant { name, log_streams, replicas } => {
                let action = Action::CreateTenant {
                    name: name.clone(),
                    log_streams: clamp(log_streams),
                    replicas: clamp(replicas),
                };
                let done = self.node.act(action).await?;
                Ok(format!("tenant {name}: {}", said(&done)))
            }
            AdminRequest::DropTenant { name } => {
                let (tenant, name) = self.one_tenant(Some(&name), session)?;
                self.node.act(Action::DropTenant { tenant }).await?;
                Ok(format!("tenant {name} is being dropped"))
            }
            AdminRequest::CreateTable { tenant, name, tablets } => {
                let (tenant, _) = self.one_tenant(tenant.as_deref(), session)?;
                let action = Action::CreateTable { tenant, name: name.clone(), tablets: clamp(tablets) };
                let done = self.node.act(action).await?;
                Ok(format!("table {name}: {}", said(&done)))
            }
            AdminRequest::DropTable { tenant, name } => {
                let (tenant, _) = self.one_tenant(tenant.as_deref(), session)?;
                self.node.act(Action::DropTable { tenant, name: name.clone() }).await?;
                Ok(format!("table {name} is dropped; backups and log that have it keep it"))
            }
            AdminRequest::CancelValidate(tenants) => {
                self.for_each(&tenants, session, |tenant| Action::CancelJob { kind: JobKind::Validate, tenant }).await
            }
            AdminRequest::Standby(request) => self.standby(request, session).await,
            AdminRequest::Drill(request) => self.drill(request, session).await,
            AdminRequest::Catalog(request) => self.catalog(request).await,
            AdminRequest::CancelRecoverTable { target } => {
                let (tenant, name) = self.one_tenant(Some(&target), None)?;
                let done = self.node.act(Action::CancelJob { kind: JobKind::RecoverTable, tenant }).await?;
                Ok(format!("{name}: {} is cancelled", said(&done)))
            }
            // Answered elsewhere.
            AdminRequest::Select(_)
            | AdminRequest::Show(_)
            | AdminRequest::Restore(_)
            | AdminRequest::RecoverTable(_)
            | AdminRequest::Validate(_)
            | AdminRequest::RestorePreview(_)
            | AdminRequest::Clean(_)
            | AdminRequest::Session(_)
            | AdminRequest::Backup(_)
            | AdminRequest::Nothing => Ok(String::new()),
        }
    }

    /// One action per tenant.
    pub(super) async fn for_each(
        &self,
        clause: &Tenants,
        session: Option<&str>,
        action: impl Fn(TenantId) -> Action,
    ) -> Result<String, Failure> {
        self.try_for_each(clause, session, |tenant| Ok(action(tenant))).await
    }

    /// One action per tenant. All are tried; the first refusal is the statement's, and says for whom it was done and for
    /// whom not.
    pub(super) async fn try_for_each(
        &self,
        clause: &Tenants,
        session: Option<&str>,
        action: impl Fn(TenantId) -> Result<Action, Failure>,
    ) -> Result<String, Failure> {
        let tenants = self.tenants(clause, session)?;
        let mut parts = Parts::default();
        for (tenant, name) in tenants {
            let done = match action(tenant) {
                Ok(action) => self.node.act(action).await,
                Err(failure) => Err(failure),
            };
            match done {
                Ok(done) => parts.done.push((name, said(&done))),
                Err(failure) => parts.refused.push((name, failure)),
            }
        }
        parts.outcome()
    }

    /// Whether the core would take an action now.
    pub(super) fn try_out(&self, action: Action) -> Result<(), Failure> {
        let mut copy = self.node.read(Clone::clone);
        apply(&mut copy, Command { proposed_at_ms: clock::now().as_ms(), action }).map(|_| ())
    }
}

/// What became of a statement about several tenants.
#[derive(Default)]
struct Parts {
    /// Name, and what was done.
    done: Vec<(String, String)>,
    /// Name, and why nothing was.
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
            let said: Vec<String> = self.done.into_iter().map(|(name, said)| format!("{name}: {said}")).collect();
            return Ok(said.join("; "));
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
        // For some it is done: a client that repeats the whole of it would do that part again.
        Err(if failure.class.is_retryable() { failure.with_code(CODE_OUTCOME_UNKNOWN) } else { failure })
    }
}

/// A number that does not fit is out of every bound; the core names the bound.
pub(super) fn clamp(n: u64) -> u32 {
    u32::try_from(n).unwrap_or(u32::MAX)
}

pub(super) fn said(done: &Done) -> String {
    match done {
        Done::Ok => "done".to_owned(),
        Done::Nothing => "it was so already".to_owned(),
        Done::Tenant(id) => format!("tenant id {id}"),
        Done::Table(id) => format!("table id {id}"),
        Done::Dest(id) => format!("destination id {id}"),
        Done::DestCheck(id) => format!("check {id} of the destination from every worker"),
        Done::Round(id) => format!("archive round {id}"),
        Done::BackupJob(id) | Done::Initiator { job: id, .. } => format!("backup job {id}"),
        Done::RestoreJob(id) => format!("restore job {id}"),
        Done::RecoverTableJob(id) => format!("table recovery job {id}"),
        Done::Imported(id) => format!("imported under tenant id {id}"),
        Done::Drill(id) => format!("restore drill {id}"),
        Done::CleanJob(id) => format!("cleaning job {id}"),
        Done::ValidateJob(id) => format!("validation job {id}"),
    }
}

/// The jobs that the answer to a statement names, in the words of `said`: what a client can wait for.
#[must_use]
pub fn jobs_named(answer: &str) -> Vec<u64> {
    let words: Vec<&str> = answer.split(|c: char| !c.is_ascii_alphanumeric()).filter(|w| !w.is_empty()).collect();
    let id_after = |pair: &[&str]| matches!(pair[0], "job" | "drill").then(|| pair[1].parse().ok()).flatten();
    words.windows(2).filter_map(id_after).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use strandline_types::{DestId, ErrorClass, JobId, TableId, TenantId};

    #[test]
    fn every_job_that_an_answer_speaks_of_can_be_waited_for() {
        let job = JobId(7);
        let jobs = [
            Done::BackupJob(job),
            Done::RestoreJob(job),
            Done::RecoverTableJob(job),
            Done::Drill(job),
            Done::CleanJob(job),
            Done::ValidateJob(job),
        ];
        for done in jobs {
            assert_eq!(jobs_named(&format!("t1: {}", said(&done))), [7], "{done:?}");
        }
        for done in [Done::Ok, Done::Nothing, Done::Tenant(TenantId(7)), Done::Table(TableId(7)), Done::Dest(DestId(7))]
        {
            assert_eq!(jobs_named(&format!("t1: {}", said(&done))), [0_u64; 0], "{done:?}");
        }
        assert_eq!(jobs_named("backup job 5 of sys; t1: backup job 6; t2: not started: it is busy"), [5, 6]);
    }

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
