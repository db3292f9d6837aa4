//! Administrative statements to actions of the core.
//!
//! Order rule: what the core would refuse anyway is refused before any medium is touched (the action is tried on a copy
//! of the State); a destination is examined before it enters the State.

use super::Executor;
use super::tenants::Named;
use crate::clock;
use crate::effects::{self, destination};
use crate::node::OUTCOME_UNKNOWN_CODE;
use crate::sql::NOT_SUPPORTED_CODE;
use crate::sql::request::{AdminRequest, ArchiveDest, Tenants};
use std::time::Duration;
use strandline_scheduler_core::state::{DestKind, DestOptions, DestState};
use strandline_scheduler_core::{Action, ArchiveDestSpec, Command, Done, apply};
use strandline_types::{Access, DestId, DestNo, ErrorClass, Failure, TenantId};

/// A destination that does not answer for this long is refused.
const EXAMINE_TIMEOUT: Duration = Duration::from_secs(20);

/// A destination that is examined already is ready this soon, or something has happened to it.
const READY_WAIT: Duration = Duration::from_secs(5);

impl Executor {
    /// Does what an administrator asks for and says what was done.
    pub(super) async fn administer(&self, request: AdminRequest, session: Option<&str>) -> Result<String, Failure> {
        match request {
            AdminRequest::SetArchiveDest { tenant, dest } => {
                let tenant = self.one_tenant(tenant.as_deref(), session)?;
                self.set_archive_dest(tenant, dest).await
            }
            AdminRequest::SetDataBackupDest { tenant, uri } => {
                let tenant = self.one_tenant(tenant.as_deref(), session)?;
                self.set_data_dest(tenant, uri).await
            }
            AdminRequest::SetArchiveDestState { tenant, enable } => {
                let (tenant, name) = self.one_tenant(tenant.as_deref(), session)?;
                let state = if enable { DestState::Enable } else { DestState::Defer };
                self.node.act(Action::SetArchiveDestState { tenant, no: DestNo(0), state }).await?;
                Ok(format!("archive destination of {name} is {state}"))
            }
            AdminRequest::SetArchiveLag { tenant, lag_target_ms } => {
                let (tenant, name) = self.one_tenant(tenant.as_deref(), session)?;
                self.node.act(Action::SetArchiveLag { tenant, lag_target_ms }).await?;
                Ok(format!("archive_lag_target of {name} is {lag_target_ms} ms"))
            }
            AdminRequest::ArchiveLog(tenants) => {
                self.for_each(&tenants, session, |tenant| Action::ArchiveLog { tenant }).await
            }
            AdminRequest::NoArchiveLog(tenants) => {
                self.for_each(&tenants, session, |tenant| Action::NoArchiveLog { tenant }).await
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
                self.for_each(&tenants, session, |tenant| Action::CancelBackup { tenant }).await
            }
            AdminRequest::CancelRestore { tenant } => {
                let (tenant, name) = self.one_tenant(Some(&tenant), session)?;
                self.node.act(Action::CancelRestore { tenant }).await?;
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
            AdminRequest::Validate(request) => self.validate(request, session).await,
            AdminRequest::CancelValidate(tenants) => {
                self.for_each(&tenants, session, |tenant| Action::CancelValidate { tenant }).await
            }
            AdminRequest::Standby(request) => self.standby(request, session).await,
            AdminRequest::Drill(request) => self.drill(request, session).await,
            AdminRequest::Catalog(_) => Err(not_yet()),
            AdminRequest::RecoverTable(_) | AdminRequest::CancelRecoverTable { .. } => Err(not_yet()),
            // Answered elsewhere.
            AdminRequest::Select(_)
            | AdminRequest::Show(_)
            | AdminRequest::Restore(_)
            | AdminRequest::RestorePreview(_)
            | AdminRequest::Clean(_)
            | AdminRequest::Session(_)
            | AdminRequest::Backup(_)
            | AdminRequest::Nothing => Ok(String::new()),
        }
    }

    /// One action per tenant. All are tried; the first refusal is the statement's, and says how many were done.
    pub(super) async fn for_each(
        &self,
        clause: &Tenants,
        session: Option<&str>,
        action: impl Fn(TenantId) -> Action,
    ) -> Result<String, Failure> {
        let tenants = self.tenants(clause, session)?;
        let (mut said_of, mut refused) = (Vec::new(), None);
        for (tenant, name) in &tenants {
            match self.node.act(action(*tenant)).await {
                Ok(done) => said_of.push(format!("{name}: {}", said(&done))),
                Err(failure) => refused = refused.or(Some(failure)),
            }
        }
        match refused {
            None => Ok(said_of.join("; ")),
            Some(failure) if said_of.is_empty() => Err(failure),
            Some(mut failure) => {
                failure.todo = format!("done for {} of {} tenants. {}", said_of.len(), tenants.len(), failure.todo);
                // For some it is done: a client that repeats the whole of it would do that part again.
                Err(if failure.class.is_retryable() { failure.with_code(OUTCOME_UNKNOWN_CODE) } else { failure })
            }
        }
    }

    async fn set_archive_dest(&self, tenant: Named, dest: Option<ArchiveDest>) -> Result<String, Failure> {
        let spec = dest.map(|d| ArchiveDestSpec {
            uri: d.location,
            access: Access::default(),
            options: DestOptions {
                binding: d.binding,
                piece_interval_s: d.piece_interval_seconds,
                ..DestOptions::default()
            },
        });
        let uri = spec.as_ref().map(|s| s.uri.clone());
        let action = |uri| {
            let dest = spec.clone().zip(uri).map(|(spec, uri)| ArchiveDestSpec { uri, ..spec });
            Action::SetArchiveDest { tenant: tenant.0, no: DestNo(0), dest }
        };
        self.set_dest(&tenant, uri, DestKind::Archive, action).await
    }

    async fn set_data_dest(&self, tenant: Named, uri: Option<String>) -> Result<String, Failure> {
        self.set_dest(&tenant, uri, DestKind::Data, |uri| Action::SetDataDest {
            tenant: tenant.0,
            uri,
            access: Access::default(),
        })
        .await
    }

    async fn set_dest(
        &self,
        tenant: &Named,
        uri: Option<String>,
        kind: DestKind,
        action: impl Fn(Option<String>) -> Action,
    ) -> Result<String, Failure> {
        let _one_at_a_time = self.destinations.lock().await;
        let Some(uri) = uri else {
            self.node.act(action(None)).await?;
            return Ok(format!("the {kind} destination of {} is cleared; its files stay", tenant.1));
        };
        let medium = effects::open(&uri)?;
        // One destination has one name, however it was written.
        let uri = medium.uri();
        self.try_out(action(Some(uri.clone())))?;
        let (dest, known) = self.dest_of(tenant, kind, &uri);
        let examined = destination::examine(medium.as_ref(), &dest, kind, known, clock::now());
        match tokio::time::timeout(EXAMINE_TIMEOUT, examined).await {
            Ok(examined) => examined?,
            Err(_) => {
                let what = format!("the destination has not answered for {} s", EXAMINE_TIMEOUT.as_secs());
                let todo = "check that it is mounted and reachable from every scheduler and worker";
                return Err(Failure::new(ErrorClass::Transient, what, uri, todo));
            }
        }
        let done = self.node.act(action(Some(uri.clone()))).await?;
        let ready = match done {
            Done::Dest(id) => self.wait_until_ready(id).await,
            _ => true,
        };
        let note = if ready { "" } else { ", not ready yet: see CDB_STRANDLINE_WAITING" };
        Ok(format!("the {kind} destination of {} is {uri}: {}{note}", tenant.1, said(&done)))
    }

    /// The leader loop writes `format.obbak` in a moment; a statement that needs the destination may come right after.
    async fn wait_until_ready(&self, dest: DestId) -> bool {
        let mut changes = self.node.changes();
        let is_ready = || self.node.read(|s| s.destinations.get(&dest).is_some_and(|d| d.formatted));
        let ready = async {
            while !is_ready() {
                if changes.changed().await.is_err() {
                    return;
                }
            }
        };
        tokio::time::timeout(READY_WAIT, ready).await.is_ok()
    }

    /// Whether the core would take an action now.
    pub(super) fn try_out(&self, action: Action) -> Result<(), Failure> {
        let mut copy = self.node.read(Clone::clone);
        apply(&mut copy, Command { proposed_at_ms: clock::now().as_ms(), action }).map(|_| ())
    }
}

fn not_yet() -> Failure {
    Failure::new(ErrorClass::Invalid, "this statement is not supported yet", "statement", "")
        .with_code(NOT_SUPPORTED_CODE)
}

/// A number that does not fit is out of every bound; the core names the bound.
fn clamp(n: u64) -> u32 {
    u32::try_from(n).unwrap_or(u32::MAX)
}

pub(super) fn said(done: &Done) -> String {
    match done {
        Done::Ok => "done".to_owned(),
        Done::Nothing => "it was so already".to_owned(),
        Done::Tenant(id) => format!("tenant id {id}"),
        Done::Table(id) => format!("table id {id}"),
        Done::Dest(id) => format!("destination id {id}"),
        Done::Round(id) => format!("archive round {id}"),
        Done::BackupJob(id) | Done::Initiator { job: id, .. } => format!("backup job {id}"),
        Done::RestoreJob(id) => format!("restore job {id}"),
        Done::Drill(id) => format!("restore drill {id}"),
        Done::CleanJob(id) => format!("cleaning job {id}"),
        Done::ValidateJob(id) => format!("validation job {id}"),
    }
}
