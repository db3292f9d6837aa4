//! What `/metrics` shows of a worker.
//!
//! Facts of this worker are gauges of a registry that lives for one scrape: they are read where they are true, and
//! several servers in one process do not mix. Counters that libraries keep (media, archive) come from the process's one
//! recorder, when it is ours.

use crate::archive::ArchiveManager;
use crate::contact::Contact;
use crate::heartbeat::Orders;
use crate::readiness::{Seen, hears_scheduler, liveness, readiness};
use crate::task_runner::TaskRunner;
use metrics::{describe_gauge, gauge};
use metrics_exporter_prometheus::{PrometheusBuilder, PrometheusHandle};
use std::sync::{Arc, OnceLock};
use strandline_engine_api::{HostedState, ReplicaHost};
use strandline_types::{LsId, TenantId};
use tokio::sync::watch;

/// The process's recorder; `None` when another server of this process has installed one before.
fn shared() -> Option<&'static PrometheusHandle> {
    static SHARED: OnceLock<Option<PrometheusHandle>> = OnceLock::new();
    SHARED.get_or_init(|| PrometheusBuilder::new().install_recorder().ok()).as_ref()
}

/// Installs the process's recorder if there is none yet. Called once per server start, any number of times per process.
pub(crate) fn install() {
    if shared().is_some() {
        strandline_media::describe_metrics();
    }
}

/// What a scrape looks at.
#[derive(Debug)]
pub(crate) struct Observed {
    pub host: Arc<dyn ReplicaHost>,
    pub archive: Arc<ArchiveManager>,
    pub tasks: Arc<TaskRunner>,
    pub contact: Arc<Contact>,
    pub orders: watch::Receiver<Orders>,
}

impl Observed {
    /// What readiness is judged by.
    pub(crate) fn seen(&self) -> Seen {
        let orders = self.orders.borrow().clone();
        let replicas = orders.iter().flat_map(|newest| &newest.orders.replicas);
        Seen {
            silence: self.contact.silence(),
            ordered: replicas.map(|r| (TenantId(r.tenant_id), LsId(r.ls_id))).collect(),
            hosted: self.host.states(),
        }
    }
}

/// The text of one scrape.
pub(crate) fn render(observed: &Observed) -> String {
    let recorder = PrometheusBuilder::new().build_recorder();
    metrics::with_local_recorder(&recorder, || set_gauges(observed));
    let mut text = recorder.handle().render();
    if let Some(shared) = shared() {
        strandline_media::set_gauges();
        shared.run_upkeep();
        text.push_str(&shared.render());
    }
    text
}

/// 1 for what is, 0 for what is not.
fn flag(is: bool) -> f64 {
    if is { 1.0 } else { 0.0 }
}

fn set_gauges(observed: &Observed) {
    let seen = observed.seen();
    gauge!("strandline_worker_ready").set(flag(readiness(&seen).is_ok()));
    gauge!("strandline_worker_alive").set(flag(liveness(&seen).is_ok()));
    gauge!("strandline_worker_hears_scheduler").set(flag(hears_scheduler(&seen)));
    let is_stopped = |(_, state): &&(_, HostedState)| matches!(state, HostedState::Stopped(_));
    gauge!("strandline_worker_replicas_stopped").set(seen.hosted.iter().filter(is_stopped).count() as f64);
    gauge!("strandline_worker_replicas_damaged").set(observed.host.damaged() as f64);
    let is_not_voting = |(_, s): &&(_, HostedState)| matches!(s, HostedState::Runs(h) if !h.is_full_member);
    gauge!("strandline_worker_replicas_not_voting").set(seen.hosted.iter().filter(is_not_voting).count() as f64);
    let replicas = observed.host.replicas();
    let led = replicas.iter().filter(|r| r.status().is_leader).count();
    gauge!("strandline_worker_replicas").set(replicas.len() as f64);
    gauge!("strandline_worker_replicas_led").set(led as f64);
    gauge!("strandline_worker_tasks").set(observed.tasks.count() as f64);
    archive_gauges(&observed.archive);
}

/// Metrics of archiving, with what they mean.
const ARCHIVE_HELP: [(&str, &str); 7] = [
    ("strandline_archive_pending_bytes", "Committed log that is not durable on the destination: the local spool"),
    (
        "strandline_archive_behind_seconds",
        "Time between the newest committed log and what is durable on the destination",
    ),
    ("strandline_archive_stream_in_trouble", "1 while something holds the log stream's archiving up"),
    (
        "strandline_archive_trouble_seconds",
        "For how long something has held the log stream's archiving up, 0 = nothing",
    ),
    ("strandline_archive_requests", "Requests to the destination since this worker leads the log stream"),
    ("strandline_archive_memory_bytes", "Log that the archivers of this worker hold in memory"),
    ("strandline_archive_memory_peak_bytes", "The most log that the archivers of this worker held in memory so far"),
];

fn archive_gauges(archive: &ArchiveManager) {
    for (name, help) in ARCHIVE_HELP {
        describe_gauge!(name, help);
    }
    // Byte counts and milliseconds stay far below 2^53.
    let (held, peak) = archive.memory();
    gauge!("strandline_archive_memory_bytes").set(held as f64);
    gauge!("strandline_archive_memory_peak_bytes").set(peak as f64);
    for lag in archive.lags() {
        let labels = [("tenant", lag.tenant.to_string()), ("ls", lag.ls.to_string()), ("dest", lag.dest.to_string())];
        gauge!("strandline_archive_pending_bytes", &labels).set(lag.bytes as f64);
        gauge!("strandline_archive_behind_seconds", &labels).set(lag.behind_ms as f64 / 1000.0);
        gauge!("strandline_archive_stream_in_trouble", &labels).set(flag(lag.trouble_ms > 0));
        gauge!("strandline_archive_trouble_seconds", &labels).set(lag.trouble_ms as f64 / 1000.0);
        gauge!("strandline_archive_requests", &labels).set(lag.requests as f64);
    }
}
