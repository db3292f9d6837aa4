//! Keeps the Raft log short: a snapshot every so many entries, then the entries before it may go. Also notes in the data
//! directory to which cluster it belongs, once the State says so. The leader asks the others whether they vote, for the view.

use crate::cluster_file;
use crate::node::SchedulerNode;
use std::sync::Arc;
use std::time::Duration;
use tokio_util::sync::CancellationToken;
use tracing::{debug, warn};

/// Entries between two snapshots. A restart applies at most this many again.
const SNAPSHOT_EVERY: u64 = 10_000;
/// Entries that stay behind a snapshot, so that a follower which is a little behind needs no snapshot.
const ENTRIES_KEPT: u64 = 1_000;
/// Pause between two looks.
const LOOK: Duration = Duration::from_secs(1);

/// Runs until `stop`.
pub async fn run(node: Arc<SchedulerNode>, stop: CancellationToken) {
    let mut knows_cluster = false;
    loop {
        tokio::select! {
            () = stop.cancelled() => return,
            () = tokio::time::sleep(LOOK) => {}
        }
        knows_cluster = knows_cluster || know_cluster(&node);
        if node.leads() {
            node.look_at_peers().await;
        }
        let (snapshot, applied) = node.state_machine().positions();
        let since = applied.map_or(0, |p| p.index + 1) - snapshot.map_or(0, |p| p.index + 1);
        if since < SNAPSHOT_EVERY {
            continue;
        }
        match node.group().snapshot_now().await {
            Ok(pos) => {
                debug!(%pos, "snapshot of the scheduler's state");
                if let Err(error) = node.group().purge(pos.index.saturating_sub(ENTRIES_KEPT)).await {
                    warn!(%error, "cannot purge the scheduler's log");
                }
            }
            Err(error) => warn!(%error, "cannot make a snapshot of the scheduler's state"),
        }
    }
}

/// The State's word counts, not the configuration's: a wrong one is refused at the next start, and named until then.
/// True once nothing is left to do.
fn know_cluster(node: &SchedulerNode) -> bool {
    let (own, configured) = (node.read(|s| s.cluster.id.0), node.config().cluster_id);
    if own == 0 {
        return false;
    }
    if own != configured {
        warn!(own, configured, "the configuration names another cluster id than the group has: correct it");
    }
    if let Err(failure) = cluster_file::claim(&node.config().data_dir, own) {
        warn!(%failure, "the data directory does not say yet to which cluster it belongs");
        return false;
    }
    true
}
