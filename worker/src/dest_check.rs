//! Probes a destination from this worker: what it sees may differ from what other workers see (mounts, routes, clocks,
//! keys of a machine's role). Asked for by a task of the scheduler or by a request to this worker.
//!
//! A destination that answers badly is a result, not a failure; only a text that is no destination fails.

use crate::task_ctx::{TaskCtx, cancelled};
use std::sync::Arc;
use std::time::Instant;
use strandline_media::key_source::read_secret;
use strandline_media::{Finding, Guarded, KEY_PROBE, Medium, Right, Waits, Watched};
use strandline_proto::{OnWire, v1};
use strandline_types::limits::PROBES_MAX;
use strandline_types::{DestOwner, Failure, Verdict};
use tokio::sync::Semaphore;

/// The task.
///
/// # Errors
/// `Invalid` for a text that is no destination; `Fenced` when the task was cancelled.
pub async fn run_dest_check(ctx: &TaskCtx, spec: &v1::DestCheckSpec) -> Result<v1::DestCheckResult, Failure> {
    tokio::select! {
        result = check(spec, &ctx.waits) => result,
        () = ctx.cancel.cancelled() => Err(cancelled()),
    }
}

/// Probes and gives the findings; `waits` tells meanwhile what does not answer.
///
/// # Errors
/// `Invalid` for a text that is no destination.
pub(crate) async fn check(spec: &v1::DestCheckSpec, waits: &Arc<Waits>) -> Result<v1::DestCheckResult, Failure> {
    // Not by the opener of the other tasks, which counts it. What passes by itself says nothing about a destination.
    let medium = strandline_media::open_patiently(&spec.dest_uri, &spec.access)?;
    let medium: Arc<dyn Medium> = Arc::new(Watched::new(medium, Arc::clone(waits)));
    let mut findings = match spec.owner {
        Some(owner) => probe_owned(medium, owner.into()).await,
        None => probe_to_its_end(medium).await,
    };
    findings.extend(key(&spec.key_source).await);
    Ok(v1::DestCheckResult { findings: findings.into_iter().map(finding).collect() })
}

/// A destination that was claimed is probed only where it is: nothing is written below a mount point without its mount.
async fn probe_owned(medium: Arc<dyn Medium>, owner: DestOwner) -> Vec<Finding> {
    let began = Instant::now();
    match Guarded::new(Arc::clone(&medium), Right::Write(owner)).prove().await {
        Ok(()) => probe_to_its_end(medium).await,
        Err(e) => vec![bad("identity", e.reason, began)],
    }
}

/// Goes on by itself when no caller waits for it any more: what a probe wrote is gone only at its end. So many may be waiting
/// for media that do not answer; then no other one is begun.
async fn probe_to_its_end(medium: Arc<dyn Medium>) -> Vec<Finding> {
    static ROOM: Semaphore = Semaphore::const_new(PROBES_MAX);
    let began = Instant::now();
    let Ok(room) = ROOM.try_acquire() else {
        let what = format!("{PROBES_MAX} checks of destinations that do not answer still wait on this worker");
        return vec![bad("connect", what, began)];
    };
    let probing = tokio::spawn(async move {
        let _room = room;
        strandline_media::probe(&*medium).await
    });
    probing.await.unwrap_or_else(|e| vec![bad("connect", format!("the probe itself failed: {e}"), began)])
}

fn bad(probe: &str, detail: String, began: Instant) -> Finding {
    let took_us = u64::try_from(began.elapsed().as_micros()).unwrap_or(u64::MAX);
    Finding { probe: probe.to_owned(), verdict: Verdict::Bad, detail, took_us }
}

/// Whether this worker finds the key of an encrypted archive: without it none of its log streams could be archived.
async fn key(source: &str) -> Option<Finding> {
    if source.is_empty() {
        return None;
    }
    let began = Instant::now();
    let (verdict, detail) = match read_secret(source).await {
        Ok(_) => (Verdict::Good, "it can be read".to_owned()),
        Err(failure) => (Verdict::Bad, failure.what),
    };
    let took_us = u64::try_from(began.elapsed().as_micros()).unwrap_or(u64::MAX);
    Some(Finding { probe: KEY_PROBE.to_owned(), verdict, detail, took_us })
}

fn finding(f: Finding) -> v1::DestFinding {
    v1::DestFinding { probe: f.probe, verdict: f.verdict.on_wire(), detail: f.detail, took_us: f.took_us }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[tokio::test]
    async fn a_claimed_destination_that_is_not_mounted_is_bad_and_stays_bare() {
        let dir = tempfile::tempdir().unwrap();
        let dest_uri = format!("file://{}", dir.path().display());
        let owner = Some(v1::DestOwner { cluster_id: 1, tenant_id: 1002, dest_id: 1001 });
        let spec = v1::DestCheckSpec { dest_uri, owner, ..v1::DestCheckSpec::default() };
        let found = check(&spec, &Arc::default()).await.unwrap().findings;
        assert_eq!(found.len(), 1);
        assert_eq!((found[0].probe.as_str(), found[0].verdict), ("identity", Verdict::Bad.on_wire()));
        assert!(found[0].detail.contains("not mounted"), "{}", found[0].detail);
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 0);
    }

    #[tokio::test]
    async fn a_probe_that_nobody_waits_for_any_more_leaves_nothing() {
        let dir = tempfile::tempdir().unwrap();
        let probes = dir.path().join("check_file");
        let spec =
            v1::DestCheckSpec { dest_uri: format!("file://{}", dir.path().display()), ..v1::DestCheckSpec::default() };
        let waits = Arc::default();
        tokio::select! {
            biased;
            () = async { while !probes.exists() { tokio::task::yield_now().await } } => (),
            _ = check(&spec, &waits) => (),
        }
        let left = || std::fs::read_dir(&probes).map_or(0, Iterator::count);
        let deadline = Instant::now() + std::time::Duration::from_secs(20);
        while left() > 0 {
            assert!(Instant::now() < deadline, "a probe stays");
            tokio::task::yield_now().await;
        }
    }

    #[tokio::test]
    async fn the_key_of_an_encrypted_archive_is_looked_for_and_said_to_be_bad_when_it_is_none() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("key");
        let dest = dir.path().join("dest");
        std::fs::create_dir(&dest).unwrap();
        for (content, verdict, word) in [
            (&b"a passphrase\n"[..], Verdict::Good, "can be read"),
            (&b""[..], Verdict::Bad, "key"),
            (&b"\n\n"[..], Verdict::Bad, "key"),
            (&[0xff, 0xfe, 0x00][..], Verdict::Bad, "no text"),
        ] {
            std::fs::write(&path, content).unwrap();
            let spec = v1::DestCheckSpec {
                dest_uri: format!("file://{}", dest.display()),
                key_source: format!("file:{}", path.display()),
                ..v1::DestCheckSpec::default()
            };
            let found = check(&spec, &Arc::default()).await.unwrap().findings;
            let of_key: Vec<_> = found.iter().filter(|f| f.probe == KEY_PROBE).collect();
            assert!(
                matches!(of_key[..], [f] if f.verdict == verdict.on_wire() && f.detail.contains(word)),
                "{of_key:?}"
            );
            let plain = check(&v1::DestCheckSpec { key_source: String::new(), ..spec }, &Arc::default()).await.unwrap();
            assert!(plain.findings.iter().all(|f| f.probe != KEY_PROBE), "without encryption no key is asked for");
        }
    }
}
