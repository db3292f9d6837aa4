//! Statements about log archiving.

use super::Executor;
use super::destinations::opened;
use super::statements::{clamp, said};
use crate::clock;
use crate::effects::{self, destination};
use crate::sql::request::archive::{ArchiveDest, ArchiveRequest, StorageChange};
use std::time::Duration;
use strandline_scheduler_core::state::{DestKind, DestOptions, DestState, Destination};
use strandline_scheduler_core::{Action, ArchiveDestSpec, DestRef, dest_ref};
use strandline_types::{Access, Address, DestUri, ErrorClass, Failure};

/// The original's number for a zone, idc or region that it does not know (fact sheet 4.13).
const LOCALITY_CODE: i32 = -9133;
/// New keys that do not open the destination within this time are refused.
const VERIFY_TIMEOUT: Duration = Duration::from_secs(20);

impl Executor {
    /// Does what an administrator asks of archiving and says what was done.
    pub(super) async fn archive(&self, request: ArchiveRequest, session: Option<&str>) -> Result<String, Failure> {
        match request {
            ArchiveRequest::SetDest { tenant, no, dest } => {
                let tenant = self.one_tenant(tenant.as_deref(), session)?;
                let options = dest.as_ref().map(|d| d.options.clone());
                let action = |address: Option<Address>| {
                    let dest = options.clone().zip(address);
                    let dest = dest.map(|(options, a)| spec_of(a, options));
                    Action::SetArchiveDest { tenant: tenant.0, no, dest }
                };
                let key_source = options.as_ref().map_or("", |o| o.encryption.key_source());
                let location = dest.as_ref().map(|d| d.location.as_str());
                self.set_dest(&tenant, location, DestKind::Archive, key_source, action).await
            }
            ArchiveRequest::SetState { tenant, no, enable } => {
                let (tenant, name) = self.one_tenant(tenant.as_deref(), session)?;
                let state = if enable { DestState::Enable } else { DestState::Defer };
                self.node.act(Action::SetArchiveDestState { tenant, no, state }).await?;
                Ok(format!("archive destination {no} of {name} is {state}"))
            }
            ArchiveRequest::SetLag { tenant, lag_target_ms } => {
                let (tenant, name) = self.one_tenant(tenant.as_deref(), session)?;
                self.node.act(Action::SetArchiveLag { tenant, lag_target_ms }).await?;
                Ok(format!("archive_lag_target of {name} is {lag_target_ms} ms"))
            }
            ArchiveRequest::SetConcurrency { tenants, threads } => {
                let threads = clamp(threads);
                self.for_each(&tenants, session, |tenant| Action::SetArchiveConcurrency { tenant, threads }).await
            }
            ArchiveRequest::NewTenants(dest) => self.archive_new_tenants(dest).await,
            ArchiveRequest::On(tenants) => {
                self.for_each(&tenants, session, |tenant| Action::ArchiveLog { tenant }).await
            }
            ArchiveRequest::Off(tenants) => {
                self.for_each(&tenants, session, |tenant| Action::NoArchiveLog { tenant }).await
            }
            ArchiveRequest::ChangeStorage { path, change } => self.change_storage(&path, &change, session).await,
            ArchiveRequest::CheckDest { uri } => {
                let Address { uri, access } = opened(&uri)?.0;
                let action = Action::CheckDest { uri: uri.to_string(), access, key_source: String::new() };
                let done = self.node.act(action).await?;
                Ok(format!("{}: see CDB_STRANDLINE_DEST_CHECK", said(&done)))
            }
        }
    }

    /// The parent of the destinations that new tenants get must be there, and take what is written below it.
    async fn archive_new_tenants(&self, dest: Option<ArchiveDest>) -> Result<String, Failure> {
        let Some(dest) = dest else {
            let done = self.node.act(Action::ArchiveNewTenants { parent: None }).await?;
            return Ok(format!("new tenants are not archived by themselves: {}", said(&done)));
        };
        let (address, medium) = opened(&dest.location)?;
        let listed = tokio::time::timeout(VERIFY_TIMEOUT, medium.list_dirs("")).await;
        listed.map_err(|_| silent(&address.uri))??;
        let shown = address.uri.clone();
        let spec = spec_of(address, dest.options);
        let done = self.node.act(Action::ArchiveNewTenants { parent: Some(spec) }).await?;
        Ok(format!("new tenants are archived below {shown}: {}", said(&done)))
    }

    /// New keys or attributes of a destination that is in use. They are verified first: the destination must open with
    /// them and be the one that it was.
    async fn change_storage(
        &self,
        path: &str,
        change: &StorageChange,
        session: Option<&str>,
    ) -> Result<String, Failure> {
        let path = Address::parse(path)?.uri;
        let _one_at_a_time = self.destinations.lock().await;
        let (dest, known) = self.node.read(|state| {
            let tenant = session.map(|name| state.tenant_by_name(name).map(|t| t.id)).transpose()?;
            let is_it = |d: &&Destination| tenant.is_none_or(|t| t == d.tenant_id) && d.uri.is_same_place(&path);
            let found = state.destinations.values().find(is_it).ok_or_else(|| no_such_dest(&path))?;
            Ok::<_, Failure>((found.clone(), dest_ref(state, found)))
        })?;
        let (uri, access) = match change {
            StorageChange::Access(keys) => (dest.uri.clone(), Access::new(keys.trim())),
            StorageChange::Attribute(text) => (changed_attributes(&dest.uri, text)?, dest.access.clone()),
        };
        // Examined, and not written without: its identity is compared first.
        let medium = effects::open_unclaimed(&uri, &access)?;
        let dest_ref = DestRef { uri: uri.clone(), access: access.clone(), ..known };
        let verified = destination::examine(medium.as_ref(), &dest_ref, dest.kind, dest.was_claimed(), clock::now());
        let verified = tokio::time::timeout(VERIFY_TIMEOUT, verified).await;
        let check_file = verified.map_err(|_| silent(&uri))??;
        let done = self.node.act(Action::ChangeStorage { dest: dest.id, uri: uri.to_string(), access }).await?;
        self.node.act(Action::DestChecked { dest: dest.id, check_file }).await?;
        Ok(format!("destination {} ({uri}) goes on with what was set: {}", dest.id, said(&done)))
    }
}

fn spec_of(address: Address, options: DestOptions) -> ArchiveDestSpec {
    ArchiveDestSpec { uri: address.uri.to_string(), access: address.access, options }
}

fn changed_attributes(uri: &DestUri, text: &str) -> Result<DestUri, Failure> {
    let mut names = text.split('&').filter_map(|a| a.split_once('=')).map(|(n, _)| n.trim());
    if let Some(name) = names.find(|n| matches!(*n, "zone" | "idc" | "region")) {
        let todo = "workers have no zones here: every worker must reach the destination";
        let what = format!("the {name} is not known");
        return Err(Failure::new(ErrorClass::Invalid, what, text, todo).with_code(LOCALITY_CODE));
    }
    uri.with_attributes(text)
}

fn no_such_dest(path: &DestUri) -> Failure {
    let todo = "write it as CDB_OB_BACKUP_STORAGE_INFO shows it, its host included";
    Failure::new(ErrorClass::NotFound, "no destination has this path", path.to_string(), todo)
}

fn silent(uri: &DestUri) -> Failure {
    let what = format!("the destination has not answered for {} s", VERIFY_TIMEOUT.as_secs());
    Failure::new(
        ErrorClass::Transient,
        what,
        uri.to_string(),
        "check that it is mounted and reachable, and that the keys are good",
    )
}
