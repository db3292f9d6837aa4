//! Every stage of a backup and everything that may come: what is answered, and what is there afterwards.

use crate::harness::jobs::{Job, start, world};
use crate::harness::table::failure;
use crate::harness::{TENANT, World};
use BackupJobStatus::{Canceled, Canceling, Completed, CopyLog, Data, End, Failed, Index, Infos, Init, Log};
use strandline_scheduler_core::state::{BackupJob, BackupSet, JobKind, SetSeal, Stage};
use strandline_scheduler_core::*;
use strandline_types::*;

fn job(w: &World) -> &BackupJob {
    w.state.backup_jobs().next_back().unwrap()
}

fn set(w: &World) -> &BackupSet {
    &w.state.backup_sets[&(TENANT, job(w).set_id)]
}

fn cancel() -> Action {
    Action::CancelJob { kind: JobKind::Backup, tenant: TENANT }
}

fn fails(w: &World) -> Action {
    Action::JobFailed { job: job(w).id, failure: failure(ErrorClass::Corrupt) }
}

fn medium_fails(w: &World, class: ErrorClass) -> Action {
    Action::MediumFailed { subject: Subject::Backup(job(w).id), failure: failure(class) }
}

/// True once the present stage has what the next one needs.
fn is_ripe(w: &World) -> bool {
    let job = job(w);
    let round = &w.state.rounds[&(TENANT, RoundId(1))];
    match job.status {
        Data => job.runs.have_finished(job.data_task_kind()),
        Index => job.runs.have_finished(TaskKind::BackupIndex),
        Log => round.checkpoint_scn >= set(w).min_restore_scn,
        CopyLog => job.runs.have_finished(TaskKind::BackupLog),
        _ => true,
    }
}

/// A backup that stands in a stage: at its very beginning, or when all is there for the next one.
fn stands(kind: Job, status: BackupJobStatus, ripe: bool) -> World {
    let mut w = world();
    w.write();
    start(&mut w, kind).unwrap();
    w.write();
    if status == Log && !ripe {
        w.stuck.insert(LsId(1001));
    }
    w.stop_when("the stage", |w| job(w).status == status && (is_ripe(w) || !ripe));
    assert_eq!((job(&w).status, is_ripe(&w)), (status, ripe));
    w
}

#[test]
fn a_stage_is_left_for_the_next_one_alone_and_only_with_what_that_one_needs() {
    let row = |kind, at, ripe, may: &[BackupJobStatus]| {
        let w = stands(kind, at, ripe);
        let may: Vec<Stage> = may.iter().copied().map(Stage::Backup).collect();
        w.advances_only(job(&w).id, Stage::Backup(at), &may);
    };
    row(Job::Full, Init, true, &[Data]);
    row(Job::Full, Data, false, &[]);
    row(Job::Full, Data, true, &[Index]);
    row(Job::Full, Index, false, &[]);
    row(Job::Full, Index, true, &[Log]);
    row(Job::Full, Log, false, &[]);
    row(Job::Full, Log, true, &[Infos]);
    row(Job::WithLog, Log, true, &[CopyLog]);
    row(Job::WithLog, CopyLog, false, &[]);
    row(Job::WithLog, CopyLog, true, &[Infos]);
    row(Job::Full, Infos, true, &[End]);
    row(Job::Full, End, true, &[Completed]);
    row(Job::Full, Completed, true, &[]);
    row(Job::Synthetic, Data, true, &[Index]);
    row(Job::Synthetic, Index, false, &[]);
    row(Job::Synthetic, Index, true, &[Infos]);
}

#[test]
fn nothing_leads_out_of_a_backup_that_was_cancelled_or_has_failed_but_its_end() {
    for end in [cancel(), fails(&stands(Job::Full, Data, false))] {
        let mut w = stands(Job::Full, Data, false);
        w.act(end).unwrap();
        let (id, at) = (job(&w).id, job(&w).status);
        w.advances_only(id, Stage::Backup(at), &[]);
        w.does_once(Action::CloseJob { job: id });
        w.advances_only(id, Stage::Backup(job(&w).status), &[]);
    }
}

/// Where a backup is after what came: its status, and whether something of it is still to be written.
type Left = (BackupJobStatus, bool);

/// What comes to a backup in a stage leads there and is answered so.
fn leads(w: &World, action: Action, answer: Outcome, left: Left) -> World {
    let mut w = w.clone();
    w.now_ms += 1_000;
    assert_eq!(w.act(action.clone()), answer, "{:?}", job(&w).status);
    assert_eq!((job(&w).status, job(&w).is_open()), left, "{action:?}");
    let j = job(&w);
    let is_over = j.status.is_ended() || j.status == Canceling;
    assert_eq!(j.ended_ms.is_some(), is_over, "{action:?}");
    assert_eq!(j.seal_key.is_empty(), is_over, "{action:?}: the key goes with the end");
    assert!(j.is_open() || (j.results.is_empty() && j.spent.is_empty()), "{action:?}: no large metas are kept");
    if is_over && j.status != Completed {
        assert!(j.failure.is_some(), "{action:?}: why it ended");
        assert_eq!((set(&w).status, set(&w).file_status), (BackupSetStatus::Failed, FileStatus::Incomplete));
        assert!(set(&w).result != 0 && !set(&w).comment.is_empty());
    }
    w
}

/// The same with an encrypted set.
fn sealed(status: BackupJobStatus) -> World {
    let mut w = world();
    w.write();
    let seal = SetSeal { salt: [1; 16], fingerprint: [2; 8] };
    let seal = Some(SealKey { key: Secret::new(vec![7; 32]), seal });
    let request = BackupRequest { plus_archivelog: true, seal, ..BackupRequest::new(BackupMode::Full, "") };
    w.act(Action::StartBackup { tenant: TENANT, request }).unwrap();
    w.write();
    w.stop_when("the stage", |w| job(w).status == status);
    w
}

#[test]
fn a_backup_that_makes_its_set_is_ended_by_a_cancel_a_failure_or_a_medium_that_refuses() {
    for at in [Init, Data, Index, Log, CopyLog] {
        let mut w = sealed(at);
        let id = job(&w).id;
        leads(&w, cancel(), Ok(Done::BackupJob(id)), (Canceling, true));
        leads(&w, fails(&w), Ok(Done::Ok), (Failed, true));
        for class in [ErrorClass::Corrupt, ErrorClass::Permission, ErrorClass::Invalid, ErrorClass::Exhausted] {
            leads(&w, medium_fails(&w, class), Ok(Done::Ok), (Failed, true));
        }
        leads(&w, medium_fails(&w, ErrorClass::Fenced), Ok(Done::Ok), (Failed, true));
        for class in [ErrorClass::Transient, ErrorClass::NotFound] {
            let held_up = leads(&w, medium_fails(&w, class), Ok(Done::Ok), (at, true));
            assert_eq!(job(&held_up).trouble.as_ref().unwrap().failure.class, class, "it is only held up");
        }
        w.is_void(Action::CloseJob { job: id });
        w.is_void(Action::BackupLeft { job: id });
    }
}

#[test]
fn a_set_that_is_being_closed_is_cancelled_only_while_its_medium_holds_it_up() {
    let mut w = sealed(Infos);
    let id = job(&w).id;
    assert_eq!(w.is_refused(cancel()).class, ErrorClass::Transient);
    leads(&w, fails(&w), Ok(Done::Ok), (Failed, true));
    let held_up = leads(&w, medium_fails(&w, ErrorClass::Transient), Ok(Done::Ok), (Infos, true));
    leads(&held_up, cancel(), Ok(Done::BackupJob(id)), (Canceling, true));

    // Its end placeholder may be there or on its way: no other one is ever written.
    let mut w = sealed(End);
    assert_eq!(w.is_refused(cancel()).class, ErrorClass::Transient);
    leads(&w, fails(&w), Ok(Done::Ok), (Failed, false));
    for class in [ErrorClass::Corrupt, ErrorClass::Fenced, ErrorClass::Exhausted, ErrorClass::Transient] {
        let held_up = leads(&w, medium_fails(&w, class), Ok(Done::Ok), (End, true));
        leads(&held_up, cancel(), Ok(Done::BackupJob(id)), (Failed, false));
    }
    w.is_void(Action::CloseJob { job: id });
    w.is_void(Action::BackupLeft { job: id });
}

#[test]
fn a_cancelled_backup_ends_as_cancelled_once_its_end_is_written_or_left_over() {
    let mut w = sealed(Data);
    w.act(cancel()).unwrap();
    let id = job(&w).id;
    let key = (job(&w).dest_id, job(&w).set_id);
    let closed = leads(&w, Action::CloseJob { job: id }, Ok(Done::Ok), (Canceled, false));
    assert!(!closed.state.is_left_over(key.0, key.1));
    let left = leads(&w, Action::BackupLeft { job: id }, Ok(Done::Ok), (Canceled, false));
    assert!(left.state.is_left_over(key.0, key.1), "its end placeholder is written later");
    leads(&w, fails(&w), Ok(Done::Ok), (Failed, true));
    leads(&w, medium_fails(&w, ErrorClass::Corrupt), Ok(Done::Ok), (Failed, true));
}

#[test]
fn what_has_ended_takes_nothing_any_more() {
    let ends: [fn(&mut World); 4] = [
        |w| w.stop_when("the end", |w| job(w).status == Completed),
        |w| drop((w.act(cancel()).unwrap(), w.act(Action::CloseJob { job: job(w).id }).unwrap())),
        |w| drop((w.act(fails(w)).unwrap(), w.act(Action::CloseJob { job: job(w).id }).unwrap())),
        |w| drop((w.act(fails(w)).unwrap(), w.act(Action::BackupLeft { job: job(w).id }).unwrap())),
    ];
    for end in ends {
        let mut w = sealed(Data);
        end(&mut w);
        let id = job(&w).id;
        assert_eq!(w.is_refused(cancel()).class, ErrorClass::NotFound);
        for class in [ErrorClass::Transient, ErrorClass::Corrupt] {
            w.is_void(medium_fails(&w, class));
        }
        w.is_void(fails(&w));
        w.is_void(Action::CloseJob { job: id });
        w.is_void(Action::BackupLeft { job: id });
        w.is_void(Action::NextTurn { job: id, turn: job(&w).turn });
    }
}

/// The name of the end placeholder of a set that failed early carries the time of its end: one that changed would make a
/// second placeholder.
#[test]
fn the_time_of_a_sets_end_is_decided_once() {
    let mut w = sealed(Data);
    w.act(cancel()).unwrap();
    let end_ms = set(&w).end_ms;
    let more = [cancel(), medium_fails(&w, ErrorClass::Transient), fails(&w), fails(&w), cancel()];
    for action in more {
        w.now_ms += 1_000;
        let _ = w.act(action.clone());
        assert_eq!(set(&w).end_ms, end_ms, "{action:?}");
    }
}

#[test]
fn another_turn_begins_only_for_a_tenant_that_has_changed_and_only_once() {
    let mut w = stands(Job::Full, Data, true);
    let id = job(&w).id;
    let next = |turn| Action::NextTurn { job: id, turn };
    let to_index = Action::AdvanceJob { job: id, from: Stage::Backup(Data), to: Stage::Backup(Index) };
    w.is_void(next(TurnId(1)));
    w.act(Action::CreateTable { tenant: TENANT, name: "k".to_owned(), tablets: 2 }).unwrap();
    w.is_void(to_index.clone());
    w.is_void(next(TurnId(1)));
    w.now_ms += limits::HEARTBEAT_MS;
    w.beat();
    w.is_void(to_index.clone());
    w.is_void(next(TurnId(2)));
    let spent = job(&w).runs.get(TaskId { kind: TaskKind::BackupLs, part: Part::Ls(LsId::SYS) }).unwrap().retry;
    w.does_once(next(TurnId(1)));
    assert_eq!((job(&w).turn, set(&w).data_turn, set(&w).meta_turn), (TurnId(2), TurnId(2), TurnId(2)));
    assert!(!job(&w).results.contains_key(&LsId::SYS), "what the change touches is copied again");
    assert_eq!(job(&w).spent[&LsId::SYS].last(), Some(&(TurnId(1), spent)));
    w.is_void(to_index);
    w.is_void(next(TurnId(2)));
}
