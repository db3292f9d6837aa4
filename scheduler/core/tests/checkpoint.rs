//! The checkpoint of a round out of what its log streams have archived, and what reports may change of it: late ones,
//! doubled ones, those of former leaders.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod harness;

use harness::{TENANT, World};
use proptest::prelude::*;
use std::collections::BTreeMap;
use strandline_scheduler_core::state::{LogGap, LsProgress, Round};
use strandline_scheduler_core::*;
use strandline_types::*;

const STREAMS: [LsId; 3] = [LsId(1), LsId(1001), LsId(1002)];

/// A round of three log streams; it is changed by hand.
fn world() -> World {
    World::archiving(1, 1, 3600)
}

fn key() -> (TenantId, RoundId) {
    (TENANT, RoundId(1))
}

fn round(state: &State) -> &Round {
    &state.rounds[&key()]
}

/// Log streams that have archived so many nanoseconds after the round's start.
fn archived(state: &mut State, after_start: &[(LsId, u64)]) {
    let round = state.rounds.get_mut(&key()).unwrap();
    let (start, row) = (round.clock.round_start, round.progress[&LsId::SYS].clone());
    let of = |ns: u64| LsProgress { checkpoint_scn: Scn(start.0 + ns), ..row.clone() };
    round.progress = after_start.iter().map(|(ls, ns)| (*ls, of(*ns))).collect();
}

proptest! {
    #[test]
    fn it_is_the_least_of_all_log_streams_and_never_below_what_was_published(
        ns in prop::array::uniform3(0u64..5000), published in 0u64..5000,
    ) {
        let mut state = world().state;
        let start = round(&state).clock.round_start;
        archived(&mut state, &[(STREAMS[0], ns[0]), (STREAMS[1], ns[1]), (STREAMS[2], ns[2])]);
        state.rounds.get_mut(&key()).unwrap().checkpoint_scn = Scn(start.0 + published);
        let least = *ns.iter().min().unwrap();
        prop_assert_eq!(round_checkpoint(&state, round(&state)), Some(Scn(start.0 + least.max(published))));
        // A log stream that has not begun proves nothing, however far the others are.
        for missing in STREAMS {
            let mut state = state.clone();
            state.rounds.get_mut(&key()).unwrap().progress.remove(&missing);
            prop_assert_eq!(round_checkpoint(&state, round(&state)), None);
        }
    }
}

#[test]
fn it_is_not_below_the_start_of_the_round_and_a_log_stream_of_nobody_does_not_count() {
    let mut state = world().state;
    let start = round(&state).clock.round_start;
    archived(&mut state, &[(STREAMS[0], 0), (STREAMS[1], 70), (STREAMS[2], 90), (LsId(1003), 5)]);
    state.rounds.get_mut(&key()).unwrap().progress.get_mut(&STREAMS[0]).unwrap().checkpoint_scn = Scn::MIN;
    state.rounds.get_mut(&key()).unwrap().checkpoint_scn = start;
    assert_eq!(round_checkpoint(&state, round(&state)), Some(start));
    archived(&mut state, &[(STREAMS[0], 60), (STREAMS[1], 70), (STREAMS[2], 90), (LsId(1003), 5)]);
    assert_eq!(round_checkpoint(&state, round(&state)), Some(Scn(start.0 + 60)), "the tenant has three");
    state.tenants.remove(&TENANT);
    assert_eq!(round_checkpoint(&state, round(&state)), None, "without its tenant it proves nothing");
}

#[test]
fn it_stops_at_a_gap_for_good_and_the_piece_of_the_gap_ends_there() {
    let mut w = World::archiving(1, 1, 2);
    let row = w.round().progress[&STREAMS[1]].clone();
    let gap = LogGap {
        start_lsn: row.archived_lsn,
        end_lsn: row.archived_lsn.advance(500),
        start_scn: row.checkpoint_scn,
        end_scn: Scn::MIN,
    };
    w.gaps.insert((RoundId(1), STREAMS[1]), gap);
    for _ in 0..60 {
        w.write();
        w.run(1);
    }
    assert_eq!(w.round().state, RoundState::Interrupted);
    assert_eq!(w.round().checkpoint_scn, gap.start_scn, "others went on, nothing after the gap can be restored");
    w.act(Action::NoArchiveLog { tenant: TENANT }).unwrap();
    w.until("STOP", |w| w.round().state == RoundState::Stop);
    assert_eq!(w.round().checkpoint_scn, gap.start_scn);
    let last = w.round().pieces.values().rfind(|p| p.file_status == FileStatus::Available).unwrap();
    assert_eq!((last.checkpoint_scn, last.status), (gap.start_scn, PieceStatus::Frozen));
}

#[test]
fn a_checkpoint_that_this_state_does_not_prove_is_not_taken() {
    let mut w = world();
    w.write();
    w.beat();
    let proven = round_checkpoint(&w.state, w.round()).unwrap();
    assert!(proven > w.round().checkpoint_scn);
    let publish = |w: &mut World, checkpoint_scn| {
        let what = RoundAction::CheckpointPublished { piece: PieceId(1), checkpoint_scn };
        w.act(Action::Round { tenant: TENANT, round: RoundId(1), what }).unwrap()
    };
    assert_eq!(publish(&mut w, proven.next()), Done::Nothing);
    assert_eq!(publish(&mut w, proven), Done::Ok);
    assert_eq!(publish(&mut w, proven), Done::Nothing, "once");
    assert_eq!(publish(&mut w, proven.prev()), Done::Nothing, "and never back");
    assert_eq!(w.round().checkpoint_scn, proven);
}

/// What a leader of log stream 1001 says, the n-th time.
fn report(w: &World, n: u64, term: u64) -> WorkerReport {
    let row = &w.round().progress[&STREAMS[1]];
    let piece = row.pieces[&row.piece_id];
    let (archived_lsn, checkpoint_scn) = (row.archived_lsn.advance(n * 100), Scn(row.checkpoint_scn.0 + n));
    let said = ArchiveReport {
        tenant_id: TENANT,
        ls_id: STREAMS[1],
        dest_id: w.round().dest_id,
        round_id: RoundId(1),
        term: Term(term),
        state: ArchiveLsState::Doing,
        piece_id: row.piece_id,
        start_scn: row.start_scn,
        start_lsn: row.start_lsn,
        archived_lsn,
        checkpoint_scn,
        trouble: None,
        trouble_since_ms: 0,
        requests: n,
        gap: None,
        pieces: BTreeMap::from([(
            row.piece_id,
            state::LsPiece { end_lsn: archived_lsn, checkpoint_scn, output_bytes: n, ..piece },
        )]),
    };
    WorkerReport {
        worker_id: NodeId(1),
        address: "w:1".to_owned(),
        boot_id: w.boot[&NodeId(1)],
        clock_ms: w.now_ms + n,
        replicas: Vec::new(),
        archive: vec![said],
        archive_waiting: Vec::new(),
        tasks: Vec::new(),
        replica_troubles: BTreeMap::new(),
        free_bytes: None,
    }
}

proptest! {
    #[test]
    fn reports_that_come_late_twice_or_mixed_up_leave_what_the_newest_one_says(
        order in prop::collection::vec(1u64..12, 1..40), terms in prop::collection::vec(0u64..3, 12),
    ) {
        let mut w = world();
        let began = w.round().progress[&STREAMS[1]].clone();
        let said: Vec<WorkerReport> = (0..12).map(|n| report(&w, n, began.term.0 + terms[n as usize])).collect();
        for n in &order {
            let before = w.round().progress[&STREAMS[1]].clone();
            w.act(Action::Heartbeats(vec![said[*n as usize].clone()])).unwrap();
            let now = &w.round().progress[&STREAMS[1]];
            prop_assert!(now.term >= before.term && now.archived_lsn >= before.archived_lsn);
            prop_assert!(now.checkpoint_scn >= before.checkpoint_scn);
            prop_assert!(now.pieces[&now.piece_id].end_lsn == now.archived_lsn, "both of one report");
            prop_assert_eq!(round_checkpoint(&w.state, w.round()).is_some(), true);
            w.settle();
        }
        let now = &w.round().progress[&STREAMS[1]];
        // Of the reports of one process a later one is never overtaken; a former term says nothing any more.
        let (mut newest, mut term, mut wanted) = (0, began.term, 0);
        for n in order {
            let of_report = Term(began.term.0 + terms[n as usize]);
            if n >= newest && of_report >= term {
                (term, wanted) = (of_report, n);
            }
            newest = newest.max(n);
        }
        prop_assert_eq!(now.archived_lsn, began.archived_lsn.advance(wanted * 100));
        prop_assert_eq!(now.term, term);
    }

    #[test]
    fn what_is_no_news_would_change_nothing_and_what_is_news_changes_as_much_as_the_whole_report(
        says in prop::collection::vec((1u64..8, 0u64..3), 1..20),
    ) {
        let mut w = world();
        let term = w.round().progress[&STREAMS[1]].term.0;
        for (n, more) in says {
            w.now_ms += 20;
            let whole = report(&w, n, term + more);
            let trimmed = news(&w.state, whole.clone(), w.now_ms);
            let apply_to = |report: Option<WorkerReport>| {
                let mut state = w.state.clone();
                let action = Action::Heartbeats(report.into_iter().collect());
                apply(&mut state, Command { proposed_at_ms: w.now_ms, action }).unwrap();
                let row = state.rounds[&key()].progress[&STREAMS[1]].clone();
                (row.term, row.state, row.archived_lsn, row.checkpoint_scn, row.pieces)
            };
            prop_assert_eq!(apply_to(trimmed), apply_to(Some(whole.clone())));
            w.act(Action::Heartbeats(vec![whole.clone()])).unwrap();
            let again = news(&w.state, whole, w.now_ms);
            prop_assert!(again.is_none_or(|left| left.archive.is_empty()), "said twice it is no news");
        }
    }
}

#[test]
fn trouble_of_a_worker_whose_clock_is_ahead_is_not_since_tomorrow() {
    let mut w = world();
    let tomorrow_ms = w.now_ms + 86_400_000;
    let failure = Failure::new(ErrorClass::Transient, "it is away", "file:///arc", "wait");
    let mut said = report(&w, 1, 1);
    said.clock_ms = tomorrow_ms;
    said.archive[0].trouble = Some(failure.clone());
    said.archive[0].trouble_since_ms = tomorrow_ms;
    w.act(Action::Heartbeats(vec![said.clone()])).unwrap();
    let trouble = w.round().progress[&STREAMS[1]].trouble.clone().unwrap();
    assert_eq!((trouble.failure, trouble.since_ms), (failure.clone(), w.state.clock_ms));
    // The same of a log stream that cannot begin.
    let mut w = World::with_tenant(1, 1);
    w.unable.insert(STREAMS[2], state::Trouble { failure, since_ms: tomorrow_ms });
    let dest = Some(harness::archive_spec("file:///arc", 3600));
    w.act(Action::SetArchiveDest { tenant: TENANT, no: DestNo(0), dest }).unwrap();
    w.act(Action::ArchiveLog { tenant: TENANT }).unwrap();
    w.run(3);
    let waiting = w.round().waiting[&STREAMS[2]].since_ms;
    assert!(waiting <= w.state.clock_ms, "since {waiting}");
}
