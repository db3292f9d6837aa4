//! What becomes of log that cannot be archived: it waits, writes wait, or it is let go; and what follows a gap.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod harness;

use harness::{TENANT, World, archive_spec};
use strandline_scheduler_core::state::{DestOptions, DestState, LogGap, Restart, Trouble};
use strandline_scheduler_core::*;
use strandline_types::*;

const NO: DestNo = DestNo(0);
const LS: LsId = LsId(1001);

/// A tenant with one replica that archives with these options, and a data destination.
fn archiving(options: DestOptions) -> World {
    let mut w = World::with_tenant(1, 1);
    let spec = ArchiveDestSpec { options, ..archive_spec("file:///arc", 3600) };
    w.act(Action::SetArchiveDest { tenant: TENANT, no: NO, dest: Some(spec) }).unwrap();
    let uri = Some("file:///data".to_owned());
    w.act(Action::SetDataDest { tenant: TENANT, uri, access: Access::default() }).unwrap();
    w.act(Action::ArchiveLog { tenant: TENANT }).unwrap();
    w.run(5);
    assert_eq!(w.round().state, RoundState::Doing);
    w
}

fn grow(w: &mut World, bytes: u64) {
    let now = Scn::from_ms(w.now_ms);
    let stream = w.streams.get_mut(&(TENANT, LS)).unwrap();
    stream.end_lsn = stream.end_lsn.advance(bytes);
    stream.max_scn = Scn::hybrid(now.0, stream.max_scn, Scn::MIN);
}

fn order(w: &World) -> ReplicaOrder {
    orders_for(&w.state, NodeId(1)).replicas.into_iter().find(|r| r.ls_id == LS).unwrap()
}

fn waiting(w: &World) -> String {
    plan(&w.state, w.now_ms).waiting.iter().map(|line| format!("{line}\n")).collect()
}

fn small() -> DestOptions {
    DestOptions { spool_bytes: limits::SPOOL_BYTES_MIN, ..DestOptions::default() }
}

#[test]
fn optional_log_waits_up_to_the_spool_and_is_let_go_beyond_it() {
    let mut w = archiving(small());
    w.dead.insert(NO);
    let archived = w.round().progress[&LS].archived_lsn;
    grow(&mut w, limits::SPOOL_BYTES_MIN);
    w.run(1);
    assert_eq!((order(&w).recycle_lsn, order(&w).log_bytes_max), (archived, 0), "it fits, and writes go on");
    grow(&mut w, 1000);
    w.run(1);
    assert_eq!(order(&w).recycle_lsn, archived.advance(1000), "what is beyond the spool may go");
}

#[test]
fn an_alarm_comes_before_log_is_let_go() {
    let mut w = archiving(small());
    w.dead.insert(NO);
    w.run(1);
    assert!(!waiting(&w).contains("spool"));
    grow(&mut w, limits::SPOOL_BYTES_MIN * 6 / 10);
    w.run(1);
    assert!(waiting(&w).contains("60 % full") && waiting(&w).contains("interrupted"), "{}", waiting(&w));
}

#[test]
fn how_long_a_spool_lasts_is_told_by_the_log_of_its_own_stream() {
    let mut w = archiving(small());
    w.dead.insert(NO);
    let busy = LsId(1002);
    for _ in 0..100 {
        let stream = w.streams.get_mut(&(TENANT, busy)).unwrap();
        stream.end_lsn = stream.end_lsn.advance(1 << 20);
        stream.max_scn = Scn::hybrid(Scn::from_ms(w.now_ms).0, stream.max_scn, Scn::MIN);
        grow(&mut w, 1);
        w.run(1);
    }
    let view = views::view(&w.state, w.now_ms, "CDB_STRANDLINE_ARCHIVE_SPOOL").unwrap();
    let (ls, left) = (column(&view, "LS_ID"), column(&view, "SECONDS_LEFT"));
    let left_of = |id: LsId| {
        let row = view.rows.iter().find(|r| r[ls] == views::Value::Uint(id.0)).unwrap();
        match row[left] {
            views::Value::Uint(seconds) => seconds,
            ref other => panic!("{other:?}"),
        }
    };
    assert!((1..10).contains(&left_of(busy)), "28 MB are left, 7 MB come each second: {}", left_of(busy));
    assert!(left_of(LS) > 1_000_000, "the other one hardly writes: {}", left_of(LS));
}

#[test]
fn mandatory_log_never_goes_and_writes_stop_at_the_bound() {
    let mut w = archiving(DestOptions { binding: Binding::Mandatory, ..small() });
    w.dead.insert(NO);
    let archived = w.round().progress[&LS].archived_lsn;
    grow(&mut w, 10 * limits::SPOOL_BYTES_MIN);
    w.run(1);
    assert_eq!((order(&w).recycle_lsn, order(&w).log_bytes_max), (archived, limits::SPOOL_BYTES_MIN));
    assert!(waiting(&w).contains("writes are refused"), "{}", waiting(&w));
}

#[test]
fn log_that_is_too_old_is_let_go_and_an_idle_stream_is_never_old() {
    let mut w = archiving(DestOptions { spool_age_ms: 20_000, ..DestOptions::default() });
    w.run(1000);
    w.dead.insert(NO);
    grow(&mut w, 100);
    w.run(1);
    let archived = w.round().progress[&LS].archived_lsn;
    assert_eq!(order(&w).recycle_lsn, archived, "the stream was idle for long, what waits is new");
    w.run(140);
    assert_eq!(order(&w).recycle_lsn, w.state.tenants[&TENANT].log_streams[&LS].end_lsn);
}

#[test]
fn a_round_that_begins_keeps_the_block_that_its_start_lies_in() {
    let mut w = World::with_tenant(1, 1);
    grow(&mut w, 3 * limits::BLOCK_BODY_BYTES + 5);
    w.run(2);
    w.dead.insert(NO);
    let dest = Some(archive_spec("file:///arc", 3600));
    w.act(Action::SetArchiveDest { tenant: TENANT, no: NO, dest }).unwrap();
    w.act(Action::ArchiveLog { tenant: TENANT }).unwrap();
    assert_eq!(order(&w).recycle_lsn, Lsn(3 * limits::BLOCK_BODY_BYTES));
}

#[test]
fn a_stream_that_cannot_begin_makes_the_round_say_since_when_and_why() {
    let mut w = World::with_tenant(1, 1);
    let since_ms = w.now_ms - 5000;
    let failure = Failure::new(ErrorClass::Permission, "the key is wrong", "file:///key", "give the right one");
    w.unable.insert(LS, Trouble { failure, since_ms });
    let dest = Some(archive_spec("file:///arc", 3600));
    w.act(Action::SetArchiveDest { tenant: TENANT, no: NO, dest }).unwrap();
    w.act(Action::ArchiveLog { tenant: TENANT }).unwrap();
    w.run(5);
    assert_eq!(w.round().state, RoundState::Beginning);
    let line =
        plan(&w.state, w.now_ms).waiting.into_iter().find(|l| l.on.to_string().contains("the key is wrong")).unwrap();
    assert_eq!((line.since_ms, line.on.to_string().contains("log stream 1001")), (Some(since_ms), true));
    let shown = format!("{:?}", views::view(&w.state, w.now_ms, "V$OB_ARCHIVE_DEST_STATUS").unwrap().rows);
    assert!(shown.contains("the key is wrong") && shown.contains(&moment_text(since_ms)), "{shown}");
    let comment = format!("{:?}", views::view(&w.state, w.now_ms, "CDB_OB_ARCHIVELOG").unwrap().rows);
    assert!(comment.contains("log stream 1001") && comment.contains("the key is wrong"), "{comment}");
    w.unable.clear();
    w.run(3);
    assert_eq!((w.round().state, w.round().waiting.len()), (RoundState::Doing, 0), "it is over once it is over");
}

#[test]
fn bytes_on_the_medium_are_counted_per_stream_and_piece() {
    let mut w = World::with_tenant(1, 1);
    let dest = Some(archive_spec("file:///arc", 2));
    w.act(Action::SetArchiveDest { tenant: TENANT, no: NO, dest }).unwrap();
    w.act(Action::ArchiveLog { tenant: TENANT }).unwrap();
    for _ in 0..200 {
        w.write();
        w.run(1);
    }
    let view = |name: &str| views::view(&w.state, w.now_ms, name).unwrap();
    let number = |v: &views::Value| match v {
        views::Value::Uint(n) => *n,
        views::Value::Real(r) => (*r * 100.0) as u64,
        other => panic!("{other:?}"),
    };
    let rounds = view("CDB_OB_ARCHIVELOG");
    let (input, output) = (column(&rounds, "INPUT_BYTES"), column(&rounds, "OUTPUT_BYTES"));
    let (input, output) = (number(&rounds.rows[0][input]), number(&rounds.rows[0][output]));
    assert!(input > 0 && output.abs_diff(input / 2) <= w.round().pieces.len() as u64 * 3, "{output} of {input}");
    assert_eq!(number(&rounds.rows[0][column(&rounds, "COMPRESSION_RATIO")]), 200);
    // Every piece has its own figures, and every stream a row in each; the last one is where it goes on.
    let pieces = view("CDB_OB_ARCHIVELOG_PIECE_FILES");
    let frozen: Vec<_> = w.round().pieces.values().filter(|p| p.status == PieceStatus::Frozen).collect();
    assert!(frozen.len() > 5 && frozen.iter().all(|p| p.input_bytes > 0 && p.output_bytes > 0), "{frozen:?}");
    assert!(pieces.rows.len() >= frozen.len());
    let rows = view("CDB_OB_LS_LOG_ARCHIVE_PROGRESS");
    let (ls, min, max) = (column(&rows, "LS_ID"), column(&rows, "MIN_LSN"), column(&rows, "MAX_LSN"));
    let of_ls: Vec<_> = rows.rows.iter().filter(|r| r[ls] == views::Value::Uint(LS.0)).collect();
    assert!(of_ls.len() > 5);
    assert!(of_ls.windows(2).all(|two| two[0][max] == two[1][min]), "no hole between pieces");
    assert_eq!(number(&of_ls[of_ls.len() - 1][max]), w.round().progress[&LS].archived_lsn.0);
}

fn column(table: &views::Table, name: &str) -> usize {
    table.columns.iter().position(|c| *c == name).unwrap()
}

fn lose(w: &mut World) -> LogGap {
    let row = &w.round().progress[&LS];
    let end_lsn = row.archived_lsn.advance(5000);
    let gap =
        LogGap { start_lsn: row.archived_lsn, end_lsn, start_scn: row.checkpoint_scn, end_scn: Scn(u64::MAX - 1) };
    w.gaps.insert((w.round().round_id, LS), gap);
    gap
}

#[test]
fn a_gap_is_recorded_exactly_and_the_round_stays_interrupted() {
    let mut w = archiving(DestOptions::default());
    let gap = lose(&mut w);
    w.run(20);
    assert_eq!(w.round().state, RoundState::Interrupted);
    assert_eq!(w.round().progress[&LS].gap, Some(gap));
    assert!(w.round().comment.contains("log stream 1001") && w.round().comment.contains(&gap.to_string()));
    let view = views::view(&w.state, w.now_ms, "CDB_STRANDLINE_ARCHIVE_GAPS").unwrap();
    assert_eq!(view.rows.len(), 1);
    assert_eq!(view.rows[0][column(&view, "END_LSN")], views::Value::Null, "nothing is archived again yet");
}

#[test]
fn with_auto_restart_a_new_round_and_a_full_backup_follow_by_themselves() {
    let mut w = archiving(DestOptions { auto_restart: true, ..DestOptions::default() });
    lose(&mut w);
    w.until("the second round", |w| w.round().round_id == RoundId(2) && w.round().state == RoundState::Doing);
    let first = &w.state.rounds[&(TENANT, RoundId(1))];
    assert_eq!((first.state, first.restart), (RoundState::Stop, Restart::None));
    assert!(first.comment.contains("1001"), "why it ended stays: {}", first.comment);
    let (second, view) = (w.round(), views::view(&w.state, w.now_ms, "CDB_STRANDLINE_ARCHIVE_GAPS").unwrap());
    let end = [views::Value::Uint(second.progress[&LS].start_lsn.0), views::Value::Uint(second.clock.round_start.0)];
    let (lsn, scn) = (column(&view, "END_LSN"), column(&view, "END_SCN"));
    assert_eq!([view.rows[0][lsn].clone(), view.rows[0][scn].clone()], end, "all that is in no archive");
    w.until("the backup", |w| w.state.backup_jobs().any(|j| j.status == BackupJobStatus::Completed));
    w.run(50);
    assert_eq!((w.state.rounds.len(), w.state.backup_jobs().count()), (2, 1), "each of it once");
}

#[test]
fn a_restart_waits_for_a_destination_that_was_given_up() {
    let mut w = archiving(DestOptions { auto_restart: true, ..DestOptions::default() });
    lose(&mut w);
    w.dead.insert(NO);
    w.run(5);
    assert_eq!(w.round().state, RoundState::Stopping);
    w.now_ms += limits::FORCE_STOP_MS;
    w.run(5);
    assert_eq!((w.round().state, w.round().round_id), (RoundState::Stop, RoundId(1)));
    w.run(50);
    assert_eq!(w.state.rounds.len(), 1, "nothing begins on a dead medium: {}", waiting(&w));
    w.dead.clear();
    w.until("the second round", |w| w.round().round_id == RoundId(2) && w.round().state == RoundState::Doing);
}

#[test]
fn an_administrator_who_stops_archiving_ends_the_restart() {
    let mut w = archiving(DestOptions { auto_restart: true, ..DestOptions::default() });
    lose(&mut w);
    w.dead.insert(NO);
    w.run(3);
    w.act(Action::NoArchiveLog { tenant: TENANT }).unwrap();
    w.dead.clear();
    w.until("STOP", |w| w.round().state == RoundState::Stop);
    w.run(20);
    assert_eq!((w.state.rounds.len(), w.round().restart), (1, Restart::None));
}

#[test]
fn several_destinations_have_rounds_of_their_own_and_a_dead_one_slows_nobody() {
    let mut w = archiving(DestOptions::default());
    let second = DestNo(2);
    let dest = Some(archive_spec("file:///other", 3600));
    w.act(Action::SetArchiveDest { tenant: TENANT, no: second, dest }).unwrap();
    w.until("both", |w| w.state.open_rounds(TENANT).filter(|r| r.state == RoundState::Doing).count() == 2);
    let checkpoint = |w: &World, no| w.state.open_round_of(TENANT, no).unwrap().checkpoint_scn;
    w.dead.insert(NO);
    let (before, other) = (checkpoint(&w, NO), checkpoint(&w, second));
    for _ in 0..5 {
        w.write();
        w.run(2);
    }
    assert_eq!(checkpoint(&w, NO), before);
    assert!(checkpoint(&w, second) > other);
    let held = w.state.open_round_of(TENANT, NO).unwrap().progress[&LS].archived_lsn;
    assert_eq!(order(&w).recycle_lsn, held, "log is kept for the slowest that may wait");
    assert_eq!(orders_for(&w.state, NodeId(1)).rounds.len(), 2);
    assert_eq!(w.state.open_round(TENANT).unwrap().dest_no, NO, "still DOING, only behind");
    w.dead.clear();
    w.until("the first catches up", |w| checkpoint(w, NO) >= checkpoint(w, second));
    // One of them is paused, then given up for good; the other one goes on.
    w.act(Action::SetArchiveDestState { tenant: TENANT, no: second, state: DestState::Defer }).unwrap();
    w.until("SUSPEND", |w| w.state.open_round_of(TENANT, second).unwrap().state == RoundState::Suspend);
    w.act(Action::SetArchiveDest { tenant: TENANT, no: second, dest: None }).unwrap();
    w.until("one round", |w| w.state.open_rounds(TENANT).count() == 1);
    assert_eq!(w.state.open_round(TENANT).unwrap().state, RoundState::Doing);
    w.act(Action::NoArchiveLog { tenant: TENANT }).unwrap();
    w.until("none", |w| w.state.open_round(TENANT).is_none());
}

#[test]
fn backups_rely_on_the_lowest_destination_that_is_doing() {
    let mut w = archiving(DestOptions::default());
    let dest = Some(archive_spec("file:///other", 3600));
    w.act(Action::SetArchiveDest { tenant: TENANT, no: DestNo(1), dest }).unwrap();
    w.until("both", |w| w.state.open_rounds(TENANT).filter(|r| r.state == RoundState::Doing).count() == 2);
    w.act(Action::SetArchiveDestState { tenant: TENANT, no: NO, state: DestState::Defer }).unwrap();
    w.until("SUSPEND", |w| w.state.open_round_of(TENANT, NO).unwrap().state == RoundState::Suspend);
    assert_eq!(w.state.open_round(TENANT).unwrap().dest_no, DestNo(1));
}

#[test]
fn a_drained_stream_is_told_to_every_later_leader() {
    let mut w = archiving(DestOptions::default());
    w.act(Action::NoArchiveLog { tenant: TENANT }).unwrap();
    w.now_ms += limits::HEARTBEAT_MS;
    w.beat();
    let order = orders_for(&w.state, NodeId(1)).rounds.remove(0);
    assert!(order.work == RoundWork::Stop && order.log_streams.iter().all(|l| l.stopped), "{order:?}");
}

#[test]
fn a_leader_whose_clock_is_far_ahead_does_not_drag_the_state_along() {
    let mut w = archiving(DestOptions::default());
    let hour_ms = 3_600_000;
    let ahead = |w: &mut World, action| {
        let _ = apply(&mut w.state, Command { proposed_at_ms: w.now_ms + hour_ms, action });
    };
    let term = w.state.schedulers.term.next();
    ahead(&mut w, Action::TakeLead { node: NodeId(901), term });
    for n in 0..50 {
        ahead(&mut w, Action::SetArchiveLag { tenant: TENANT, lag_target_ms: n });
    }
    assert!(w.state.clock_ms <= w.now_ms + limits::MAX_CLOCK_OFFSET_MS, "{}", w.state.clock_ms - w.now_ms);
    // The next leader finds its deadlines where they should be.
    w.act(Action::TakeLead { node: NodeId(901), term: term.next() }).unwrap();
    w.act(Action::NoArchiveLog { tenant: TENANT }).unwrap();
    w.dead.insert(NO);
    w.now_ms += limits::FORCE_STOP_MS + limits::MAX_CLOCK_OFFSET_MS;
    w.run(2);
    assert_eq!(w.round().state, RoundState::Stop);
}

#[test]
fn a_cluster_that_was_down_for_a_day_has_the_right_time_at_once() {
    let mut w = archiving(DestOptions::default());
    w.now_ms += 86_400_000;
    let term = w.state.schedulers.term.next();
    w.act(Action::TakeLead { node: NodeId(901), term }).unwrap();
    w.beat();
    assert_eq!(w.state.clock_ms, w.now_ms);
    w.kill(NodeId(1));
    w.now_ms += 86_400_000;
    w.act(Action::SetArchiveLag { tenant: TENANT, lag_target_ms: 7 }).unwrap();
    assert_eq!(w.state.clock_ms, w.now_ms, "a leader without workers has only its own clock");
}

#[test]
fn every_worker_checks_a_destination_and_a_silent_one_does_not_hold_it_up_for_ever() {
    let mut w = World::new(3);
    w.kill(NodeId(3));
    let access = Access::new("access_id=a&access_key=b");
    let done = w.act(Action::CheckDest { uri: "file:///x".to_owned(), access, key_source: String::new() }).unwrap();
    let Done::DestCheck(id) = done else { panic!("{done:?}") };
    assert_eq!(w.state.dest_check(id).unwrap().runs.len(), 3);
    w.run(2);
    assert!(w.state.dest_check(id).unwrap().ended_ms.is_none());
    assert_eq!(w.state.dest_check(id).unwrap().findings.len(), 2);
    w.until("the end", |w| w.state.dest_check(id).unwrap().ended_ms.is_some());
    let check = w.state.dest_check(id).unwrap();
    assert!(check.failures[&NodeId(3)].what.contains("lost") && check.access.is_empty(), "keys are forgotten");
}

#[test]
fn new_tenants_are_archived_by_themselves_when_asked() {
    let mut w = World::new(3);
    let parent = Some(archive_spec("file:///all", 60));
    w.act(Action::ArchiveNewTenants { parent }).unwrap();
    w.act(Action::CreateTenant { name: "t".to_owned(), log_streams: 1, replicas: 1 }).unwrap();
    w.until("DOING", |w| w.state.open_round(TENANT).is_some_and(|r| r.state == RoundState::Doing));
    assert_eq!(w.round().uri, "file:///all/t_1002");
    w.act(Action::ArchiveNewTenants { parent: None }).unwrap();
    w.act(Action::CreateTenant { name: "u".to_owned(), log_streams: 1, replicas: 1 }).unwrap();
    w.run(5);
    assert!(!w.state.tenant_by_name("u").unwrap().archive.log_mode);
}

#[test]
fn keys_are_rotated_without_a_new_round() {
    let mut w = World::with_tenant(1, 1);
    let access = Access::new("access_id=old&access_key=x");
    let spec = ArchiveDestSpec { access, ..archive_spec("s3://b/arc?host=h", 3600) };
    w.act(Action::SetArchiveDest { tenant: TENANT, no: NO, dest: Some(spec) }).unwrap();
    w.act(Action::ArchiveLog { tenant: TENANT }).unwrap();
    w.until("DOING", |w| w.round().state == RoundState::Doing);
    let dest = w.round().dest_id;
    let uri = "s3://b/arc?host=h&max_iops=5".to_owned();
    let access = Access::new("access_id=new&access_key=y");
    w.act(Action::ChangeStorage { dest, uri: uri.clone(), access: access.clone() }).unwrap();
    let order = orders_for(&w.state, NodeId(1)).rounds.remove(0);
    assert_eq!((order.round_id, order.access, order.uri), (RoundId(1), access, uri));
    let elsewhere = Action::ChangeStorage { dest, uri: "s3://b/new?host=h".to_owned(), access: Access::default() };
    assert!(w.act(elsewhere).unwrap_err().what.contains("another place"));
    for view in ["CDB_OB_BACKUP_STORAGE_INFO", "CDB_OB_BACKUP_STORAGE_INFO_HISTORY"] {
        let text = format!("{:?}", views::view(&w.state, w.now_ms, view).unwrap().rows);
        assert!(text.contains("access_key=******") && !text.contains("=y") && !text.contains("=x"), "{text}");
    }
}
