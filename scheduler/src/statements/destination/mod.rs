//! Statements about destinations, and what every statement that names one does: this node and every worker examine the
//! destination before it enters the State.
//!
//! Order rule: the core refuses first, before any medium is touched; then this node examines the destination; then the
//! workers do; then it enters the State.

pub mod check;
pub mod data_backup_dest;
pub mod external_storage;

use super::answer::done_text;
use super::context::Context;
use super::tenants::Named;
use crate::clock;
use crate::effects::{self, destination};
use std::sync::Arc;
use std::time::Duration;
use strandline_media::{KEY_PROBE, Medium};
use strandline_scheduler_core::state::DestKind;
use strandline_scheduler_core::{Action, DestRef, Done, address};
use strandline_types::{
    Access, Address, DestId, DestNo, DestOwner, DestUri, ErrorClass, Failure, JobId, NodeId, Scheme, Verdict,
};

/// A destination that does not answer for this long is refused.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(20);
/// A destination that was examined is ready within this time; otherwise the answer says that it is not.
const READY_WAIT: Duration = Duration::from_secs(5);
/// Workers that have not examined the destination by then are named, and not waited for.
const WORKERS_WAIT: Duration = Duration::from_secs(10);
/// The original's number for a backup device that a server has not mounted.
const NOT_MOUNTED_CODE: i32 = -9063;

/// A destination as a statement names it, with the medium behind it.
///
/// # Errors
/// `Invalid` for what is none.
pub fn opened(text: &str) -> Result<(Address, Arc<dyn Medium>), Failure> {
    let (uri, access) = strandline_media::split_secrets(text.trim());
    let address = Address { uri: address::named(&uri)?, access: Access::new(access) };
    let medium = effects::open_for_statement(&address.uri, &address.access)?;
    Ok((address, medium))
}

/// Examines a destination and makes it a tenant's; `None` clears it. `key_source`: of an encrypted archive.
///
/// # Errors
/// What the core refuses, what the medium says here, or what a worker found.
pub async fn set_dest(
    cx: &Context<'_>,
    tenant: &Named,
    text: Option<&str>,
    kind: DestKind,
    key_source: &str,
    action: impl Fn(Option<Address>) -> Action,
) -> Result<String, Failure> {
    let _one_at_a_time = cx.destinations.lock().await;
    let Some(text) = text else {
        cx.node.act(action(None)).await?;
        return Ok(format!("the {kind} destination of {} is cleared; its files stay", tenant.1));
    };
    let (address, medium) = opened(text)?;
    cx.try_out(action(Some(address.clone())))?;
    let (dest, known) = candidate(cx, tenant, kind, &address);
    let examined = answered(&address.uri, examine(medium.as_ref(), &dest, kind, known)).await;
    let check_file = examined.map_err(|failure| seen_from_here(cx, failure))?;
    let missing = check_from_workers(cx, &address, key_source).await?;
    let uri = address.uri.clone();
    let done = cx.node.act(action(Some(address))).await?;
    let ready = match done {
        Done::Dest(dest) => {
            cx.node.act(Action::DestChecked { dest, check_file }).await?;
            wait_until_ready(cx, dest).await
        }
        _ => true,
    };
    let note = if ready { "" } else { ", not ready yet: see CDB_STRANDLINE_WAITING" };
    Ok(format!("the {kind} destination of {} is {uri}: {}{note}{missing}", tenant.1, done_text(&done)))
}

/// A medium looks different from every server: the refusal names the one that examined it.
fn seen_from_here(cx: &Context<'_>, mut failure: Failure) -> Failure {
    failure.what = format!("scheduler {}: {}", cx.node.id(), failure.what);
    failure
}

/// Work on a destination, given up when it has not answered for `ANSWER_TIMEOUT`.
///
/// # Errors
/// Those of the work; `Transient` when it takes too long.
pub async fn answered<T, E>(uri: &DestUri, work: impl Future<Output = Result<T, E>>) -> Result<T, Failure>
where
    Failure: From<E>,
{
    let Ok(done) = tokio::time::timeout(ANSWER_TIMEOUT, work).await else {
        let what = format!("the destination has not answered for {} s", ANSWER_TIMEOUT.as_secs());
        let todo = "check that it is mounted and reachable from every scheduler and worker, and that the keys are good";
        return Err(Failure::new(ErrorClass::Transient, what, uri.to_string(), todo));
    };
    Ok(done?)
}

/// The destination as it would be this tenant's, and whether it is its destination already.
pub fn candidate(cx: &Context<'_>, tenant: &Named, kind: DestKind, address: &Address) -> (DestRef, bool) {
    cx.node.read(|state| {
        let known = state
            .destinations
            .values()
            .find(|d| d.tenant_id == tenant.0 && d.kind == kind && d.was_claimed() && d.uri.is_same_place(&address.uri))
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

/// Lets every known worker probe the destination. One that finds it bad refuses it; one that does not answer is named.
async fn check_from_workers(cx: &Context<'_>, address: &Address, key_source: &str) -> Result<String, Failure> {
    let action = Action::CheckDest {
        uri: address.uri.to_string(),
        access: address.access.clone(),
        key_source: key_source.to_owned(),
    };
    let Done::DestCheck(job) = cx.node.act(action).await? else { return Ok(String::new()) };
    let mut changes = cx.node.changes();
    let over = async {
        while !cx.node.read(|s| s.dest_checks.get(&job).is_none_or(|c| c.ended_ms.is_some())) {
            if changes.changed().await.is_err() {
                return;
            }
        }
    };
    // What was reported by then counts; the rest is in the view.
    let _ = tokio::time::timeout(WORKERS_WAIT, over).await;
    judge(cx, job, &address.uri.to_string(), key_source)
}

fn judge(cx: &Context<'_>, job: JobId, uri: &str, key_source: &str) -> Result<String, Failure> {
    cx.node.read(|state| {
        let Some(check) = state.dest_checks.get(&job) else { return Ok(String::new()) };
        for (worker, findings) in &check.findings {
            if let Some(bad) = findings.iter().find(|f| f.verdict == Verdict::Bad) {
                if bad.probe == KEY_PROBE {
                    return Err(bad_key(*worker, &bad.detail, key_source));
                }
                let what = format!("worker {worker} cannot use the destination: {}: {}", bad.probe, bad.detail);
                let todo = "mount it, or correct its keys, on every worker; see CDB_STRANDLINE_DEST_CHECK";
                return Err(Failure::new(ErrorClass::Invalid, what, uri, todo).with_code(NOT_MOUNTED_CODE));
            }
        }
        let silent: Vec<String> =
            check.runs.keys().filter(|w| !check.findings.contains_key(w)).map(ToString::to_string).collect();
        Ok(if silent.is_empty() { String::new() } else { format!("; not checked by worker {}", silent.join(", ")) })
    })
}

/// The leader loop writes `format.obbak` in a moment; a statement that needs the destination may come right after.
async fn wait_until_ready(cx: &Context<'_>, dest: DestId) -> bool {
    let mut changes = cx.node.changes();
    let is_ready = || cx.node.read(|s| s.destinations.get(&dest).is_some_and(|d| d.formatted));
    let ready = async {
        while !is_ready() {
            if changes.changed().await.is_err() {
                return;
            }
        }
    };
    tokio::time::timeout(READY_WAIT, ready).await.is_ok()
}

/// Log that cannot be encrypted is not archived: every log stream would be held up.
fn bad_key(worker: NodeId, detail: &str, key_source: &str) -> Failure {
    let what = format!("worker {worker} cannot use the KEY of the archive: {detail}");
    let todo = "put a passphrase of one line there, on every worker, readable for the server's user";
    Failure::new(ErrorClass::Invalid, what, key_source, todo)
}

/// Examines the owner of a destination and, for an object store, whether it keeps conditional writes: a store that ignores
/// a condition loses log.
async fn examine(medium: &dyn Medium, dest: &DestRef, kind: DestKind, known: bool) -> Result<String, Failure> {
    let scheme = dest.uri.place().scheme;
    let examined = destination::examine(medium, dest, kind, known, clock::now()).await;
    if scheme == Scheme::File {
        return examined;
    }
    // The check file is the first write: it may already show a store that ignores conditions.
    let check_file = examined.map_err(|failure| match (failure.class, failure.code) {
        (ErrorClass::Invalid, 0) => failure.with_code(store_code(scheme)),
        _ => failure,
    })?;
    let findings = strandline_media::probe(medium).await;
    let Some(bad) = findings.into_iter().find(|f| f.verdict == Verdict::Bad) else { return Ok(check_file) };
    let what = format!("the destination does not do what archiving needs: {}: {}", bad.probe, bad.detail);
    let todo =
        "use a store that keeps conditional writes, or correct its keys; strandline dest check shows all findings";
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
