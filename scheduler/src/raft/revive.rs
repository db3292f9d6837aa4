//! Keeps the scheduler group running on this node: has it formed or finds it formed, and starts it anew when it has
//! stopped by itself, because its disk was full or failed for a moment.
//!
//! A Raft core that could not write has to stop: what it holds in memory may be ahead of its files. So everything is
//! opened anew from the files, as a new process would, until that works. Meanwhile the other nodes serve, and readiness
//! says what is wrong.

use crate::node::SchedulerNode;
use std::sync::Arc;
use std::time::Duration;
use tokio::task::JoinHandle;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tracing::{error, info, warn};

/// Pause between two looks at a group that runs.
const LOOK: Duration = Duration::from_millis(200);
/// Pause between two attempts: a full disk stays full for a while.
const AGAIN: Duration = Duration::from_secs(1);
/// A reason that stays is logged this often.
const TELL_EVERY: Duration = Duration::from_secs(10);

/// Runs until `stop`.
pub async fn run(node: Arc<SchedulerNode>, stop: CancellationToken) {
    let mut told: Option<Instant> = None;
    // It may wait for peers as long as they are away.
    let mut forming = form(&node);
    loop {
        let pause = match node.group().health().stopped {
            None => LOOK,
            Some(why) => {
                if told.is_none() {
                    error!(why, "the scheduler group has stopped on this node: it is started anew");
                }
                tokio::select! {
                    runs = start_again(&node, &mut told) => if runs {
                        forming.abort();
                        forming = form(&node);
                        LOOK
                    } else {
                        AGAIN
                    },
                    () = stop.cancelled() => break,
                }
            }
        };
        tokio::select! {
            () = stop.cancelled() => break,
            () = tokio::time::sleep(pause) => {}
        }
    }
    forming.abort();
}

fn form(node: &Arc<SchedulerNode>) -> JoinHandle<()> {
    let node = Arc::clone(node);
    tokio::spawn(async move { node.form().await })
}

async fn start_again(node: &Arc<SchedulerNode>, told: &mut Option<Instant>) -> bool {
    match node.revive().await {
        Ok(()) => {
            info!("the scheduler group runs again on this node");
            node.note_trouble(None);
            *told = None;
            true
        }
        Err(failure) => {
            if told.is_none_or(|at| at.elapsed() >= TELL_EVERY) {
                *told = Some(Instant::now());
                warn!(%failure, "the scheduler group cannot be started anew yet");
            }
            node.note_trouble(Some(failure));
            false
        }
    }
}
