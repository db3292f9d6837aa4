//! The heartbeat: this worker reports everything to the scheduler's leader, and the answer is all its orders.
//!
//! One call every [`HEARTBEAT_MS`], and sooner when an archive moved, a task ended, a leadership changed here, or the
//! scheduler has decided something. Orders of an older scheduler term than one that was ever obeyed are refused: they come
//! from a leader that was replaced. So are those of another State: they come from a scheduler group that does not know
//! the replicas here.

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
use strandline_engine_api::ReplicaHost;
use strandline_proto::v1;
use strandline_types::limits::{HEARTBEAT_MS, HEARTBEAT_MS_MIN};
use strandline_types::{LsId, NodeId, TenantId, Term};
use tokio::sync::{Notify, watch};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

/// Changes are reported at once, but not more often than this.
const CHANGES_PAUSE: Duration = Duration::from_millis(HEARTBEAT_MS_MIN);

/// The newest orders; `None` before the first.
pub(crate) type Orders = Option<Arc<Answer>>;

/// Orders, and what they answer.
#[derive(Debug)]
pub(crate) struct Answer {
    /// Everything that the scheduler orders.
    pub orders: v1::WorkerOrders,
    /// The log streams that this worker reported to lead: the scheduler has taken note of these leaders, in these terms,
    /// before it gave the orders.
    pub claimed: Vec<Led>,
}

/// What a report is made of.
#[derive(Debug)]
pub(crate) struct Reporter {
    pub node_id: NodeId,
    /// Where the others reach this worker.
    pub address: String,
    pub clock: WallClock,
    /// Where its replicas lie.
    pub data_dir: PathBuf,
    pub host: Arc<dyn ReplicaHost>,
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
            replicas: replicas::reports(&*self.host),
            archive: self.archive.progress(),
            archive_waiting: self.archive.waiting(),
            tasks: self.tasks.reports(self.clock.now_ms()),
            replica_troubles: replicas::troubles(&*self.host),
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
    pub report_due: Arc<Notify>,
    pub orders: watch::Sender<Orders>,
}

impl Heartbeat {
    /// Reports until `stop`.
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
                // Changes that come together are reported together.
                () = self.report_due.notified() => tokio::time::sleep_until(reported + CHANGES_PAUSE).await,
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
