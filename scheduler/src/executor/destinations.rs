//! Statements that name a destination: it is examined here and by every worker before it enters the State.
//!
//! Order rule: what the core would refuse is refused before any medium is touched; then this node examines; then the
//! workers do; then the State has it.

use super::Executor;
use super::statements::said;
use super::tenants::Named;
use crate::clock;
use crate::effects::{self, destination};
use std::sync::Arc;
use std::time::Duration;
use strandline_media::{KEY_PROBE, Medium};
use strandline_scheduler_core::state::DestKind;
use strandline_scheduler_core::{Action, DestRef, Done, address};
use strandline_types::{
    Access, Address, DestId, DestNo, DestOwner, ErrorClass, Failure, JobId, NodeId, Scheme, Verdict,
};

/// A destination that does not answer for this long is refused.
const EXAMINE_TIMEOUT: Duration = Duration::from_secs(20);
/// A destination that is examined already is ready this soon, or something has happened to it.
const READY_WAIT: Duration = Duration::from_secs(5);
/// Workers that have not looked at the destination by then are named, and not waited for.
const WORKERS_WAIT: Duration = Duration::from_secs(10);
/// The original's number for a backup device that a server has not mounted (fact sheet 4.13).
const NOT_MOUNTED_CODE: i32 = -9063;

/// A destination as a statement names it, with the medium behind it.
///
/// # Errors
/// `Invalid` for what is none.
pub(super) fn opened(text: &str) -> Result<(Address, Arc<dyn Medium>), Failure> {
    let (uri, access) = strandline_media::split_secrets(text.trim());
    let address = Address { uri: address::named(&uri)?, access: Access::new(access) };
    let medium = effects::open_for_statement(&address.uri, &address.access)?;
    Ok((address, medium))
}

impl Executor {
    /// `SET DATA_BACKUP_DEST`.
    pub(super) async fn set_data_dest(&self, tenant: &Named, uri: Option<String>) -> Result<String, Failure> {
        let id = tenant.0;
        let action = |address: Option<Address>| {
            let (uri, access) = address.map(|a| (a.uri.to_string(), a.access)).unzip();
            Action::SetDataDest { tenant: id, uri, access: access.unwrap_or_default() }
        };
        self.set_dest(tenant, uri.as_deref(), DestKind::Data, "", action).await
    }

    /// Examines a destination and makes it a tenant's; `None` clears it. `key_source`: of an encrypted archive.
    pub(super) async fn set_dest(
        &self,
        tenant: &Named,
        text: Option<&str>,
        kind: DestKind,
        key_source: &str,
        action: impl Fn(Option<Address>) -> Action,
    ) -> Result<String, Failure> {
        let _one_at_a_time = self.destinations.lock().await;
        let Some(text) = text else {
            self.node.act(action(None)).await?;
            return Ok(format!("the {kind} destination of {} is cleared; its files stay", tenant.1));
        };
        let (address, medium) = opened(text)?;
        self.try_out(action(Some(address.clone())))?;
        let (dest, known) = self.candidate(tenant, kind, &address);
        let examined = examine(medium.as_ref(), &dest, kind, known);
        let check_file = match tokio::time::timeout(EXAMINE_TIMEOUT, examined).await {
            Ok(examined) => examined.map_err(|failure| self.seen_from_here(failure))?,
            Err(_) => {
                let what = format!("the destination has not answered for {} s", EXAMINE_TIMEOUT.as_secs());
                let todo = "check that it is mounted and reachable from every scheduler and worker";
                let silent = Failure::new(ErrorClass::Transient, what, address.uri.to_string(), todo);
                return Err(self.seen_from_here(silent));
            }
        };
        let missing = self.check_from_workers(&address, key_source).await?;
        let uri = address.uri.clone();
        let done = self.node.act(action(Some(address))).await?;
        let ready = match done {
            Done::Dest(dest) => {
                self.node.act(Action::DestChecked { dest, check_file }).await?;
                self.wait_until_ready(dest).await
            }
            _ => true,
        };
        let note = if ready { "" } else { ", not ready yet: see CDB_STRANDLINE_WAITING" };
        Ok(format!("the {kind} destination of {} is {uri}: {}{note}{missing}", tenant.1, said(&done)))
    }

    /// A medium looks different from every server: the refusal says which one looked.
    fn seen_from_here(&self, mut failure: Failure) -> Failure {
        failure.what = format!("scheduler {}: {}", self.node.id(), failure.what);
        failure
    }

    /// What the destination would be to this tenant, and whether it is that already.
    pub(super) fn candidate(&self, tenant: &Named, kind: DestKind, address: &Address) -> (DestRef, bool) {
        self.node.read(|state| {
            let known = state
                .destinations
                .values()
                .find(|d| {
                    d.tenant_id == tenant.0 && d.kind == kind && d.was_claimed() && d.uri.is_same_place(&address.uri)
                })
                .map(|d| d.id);
            let dest = DestRef {
                uri: address.uri.clone(),
                access: address.access.clone(),
                dest_no: DestNo(0),
                made_below: None,
                dest_id: known.unwrap_or(DestId(0)),
                tenant_id: tenant.0,
                tenant_name: tenant.1.clone(),
                cluster_id: state.cluster.id,
                cluster_name: state.cluster.name.clone(),
                owner: DestOwner::default(),
            };
            (dest, known.is_some())
        })
    }

    /// Has every known worker probe the destination. Who finds it bad refuses it; who says nothing is named.
    async fn check_from_workers(&self, address: &Address, key_source: &str) -> Result<String, Failure> {
        let action = Action::CheckDest {
            uri: address.uri.to_string(),
            access: address.access.clone(),
            key_source: key_source.to_owned(),
        };
        let Done::DestCheck(job) = self.node.act(action).await? else { return Ok(String::new()) };
        let mut changes = self.node.changes();
        let over = async {
            while !self.node.read(|s| s.dest_check(job).is_none_or(|c| c.ended_ms.is_some())) {
                if changes.changed().await.is_err() {
                    return;
                }
            }
        };
        // What has been said by then counts; the rest is in the view.
        let _ = tokio::time::timeout(WORKERS_WAIT, over).await;
        self.judge(job, &address.uri.to_string(), key_source)
    }

    fn judge(&self, job: JobId, uri: &str, key_source: &str) -> Result<String, Failure> {
        self.node.read(|state| {
            let Some(check) = state.dest_check(job) else { return Ok(String::new()) };
            for (worker, findings) in &check.findings {
                if let Some(bad) = findings.iter().find(|f| f.verdict == Verdict::Bad) {
                    if bad.probe == KEY_PROBE {
                        return Err(bad_key(*worker, &bad.detail, key_source));
                    }
                    let what = format!("worker {worker} cannot use the destination: {}: {}", bad.probe, bad.detail);
                    let todo = "mount it, or mend its keys, on every worker; see CDB_STRANDLINE_DEST_CHECK";
                    return Err(Failure::new(ErrorClass::Invalid, what, uri, todo).with_code(NOT_MOUNTED_CODE));
                }
            }
            let silent: Vec<String> = check
                .workers()
                .map(|(w, _)| w)
                .filter(|w| !check.findings.contains_key(w))
                .map(|w| w.to_string())
                .collect();
            Ok(if silent.is_empty() { String::new() } else { format!("; not checked by worker {}", silent.join(", ")) })
        })
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
}

/// Log that cannot be encrypted is not archived: every log stream would be held up.
fn bad_key(worker: NodeId, detail: &str, key_source: &str) -> Failure {
    let what = format!("worker {worker} cannot use the KEY of the archive: {detail}");
    let todo = "put a passphrase of one line there, on every worker, readable for the server's user";
    Failure::new(ErrorClass::Invalid, what, key_source, todo)
}

/// Whose it is, and, for an object store, whether it does what it says: a store that ignores a condition loses log.
async fn examine(medium: &dyn Medium, dest: &DestRef, kind: DestKind, known: bool) -> Result<String, Failure> {
    let scheme = dest.uri.place().scheme;
    let examined = destination::examine(medium, dest, kind, known, clock::now()).await;
    if scheme == Scheme::File {
        return examined;
    }
    // The check file is the first thing that is written: a store that lies may be found out by it already.
    let check_file = examined.map_err(|failure| match (failure.class, failure.code) {
        (ErrorClass::Invalid, 0) => failure.with_code(store_code(scheme)),
        _ => failure,
    })?;
    let findings = strandline_media::probe(medium).await;
    let Some(bad) = findings.into_iter().find(|f| f.verdict == Verdict::Bad) else { return Ok(check_file) };
    let what = format!("the destination does not do what archiving needs: {}: {}", bad.probe, bad.detail);
    let todo = "use a store that keeps conditional writes, or mend its keys; strandline dest check shows all findings";
    Err(Failure::new(ErrorClass::Invalid, what, dest.uri.to_string(), todo).with_code(store_code(scheme)))
}

/// The original's number for an error of this kind of store.
fn store_code(scheme: Scheme) -> i32 {
    match scheme {
        Scheme::Oss => -9003,
        Scheme::S3 => -9105,
        Scheme::Azure | Scheme::File | Scheme::Memory => crate::sql::NOT_SUPPORTED_CODE,
    }
}
