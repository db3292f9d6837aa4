//! Reports of many workers in one Raft entry: while one entry is on its way, the reports that come in wait together
//! and are the next one. So the number of entries does not grow with the number of workers.

use crate::node::SchedulerNode;
use std::sync::Arc;
use strandline_scheduler_core::{Action, WorkerReport};
use strandline_types::{ErrorClass, Failure};
use tokio::sync::{mpsc, oneshot};
use tokio_util::sync::CancellationToken;

/// Reports that wait; more are refused, the worker reports again soon.
const WAITING_MAX: usize = 1024;
/// Reports in one entry.
const BATCH_MAX: usize = 128;
/// Bytes that the reports of one entry may have; one large report may exceed it alone.
const BATCH_BYTES_MAX: usize = 1 << 20;

struct WaitingReport {
    report: WorkerReport,
    bytes: usize,
    done: oneshot::Sender<Result<(), Failure>>,
}

/// Takes the reports of workers and proposes them in batches.
#[derive(Clone)]
pub struct ReportBatches {
    waiting: mpsc::Sender<WaitingReport>,
}

impl ReportBatches {
    /// Starts the task that proposes; it runs until `stop`.
    pub fn start(node: Arc<SchedulerNode>, stop: CancellationToken) -> Self {
        let (sender, waiting) = mpsc::channel(WAITING_MAX);
        tokio::spawn(async move {
            tokio::select! {
                () = stop.cancelled() => {}
                () = propose_all(&node, waiting) => {}
            }
        });
        Self { waiting: sender }
    }

    /// Records the report of one worker.
    ///
    /// # Errors
    /// `Transient` when it could not be recorded: the worker reports again.
    pub async fn record(&self, report: WorkerReport) -> Result<(), Failure> {
        let bytes = strandline_stored::bytes_in_record(&report);
        let (done, outcome) = oneshot::channel();
        let busy = || {
            let todo = "it is reported again";
            Failure::new(ErrorClass::Transient, "the scheduler cannot take a report now", "scheduler group", todo)
        };
        self.waiting.try_send(WaitingReport { report, bytes, done }).map_err(|_| busy())?;
        outcome.await.map_err(|_| busy())?
    }
}

async fn propose_all(node: &SchedulerNode, mut waiting: mpsc::Receiver<WaitingReport>) {
    let mut held: Option<WaitingReport> = None;
    loop {
        let first = match held.take() {
            Some(report) => report,
            None => match waiting.recv().await {
                Some(report) => report,
                None => return,
            },
        };
        let mut bytes = first.bytes;
        let mut batch = vec![first];
        while batch.len() < BATCH_MAX {
            let Ok(next) = waiting.try_recv() else {
                break;
            };
            bytes += next.bytes;
            if bytes > BATCH_BYTES_MAX {
                held = Some(next);
                break;
            }
            batch.push(next);
        }
        let (reports, answers): (Vec<_>, Vec<_>) = batch.into_iter().map(|l| (l.report, l.done)).unzip();
        let outcome = node.act(Action::Heartbeats(reports)).await.map(|_| ());
        for answer in answers {
            // A worker that has hung up does not need the answer.
            let _ = answer.send(outcome.clone());
        }
    }
}
