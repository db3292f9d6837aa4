//! A replay that goes on: the standby tenant follows the archive of its source.
//!
//! Later orders bring more pieces and a higher target; an order without `follow` ends the replay at its target. A medium
//! that is away for a while is waited for: the standby only falls behind. Never goes past the target: how far all log
//! streams together may come is the scheduler's to say.

use super::log::{LogSink, TargetSink, replay};
use crate::task_ctx::TaskCtx;
use std::sync::Arc;
use std::time::Duration;
use strandline_engine_api::RestoreTarget;
use strandline_proto::v1::task_order::Spec;
use strandline_proto::v1::{RestoreLogResult, RestoreLogSpec};
use strandline_types::limits::{FOLLOW_BACKOFF_MS_MAX, FOLLOW_POLL_MS};
use strandline_types::{ErrorClass, Failure};

/// Replays once, or again and again while the order says `follow`.
pub(super) async fn run(
    ctx: &TaskCtx,
    target: Arc<dyn RestoreTarget>,
    spec: &RestoreLogSpec,
) -> Result<RestoreLogResult, Failure> {
    let sink: Arc<dyn LogSink> = Arc::new(TargetSink(Arc::clone(&target)));
    let mut changes = ctx.changes.clone();
    let (mut spec, mut failures) = (spec.clone(), 0);
    loop {
        let replayed = replay(ctx, &sink, &spec).await;
        let pause_ms = match replayed {
            Ok(outcome) if !spec.follow => return outcome.missing.map_or(Ok(outcome.result), Err),
            Ok(outcome) => {
                failures = 0;
                outcome.missing.is_some().then_some(FOLLOW_POLL_MS)
            }
            Err(failure) if spec.follow && is_passing(&failure) && target.leads() => {
                tracing::warn!(%failure, "a standby waits for its archive");
                failures += 1;
                Some(backoff_ms(failures))
            }
            Err(failure) => return Err(failure),
        };
        // A target that is reached needs no look at the medium: only another order brings more.
        let pause = async {
            match pause_ms {
                Some(ms) => tokio::time::sleep(Duration::from_millis(ms)).await,
                None => std::future::pending().await,
            }
        };
        let changed = async {
            if changes.changed().await.is_err() {
                // The task runner is gone: only the cancel token ends this.
                std::future::pending::<()>().await;
            }
        };
        tokio::select! {
            () = changed => spec = newest(&mut changes, spec),
            () = pause => {}
        }
    }
}

fn newest(changes: &mut tokio::sync::watch::Receiver<Option<Spec>>, old: RestoreLogSpec) -> RestoreLogSpec {
    match changes.borrow_and_update().clone() {
        Some(Spec::RestoreLog(spec)) => spec,
        _ => old,
    }
}

/// What may pass by itself. A file that a listing missed is there a moment later.
fn is_passing(failure: &Failure) -> bool {
    failure.class.is_retryable() || failure.class == ErrorClass::NotFound
}

/// Doubles with every failure in a row.
fn backoff_ms(failures: u32) -> u64 {
    FOLLOW_POLL_MS.saturating_mul(1 << failures.min(10)).min(FOLLOW_BACKOFF_MS_MAX)
}
