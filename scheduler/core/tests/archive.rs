//! Archive rounds, scripted: what the administrator does, what the scheduler writes, in which order.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod harness;

use harness::{TENANT, World, archive_spec};
use std::collections::BTreeMap;
use strandline_scheduler_core::state::DestState;
use strandline_scheduler_core::*;
use strandline_types::*;

fn is_start(work: &MediumWork, id: u64) -> bool {
    matches!(work, MediumWork::PieceStart { key, .. } if key.piece_id == PieceId(id))
}

fn is_freeze(work: &MediumWork, id: u64) -> bool {
    matches!(work, MediumWork::FreezePiece(f) if f.piece.key.piece_id == PieceId(id))
}

fn is_checkpoint(work: &MediumWork, id: u64) -> bool {
    matches!(work, MediumWork::PublishCheckpoint { piece, .. } if piece.key.piece_id == PieceId(id))
}

fn is_infos(work: &MediumWork, id: u64) -> bool {
    matches!(work, MediumWork::PieceInfos { piece, .. } if piece.key.piece_id == PieceId(id))
}

fn position(world: &World, is: impl Fn(&MediumWork) -> bool) -> usize {
    world.medium.iter().position(is).expect("it was written")
}

#[test]
fn a_round_goes_from_prepare_to_stop_over_piece_switches() {
    let mut w = World::archiving(3, 3, 1);
    for _ in 0..30 {
        w.write();
        w.run(1);
    }
    assert!(w.round().pieces.len() >= 4, "{:#?}", w.round().pieces);
    w.act(Action::NoArchiveLog { tenant: TENANT }).unwrap();
    w.until("STOP", |w| w.round().state == RoundState::Stop);
    let round = w.round();
    assert!(round.pieces.values().all(|p| p.status == PieceStatus::Frozen));
    let frozen: Vec<_> = round.pieces.values().filter(|p| p.file_status == FileStatus::Available).collect();
    assert!(frozen.windows(2).all(|p| p[0].end_scn == p[1].start_scn && p[0].checkpoint_scn.next() == p[0].end_scn));
    assert_eq!(frozen.last().unwrap().checkpoint_scn, round.checkpoint_scn);
    assert!(matches!(w.medium.last(), Some(MediumWork::RoundEnd { .. })));
}

#[test]
fn per_piece_the_medium_sees_start_infos_checkpoint_freeze_in_this_order() {
    let mut w = World::archiving(1, 1, 1);
    for _ in 0..20 {
        w.write();
        w.run(1);
    }
    for id in 1..=2 {
        let start = position(&w, |m| is_start(m, id));
        let infos = position(&w, |m| is_infos(m, id));
        let checkpoint = position(&w, |m| is_checkpoint(m, id));
        let freeze = position(&w, |m| is_freeze(m, id));
        assert!(start < infos && infos < checkpoint && checkpoint < freeze, "piece {id}");
        assert!(freeze < position(&w, |m| is_infos(m, id + 1)), "piece {id} freezes before the next is entered");
        let last = w.medium.iter().rposition(|m| is_checkpoint(m, id)).unwrap();
        assert!(last < freeze, "piece {id}: nothing is published after the freeze");
    }
    let MediumWork::FreezePiece(f) = &w.medium[position(&w, |m| is_freeze(m, 2))] else { unreachable!() };
    assert_eq!(f.frozen.iter().map(|p| p.key.piece_id.0).collect::<Vec<_>>(), [1]);
    assert_eq!(f.log_streams, [LsId(1), LsId(1001), LsId(1002)]);
    assert_eq!(f.piece.checkpoint_scn.next(), f.piece.end_scn);
}

#[test]
fn a_start_placeholder_is_there_before_log_comes_into_the_piece() {
    let mut w = World::archiving(1, 1, 2);
    w.until("piece 2", |w| w.round().pieces.contains_key(&PieceId(2)));
    assert!(w.round().clock.piece_of(Scn::from_ms(w.now_ms)) == PieceId(1));
}

#[test]
fn a_log_stream_that_stands_still_holds_the_checkpoint() {
    let mut w = World::archiving(3, 3, 3600);
    w.write();
    w.run(2);
    let before = w.round().checkpoint_scn;
    w.stuck.insert(LsId(1001));
    w.write();
    w.run(4);
    let held = w.round().checkpoint_scn;
    w.write();
    w.run(4);
    assert_eq!(w.round().checkpoint_scn, held);
    assert!(held >= before);
    w.stuck.clear();
    w.run(2);
    assert!(w.round().checkpoint_scn > held);
}

#[test]
fn an_idle_stream_is_told_to_come_as_far_as_the_farthest() {
    let mut w = World::archiving(1, 1, 3600);
    w.streams.get_mut(&(TENANT, LsId(1001))).unwrap().max_scn = Scn::from_ms(w.now_ms + 5);
    w.run(2);
    let want = Scn::from_ms(w.now_ms - 2 * limits::HEARTBEAT_MS + 5);
    w.run(2);
    assert!(w.round().checkpoint_scn >= want);
}

#[test]
fn the_checkpoint_is_published_on_the_medium_before_the_state_knows_it() {
    let mut w = World::archiving(1, 1, 3600);
    let before = w.round().checkpoint_scn;
    w.medium_failure = Some(Failure::new(ErrorClass::Transient, "the share is away", "file:///arc", ""));
    w.write();
    w.run(3);
    assert_eq!(w.round().checkpoint_scn, before);
    assert_eq!(w.round().trouble.as_ref().unwrap().failure.what, "the share is away");
    let rows = views::view(&w.state, w.now_ms, "cdb_strandline_waiting").unwrap().rows;
    assert!(rows.iter().any(|r| format!("{r:?}").contains("the share is away")), "{rows:?}");
    w.medium_failure = None;
    w.run(2);
    assert!(w.round().checkpoint_scn > before && w.round().trouble.is_none());
}

#[test]
fn leader_changes_do_not_pull_progress_back_and_fence_the_old_leader() {
    let mut w = World::archiving(3, 3, 3600);
    w.write();
    w.run(2);
    let key = (TENANT, LsId(1001));
    let old = w.streams[&key].leader.unwrap();
    let at = w.round().progress[&LsId(1001)].clone();
    w.kill(old);
    w.write();
    w.run(3);
    let now = &w.round().progress[&LsId(1001)];
    assert!(now.term > at.term && now.archived_lsn > at.archived_lsn);
    // The old leader wakes up and tells what it knows.
    let before = w.state.clone();
    let late = ArchiveReport {
        tenant_id: TENANT,
        ls_id: LsId(1001),
        dest_id: w.round().dest_id,
        round_id: w.round().round_id,
        term: at.term,
        state: ArchiveLsState::Interrupted,
        piece_id: PieceId(1),
        start_scn: Scn(0),
        start_lsn: Lsn(0),
        archived_lsn: Lsn(u64::MAX / 2),
        checkpoint_scn: Scn(u64::MAX / 2),
        trouble: None,
        trouble_since_ms: 0,
        requests: 0,
        gap: None,
        pieces: BTreeMap::new(),
    };
    let report = WorkerReport {
        worker_id: old,
        address: String::new(),
        boot_id: 1,
        clock_ms: w.now_ms,
        replicas: vec![],
        archive: vec![late],
        archive_waiting: vec![],
        tasks: vec![],
        replica_troubles: Default::default(),
        free_bytes: None,
    };
    w.act(Action::Heartbeats(vec![report])).unwrap();
    assert_eq!(before.rounds, w.state.rounds);
}

#[test]
fn defer_suspends_and_enable_resumes_the_same_round() {
    let mut w = World::archiving(3, 3, 3600);
    w.act(Action::SetArchiveDestState { tenant: TENANT, no: DestNo(0), state: DestState::Defer }).unwrap();
    w.until("SUSPEND", |w| w.round().state == RoundState::Suspend);
    let held = w.round().checkpoint_scn;
    w.write();
    w.run(3);
    assert_eq!(w.round().checkpoint_scn, held, "log is produced, not archived");
    w.act(Action::SetArchiveDestState { tenant: TENANT, no: DestNo(0), state: DestState::Enable }).unwrap();
    w.until("DOING", |w| w.round().state == RoundState::Doing);
    assert_eq!(w.round().round_id, RoundId(1));
    w.run(2);
    assert!(w.round().checkpoint_scn > held);
}

#[test]
fn archivelog_with_a_deferred_destination_waits_for_enable() {
    let mut w = World::with_tenant(1, 1);
    let spec = archive_spec("file:///arc", 60);
    w.act(Action::SetArchiveDest { tenant: TENANT, no: DestNo(0), dest: Some(spec) }).unwrap();
    w.act(Action::SetArchiveDestState { tenant: TENANT, no: DestNo(0), state: DestState::Defer }).unwrap();
    assert_eq!(w.act(Action::ArchiveLog { tenant: TENANT }), Ok(Done::Ok));
    w.run(3);
    assert!(w.state.open_round(TENANT).is_none());
    let opened = w.act(Action::SetArchiveDestState { tenant: TENANT, no: DestNo(0), state: DestState::Enable });
    assert_eq!(opened, Ok(Done::Round(RoundId(1))));
}

#[test]
fn one_interrupted_log_stream_interrupts_the_round_until_it_is_stopped() {
    let mut w = World::archiving(1, 1, 3600);
    let round = w.round().clone();
    let row = &round.progress[&LsId(1001)];
    let lost = Failure::new(ErrorClass::NotFound, "log was recycled", "log stream 1001", "");
    let report = ArchiveReport {
        tenant_id: TENANT,
        ls_id: LsId(1001),
        dest_id: round.dest_id,
        round_id: round.round_id,
        term: row.term,
        state: ArchiveLsState::Interrupted,
        piece_id: row.piece_id,
        start_scn: row.start_scn,
        start_lsn: row.start_lsn,
        archived_lsn: row.archived_lsn,
        checkpoint_scn: row.checkpoint_scn,
        trouble: Some(lost),
        trouble_since_ms: 0,
        requests: 0,
        gap: None,
        pieces: BTreeMap::new(),
    };
    let worker = &w.state.workers[&NodeId(1)];
    let report = WorkerReport {
        worker_id: NodeId(1),
        address: worker.address.clone(),
        boot_id: worker.boot_id,
        clock_ms: w.now_ms,
        replicas: vec![],
        archive: vec![report],
        archive_waiting: vec![],
        tasks: vec![],
        replica_troubles: Default::default(),
        free_bytes: None,
    };
    w.act(Action::Heartbeats(vec![report])).unwrap();
    w.settle();
    assert_eq!(w.round().state, RoundState::Interrupted);
    assert!(w.round().comment.contains("1001") && w.round().comment.contains("recycled"), "{}", w.round().comment);
    w.run(3);
    assert_eq!(w.round().state, RoundState::Interrupted, "terminal but for a stop");
    w.act(Action::NoArchiveLog { tenant: TENANT }).unwrap();
    w.until("STOP", |w| w.round().state == RoundState::Stop);
}

#[test]
fn a_stop_on_a_dead_medium_is_forced_after_ten_minutes() {
    let mut w = World::archiving(1, 1, 3600);
    w.act(Action::NoArchiveLog { tenant: TENANT }).unwrap();
    w.medium_failure = Some(Failure::new(ErrorClass::Transient, "away", "file:///arc", ""));
    w.run(3);
    assert_eq!(w.round().state, RoundState::Stopping);
    w.now_ms += limits::FORCE_STOP_MS;
    w.run(1);
    assert_eq!(w.round().state, RoundState::Stop);
    assert!(w.round().comment.contains("forced"));
}

#[test]
fn the_next_round_counts_its_pieces_on() {
    let mut w = World::archiving(1, 1, 3600);
    w.act(Action::NoArchiveLog { tenant: TENANT }).unwrap();
    w.until("STOP", |w| w.round().state == RoundState::Stop);
    let last = *w.round().pieces.keys().next_back().unwrap();
    w.act(Action::ArchiveLog { tenant: TENANT }).unwrap();
    w.until("DOING", |w| w.round().state == RoundState::Doing);
    assert_eq!((w.round().round_id, w.round().clock.base_piece), (RoundId(2), last.next()));
    let MediumWork::PieceInfos { frozen, .. } = w.medium.iter().rfind(|m| is_infos(m, last.next().0)).unwrap() else {
        unreachable!()
    };
    assert_eq!(frozen.len(), w.state.rounds[&(TENANT, RoundId(1))].pieces.len(), "history of the destination");
}

#[test]
fn a_round_that_is_stopped_before_it_began_leaves_nothing_half() {
    let mut w = World::with_tenant(1, 1);
    let spec = archive_spec("file:///arc", 60);
    w.act(Action::SetArchiveDest { tenant: TENANT, no: DestNo(0), dest: Some(spec) }).unwrap();
    w.act(Action::ArchiveLog { tenant: TENANT }).unwrap();
    w.act(Action::NoArchiveLog { tenant: TENANT }).unwrap();
    w.run(2);
    assert_eq!(w.round().state, RoundState::Stop);
    assert!(w.round().pieces.is_empty());
}

#[test]
fn what_the_original_refuses_is_refused() {
    let mut w = World::archiving(1, 1, 3600);
    let spec = |uri: &str, s| archive_spec(uri, s);
    let set = |w: &mut World, spec| {
        w.act(Action::SetArchiveDest { tenant: TENANT, no: DestNo(0), dest: spec }).unwrap_err().what
    };
    assert_eq!(set(&mut w, Some(spec("file:///b", 60))), "change archive dest when archive is running");
    let again = w.act(Action::ArchiveLog { tenant: TENANT }).unwrap_err();
    assert!(again.what.contains("ARCHIVELOG mode already"));
    w.act(Action::NoArchiveLog { tenant: TENANT }).unwrap();
    assert_eq!(w.act(Action::ArchiveLog { tenant: TENANT }).unwrap_err().class, ErrorClass::Transient, "stopping");
    w.until("STOP", |w| w.round().state == RoundState::Stop);
    assert!(set(&mut w, Some(spec("file:///b", 0))).contains("out of bounds"));
    assert!(set(&mut w, Some(spec("file:///b", 8 * 86_400))).contains("out of bounds"));
    for (bad, word) in [
        ("", "not a destination"),
        ("/b", "not a destination"),
        ("ftp://bucket/x", "not known"),
        ("file://b", "absolute path"),
        ("file:///", "root"),
        ("file:///a/../b", "'..'"),
        ("file:///a b", "white space"),
    ] {
        let said = set(&mut w, Some(spec(bad, 60)));
        assert!(said.contains(word), "{bad}: {said}");
    }
    assert!(set(&mut w, Some(spec("file:///data", 60))).contains("backup_data destination"));
    for nested in ["file:///data/below", "file:///data/below/deep"] {
        assert!(set(&mut w, Some(spec(nested, 60))).contains("lie in each other"), "{nested}");
    }
    assert_eq!(w.act(Action::SetArchiveDest { tenant: TENANT, no: DestNo(0), dest: None }), Ok(Done::Ok));
    assert!(w.act(Action::ArchiveLog { tenant: TENANT }).unwrap_err().what.contains("no archive destination"));
    assert_eq!(w.act(Action::NoArchiveLog { tenant: TenantId(9) }).unwrap_err().class, ErrorClass::NotFound);
}

#[test]
fn the_same_path_keeps_its_id_and_another_gets_the_next() {
    let mut w = World::with_tenant(1, 1);
    let set = |w: &mut World, uri: &str| {
        let spec = archive_spec(uri, 60);
        w.act(Action::SetArchiveDest { tenant: TENANT, no: DestNo(0), dest: Some(spec) })
    };
    assert_eq!(set(&mut w, "file:///a"), Ok(Done::Dest(DestId(1001))));
    assert_eq!(set(&mut w, "file:///b"), Ok(Done::Dest(DestId(1002))));
    assert_eq!(set(&mut w, "file:///a/"), Ok(Done::Dest(DestId(1001))));
    let data =
        w.act(Action::SetDataDest { tenant: TENANT, uri: Some("file:///c".to_owned()), access: Access::default() });
    assert_eq!(data, Ok(Done::Dest(DestId(1003))), "both kinds count on");
    assert_eq!(set(&mut w, "file:///aa"), Ok(Done::Dest(DestId(1004))), "a longer name is another place");
    assert_eq!(set(&mut w, "file:///d/e"), Ok(Done::Dest(DestId(1005))));
    assert!(set(&mut w, "file:///d").unwrap_err().what.contains("file:///d/e"), "the other way round as well");
}

#[test]
fn a_foreign_destination_is_not_written_to_again_until_it_is_named_again() {
    let mut w = World::with_tenant(1, 1);
    let foreign = Failure::new(ErrorClass::Fenced, "format.obbak names another tenant", "file:///a", "");
    w.medium_failure = Some(foreign);
    let spec = archive_spec("file:///a", 60);
    let set = Action::SetArchiveDest { tenant: TENANT, no: DestNo(0), dest: Some(spec) };
    w.act(set.clone()).unwrap();
    w.run(1);
    w.medium_failure = None;
    w.run(3);
    assert!(!w.state.destinations[&DestId(1001)].formatted);
    w.act(set).unwrap();
    w.run(1);
    assert!(w.state.destinations[&DestId(1001)].formatted);
}

#[test]
fn a_piece_whose_last_scn_is_the_checkpoint_stays_open_until_all_are_past_it() {
    let mut w = World::archiving(1, 1, 2);
    let end = w.round().pieces[&PieceId(1)].end_scn;
    // A membership entry takes the SCN of the group before it: a stream at the last SCN may still write there.
    for stream in w.streams.values_mut() {
        stream.max_scn = end.prev();
        stream.end_lsn = stream.end_lsn.advance(10);
    }
    w.run(1);
    let piece = w.round().pieces[&PieceId(1)];
    assert_eq!((piece.checkpoint_scn, piece.sealed, piece.status), (end.prev(), false, PieceStatus::Active));
    for stream in w.streams.values_mut() {
        stream.max_scn = end;
        stream.end_lsn = stream.end_lsn.advance(10);
    }
    w.run(1);
    assert_eq!(w.round().pieces[&PieceId(1)].status, PieceStatus::Frozen);
}

#[test]
fn the_last_pieces_freeze_only_when_the_newest_leaders_have_stopped_and_then_nobody_may_write() {
    let mut w = World::archiving(3, 3, 3600);
    w.act(Action::NoArchiveLog { tenant: TENANT }).unwrap();
    w.now_ms += limits::HEARTBEAT_MS;
    w.beat();
    // Every stream has stopped; one of them has a new leader that has not said so yet.
    let ls = LsId(1001);
    let old = w.state.tenants[&TENANT].log_streams[&ls].leader.unwrap();
    let new = if old == NodeId(1) { NodeId(2) } else { NodeId(1) };
    let worker = w.state.workers[&new].clone();
    let elected = ReplicaReport {
        tenant_id: TENANT,
        ls_id: ls,
        is_leader: true,
        term: Term(77),
        leader: Some(new),
        end_lsn: Lsn(0),
        max_scn: Scn::MIN,

        log_start_lsn: Lsn::ZERO,
        dictionary_version: 0,
        tablets_version: 0,
        restored_dictionary: None,
        replayed_scn: Scn::MIN,
        standing: Default::default(),
    };
    let report = WorkerReport {
        worker_id: new,
        address: worker.address.clone(),
        boot_id: worker.boot_id,
        clock_ms: w.now_ms,
        replicas: vec![elected],
        archive: vec![],
        archive_waiting: vec![],
        tasks: vec![],
        replica_troubles: Default::default(),
        free_bytes: None,
    };
    w.act(Action::Heartbeats(vec![report])).unwrap();
    w.settle();
    assert_eq!(w.round().state, RoundState::Stopping);
    assert!(!w.round().drained && orders_for(&w.state, new).rounds[0].work == RoundWork::Stop);
    let stream = w.streams.get_mut(&(TENANT, ls)).unwrap();
    (stream.leader, stream.term) = (Some(new), Term(77));
    w.now_ms += limits::HEARTBEAT_MS;
    w.beat();
    while !w.round().drained {
        let step = plan(&w.state, w.now_ms).steps.remove(0);
        w.act(step.then).unwrap();
    }
    assert_eq!(w.round().state, RoundState::Stopping);
    assert!((1..=3).all(|n| orders_for(&w.state, NodeId(n)).rounds.is_empty()));
}

/// A leader that had ended for its goal, lost the leadership and has it again: it says both.
fn of_an_earlier_term(w: &mut World, state: ArchiveLsState) -> WorkerReport {
    let round = w.round().clone();
    let stream = w.streams.get_mut(&(TENANT, LsId(1001))).unwrap();
    let old = stream.term;
    stream.term = old.next();
    let worker = w.state.workers[&NodeId(1)].clone();
    let seen = worker.replicas[&(TENANT, LsId(1001))];
    let replica = ReplicaReport {
        tenant_id: TENANT,
        ls_id: LsId(1001),
        is_leader: true,
        term: old.next(),
        leader: None,
        end_lsn: seen.end_lsn,
        max_scn: seen.max_scn,

        log_start_lsn: Lsn::ZERO,
        dictionary_version: 0,
        tablets_version: 0,
        restored_dictionary: None,
        replayed_scn: Scn::MIN,
        standing: Default::default(),
    };
    let ended = ArchiveReport {
        tenant_id: TENANT,
        ls_id: LsId(1001),
        dest_id: round.dest_id,
        round_id: round.round_id,
        term: old,
        state,
        piece_id: PieceId(1),
        start_scn: Scn(0),
        start_lsn: Lsn(0),
        archived_lsn: seen.end_lsn,
        checkpoint_scn: seen.max_scn,
        trouble: None,
        trouble_since_ms: 0,
        requests: 0,
        gap: None,
        pieces: BTreeMap::new(),
    };
    WorkerReport {
        worker_id: NodeId(1),
        address: worker.address.clone(),
        boot_id: worker.boot_id,
        clock_ms: w.now_ms,
        replicas: vec![replica],
        archive: vec![ended],
        archive_waiting: vec![],
        tasks: vec![],
        replica_troubles: Default::default(),
        free_bytes: None,
    }
}

#[test]
fn a_leader_that_has_paused_speaks_for_its_later_terms() {
    let mut w = World::archiving(1, 1, 3600);
    w.act(Action::SetArchiveDestState { tenant: TENANT, no: DestNo(0), state: DestState::Defer }).unwrap();
    let report = of_an_earlier_term(&mut w, ArchiveLsState::Suspended);
    // In between somebody else led, and was only Doing.
    let row = w.state.rounds.values_mut().next().unwrap().progress.get_mut(&LsId(1001)).unwrap();
    let term = report.replicas[0].term;
    row.term = term;
    w.act(Action::Heartbeats(vec![WorkerReport { archive: vec![], ..report.clone() }])).unwrap();
    let news = news(&w.state, report, w.now_ms).unwrap();
    w.act(Action::Heartbeats(vec![news])).unwrap();
    let row = &w.round().progress[&LsId(1001)];
    assert_eq!((row.term, row.state), (term, ArchiveLsState::Suspended), "or the round would wait for it for ever");
}

#[test]
fn a_leader_that_has_stopped_speaks_for_its_later_terms() {
    let mut w = World::archiving(1, 1, 3600);
    w.act(Action::NoArchiveLog { tenant: TENANT }).unwrap();
    // It lost the leadership and has it again before it could say that it has stopped.
    let old = w.streams[&(TENANT, LsId(1001))].term;
    w.streams.get_mut(&(TENANT, LsId(1001))).unwrap().term = old.next();
    w.now_ms += limits::HEARTBEAT_MS;
    w.beat();
    let row = &w.round().progress[&LsId(1001)];
    assert_eq!((row.term, row.state), (old.next(), ArchiveLsState::Stopped));
    let report = of_an_earlier_term(&mut w, ArchiveLsState::Stopped);
    w.act(Action::Heartbeats(vec![WorkerReport { archive: vec![], ..report.clone() }])).unwrap();
    w.settle();
    assert!(!w.round().drained, "its new term is known, its word for it is not");
    let news = news(&w.state, report, w.now_ms).unwrap();
    w.act(Action::Heartbeats(vec![news])).unwrap();
    w.settle();
    assert_eq!(w.round().state, RoundState::Stop);
}
