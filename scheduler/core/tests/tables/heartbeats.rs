//! Reports that come late, twice, out of order, or from somebody who has nothing to say.

use crate::harness;
use crate::harness::table::failure;
use crate::harness::{TENANT, World};
use proptest::prelude::*;
use strandline_scheduler_core::state::{LogStream, LsProgress, ReplicaStanding};
use strandline_scheduler_core::*;
use strandline_types::*;

const LS: LsId = LsId(1001);

fn stream(w: &World) -> &LogStream {
    &w.state.tenants[&TENANT].log_streams[&LS]
}

fn row(w: &World) -> &LsProgress {
    &w.state.rounds[&(TENANT, RoundId(1))].progress[&LS]
}

/// What the leader of the stream would say of its replica, a little further on.
fn replica(w: &World) -> ReplicaReport {
    let ls = stream(w);
    ReplicaReport {
        tenant_id: TENANT,
        ls_id: LS,
        is_leader: true,
        term: ls.term,
        leader: ls.leader,
        end_lsn: ls.end_lsn.advance(10),
        max_scn: ls.max_scn.next(),
        log_start_lsn: Lsn::ZERO,
        dictionary_version: 0,
        tablets_version: 0,
        restored_dictionary: None,
        replayed_scn: Scn::MIN,
        standing: ReplicaStanding::Full,
    }
}

fn hosts(w: &mut World, worker: NodeId, replica: ReplicaReport) {
    let mut report = w.says(worker, Vec::new());
    report.replicas.push(replica);
    w.hear(report);
}

/// What an archiver would say of the stream, a little further on.
fn progress(w: &World) -> ArchiveReport {
    let (round, row) = (w.round(), row(w));
    ArchiveReport {
        tenant_id: TENANT,
        ls_id: LS,
        dest_id: round.dest_id,
        round_id: round.round_id,
        term: row.term,
        state: ArchiveLsState::Doing,
        piece_id: row.piece_id,
        start_scn: row.start_scn,
        start_lsn: row.start_lsn,
        archived_lsn: row.archived_lsn.advance(10),
        checkpoint_scn: row.checkpoint_scn.next(),
        trouble: None,
        trouble_since_ms: 0,
        requests: 1,
        gap: None,
        pieces: row.pieces.clone(),
    }
}

fn archives(w: &mut World, worker: NodeId, said: ArchiveReport) {
    let mut report = w.says(worker, Vec::new());
    report.archive.push(said);
    w.hear(report);
}

/// Two of three workers host each stream.
fn world() -> World {
    let mut w = World::archiving(3, 2, 3600);
    w.write();
    w.run(2);
    w
}

fn stranger(w: &World) -> NodeId {
    (1..=3).map(NodeId).find(|n| !stream(w).members.contains(n)).unwrap()
}

fn follower(w: &World) -> NodeId {
    *stream(w).members.iter().find(|m| Some(**m) != stream(w).leader).unwrap()
}

#[test]
fn a_stream_is_led_by_the_member_of_the_newest_term_that_says_so_and_its_ends_only_rise() {
    let start = world();
    let (leader, term) = (stream(&start).leader.unwrap(), stream(&start).term);
    let says = |worker, edit: fn(&mut ReplicaReport)| {
        let mut w = start.clone();
        let mut said = replica(&w);
        edit(&mut said);
        hosts(&mut w, worker, said);
        w
    };
    let (follower, stranger) = (follower(&start), stranger(&start));
    let w = says(leader, |_| {});
    assert!(stream(&w).end_lsn > stream(&start).end_lsn && stream(&w).max_scn > stream(&start).max_scn);
    let w = says(leader, |r| (r.end_lsn, r.max_scn) = (Lsn(1), Scn(1)));
    assert_eq!(stream(&w), stream(&start), "what is applied is never undone");
    let w = says(follower, |r| r.term = r.term.next());
    assert_eq!((stream(&w).leader, stream(&w).term), (Some(follower), term.next()));
    let w = says(follower, |r| r.term = Term(r.term.0 - 1));
    assert_eq!(stream(&w), stream(&start), "an old leader that has not heard of its successor");
    let w = says(follower, |r| r.is_leader = false);
    assert_eq!(stream(&w), stream(&start), "a follower says nothing of the group");
    let w = says(stranger, |r| r.term = r.term.next());
    assert_eq!(stream(&w), stream(&start), "who is no member leads nothing");
    let w = says(leader, |r| r.is_leader = false);
    assert_eq!((stream(&w).leader, stream(&w).started), (None, true), "nobody may start the group anew");
    let w = says(leader, |r| (r.is_leader, r.term, r.standing) = (false, Term(0), ReplicaStanding::Empty));
    assert_eq!((stream(&w).leader, stream(&w).term), (None, term), "one that lost its disk leads no more");
    let mut nobodys = replica(&start);
    (nobodys.tenant_id, nobodys.ls_id) = (TenantId(77), LsId(1));
    let mut w = start.clone();
    hosts(&mut w, leader, nobodys);
    assert_eq!(w.state.tenants, start.state.tenants);
}

#[test]
fn archived_log_is_believed_of_the_open_round_from_the_newest_term_and_only_forward() {
    let start = world();
    let leader = stream(&start).leader.unwrap();
    let says = |edit: fn(&mut ArchiveReport)| {
        let mut w = start.clone();
        let mut said = progress(&w);
        edit(&mut said);
        archives(&mut w, leader, said);
        w
    };
    let taken = |w: &World| row(w).archived_lsn == row(&start).archived_lsn.advance(10);
    assert!(taken(&says(|_| {})));
    assert!(taken(&says(|r| r.term = r.term.next())));
    for edit in [
        (|r| r.term = Term(r.term.0 - 1)) as fn(&mut ArchiveReport),
        |r| r.dest_id = DestId(77),
        |r| r.round_id = RoundId(2),
        |r| r.tenant_id = TenantId(77),
        |r| r.ls_id = LsId(77),
    ] {
        let w = says(edit);
        assert_eq!(w.state.rounds[&(TENANT, RoundId(1))].progress, start.round().progress);
    }
    for edit in [
        (|r| r.archived_lsn = Lsn(1)) as fn(&mut ArchiveReport),
        |r| r.checkpoint_scn = Scn(1),
        |r| (r.archived_lsn, r.checkpoint_scn) = (Lsn(1), Scn::MAX),
    ] {
        let w = says(edit);
        let is_same = |w: &World| (row(w).archived_lsn, row(w).checkpoint_scn, row(w).pieces.clone());
        assert_eq!(is_same(&w), is_same(&start), "both ends go forward together, or neither does");
    }
}

#[test]
fn lost_log_does_not_come_back_whatever_a_later_report_says() {
    let mut w = world();
    let leader = stream(&w).leader.unwrap();
    let gap = state::LogGap { start_lsn: Lsn(5), end_lsn: Lsn(9), start_scn: Scn(1), end_scn: Scn(2) };
    let said = ArchiveReport { state: ArchiveLsState::Interrupted, gap: Some(gap), ..progress(&w) };
    archives(&mut w, leader, said);
    let other = state::LogGap { start_lsn: Lsn(50), ..gap };
    for (state, gap) in [(ArchiveLsState::Doing, None), (ArchiveLsState::Stopped, Some(other))] {
        let said = ArchiveReport { state, gap, ..progress(&w) };
        archives(&mut w, leader, said);
        assert_eq!((row(&w).state, row(&w).gap.map(|g| g.start_lsn)), (ArchiveLsState::Interrupted, Some(Lsn(5))));
    }
}

#[test]
fn nothing_is_believed_of_a_round_that_has_stopped() {
    let mut w = world();
    w.act(Action::NoArchiveLog { tenant: TENANT }).unwrap();
    w.until("STOP", |w| w.round().state == RoundState::Stop);
    let before = w.state.rounds.clone();
    let leader = stream(&w).leader.unwrap();
    let said = ArchiveReport { term: Term(99), ..progress(&w) };
    archives(&mut w, leader, said);
    assert_eq!(w.state.rounds, before);
}

#[test]
fn what_keeps_a_stream_from_starting_is_told_by_its_leader_alone_and_over_when_it_is_not_said_any_more() {
    let trouble = state::Trouble { failure: failure(ErrorClass::Transient), since_ms: 5 };
    let mut w = World::with_tenant(3, 2);
    w.unable.insert(LS, trouble.clone());
    let spec = harness::archive_spec("file:///arc", 3600);
    w.act(Action::SetArchiveDest { tenant: TENANT, no: DestNo(0), dest: Some(spec) }).unwrap();
    w.act(Action::ArchiveLog { tenant: TENANT }).unwrap();
    w.run(5);
    assert_eq!(w.round().state, RoundState::Beginning);
    let (leader, follower) = (stream(&w).leader.unwrap(), follower(&w));
    w.hear(w.says(leader, Vec::new()));
    let waits = |w: &mut World, worker, said: bool| {
        let mut report = w.says(worker, Vec::new());
        let waiting = ArchiveWaiting { tenant_id: TENANT, ls_id: LS, round_id: RoundId(1), trouble: trouble.clone() };
        report.archive_waiting.extend(said.then_some(waiting));
        w.hear(report);
        w.round().waiting.contains_key(&LS)
    };
    assert!(!waits(&mut w, follower, true));
    assert!(waits(&mut w, leader, true));
    assert!(waits(&mut w, follower, false), "who does not lead says nothing of it");
    assert!(!waits(&mut w, leader, false));
}

#[test]
fn damage_of_a_replica_is_an_event_once_and_another_reason_is_none() {
    let mut w = world();
    let leader = stream(&w).leader.unwrap();
    let events = |w: &World| w.state.audit.iter().filter(|e| e.event == "replica_damaged").count();
    let mut says = |class: Option<ErrorClass>| {
        w.now_ms += 10;
        let mut report = w.says(leader, Vec::new());
        report.replica_troubles.extend(class.map(|class| ((TENANT, LS), failure(class))));
        w.hear(report);
        events(&w)
    };
    assert_eq!(says(Some(ErrorClass::Exhausted)), 0);
    assert_eq!(says(Some(ErrorClass::Corrupt)), 1);
    assert_eq!(says(Some(ErrorClass::Corrupt)), 1);
    assert_eq!(says(None), 1);
    assert_eq!(says(Some(ErrorClass::Corrupt)), 2, "it was sound in between");
}

/// Reports of all workers of a world that runs, in the order in which they were made.
fn made() -> (World, Vec<WorkerReport>) {
    let mut w = world();
    let start = w.clone();
    let mut made = Vec::new();
    for _ in 0..6 {
        w.now_ms += 100;
        w.write();
        for worker in stream(&w).members.clone() {
            let mut report = w.says(worker, Vec::new());
            if stream(&w).leader == Some(worker) {
                report.replicas.push(replica(&w));
                report.archive.push(progress(&w));
            }
            w.hear(report.clone());
            made.push(report);
        }
    }
    (start, made)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 60, ..ProptestConfig::default() })]

    #[test]
    fn reports_that_come_late_twice_and_out_of_order_take_nothing_back(order in prop::collection::vec(0usize..12, 1..60)) {
        let (mut w, made) = made();
        for n in order {
            w.now_ms += 1;
            let (before, said) = (w.state.clone(), made[n].clone());
            w.hear(said.clone());
            let (old, new) = (&before.tenants[&TENANT].log_streams[&LS], stream(&w));
            prop_assert!(new.term >= old.term && new.end_lsn >= old.end_lsn && new.max_scn >= old.max_scn);
            let (old, new) = (&before.rounds[&(TENANT, RoundId(1))].progress[&LS], row(&w));
            prop_assert!(new.archived_lsn >= old.archived_lsn && new.checkpoint_scn >= old.checkpoint_scn);
            // The same once more is only heard.
            let once = w.state.clone();
            w.hear(said);
            prop_assert_eq!(&once.tenants, &w.state.tenants);
            prop_assert_eq!(&once.rounds, &w.state.rounds);
        }
    }
}
