//! What the plan makes of a round: in each state, with each setting of its destination and each answer of its log streams,
//! the one event that follows, or what is waited for.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod harness;

use harness::{TENANT, World};
use strandline_scheduler_core::state::{DestState, Round};
use strandline_scheduler_core::*;
use strandline_types::*;

const KEY: (TenantId, RoundId) = (TENANT, RoundId(1));

fn round(state: &mut State) -> &mut Round {
    state.rounds.get_mut(&KEY).unwrap()
}

/// A round in a state whose destination is set so, and whose log streams say so; `None` = they have not begun.
fn with(base: &State, at: RoundState, dest: DestState, say: Option<ArchiveLsState>) -> State {
    let mut state = base.clone();
    state.tenants.get_mut(&TENANT).unwrap().archive.dests.get_mut(&DestNo(0)).unwrap().state = dest;
    let round = round(&mut state);
    round.state = at;
    match say {
        Some(say) => round.progress.values_mut().for_each(|p| p.state = say),
        None => round.progress.clear(),
    }
    state
}

fn moves(state: &State, now_ms: u64) -> Vec<RoundEvent> {
    let of = |step: &Step| match &step.then {
        Action::Round { what: RoundAction::Move { event, .. }, .. } => Some(*event),
        _ => None,
    };
    plan(state, now_ms).steps.iter().filter_map(of).collect()
}

#[test]
fn a_round_moves_on_exactly_one_event_and_only_when_all_of_its_log_streams_are_there() {
    use ArchiveLsState::{Doing, Interrupted, Stopped, Suspended};
    use DestState::{Defer, Enable};
    use RoundEvent::{AllDoing, AllSuspended, Deferred, Enabled, LogLost};
    use RoundState as At;
    let w = World::archiving(3, 3, 3600);
    for (at, dest, say, wanted) in [
        (At::Beginning, Enable, None, None),
        (At::Beginning, Enable, Some(Doing), Some(AllDoing)),
        (At::Beginning, Enable, Some(Suspended), None),
        // One that is deferred while it begins does not become DOING first.
        (At::Beginning, Defer, Some(Doing), Some(Deferred)),
        (At::Beginning, Defer, None, Some(Deferred)),
        // Log that is lost comes before all.
        (At::Beginning, Defer, Some(Interrupted), Some(LogLost)),
        (At::Doing, Enable, Some(Doing), None),
        (At::Doing, Enable, Some(Suspended), None),
        (At::Doing, Defer, Some(Doing), Some(Deferred)),
        (At::Doing, Enable, Some(Interrupted), Some(LogLost)),
        (At::Suspending, Defer, Some(Doing), None),
        (At::Suspending, Defer, Some(Suspended), Some(AllSuspended)),
        // It is suspended first, and enabled again from there.
        (At::Suspending, Enable, Some(Suspended), Some(AllSuspended)),
        (At::Suspending, Defer, Some(Interrupted), Some(AllSuspended)),
        (At::Suspend, Defer, Some(Suspended), None),
        (At::Suspend, Enable, Some(Suspended), Some(Enabled)),
        (At::Interrupted, Enable, Some(Interrupted), None),
        (At::Interrupted, Defer, Some(Doing), None),
        (At::Stopping, Defer, Some(Stopped), None),
        (At::Stop, Enable, Some(Stopped), None),
    ] {
        let state = with(&w.state, at, dest, say);
        assert_eq!(moves(&state, w.now_ms), Vec::from_iter(wanted), "{at}, {dest}, {say:?}");
    }
}

#[test]
fn one_log_stream_that_is_not_there_holds_the_round_and_is_named() {
    use ArchiveLsState::{Doing, Suspended};
    let w = World::archiving(3, 3, 3600);
    for (at, dest, others, wanted) in [
        (RoundState::Beginning, DestState::Enable, Doing, ArchiveLsState::Doing),
        (RoundState::Suspending, DestState::Defer, Suspended, ArchiveLsState::Suspended),
    ] {
        for late in [LsId(1), LsId(1001), LsId(1002)] {
            let mut state = with(&w.state, at, dest, Some(others));
            let row = round(&mut state).progress.get_mut(&late).unwrap();
            row.state = if others == Doing { Suspended } else { Doing };
            assert_eq!(moves(&state, w.now_ms), [], "{at}");
            let waiting = plan(&state, w.now_ms).waiting;
            let of_round: Vec<&On> =
                waiting.iter().filter(|x| x.who == Who::Round(RoundId(1))).map(|x| &x.on).collect();
            assert_eq!(of_round, [&On::StreamState(late, wanted)]);
        }
    }
}

#[test]
fn an_event_counts_once_and_only_in_the_state_that_it_was_seen_in() {
    let w = World::archiving(3, 3, 3600);
    for at in RoundState::ALL {
        for from in RoundState::ALL {
            for event in RoundEvent::ALL {
                let mut state = with(&w.state, at, DestState::Enable, Some(ArchiveLsState::Doing));
                let before = state.clone();
                let what = RoundAction::Move { from, event, comment: "why".to_owned() };
                let action = Action::Round { tenant: TENANT, round: RoundId(1), what };
                let done = apply(&mut state, Command { proposed_at_ms: w.now_ms, action: action.clone() }).unwrap();
                let to = next_round_state(from, event).filter(|_| at == from && !event.is_of_medium());
                assert_eq!(state.rounds[&KEY].state, to.unwrap_or(at), "{at}: {event:?} seen in {from}");
                assert_eq!(done == Done::Ok, to.is_some(), "{at}: {event:?} seen in {from}");
                let comment = &state.rounds[&KEY].comment;
                assert_eq!(to.is_some(), comment == "why");
                assert!(to.is_some() || state.rounds == before.rounds, "what does not count changes nothing");
                let again = apply(&mut state, Command { proposed_at_ms: w.now_ms, action }).unwrap();
                assert!(again == Done::Nothing || to == Some(at), "twice is once");
            }
        }
    }
}
