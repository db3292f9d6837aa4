//! The leader loop: look at the State, plan, do, propose that it is done. It runs on every node and acts on one.
//!
//! Nothing is remembered here that a new leader would miss. The loop itself never waits for a medium: work on it runs
//! in [`StepRunner`], one at a time per subject. Order rule: all work of a step durable first, then its action.

use crate::clock;
use crate::node::SchedulerNode;
use crate::step_runner::StepRunner;
use futures::future::join_all;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;
use strandline_scheduler_core::{Action, Step, plan};
use strandline_types::{ClusterId, Failure, NodeId, Term};
use tokio_util::sync::CancellationToken;
use tracing::{debug, info, warn};

/// Pure steps that are proposed at once.
const PROPOSALS_AT_ONCE: usize = 64;
/// Pause after the group refused a proposal: an election is on its way.
const REFUSED_PAUSE: Duration = Duration::from_millis(50);

/// Runs until `stop`.
pub async fn run(node: Arc<SchedulerNode>, stop: CancellationToken) {
    let tick = Duration::from_millis(node.config().tick_ms);
    let mut changes = node.changes();
    let runner = StepRunner::new(Arc::clone(&node), stop.clone());
    loop {
        changes.borrow_and_update();
        // Another one after the group was started anew.
        let mut role = node.role_watch();
        let now = role.role();
        if !now.is_leader {
            runner.keep(&[]);
        } else if let Err(failure) = lead(&node, &runner, now.term).await {
            debug!(%failure, "the scheduler's leader loop is held up");
            tokio::time::sleep(REFUSED_PAUSE).await;
        }
        tokio::select! {
            () = stop.cancelled() => return,
            changed = changes.changed() => if changed.is_err() { return },
            _ = role.leadership_changed(&now), if now.running => {}
            () = runner.ended() => {}
            () = tokio::time::sleep(tick) => {}
        }
    }
}

async fn lead(node: &SchedulerNode, runner: &StepRunner, term: u64) -> Result<(), Failure> {
    if !node.has_taken_lead(term) {
        take_lead(node, term).await?;
    }
    let plan = node.read(|s| plan(s, clock::now().as_ms()));
    let (on_medium, pure): (Vec<Step>, Vec<Step>) = plan.steps.into_iter().partition(|s| !s.work.is_empty());
    runner.keep(&on_medium);
    for step in on_medium {
        runner.start(step);
    }
    let proposals = pure.into_iter().take(PROPOSALS_AT_ONCE).map(|step| node.act(step.then));
    for outcome in join_all(proposals).await {
        outcome?;
    }
    Ok(())
}

/// The first words of a leader. A barrier first: it has to know what its predecessors have committed.
async fn take_lead(node: &SchedulerNode, term: u64) -> Result<(), Failure> {
    node.barrier().await?;
    let schedulers: BTreeMap<NodeId, String> =
        node.addresses().iter().map(|(id, address)| (NodeId(*id), address.clone())).collect();
    // The first words of a cluster; later, addresses may have moved with a restart.
    if node.read(|s| s.schedulers.nodes != schedulers) {
        // An id is given once. A configuration that names another one is reported by readiness, and delays nothing.
        let known = node.read(|s| (s.cluster.id != ClusterId(0)).then(|| (s.cluster.id, s.cluster.name.clone())));
        let (id, name) = known.unwrap_or_else(|| (node.config().cluster_id.into(), node.config().cluster_name.clone()));
        node.act(Action::InitCluster { id, name, schedulers: schedulers.into_iter().collect() }).await?;
    }
    match node.act(Action::TakeLead { node: node.id(), term: Term(term) }).await {
        Ok(_) => info!(node = %node.id(), term, "leads the scheduler group"),
        Err(failure) => {
            warn!(%failure, term, "cannot take the lead");
            return Err(failure);
        }
    }
    Ok(())
}
