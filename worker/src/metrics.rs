//! What `/metrics` shows of a worker.
//!
//! Facts of this worker are gauges of a registry that lives for one scrape: they are read where they are true, and
//! several servers in one process do not mix. Counters that libraries keep (media, archive) come from the process's one
//! recorder, when it is ours.

use crate::archive::ArchiveManager;
use crate::contact::Contact;
use crate::task_runner::TaskRunner;
use metrics::gauge;
use metrics_exporter_prometheus::{PrometheusBuilder, PrometheusHandle};
use std::sync::{Arc, OnceLock};
use strandline_engine::Engine;

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
    pub engine: Arc<Engine>,
    pub archive: Arc<ArchiveManager>,
    pub tasks: Arc<TaskRunner>,
    pub contact: Arc<Contact>,
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
    gauge!("strandline_worker_ready").set(flag(observed.contact.is_fresh()));
    let replicas = observed.engine.replicas();
    let led = replicas.iter().filter(|r| r.status().is_leader).count();
    gauge!("strandline_worker_replicas").set(replicas.len() as f64);
    gauge!("strandline_worker_replicas_led").set(led as f64);
    gauge!("strandline_worker_tasks").set(observed.tasks.count() as f64);
    for lag in observed.archive.lags() {
        let labels = [("tenant", lag.tenant.to_string()), ("ls", lag.ls.to_string())];
        // Byte counts stay far below 2^53.
        gauge!("strandline_archive_pending_bytes", &labels).set(lag.bytes as f64);
        gauge!("strandline_archive_stream_in_trouble", &labels).set(flag(lag.is_in_trouble));
    }
}
