//! Table recovery jobs, running and ended (fact sheet 2.5).

use super::held_up::held_up;
use super::progress::Progress;
use super::value::{n, scn, scn_display, t, time};
use super::{Build, Table, Value};
use crate::refuse::result_code;
use crate::state::{RecoverTableJob, RecoveredTable, State, Tablet};

const COLUMNS: [&str; 27] = [
    "TENANT_ID",
    "JOB_ID",
    "INITIATOR_TENANT_ID",
    "INITIATOR_JOB_ID",
    "START_TIMESTAMP",
    "FINISH_TIMESTAMP",
    "STATUS",
    "AUX_TENANT_NAME",
    "TARGET_TENANT_NAME",
    "IMPORT_ALL",
    "DB_LIST",
    "TABLE_LIST",
    "RESTORE_SCN",
    "RESTORE_SCN_DISPLAY",
    "RESTORE_OPTION",
    "BACKUP_DEST",
    "BACKUP_SET_LIST",
    "BACKUP_PIECE_LIST",
    "REMAP_TABLE_LIST",
    "TABLET_COUNT",
    "RECOVERED_KEYS",
    "FETCHED_BYTES",
    "PROGRESS",
    "RETRY_COUNT",
    "RESULT",
    "COMMENT",
    "DESCRIPTION",
];

/// Running jobs, or ended ones.
pub(super) fn jobs(state: &State, ended: bool) -> Table {
    let mut view = Build::new(&COLUMNS);
    for j in state.recover_jobs().filter(|j| j.stage.is_ended() == ended) {
        let source = &j.source;
        let sets: Vec<String> =
            source.sets.iter().map(|(id, kind)| format!("backup_set_{id}_{}", kind.tag())).collect();
        let pieces: Vec<String> = source.pieces().map(|key| format!("piece_{key}")).collect();
        view.row([
            n(j.tenant_id.0),
            n(j.id.0),
            n(j.tenant_id.0),
            n(0u64),
            time(Some(j.started_ms)),
            time(j.ended_ms),
            t(j.stage),
            // There is none: only the tables' own blocks and log are read.
            t(""),
            t(&j.tenant_name),
            n(u64::from(j.all)),
            t(""),
            t(list(j, |x| x.source_name.clone())),
            scn(j.target_scn),
            scn_display(j.target_scn),
            t(""),
            t(source.destinations()),
            t(sets.join(",")),
            t(pieces.join(",")),
            t(list(j, |x| format!("{}:{}", x.source_name, x.target_name))),
            n(tablets(j).count() as u64),
            n(j.results.values().map(|r| r.keys).sum::<u64>()),
            n(j.results.values().map(|r| r.bytes_fetched).sum::<u64>()),
            progress(j),
            n(j.runs.values().map(|r| u64::from(r.retry.0)).sum::<u64>()),
            j.failure.as_ref().map_or(Value::Int(0), |f| Value::Int(result_code(f).into())),
            t(comment(j)),
            t(&j.description),
        ]);
    }
    view.done()
}

fn tablets(j: &RecoverTableJob) -> impl Iterator<Item = &Tablet> {
    j.tables.iter().flat_map(|t| &t.tablets)
}

fn list(j: &RecoverTableJob, shown: impl Fn(&RecoveredTable) -> String) -> String {
    j.tables.iter().map(shown).collect::<Vec<_>>().join(",")
}

/// Percent; never 100 before the tables have their names.
fn progress(j: &RecoverTableJob) -> Value {
    let is_over = j.stage == crate::state::RecoverStage::Completed;
    Progress::of(j.tasks()).percent(is_over)
}

fn comment(j: &RecoverTableJob) -> String {
    j.failure.as_ref().or_else(|| held_up([j])).map(ToString::to_string).unwrap_or_default()
}
