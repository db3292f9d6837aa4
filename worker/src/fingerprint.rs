//! `FINGERPRINT`: the content of one log stream as a digest, so that a restored tenant can be compared with its source.
//!
//! Equal digests over all log streams of two tenants mean equal content: the same keys with the same values in the same
//! tablets, whatever files they lie in. Tablets keep no history: a digest of a tenant that is being written to is asked
//! for at an SCN that is still to come, and a restore up to that very SCN then has to give the same one.

use crate::task_ctx::{TaskCtx, cancelled};
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::Duration;
use strandline_engine_api::{SourceError, StopSignal};
use strandline_proto::TaskKey;
use strandline_proto::v1::{FingerprintResult, FingerprintSpec};
use strandline_types::{Failure, Scn};

/// What was read is reported this often.
const REPORT: Duration = Duration::from_millis(500);

/// Runs the task.
///
/// # Errors
/// `NotFound` when this worker hosts no such replica; `Invalid` when the content has changed after the SCN;
/// `Transient` when another look is under way.
pub async fn run_fingerprint(ctx: &TaskCtx, spec: &FingerprintSpec, id: TaskKey) -> Result<FingerprintResult, Failure> {
    let not_here = SourceError::NotHere { tenant: id.tenant_id, ls: id.ls_id };
    let stream = ctx.engine.log_stream(id.tenant_id, id.ls_id).ok_or(not_here)?;
    let scn = (spec.scn > 0).then_some(Scn(spec.scn));
    let bytes = Arc::new(AtomicU64::new(0));
    // The reading thread goes on when this future is dropped, until it is told.
    let stop = StopSignal::default();
    let _stop_when_dropped = stop.stop_on_drop();
    let look = stream.fingerprint(scn, stop, Arc::clone(&bytes));
    let report = async {
        loop {
            tokio::time::sleep(REPORT).await;
            ctx.progress.follow(&bytes);
        }
    };
    let (scn, print) = tokio::select! {
        seen = look => seen?,
        () = report => return Err(cancelled()),
        () = ctx.cancel.cancelled() => return Err(cancelled()),
    };
    ctx.progress.follow(&bytes);
    Ok(FingerprintResult { scn: scn.0, keys: print.keys, digest: print.digest().to_vec().into() })
}
