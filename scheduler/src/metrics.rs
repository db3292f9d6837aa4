//! What `/metrics` shows of a scheduler node.
//!
//! Facts of the State are gauges of a registry that lives for one scrape: they are read where they are true and can
//! never be stale, and several nodes in one process do not mix. Counters that libraries keep (media and the like) come
//! from the process's one recorder, when it is ours.

use crate::clock;
use crate::node::SchedulerNode;
use crate::readiness::{hears_leader, liveness, readiness};
use metrics::gauge;
use metrics_exporter_prometheus::{PrometheusBuilder, PrometheusHandle};
use std::collections::BTreeMap;
use std::sync::OnceLock;
use strandline_scheduler_core::replayed_scn;
use strandline_scheduler_core::round_lag_ms;
use strandline_scheduler_core::spool::spool;
use strandline_scheduler_core::state::State;
use strandline_types::Scn;

/// The process's recorder; `None` when another server of this process has installed one before.
fn shared() -> Option<&'static PrometheusHandle> {
    static SHARED: OnceLock<Option<PrometheusHandle>> = OnceLock::new();
    SHARED.get_or_init(|| PrometheusBuilder::new().install_recorder().ok()).as_ref()
}

/// Installs the process's recorder if there is none yet. Called once per server start, any number of times per process.
pub fn install() {
    if shared().is_some() {
        strandline_media::describe_metrics();
    }
}

/// The text of one scrape.
pub fn render(node: &SchedulerNode) -> String {
    let recorder = PrometheusBuilder::new().build_recorder();
    metrics::with_local_recorder(&recorder, || set_gauges(node));
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

fn set_gauges(node: &SchedulerNode) {
    let (role, seen) = (node.role(), node.seen());
    gauge!("strandline_scheduler_ready").set(flag(readiness(&seen).is_ok()));
    gauge!("strandline_scheduler_raft_running").set(flag(liveness(&seen).is_ok()));
    gauge!("strandline_scheduler_full_member").set(flag(seen.health.is_full_member));
    gauge!("strandline_scheduler_is_leader").set(flag(role.is_leader));
    gauge!("strandline_scheduler_has_leader").set(flag(hears_leader(&seen)));
    // Terms and indexes stay far below 2^53.
    gauge!("strandline_scheduler_raft_term").set(role.term as f64);
    gauge!("strandline_scheduler_raft_applied_index").set(role.last_applied.map_or(0, |p| p.index) as f64);
    let now = clock::now();
    node.read(|state| {
        let known = state.workers.keys().filter(|w| state.is_known(**w, now.as_ms())).count();
        gauge!("strandline_scheduler_workers", "state" => "known").set(known as f64);
        gauge!("strandline_scheduler_workers", "state" => "unknown").set((state.workers.len() - known) as f64);
        set_archive_gauges(state, now);
        set_job_gauges(state);
        set_recovery_gauges(state, now);
    });
}

fn set_archive_gauges(state: &State, now: Scn) {
    let (now, now_ms) = (now, now.as_ms());
    for (tenant, round) in state.tenants.values().flat_map(|t| state.open_rounds(t.id).map(move |r| (t, r))) {
        let labels = [("tenant", tenant.name.clone()), ("dest", round.dest_no.to_string())];
        let age = now.0.saturating_sub(round.checkpoint_scn.0) as f64 / 1e9;
        gauge!("strandline_archive_checkpoint_age_seconds", &labels).set(age);
        gauge!("strandline_archive_lag_seconds", &labels).set(round_lag_ms(state, round, now_ms) as f64 / 1e3);
        let lag_max = round.lag_history.iter().map(|l| l.lag_ms).max().unwrap_or(0);
        gauge!("strandline_archive_lag_seconds_max_30m", &labels).set(lag_max as f64 / 1e3);
        let is_in_trouble = round.trouble.is_some() || round.progress.values().any(|p| p.trouble.is_some());
        gauge!("strandline_archive_in_trouble", &labels).set(flag(is_in_trouble));
        let spools = || tenant.log_streams.values().filter_map(|ls| spool(round, ls, now_ms));
        let fill = spools().map(|s| s.fill_ratio()).fold(0.0, f64::max);
        gauge!("strandline_archive_spool_fill_ratio", &labels).set(fill);
        let waiting: u64 = spools().map(|s| s.waiting_bytes).sum();
        gauge!("strandline_archive_spool_bytes", &labels).set(waiting as f64);
        let [tenant_label, dest_label] = labels;
        let labels = [tenant_label, dest_label, ("state", round.state.to_string())];
        gauge!("strandline_archive_round_state", &labels).set(1.0);
    }
}

/// How far standbys are behind, and up to where backups are proven.
fn set_recovery_gauges(state: &State, now: Scn) {
    for tenant in state.standbys().filter_map(|s| state.tenants.get(&s.tenant_id)) {
        let lag = now.0.saturating_sub(replayed_scn(state, tenant).0) as f64 / 1e9;
        gauge!("strandline_standby_lag_seconds", "tenant" => tenant.name.clone()).set(lag);
    }
    for (id, plan) in &state.drill_plans {
        let Some(tenant) = state.tenants.get(id) else { continue };
        let name = || tenant.name.clone();
        gauge!("strandline_proven_restorable_until_scn", "tenant" => name()).set(plan.proven_scn.0 as f64);
        let age = now.as_ms().saturating_sub(plan.proven_ms) as f64 / 1e3;
        gauge!("strandline_proven_restorable_age_seconds", "tenant" => name()).set(age);
    }
}

fn set_job_gauges(state: &State) {
    let mut counts: BTreeMap<(&str, String), u64> = BTreeMap::new();
    for job in state.backup_jobs() {
        *counts.entry(("backup", job.status.to_string())).or_default() += 1;
    }
    for job in state.restore_jobs() {
        *counts.entry(("restore", job.stage.to_string())).or_default() += 1;
    }
    for ((kind, status), count) in counts {
        gauge!("strandline_jobs", "kind" => kind.to_owned(), "state" => status).set(count as f64);
    }
}
