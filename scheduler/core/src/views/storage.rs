//! Destinations as storage: where they are, how they are opened, what they were before, what workers found.
//!
//! Keys are never shown: only the id that they belong to.

use super::column::{Column, RowKind, Rows, text, unsigned};
use super::value::{n, t, time};
use super::view::{Context, Tenancy, View};
use crate::state::{DestCheck, DestFinding, Destination, StorageChange};
use strandline_types::NodeId;

pub(super) static INFO: View = View {
    name: "CDB_OB_BACKUP_STORAGE_INFO",
    aliases: &[],
    about: "A destination as storage.",
    tenancy: Tenancy::TENANTS,
    content: &Rows::<Destination> {
        of: |cx| cx.state.destinations.values().collect(),
        columns: &[
            unsigned("TENANT_ID", |d| n(d.tenant_id.0)),
            text("PATH", |d| t(d.uri.place().root())),
            text("ENDPOINT", |d| t(d.uri.attribute("host").unwrap_or_default())),
            unsigned("DEST_ID", |d| n(d.id.0)),
            text("DEST_TYPE", |d| t(d.kind)),
            text("AUTHORIZATION", |d| t(&d.access)),
            text("EXTENSION", |d| t(extension(d))),
            text("CHECK_FILE_NAME", |d| Some(d.check_file.clone()).filter(|name| !name.is_empty())),
            text("LAST_CHECK_TIMESTAMP", |d| time(Some(d.checked_ms))),
            text("STATUS", |d| t(if d.formatted { "NORMAL" } else { "NOT_READY" })),
            text("MAX_IOPS", |d| t(d.uri.attribute("max_iops").unwrap_or("0"))),
            text("MAX_BANDWIDTH", |d| t(d.uri.attribute("max_bandwidth").unwrap_or("0"))),
        ],
    },
};

impl RowKind for Destination {
    type Row<'a> = &'a Self;
}

fn extension(dest: &Destination) -> String {
    let attributes = dest.uri.attributes().map(|(name, value)| format!("{name}={value}"));
    attributes.collect::<Vec<_>>().join("&")
}

pub(super) static HISTORY: View = View {
    name: "CDB_OB_BACKUP_STORAGE_INFO_HISTORY",
    aliases: &[],
    about: "What the attributes and the key of a destination were before a change.",
    tenancy: Tenancy::TENANTS,
    content: &Rows::<ChangeRow> {
        of: changes,
        columns: &[
            unsigned("TENANT_ID", |r| n(r.dest.tenant_id.0)),
            text("PATH", |r| t(r.path)),
            unsigned("DEST_ID", |r| n(r.dest.id.0)),
            text("DEST_TYPE", |r| t(r.dest.kind)),
            text("AUTHORIZATION", |r| t(&r.change.access_shown)),
            text("EXTENSION", |r| t(r.extension)),
            text("REPLACED_AT", |r| time(Some(r.change.at_ms))),
        ],
    },
};

struct ChangeRow<'a> {
    dest: &'a Destination,
    change: &'a StorageChange,
    path: &'a str,
    extension: &'a str,
}

impl RowKind for ChangeRow<'static> {
    type Row<'a> = ChangeRow<'a>;
}

fn changes<'a>(cx: &Context<'a>) -> Vec<ChangeRow<'a>> {
    let row = |dest: &'a Destination, change: &'a StorageChange| {
        let (path, extension) = change.uri.split_once('?').unwrap_or((&change.uri, ""));
        ChangeRow { dest, change, path, extension }
    };
    cx.state.destinations.values().flat_map(|dest| dest.changes.iter().map(move |change| row(dest, change))).collect()
}

pub(super) static CHECKS: View = View {
    name: "CDB_STRANDLINE_DEST_CHECK",
    aliases: &[],
    about: "What one worker found on a destination.",
    tenancy: Tenancy::CLUSTER,
    content: &Rows::<Probe> { of: probes, columns: CHECK_COLUMNS },
};

struct Probe<'a> {
    check: &'a DestCheck,
    worker: NodeId,
    status: String,
    name: &'a str,
    verdict: &'static str,
    detail: String,
    took_us: u64,
}

impl RowKind for Probe<'static> {
    type Row<'a> = Probe<'a>;
}

fn probes<'a>(cx: &Context<'a>) -> Vec<Probe<'a>> {
    let of_check = |check: &'a DestCheck| check.workers().flat_map(move |(worker, _)| of_worker(check, worker));
    cx.state.dest_checks().flat_map(of_check).collect()
}

/// One row per probe, and one without a probe for a worker that has found nothing.
fn of_worker(check: &DestCheck, worker: NodeId) -> Vec<Probe<'_>> {
    let failure = check.failures.get(&worker);
    let of_run =
        || check.workers().find(|(of, _)| *of == worker).map(|(_, run)| run.status.to_string()).unwrap_or_default();
    let status = if failure.is_some() { "FAILED".to_owned() } else { of_run() };
    let Some(findings) = check.findings.get(&worker) else {
        let detail = failure.map(ToString::to_string).unwrap_or_default();
        return vec![Probe { check, worker, status, name: "", verdict: "", detail, took_us: 0 }];
    };
    findings.iter().map(|finding| probe(check, worker, &status, finding)).collect()
}

fn probe<'a>(check: &'a DestCheck, worker: NodeId, status: &str, finding: &'a DestFinding) -> Probe<'a> {
    Probe {
        check,
        worker,
        status: status.to_owned(),
        name: &finding.probe,
        verdict: finding.verdict.word(),
        detail: finding.detail.clone(),
        took_us: finding.took_us,
    }
}

const CHECK_COLUMNS: &[Column<Probe<'static>>] = &[
    unsigned("JOB_ID", |p| n(p.check.id.0)),
    text("PATH", |p| t(&p.check.uri)),
    unsigned("SVR_ID", |p| n(p.worker.0)),
    text("STATUS", |p| t(&p.status)),
    text("PROBE", |p| t(p.name)),
    text("VERDICT", |p| t(p.verdict)),
    text("DETAIL", |p| t(&p.detail)),
    unsigned("TOOK_US", |p| n(p.took_us)),
    text("START_TIMESTAMP", |p| time(Some(p.check.started_ms))),
];
