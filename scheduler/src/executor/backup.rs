//! BACKUP: who is meant, where to, and with which key. A command holds a key, never a password.

use super::Executor;
use super::destinations::opened;
use super::tenants::Named;
use crate::clock;
use crate::effects::{self, cluster_parameters, destination};
use crate::seal::seal_key;
use crate::sql::request::Tenants;
use crate::sql::request::backup::BackupRequest;
use std::time::Duration;
use strandline_reader::object_name;
use strandline_scheduler_core::state::{DestKind, Destination, SetSeal};
use strandline_scheduler_core::{Action, BackupDest, BackupWish, Done, SealKey, address, newest_set};
use strandline_types::{Address, BackupMode, ErrorClass, Failure, TenantId};

/// A destination that does not answer for this long is refused.
const EXAMINE_TIMEOUT: Duration = Duration::from_secs(20);
/// The original's number for a destination that cannot be used.
const BAD_PATH_CODE: i32 = -9116;

impl Executor {
    /// Starts a backup of one or several tenants.
    pub(super) async fn backup(
        &self,
        request: BackupRequest,
        session: Option<&str>,
        password: Option<&str>,
    ) -> Result<String, Failure> {
        let tenants = self.tenants(&request.tenants, session)?;
        let to = match request.to {
            Some(uri) => Some(self.backup_to(&tenants, &uri).await?),
            None => None,
        };
        let seal = match password {
            Some(password) => Some(self.seal(&tenants, to.as_ref(), request.mode, password).await?),
            None => None,
        };
        let wish = BackupWish {
            mode: request.mode,
            to,
            plus_archivelog: request.plus_archivelog,
            description: request.description,
            seal,
            version: env!("CARGO_PKG_VERSION").to_owned(),
        };
        let names = |id: &TenantId| tenants.iter().find(|t| t.0 == *id).map_or("", |t| t.1.as_str()).to_owned();
        if let (Some(_), [(tenant, name)]) = (session, tenants.as_slice()) {
            let done = self.node.act(Action::StartBackup { tenant: *tenant, wish }).await?;
            return Ok(format!("{name}: {}", super::statements::said(&done)));
        }
        let all = !matches!(request.tenants, Tenants::Named(_));
        let ids = tenants.iter().map(|t| t.0).collect();
        match self.node.act(Action::StartBackups { tenants: ids, all, wish }).await? {
            Done::Initiator { job, started, refused } => {
                let started = started.iter().map(|(tenant, job)| format!("{}: backup job {job}", names(tenant)));
                let refused = refused.iter().map(|(tenant, why)| format!("{}: not started: {why}", names(tenant)));
                let parts: Vec<String> = started.chain(refused).collect();
                Ok(format!("backup job {job} of sys; {}", parts.join("; ")))
            }
            other => Ok(super::statements::said(&other)),
        }
    }

    /// TO: the path can become (or is) a data backup destination of the tenant.
    async fn backup_to(&self, tenants: &[Named], uri: &str) -> Result<BackupDest, Failure> {
        let [tenant] = tenants else {
            let todo = "ALTER SYSTEM BACKUP TENANT = <name> TO '<uri>'";
            return Err(Failure::new(ErrorClass::Invalid, "a backup TO a path is of exactly one tenant", uri, todo));
        };
        let bad_path = |failure: Failure| if failure.code == 0 { failure.with_code(BAD_PATH_CODE) } else { failure };
        let (address, medium) = opened(uri).map_err(bad_path)?;
        let (dest, known) = self.candidate(tenant, DestKind::Data, &address);
        let Address { uri, access } = address;
        let examined = destination::examine(medium.as_ref(), &dest, DestKind::Data, known, clock::now());
        match tokio::time::timeout(EXAMINE_TIMEOUT, examined).await {
            Ok(examined) => drop(examined.map_err(bad_path)?),
            Err(_) => {
                let what = format!("the destination has not answered for {} s", EXAMINE_TIMEOUT.as_secs());
                let todo = "check that it is mounted and reachable from every scheduler and worker";
                return Err(Failure::new(ErrorClass::Transient, what, uri.to_string(), todo).with_code(BAD_PATH_CODE));
            }
        }
        Ok(BackupDest { uri: uri.to_string(), access })
    }

    /// The key for the sets of these tenants.
    async fn seal(
        &self,
        tenants: &[Named],
        to: Option<&BackupDest>,
        mode: BackupMode,
        password: &str,
    ) -> Result<SealKey, Failure> {
        let chain = match (mode, tenants) {
            (BackupMode::Full, _) => None,
            (_, [tenant]) => self.newest_seal(tenant.0, to),
            _ => {
                let todo = "one statement per tenant: ALTER SYSTEM BACKUP INCREMENTAL TENANT = <name>";
                let what = "chains have keys of their own: an encrypted incremental or synthetic set is of one tenant";
                return Err(Failure::new(ErrorClass::Invalid, what, "SET ENCRYPTION", todo));
            }
        };
        seal_key(password, chain).await
    }

    fn newest_seal(&self, tenant: TenantId, to: Option<&BackupDest>) -> Option<SetSeal> {
        self.node.read(|state| {
            let dest = match to {
                Some(to) => {
                    let named = address::named(&to.uri).ok()?;
                    let is_it = |d: &&Destination| d.tenant_id == tenant && d.uri.is_same_place(&named);
                    state.destinations.values().find(is_it)?.id
                }
                None => state.tenants.get(&tenant)?.data_dest?,
            };
            newest_set(state, tenant, dest)?.seal
        })
    }

    /// BACKUP CLUSTER PARAMETERS: one file, whole when the statement returns.
    pub(super) async fn backup_cluster_parameters(&self, uri: &str, session: Option<&str>) -> Result<String, Failure> {
        if let Some(tenant) = session {
            let todo = "log in as root, not as root@<tenant>";
            let what = "cluster parameters are backed up from the system tenant only";
            return Err(Failure::new(ErrorClass::Permission, what, format!("tenant {tenant}"), todo));
        }
        // A path of the administrator's own: it belongs to no tenant, and one file in it is all.
        let address = Address::parse(uri)?;
        let medium = effects::open_unclaimed(&address.uri, &address.access)?;
        let parameters = self.node.read(|state| cluster_parameters::of(state, self.node.config()));
        let write = cluster_parameters::write(medium.as_ref(), &parameters, clock::now());
        match tokio::time::timeout(EXAMINE_TIMEOUT, write).await {
            Ok(path) => Ok(format!("{} parameters in {}", parameters.len(), object_name(&medium.uri(), &path?))),
            Err(_) => {
                let what = format!("the destination has not answered for {} s", EXAMINE_TIMEOUT.as_secs());
                Err(Failure::new(ErrorClass::Transient, what, medium.uri(), "check that it is mounted and reachable"))
            }
        }
    }
}
