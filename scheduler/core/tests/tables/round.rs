//! Everything that may be said of an archive round, in each of its states.

use crate::harness::{TENANT, World, archive_spec};
use RoundEvent::{AllDoing, AllSuspended, Deferred, Enabled, LogLost, StopWanted};
use RoundState::{Beginning, Doing, Interrupted, Prepare, Stop, Stopping, Suspend, Suspending};
use strandline_scheduler_core::state::{DestOptions, DestState, LogGap, PieceRow, Restart, Round};
use strandline_scheduler_core::*;
use strandline_types::*;

const NO: DestNo = DestNo(0);
const LS: LsId = LsId(1001);

fn archiving() -> World {
    let mut w = World::with_tenant(2, 1);
    let options = DestOptions { auto_restart: true, piece_interval_s: 60, ..DestOptions::default() };
    let spec = ArchiveDestSpec { options, ..archive_spec("file:///arc", 60) };
    w.act(Action::SetArchiveDest { tenant: TENANT, no: NO, dest: Some(spec) }).unwrap();
    w.act(Action::ArchiveLog { tenant: TENANT }).unwrap();
    w
}

fn defer(w: &mut World, state: DestState) {
    w.act(Action::SetArchiveDestState { tenant: TENANT, no: NO, state }).unwrap();
}

/// A round that stands in a state.
fn stands(state: RoundState) -> World {
    let mut w = archiving();
    w.write();
    if state != Prepare && state != Beginning {
        w.stop_when("DOING", |w| w.round().state == Doing && w.round().active_piece().is_some());
    }
    match state {
        Interrupted => {
            w.gaps.insert(
                (RoundId(1), LS),
                LogGap { start_lsn: Lsn(5), end_lsn: Lsn(9), start_scn: Scn(1), end_scn: Scn(2) },
            );
        }
        Stopping | Stop => drop(w.act(Action::NoArchiveLog { tenant: TENANT }).unwrap()),
        Suspending | Suspend => defer(&mut w, DestState::Defer),
        Prepare | Beginning | Doing => {}
    }
    w.stop_when("the state", |w| w.round().state == state);
    w
}

fn say(what: RoundAction) -> Action {
    Action::Round { tenant: TENANT, round: RoundId(1), what }
}

fn moves(from: RoundState, event: RoundEvent) -> Action {
    say(RoundAction::Move { from, event, comment: "because".to_owned() })
}

#[test]
fn a_round_moves_from_the_state_that_the_decision_was_made_in_and_its_medium_speaks_for_itself() {
    #[rustfmt::skip]
    let table: [(RoundState, &[(RoundEvent, RoundState)]); 8] = [
        (Prepare,     &[(StopWanted, Stopping)]),
        (Beginning,   &[(AllDoing, Doing), (LogLost, Interrupted), (Deferred, Suspending), (StopWanted, Stopping)]),
        (Doing,       &[(LogLost, Interrupted), (Deferred, Suspending), (StopWanted, Stopping)]),
        (Interrupted, &[(StopWanted, Stopping)]),
        (Stopping,    &[]),
        (Stop,        &[]),
        (Suspending,  &[(AllSuspended, Suspend), (StopWanted, Stopping)]),
        (Suspend,     &[(Enabled, Beginning), (StopWanted, Stopping)]),
    ];
    for (at, leads) in table {
        let stands = stands(at);
        for event in RoundEvent::ALL {
            let mut w = stands.clone();
            for other in RoundState::ALL.into_iter().filter(|other| *other != at) {
                w.is_void(moves(other, event));
            }
            let Some((_, to)) = leads.iter().find(|(e, _)| *e == event) else {
                w.is_void(moves(at, event));
                continue;
            };
            w.does_once(moves(at, event));
            assert_eq!((w.round().state, w.round().comment.as_str()), (*to, "because"), "{at} on {event:?}");
            assert_eq!(w.round().state_since_ms, w.state.clock_ms - 1);
        }
    }
}

#[test]
fn words_of_steps_count_in_their_states_alone() {
    for at in RoundState::ALL {
        let stands = stands(at);
        let leads = |what, to: Option<RoundState>| {
            let mut w = stands.clone();
            match to {
                Some(to) => {
                    w.does_once(say(what));
                    assert_eq!(w.round().state, to);
                }
                None => w.is_void(say(what)),
            }
        };
        leads(RoundAction::Begun, (at == Prepare).then_some(Beginning));
        leads(RoundAction::Restart, (at == Interrupted).then_some(Stopping));
        leads(RoundAction::Stopped { forced: true }, (at == Stopping).then_some(Stop));
        leads(RoundAction::Stopped { forced: false }, None);
        leads(RoundAction::Reopen, None);
        leads(RoundAction::BackupAfter { version: String::new() }, None);
        let next = stands.round().pieces.keys().next_back().map_or(PieceId(1), |p| p.next());
        let has_begun = !matches!(at, Prepare | Stop);
        leads(RoundAction::PiecesStarted { upto: next }, has_begun.then_some(at));
    }
}

#[test]
fn words_of_a_round_that_is_not_there_are_void() {
    let mut w = stands(Doing);
    let words = [
        RoundAction::Begun,
        RoundAction::Restart,
        RoundAction::Reopen,
        RoundAction::Stopped { forced: true },
        RoundAction::BackupAfter { version: String::new() },
        RoundAction::PiecesStarted { upto: PieceId(9) },
        RoundAction::SealPiece { piece: PieceId(1) },
        RoundAction::PieceFrozen { piece: PieceId(1) },
        RoundAction::CheckpointPublished { piece: PieceId(1), checkpoint_scn: Scn::MIN },
        RoundAction::Move { from: Doing, event: StopWanted, comment: String::new() },
    ];
    for what in words {
        w.is_void(Action::Round { tenant: TENANT, round: RoundId(2), what: what.clone() });
        w.is_void(Action::Round { tenant: TenantId(1004), round: RoundId(1), what });
    }
}

fn piece(w: &World, id: u64) -> PieceRow {
    w.state.rounds[&(TENANT, RoundId(1))].pieces[&PieceId(id)]
}

fn publish(piece: u64, checkpoint_scn: Scn) -> Action {
    say(RoundAction::CheckpointPublished { piece: PieceId(piece), checkpoint_scn })
}

#[test]
fn a_checkpoint_is_published_up_to_what_all_streams_have_archived_in_the_piece_that_is_open_and_only_forward() {
    let mut w = stands(Doing);
    w.run(2);
    w.now_ms += 5_000;
    w.write();
    w.beat();
    let proven = round_checkpoint(&w.state, w.round()).unwrap();
    let known = w.round().checkpoint_scn;
    assert!(proven > known, "all have archived more than was published");
    w.is_void(publish(1, proven.next()));
    w.is_void(publish(2, proven));
    w.is_void(publish(1, piece(&w, 1).start_scn.prev()));
    w.does_once(publish(1, proven));
    assert_eq!((w.round().checkpoint_scn, piece(&w, 1).checkpoint_scn), (proven, proven));
    w.is_void(publish(1, known));
    let before = w.state.clone();
    // A stream that says less than before does not pull it back.
    let row = w.state.rounds.get_mut(&(TENANT, RoundId(1))).unwrap().progress.get_mut(&LS).unwrap();
    row.checkpoint_scn = known;
    assert_eq!(round_checkpoint(&w.state, w.round()), Some(proven));
    w.state = before;
    w.is_void(say(RoundAction::SealPiece { piece: PieceId(1) }));
    w.is_void(say(RoundAction::PieceFrozen { piece: PieceId(1) }));
}

#[test]
fn a_piece_is_sealed_once_then_frozen_once_and_takes_nothing_any_more() {
    let mut w = stands(Doing);
    w.run(2);
    w.now_ms += 61_000;
    w.write();
    let is_passed = |w: &World| {
        let last = piece(w, 1).end_scn.prev();
        round_checkpoint(&w.state, w.round()).is_some_and(|c| c > last) && piece(w, 1).checkpoint_scn == last
    };
    w.stop_when("the checkpoint is past the piece", is_passed);
    let last = piece(&w, 1).checkpoint_scn;
    w.is_void(say(RoundAction::SealPiece { piece: PieceId(2) }));
    w.is_void(say(RoundAction::PieceFrozen { piece: PieceId(1) }));
    if !piece(&w, 1).sealed {
        w.does_once(say(RoundAction::SealPiece { piece: PieceId(1) }));
    }
    let decided = piece(&w, 1);
    w.is_void(publish(1, last));
    w.is_void(publish(2, piece(&w, 2).start_scn));
    w.does_once(say(RoundAction::PieceFrozen { piece: PieceId(1) }));
    assert_eq!(piece(&w, 1), PieceRow { status: PieceStatus::Frozen, ..decided }, "nothing else of it has changed");
    w.is_void(publish(1, last));
    w.is_void(say(RoundAction::PiecesStarted { upto: PieceId(1) }));
}

#[test]
fn a_round_that_is_given_up_says_so_and_its_destination_has_to_prove_itself() {
    let mut w = stands(Stopping);
    let dest = w.round().dest_id;
    w.is_void(say(RoundAction::Stopped { forced: false }));
    w.does_once(say(RoundAction::Stopped { forced: true }));
    assert!(w.round().comment.contains("forced") && w.round().stopped_ms.is_some());
    assert!(w.round().pieces.values().all(|p| p.status == PieceStatus::Frozen && p.sealed));
    assert!(!w.state.destinations[&dest].formatted && w.state.destinations[&dest].was_claimed());
    w.does_once(Action::DestFormatted { dest });

    let mut w = stands(Stopping);
    w.stop_when("all is frozen", |w| w.round().pieces.values().all(|p| p.status == PieceStatus::Frozen));
    w.does_once(say(RoundAction::Stopped { forced: false }));
    assert!(w.state.destinations[&dest].formatted, "a round that ends well asks nothing of its destination");
}

/// What happens to a round that was interrupted and stops for another one.
fn restarts() -> World {
    let mut w = stands(Interrupted);
    w.does_once(say(RoundAction::Restart));
    w.gaps.clear();
    let first = |w: &World| w.state.rounds[&(TENANT, RoundId(1))].clone();
    assert_eq!((first(&w).state, first(&w).restart), (Stopping, Restart::NewRound));
    w.is_void(say(RoundAction::Reopen));
    w.stop_when("STOP", |w| first(w).state == Stop);
    w
}

fn reopens(w: &mut World) -> Option<Round> {
    let answer = w.act(say(RoundAction::Reopen));
    assert!(matches!(answer, Ok(Done::Round(RoundId(2)) | Done::Ok)), "{answer:?}");
    w.is_void(say(RoundAction::Reopen));
    w.state.rounds.get(&(TENANT, RoundId(2))).cloned()
}

#[test]
fn another_round_follows_an_interrupted_one_once_and_only_where_it_is_still_wanted() {
    let mut w = restarts();
    let next = reopens(&mut w).unwrap();
    assert_eq!((next.state, next.restart), (Prepare, Restart::FullBackup));

    let decisions: [fn(&mut World); 4] = [
        |w| drop(w.act(Action::NoArchiveLog { tenant: TENANT }).unwrap()),
        |w| drop(w.act(Action::SetArchiveDest { tenant: TENANT, no: NO, dest: None }).unwrap()),
        |w| {
            let spec = archive_spec("file:///elsewhere", 60);
            drop(w.act(Action::SetArchiveDest { tenant: TENANT, no: NO, dest: Some(spec) }).unwrap());
        },
        |w| defer(w, DestState::Defer),
    ];
    for (decide, opens_itself) in decisions.into_iter().zip([false, false, true, false]) {
        let mut w = restarts();
        decide(&mut w);
        let next = reopens(&mut w);
        assert_eq!(next.is_some(), opens_itself);
        assert!(next.is_none_or(|r| r.restart == Restart::None), "nobody asked for a backup of another place");
    }
}

#[test]
fn one_full_backup_follows_a_restart_and_a_refused_one_is_told() {
    let mut w = restarts();
    reopens(&mut w).unwrap();
    let second = |what| Action::Round { tenant: TENANT, round: RoundId(2), what };
    let backup = || second(RoundAction::BackupAfter { version: "9".to_owned() });
    w.is_void(backup());
    w.stop_when("DOING", |w| w.state.rounds[&(TENANT, RoundId(2))].state == Doing);
    // There is no destination for data.
    w.does_once(backup());
    let round = &w.state.rounds[&(TENANT, RoundId(2))];
    assert!(
        round.comment.contains("no full backup has followed") && round.restart == Restart::None,
        "{}",
        round.comment
    );
    assert_eq!(w.state.backup_jobs().count(), 0);
}

#[test]
fn how_far_a_round_is_behind_is_looked_at_every_so_often_once_it_has_begun_and_the_newest_looks_are_kept() {
    let looks = |w: &World| w.round().lag_history.iter().map(|look| look.at_ms).collect::<Vec<_>>();
    let mut w = stands(Prepare);
    let hear = |w: &mut World, ms| {
        w.now_ms += ms;
        w.hear(w.says(NodeId(1), Vec::new()));
    };
    hear(&mut w, limits::LAG_SAMPLE_MS);
    assert_eq!(looks(&w).len(), 0, "nothing is behind that has not begun");
    let mut w = stands(Doing);
    let first = *looks(&w).first().unwrap();
    let last = *looks(&w).last().unwrap();
    w.now_ms = last;
    hear(&mut w, limits::LAG_SAMPLE_MS - 1);
    assert_eq!(looks(&w).last(), Some(&last));
    for _ in 0..limits::LAG_SAMPLES_MAX + 5 {
        hear(&mut w, limits::LAG_SAMPLE_MS);
    }
    assert_eq!(looks(&w).len(), limits::LAG_SAMPLES_MAX);
    assert!(!looks(&w).contains(&first) && looks(&w).last() == Some(&w.state.clock_ms));
    w.act(Action::NoArchiveLog { tenant: TENANT }).unwrap();
    w.until("STOP", |w| w.round().state == Stop);
    let before = looks(&w);
    hear(&mut w, limits::LAG_SAMPLE_MS);
    assert_eq!(looks(&w), before, "nor what has stopped");
}
