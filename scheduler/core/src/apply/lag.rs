//! The lag history: a ring of looks at how far each open round is behind.

use crate::checkpoint::{round_lag_ms, tenant_max_scn};
use crate::spool;
use crate::state::{LagSample, Round, State};
use strandline_types::{RoundId, TenantId, limits};

/// Looks at every open round whose last look is old enough.
pub(crate) fn sample(state: &mut State) {
    let now_ms = state.clock_ms;
    let is_due = |r: &&Round| {
        let last = r.lag_history.last();
        r.is_open() && r.begun && last.is_none_or(|l| now_ms.saturating_sub(l.at_ms) >= limits::LAG_SAMPLE_MS)
    };
    let looks: Vec<((TenantId, RoundId), LagSample)> =
        state.rounds.values().filter(is_due).map(|r| ((r.tenant_id, r.round_id), look(state, r, now_ms))).collect();
    for (key, look) in looks {
        if let Some(round) = state.rounds.get_mut(&key) {
            round.lag_history.push(look);
            let surplus = round.lag_history.len().saturating_sub(limits::LAG_SAMPLES_MAX);
            round.lag_history.drain(..surplus);
        }
    }
}

fn look(state: &State, round: &Round, now_ms: u64) -> LagSample {
    let streams = || state.tenants.get(&round.tenant_id).into_iter().flat_map(|t| t.log_streams.values());
    LagSample {
        at_ms: now_ms,
        checkpoint_scn: round.checkpoint_scn,
        applied_scn: tenant_max_scn(state, round.tenant_id),
        lag_ms: round_lag_ms(state, round, now_ms),
        log_bytes: streams().map(|ls| ls.end_lsn.0).sum(),
        spool_bytes: streams().filter_map(|ls| spool::spool(round, ls, now_ms)).map(|s| s.waiting_bytes).sum(),
    }
}
