//! The heartbeat: everything that this worker has to say goes to the scheduler's leader, its whole wish comes back.
//!
//! One call every [`HEARTBEAT_MS`], and sooner when an archive moved, a task ended, a leadership changed here, or the
//! scheduler has decided something. Orders of an older scheduler term than one that was ever obeyed are refused: they come from a leader that was replaced. So are those of another State:
//! they come from a scheduler group that knows nothing of what lies here.

use crate::archive::{ArchiveManager, Led};
use crate::clock::WallClock;
use crate::contact::Contact;
use crate::disk;
use crate::fence::{Fence, Verdict};
use crate::replicas;
use crate::schedulers::Schedulers;
use crate::task_runner::TaskRunner;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use strandline_engine::Engine;
use strandline_proto::v1;
use strandline_types::limits::{HEARTBEAT_MS, HEARTBEAT_MS_MIN};
use strandline_types::{LsId, NodeId, TenantId, Term};
use tokio::sync::{Notify, watch};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

/// News go up at once, but not more often than this.
const NEWS_PAUSE: Duration = Duration::from_millis(HEARTBEAT_MS_MIN);

/// The newest orders; `None` before the first.
pub(crate) type Orders = Option<Arc<Answer>>;

/// Orders, and what they answer.
#[derive(Debug)]
pub(crate) struct Answer {
    /// The whole wish of the scheduler.
    pub orders: v1::WorkerOrders,
    /// The log streams that this worker said it leads: the scheduler has taken note of these leaders, in these terms,
    /// before it gave the orders.
    pub claimed: Vec<Led>,
}

/// Everything a report is made of.
#[derive(Debug)]
pub(crate) struct Reporter {
    pub node_id: NodeId,
    /// Where the others reach this worker.
    pub address: String,
    pub clock: WallClock,
    /// Where its replicas lie.
    pub data_dir: PathBuf,
    pub engine: Arc<Engine>,
    pub archive: Arc<ArchiveManager>,
    pub tasks: Arc<TaskRunner>,
}

impl Reporter {
    fn report(&self) -> v1::WorkerReport {
        v1::WorkerReport {
            worker_id: self.node_id.0,
            address: self.address.clone(),
            boot_id: self.clock.boot_id(),
            clock_ms: self.clock.now_ms(),
            replicas: replicas::reports(&self.engine),
            archive: self.archive.progress(),
            archive_waiting: self.archive.waiting(),
            tasks: self.tasks.reports(self.clock.now_ms()),
            replica_troubles: replicas::troubles(&self.engine),
            free_bytes: disk::free_bytes(&self.data_dir),
        }
    }
}

/// The loop and what it needs.
#[derive(Debug)]
pub(crate) struct Heartbeat {
    pub reporter: Reporter,
    pub schedulers: Schedulers,
    pub fence: Fence,
    pub contact: Arc<Contact>,
    /// Notified when there is something to report at once.
    pub news: Arc<Notify>,
    pub orders: watch::Sender<Orders>,
}

impl Heartbeat {
    /// Beats until `stop`.
    pub(crate) async fn run(mut self, stop: CancellationToken) {
        while !stop.is_cancelled() {
            let (report, reported) = (self.reporter.report(), Instant::now());
            let claimed = claims(&report);
            tokio::select! {
                orders = self.schedulers.heartbeat(report) => self.take(orders, claimed),
                () = stop.cancelled() => return,
            }
            tokio::select! {
                () = tokio::time::sleep(Duration::from_millis(HEARTBEAT_MS)) => {}
                // News that come together go together.
                () = self.news.notified() => tokio::time::sleep_until(reported + NEWS_PAUSE).await,
                () = stop.cancelled() => return,
            }
        }
    }

    fn take(&self, orders: Option<v1::WorkerOrders>, claimed: Vec<Led>) {
        let Some(orders) = orders else { return };
        let (term, born_ms) = (orders.scheduler_term, orders.state_born_ms);
        match self.fence.admit(born_ms, Term(term)) {
            Ok(Verdict::Obey) => {
                self.contact.heard();
                self.orders.send_replace(Some(Arc::new(Answer { orders, claimed })));
            }
            Ok(Verdict::OldTerm) => tracing::warn!(term, "orders of a replaced scheduler are refused"),
            Ok(Verdict::OtherState) => tracing::error!(
                term,
                born_ms,
                "orders of another scheduler group, or of one that lost its State, are refused: they would remove every \
                 replica here. Correct the addresses, bring the schedulers' disks back, or give this worker an empty disk"
            ),
            Err(failure) => tracing::error!(%failure, "orders are not obeyed: their term cannot be remembered"),
        }
    }
}

fn claims(report: &v1::WorkerReport) -> Vec<Led> {
    let led = report.replicas.iter().filter(|r| r.is_leader);
    led.map(|r| Led { tenant: TenantId(r.tenant_id), ls: LsId(r.ls_id), term: Term(r.term) }).collect()
}
