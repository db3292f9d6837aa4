//! Standby tenants and how far they are (fact sheet 2.5).

use super::value::{n, scn, scn_display, t};
use super::{Build, Table};
use crate::state::{Standby, StandbyStage, State};
use strandline_types::{CODE_NOT_ENOUGH_LOG, Failure, Scn, scn_text};

const SOURCE_COLUMNS: [&str; 7] =
    ["TENANT_ID", "ID", "TYPE", "VALUE", "RECOVERY_UNTIL_SCN", "RECOVERY_UNTIL_SCN_DISPLAY", "STATUS"];

/// Where standbys get their log from.
pub(super) fn sources(state: &State) -> Table {
    let mut view = Build::new(&SOURCE_COLUMNS);
    for s in state.standbys() {
        let until = s.until.unwrap_or(Scn::MAX);
        let value = s.source.archive().map(|archive| format!("LOCATION={archive}")).unwrap_or_default();
        let display = if until == Scn::MAX { t("UNLIMITED") } else { scn_display(until) };
        view.row([n(s.tenant_id.0), n(1u64), t("LOCATION"), t(value), scn(until), display, t(s.stage)]);
    }
    view.done()
}

const STATUS_COLUMNS: [&str; 9] =
    ["TENANT_ID", "LS_ID", "SYNC_LSN", "SYNC_SCN", "SYNC_STATUS", "ERR_CODE", "COMMENT", "TARGET_SCN", "LAG_SECONDS"];

/// How far each log stream of each standby is.
pub(super) fn status(state: &State, now_ms: u64) -> Table {
    let mut view = Build::new(&STATUS_COLUMNS);
    for s in state.standbys() {
        let Some(tenant) = state.tenants.get(&s.tenant_id) else { continue };
        for ls in tenant.log_streams.values() {
            let seen = ls.leader.and_then(|l| state.workers.get(&l)?.replicas.get(&(tenant.id, ls.id)));
            let replayed = seen.map_or(Scn::MIN, |r| r.replayed_scn);
            let of_task = s.log_tasks().find(|(id, _)| *id == ls.id).and_then(|(_, r)| r.failure.as_ref());
            let failure = s.trouble.as_ref().map(|t| &t.failure).or(of_task);
            view.row([
                n(tenant.id.0),
                n(ls.id.0),
                n(ls.end_lsn.0),
                scn(replayed),
                t(sync_status(s, ls.leader.is_some(), failure)),
                super::Value::Int(failure.map_or(0, |f| f.code).into()),
                t(failure.map_or_else(|| comment(s), ToString::to_string)),
                scn(s.target_scn),
                n(now_ms.saturating_sub(replayed.as_ms()) / 1000),
            ]);
        }
    }
    view.done()
}

fn comment(standby: &Standby) -> String {
    match (standby.stage, standby.until) {
        (StandbyStage::Reached, Some(until)) => format!("it holds everything up to SCN {until} ({})", scn_text(until)),
        _ => String::new(),
    }
}

fn sync_status(standby: &Standby, has_leader: bool, failure: Option<&Failure>) -> &'static str {
    match standby.stage {
        StandbyStage::Stopped => "RESTORE SUSPEND",
        StandbyStage::Reached => "REACHED",
        _ if !has_leader => "RESTORE HANDLER HAS NO LEADER",
        _ if failure.is_some_and(|f| f.code == CODE_NOT_ENOUGH_LOG) => "SOURCE HAS A GAP",
        _ if failure.is_some() => "NOT AVAILABLE",
        _ => "NORMAL",
    }
}
