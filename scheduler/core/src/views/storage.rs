//! Destinations as storage: where they are, how they are opened, what they were before, what workers found.
//!
//! Keys are never shown: only the id that they belong to.

use super::value::{n, t, time};
use super::{Build, Table, Value};
use crate::state::{Destination, State};

const COLUMNS: [&str; 12] = [
    "TENANT_ID",
    "PATH",
    "ENDPOINT",
    "DEST_ID",
    "DEST_TYPE",
    "AUTHORIZATION",
    "EXTENSION",
    "CHECK_FILE_NAME",
    "LAST_CHECK_TIMESTAMP",
    "STATUS",
    "MAX_IOPS",
    "MAX_BANDWIDTH",
];

/// `CDB_OB_BACKUP_STORAGE_INFO`: every destination as it is.
pub(super) fn info(state: &State) -> Table {
    let mut view = Build::new(&COLUMNS);
    for dest in state.destinations.values() {
        view.row(row(dest));
    }
    view.done()
}

fn row(dest: &Destination) -> [Value; 12] {
    let uri = &dest.uri;
    let extension: Vec<String> = uri.attributes().map(|(name, value)| format!("{name}={value}")).collect();
    let number = |name| t(uri.attribute(name).unwrap_or("0"));
    [
        n(dest.tenant_id.0),
        t(uri.place().root()),
        t(uri.attribute("host").unwrap_or_default()),
        n(dest.id.0),
        t(dest.kind),
        t(&dest.access),
        t(extension.join("&")),
        if dest.check_file.is_empty() { Value::Null } else { t(&dest.check_file) },
        time(Some(dest.checked_ms)),
        t(if dest.formatted { "NORMAL" } else { "NOT_READY" }),
        number("max_iops"),
        number("max_bandwidth"),
    ]
}

const HISTORY_COLUMNS: [&str; 7] =
    ["TENANT_ID", "PATH", "DEST_ID", "DEST_TYPE", "AUTHORIZATION", "EXTENSION", "REPLACED_AT"];

/// `CDB_OB_BACKUP_STORAGE_INFO_HISTORY`: what the attributes and keys of a destination were before.
pub(super) fn history(state: &State) -> Table {
    let mut view = Build::new(&HISTORY_COLUMNS);
    for (dest, old) in state.destinations.values().flat_map(|d| d.changes.iter().map(move |c| (d, c))) {
        let (place, attributes) = old.uri.split_once('?').unwrap_or((&old.uri, ""));
        view.row([
            n(dest.tenant_id.0),
            t(place),
            n(dest.id.0),
            t(dest.kind),
            t(&old.access_shown),
            t(attributes),
            time(Some(old.at_ms)),
        ]);
    }
    view.done()
}

const CHECK_COLUMNS: [&str; 9] =
    ["JOB_ID", "PATH", "SVR_ID", "STATUS", "PROBE", "VERDICT", "DETAIL", "TOOK_US", "START_TIMESTAMP"];

/// `CDB_STRANDLINE_DEST_CHECK`: what each worker found on a destination.
pub(super) fn checks(state: &State) -> Table {
    let mut view = Build::new(&CHECK_COLUMNS);
    for check in state.dest_checks() {
        for (worker, run) in check.workers() {
            let found = check.findings.get(&worker);
            let failure = check.failures.get(&worker);
            let status = if failure.is_some() { "FAILED".to_owned() } else { run.status.to_string() };
            let start = || time(Some(check.started_ms));
            let mut line = |probe: &str, verdict: &str, detail: String, took_us: u64| {
                view.row([
                    n(check.id.0),
                    t(&check.uri),
                    n(worker.0),
                    t(&status),
                    t(probe),
                    t(verdict),
                    t(detail),
                    n(took_us),
                    start(),
                ]);
            };
            for f in found.into_iter().flatten() {
                line(&f.probe, f.verdict.word(), f.detail.clone(), f.took_us);
            }
            if found.is_none() {
                line("", "", failure.map(ToString::to_string).unwrap_or_default(), 0);
            }
        }
    }
    view.done()
}
