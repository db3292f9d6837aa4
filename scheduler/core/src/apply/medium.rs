//! The scheduler's own work on the medium has failed: what that means for what it was for.

use super::{leftovers, sweep};
use crate::command::{Done, Outcome, Subject};
use crate::jobs::machine::life;
use crate::jobs::standby::logic as standby;
use crate::state::{Job, JobKind, State, Trouble};
use strandline_types::{Failure, JobId};

pub(super) fn failed(state: &mut State, subject: Subject, failure: Failure) -> Outcome {
    let now_ms = state.clock_ms;
    let again = |before: &Option<Trouble>| Some(Trouble::again(before.as_ref(), failure.clone(), now_ms));
    match subject {
        Subject::Dest(id) => {
            let Some(dest) = state.destinations.get_mut(&id).filter(|d| !d.formatted) else { return Ok(Done::Nothing) };
            dest.trouble = again(&dest.trouble);
        }
        Subject::Round(tenant, round) => {
            let Some(round) = state.rounds.get_mut(&(tenant, round)).filter(|r| r.is_open()) else {
                return Ok(Done::Nothing);
            };
            round.trouble = again(&round.trouble);
        }
        Subject::Schedule(tenant) => {
            if let Some(schedule) = state.schedules.get_mut(&tenant) {
                schedule.trouble = again(&schedule.trouble);
            }
        }
        Subject::Sweep(dest) => sweep::failed(state, dest, failure),
        Subject::Leftovers(dest) => leftovers::medium_failed(state, dest, failure),
        // A standby that stands is looked after as well.
        Subject::Standby(tenant) => standby::scan_failed(state, tenant, failure),
        Subject::Backup(id) if is_of(state, id, &[JobKind::Backup]) => return life::medium_failed(state, id, failure),
        Subject::Backup(_) => return Ok(Done::Nothing),
        Subject::Clean(id) if is_of(state, id, &[JobKind::Clean, JobKind::CleanTask]) => {
            life::medium_failed(state, id, failure)?;
        }
        Subject::Drill(id) if is_of(state, id, &[JobKind::Drill]) => {
            life::medium_failed(state, id, failure)?;
        }
        Subject::Clean(_) | Subject::Drill(_) => {}
    }
    Ok(Done::Ok)
}

fn is_of(state: &State, id: JobId, kinds: &[JobKind]) -> bool {
    state.jobs.get(&id).map(Job::kind).is_some_and(|kind| kinds.contains(&kind))
}
