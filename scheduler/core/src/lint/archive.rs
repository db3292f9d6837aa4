//! Rounds, pieces and progress.

use super::finding::check;
use crate::state::{Round, State};
use strandline_types::{FileStatus, PieceStatus, RoundState, Scn};

pub(super) fn lint(state: &State, found: &mut Vec<String>) {
    for (&(tenant, id), round) in &state.rounds {
        check(found, (round.tenant_id, round.round_id) == (tenant, id), || format!("round {id} under a wrong key"));
        let is_newest = state.newest_rounds(tenant).get(&round.dest_no).is_some_and(|r| r.round_id == id);
        check(found, is_newest || !round.is_open(), || format!("round {id} is open and not the newest"));
        // What was imported is what another cluster left, whatever that is.
        if state.tenants.get(&tenant).is_some_and(|t| t.imported.is_some()) {
            continue;
        }
        lint_round(state, round, found);
        lint_pieces(round, found);
    }
}

fn lint_round(state: &State, r: &Round, found: &mut Vec<String>) {
    let name = format!("tenant {} round {}", r.tenant_id, r.round_id);
    let start = r.clock.round_start;
    check(found, r.checkpoint_scn >= start, || format!("{name}: checkpoint below its start"));
    let Some(tenant) = state.tenants.get(&r.tenant_id) else { return found.push(format!("{name} of nobody")) };
    check(found, r.round_id < tenant.next.round, || format!("{name} is not below the next id"));
    let last = r.pieces.keys().next_back();
    check(found, last.is_none_or(|p| *p < tenant.next.piece), || format!("{name}: a piece beyond the next id"));
    let known = r.progress.keys().all(|ls| tenant.log_streams.contains_key(ls));
    check(found, known, || format!("{name}: progress of a log stream that is not there"));
    // The strandline: nothing is published that some live log stream has not archived.
    let least = tenant.log_streams.keys().map(|ls| r.progress.get(ls).map_or(Scn::MIN, |p| p.checkpoint_scn)).min();
    let proven = least.unwrap_or_default().max(start);
    check(found, r.checkpoint_scn <= proven, || format!("{name}: checkpoint {} ahead of {proven}", r.checkpoint_scn));
    let is_quiet = r.begun || (r.progress.is_empty() && r.pieces.is_empty());
    check(found, is_quiet, || format!("{name}: written to before it began"));
    check(found, r.begun || matches!(r.state, RoundState::Prepare | RoundState::Stopping | RoundState::Stop), || {
        format!("{name} is {} and has not begun", r.state)
    });
    check(found, (r.state == RoundState::Stop) == r.stopped_ms.is_some(), || format!("{name}: stop without time"));
}

fn lint_pieces(r: &Round, found: &mut Vec<String>) {
    let mut expected = r.clock.base_piece;
    let mut active_seen = false;
    for (id, p) in &r.pieces {
        let name = format!("piece {}", p.key);
        check(found, *id == expected && p.key == r.piece_key(*id), || format!("{name}: not the next one"));
        expected = id.next();
        let range = r.clock.range(*id);
        check(found, (p.start_scn, p.end_scn) == (range.start, range.end), || format!("{name}: not its slice"));
        check(found, range.contains(p.checkpoint_scn), || format!("{name}: checkpoint outside of it"));
        let is_frozen = p.status == PieceStatus::Frozen;
        check(found, !is_frozen || p.sealed, || format!("{name}: frozen, not sealed"));
        check(found, !is_frozen || !active_seen, || format!("{name}: frozen after an active one"));
        if active_seen {
            let is_untouched = !p.sealed && p.file_status == FileStatus::Incomplete;
            check(found, is_untouched, || format!("{name}: entered before the one before it froze"));
        }
        active_seen |= !is_frozen;
        let is_entered = p.file_status != FileStatus::Incomplete;
        check(found, is_entered || p.checkpoint_scn == p.start_scn, || format!("{name}: incomplete with a checkpoint"));
    }
    check(found, !active_seen || r.is_open(), || format!("round {}: stopped with an active piece", r.round_id));
}
