//! Probes a destination from this worker: what it sees may differ from what other workers see (mounts, routes, clocks,
//! keys of a machine's role). Asked for by a task of the scheduler or through the worker's own door.
//!
//! A destination that answers badly is a result, not a failure; only a text that is no destination fails.

use crate::task_ctx::TaskCtx;
use strandline_media::Finding;
use strandline_proto::v1;
use strandline_types::Failure;

/// The task.
///
/// # Errors
/// `Invalid` for a text that is no destination; `Fenced` when the task was cancelled.
pub async fn run_dest_check(ctx: &TaskCtx, spec: &v1::DestCheckSpec) -> Result<v1::DestCheckResult, Failure> {
    let result = check(spec).await?;
    ctx.check_cancelled()?;
    Ok(result)
}

/// Probes and gives the findings.
///
/// # Errors
/// `Invalid` for a text that is no destination.
pub(crate) async fn check(spec: &v1::DestCheckSpec) -> Result<v1::DestCheckResult, Failure> {
    // Not by the opener of the other tasks: its retries would hide what is looked for here.
    let medium = strandline_media::open_with(&spec.dest_uri, &spec.access)?;
    let findings = strandline_media::probe(&*medium).await;
    Ok(v1::DestCheckResult { findings: findings.into_iter().map(finding).collect() })
}

fn finding(f: Finding) -> v1::DestFinding {
    v1::DestFinding { probe: f.probe, verdict: f.verdict.number(), detail: f.detail, took_us: f.took_us }
}
