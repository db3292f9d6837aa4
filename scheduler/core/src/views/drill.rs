//! Restore drills and what they have proven.

use super::held_up::held_up_of;
use super::value::{n, scn, scn_display, t, time};
use super::{Build, Table};
use crate::jobs::machine::logic::JobLogic;
use crate::results::FingerprintResult;
use crate::state::{Drill, State};
use std::collections::BTreeMap;
use std::iter;
use strandline_types::LsId;

const COLUMNS: [&str; 13] = [
    "TENANT_ID",
    "DRILL_ID",
    "STATUS",
    "SCN",
    "SCN_DISPLAY",
    "BACKUP_SET_ID",
    "RESTORE_JOB_ID",
    "START_TIMESTAMP",
    "END_TIMESTAMP",
    "KEYS",
    "SOURCE_FINGERPRINT",
    "RESTORED_FINGERPRINT",
    "COMMENT",
];

/// Every drill that is remembered: the evidence.
pub(super) fn drills(state: &State) -> Table {
    let mut view = Build::new(&COLUMNS);
    for d in state.drills() {
        view.row([
            n(d.tenant_id.0),
            n(d.id.0),
            t(d.stage),
            scn(d.scn),
            scn_display(d.scn),
            n(d.set_id.0),
            n(d.restore.map_or(0, |(job, _)| job.0)),
            time(Some(d.started_ms)),
            time(d.ended_ms),
            n(d.source.values().map(|f| f.keys).sum::<u64>()),
            t(shown(&d.source)),
            t(shown(&d.restored)),
            t(comment(state, d)),
        ]);
    }
    view.done()
}

/// Why it failed, or what holds it or its restore up.
fn comment(state: &State, d: &Drill) -> String {
    let restore = d.restore.and_then(|(job, _)| state.restore_job(job)).map(|job| job as &dyn JobLogic);
    let trouble = || held_up_of(iter::once(d as &dyn JobLogic).chain(restore));
    d.failure.as_ref().or_else(trouble).map(ToString::to_string).unwrap_or_default()
}

/// `1:ab12…,1001:…`: one digest per log stream.
fn shown(prints: &BTreeMap<LsId, FingerprintResult>) -> String {
    let hex = |f: &FingerprintResult| f.digest.iter().map(|b| format!("{b:02x}")).collect::<String>();
    prints.iter().map(|(ls, f)| format!("{ls}:{}", hex(f))).collect::<Vec<_>>().join(",")
}

const PLAN_COLUMNS: [&str; 8] = [
    "TENANT_ID",
    "INTERVAL_SECONDS",
    "CRON",
    "TIME_ZONE",
    "LAST_DRILL_TIMESTAMP",
    "PROVEN_SCN",
    "PROVEN_SCN_DISPLAY",
    "PROVEN_TIMESTAMP",
];

/// How often, and what is proven.
pub(super) fn plans(state: &State) -> Table {
    let mut view = Build::new(&PLAN_COLUMNS);
    for (tenant, p) in &state.drill_plans {
        view.row([
            n(tenant.0),
            n(p.interval_ms / 1000),
            t(&p.cron),
            t(&p.time_zone),
            time(Some(p.last_ms)),
            scn(p.proven_scn),
            scn_display(p.proven_scn),
            time(Some(p.proven_ms)),
        ]);
    }
    view.done()
}
