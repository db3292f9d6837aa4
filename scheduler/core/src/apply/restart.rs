//! AUTO_RESTART: an interrupted round stops, a new one opens on the same destination once that is usable, and a full
//! backup starts as soon as the new round is DOING. Each of the three happens once, whichever node proposes it.

use super::archive::{move_round, open_round_if_wanted};
use crate::command::{BackupRequest, Done, Outcome};
use crate::jobs::machine::between::backup;
use crate::round_machine::RoundEvent;
use crate::state::{Restart, State};
use strandline_types::{BackupMode, RoundId, RoundState, TenantId};

/// The interrupted round stops.
pub(crate) fn stop(state: &mut State, key: (TenantId, RoundId)) -> Outcome {
    let is_wanted = state.tenants.get(&key.0).is_some_and(|t| t.archive.log_mode);
    let Some(round) = state.rounds.get_mut(&key).filter(|r| r.state == RoundState::Interrupted) else {
        return Ok(Done::Nothing);
    };
    if !is_wanted || !round.options.auto_restart {
        return Ok(Done::Nothing);
    }
    round.restart = Restart::NewRound;
    move_round(state, key, RoundState::Interrupted, RoundEvent::StopWanted, String::new())
}

/// The next round opens, unless an administrator has decided otherwise meanwhile.
pub(crate) fn reopen(state: &mut State, key: (TenantId, RoundId)) -> Outcome {
    let is_due = |r: &&mut crate::state::Round| r.state == RoundState::Stop && r.restart == Restart::NewRound;
    let Some(round) = state.rounds.get_mut(&key).filter(is_due) else { return Ok(Done::Nothing) };
    round.restart = Restart::None;
    let (no, dest) = (round.dest_no, round.dest_id);
    let config = state.tenants.get(&key.0).and_then(|t| t.archive.dests.get(&no));
    if config.is_none_or(|c| c.dest_id != dest) {
        return Ok(Done::Ok);
    }
    let done = open_round_if_wanted(state, key.0, no);
    if let Done::Round(new) = done
        && let Some(round) = state.rounds.get_mut(&(key.0, new))
    {
        round.restart = Restart::FullBackup;
    }
    Ok(done)
}

/// The full backup starts; when it cannot, the round says why.
pub(crate) fn backup(state: &mut State, key: (TenantId, RoundId), version: String) -> Outcome {
    let is_due = |r: &&mut crate::state::Round| r.state == RoundState::Doing && r.restart == Restart::FullBackup;
    let Some(round) = state.rounds.get_mut(&key).filter(is_due) else { return Ok(Done::Nothing) };
    round.restart = Restart::None;
    let request = BackupRequest {
        mode: BackupMode::Full,
        to: None,
        plus_archivelog: false,
        description: "after an interruption of archiving".to_owned(),
        seal: None,
        version,
    };
    match backup::start(state, key.0, request, None) {
        Ok(job) => Ok(Done::BackupJob(job)),
        Err(failure) => {
            if let Some(round) = state.rounds.get_mut(&key) {
                round.comment = format!("no full backup has followed the restart: {failure}");
            }
            Ok(Done::Ok)
        }
    }
}
