//! Turns, retries and ends of backup jobs: what changes under one, and what is killed in each of its stages.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod harness;

use harness::{TENANT, World, all_done, report, run_of};
use std::collections::BTreeSet;
use strandline_scheduler_core::state::{BackupJob, BackupSet, JobKind};
use strandline_scheduler_core::*;
use strandline_types::*;

fn start(w: &mut World, plus_archivelog: bool) {
    let request = BackupRequest { plus_archivelog, ..BackupRequest::new(BackupMode::Full, "") };
    w.act(Action::StartBackup { tenant: TENANT, request }).unwrap();
}

fn job(w: &World) -> &BackupJob {
    w.state.backup_jobs().next_back().unwrap()
}

fn set(w: &World) -> &BackupSet {
    w.state.backup_sets.values().next_back().unwrap()
}

fn create_table(w: &mut World, name: &str) {
    w.act(Action::CreateTable { tenant: TENANT, name: name.to_owned(), tablets: 1 }).unwrap();
}

/// End placeholders of a set that the medium was told to write.
fn ends(w: &World, id: BackupSetId) -> BTreeSet<bool> {
    let of = |m: &MediumWork| match m {
        MediumWork::SetEnd { set, success, .. } if set.set_id == id => Some(*success),
        _ => None,
    };
    w.medium.iter().filter_map(of).collect()
}

#[test]
fn a_table_that_appears_meanwhile_costs_another_turn_of_what_it_touches() {
    let mut w = World::archiving(3, 3, 3600);
    start(&mut w, false);
    // Log stream 1 is copied before the table comes, the others after it.
    w.task_hook = |world, worker, order| {
        if order.key.part.ls_number().is_sys() || order.key.turn > TurnId(1) {
            all_done(world, worker, order)
        } else {
            None
        }
    };
    w.run(4);
    assert!(job(&w).results.contains_key(&LsId::SYS));
    create_table(&mut w, "late");
    let home = w.state.tenants[&TENANT].tables.values().next().unwrap().tablets[0].ls_id;
    w.task_hook = all_done;
    w.until("the end", |w| !job(w).is_open());
    assert_eq!(set(&w).status, BackupSetStatus::Success);
    assert_eq!((set(&w).data_turn, set(&w).meta_turn), (TurnId(2), TurnId(2)));
    for (ls, part) in &set(&w).parts {
        let redone = ls.is_sys() || *ls == home;
        assert_eq!(part.turn, TurnId(if redone { 2 } else { 1 }), "log stream {ls}");
    }
    let index = w.ordered.iter().filter(|(_, k)| k.kind == TaskKind::BackupIndex).map(|(_, k)| k.turn);
    assert_eq!(index.collect::<BTreeSet<_>>(), BTreeSet::from([TurnId(2)]), "the index is the newest turn's");
}

#[test]
fn a_later_turn_may_refer_to_the_attempts_before_it() {
    let mut w = World::archiving(1, 1, 3600);
    start(&mut w, false);
    w.task_hook =
        |world, worker, order| if order.key.part.ls_number().is_sys() { all_done(world, worker, order) } else { None };
    w.run(4);
    create_table(&mut w, "late");
    w.task_hook = |world, worker, order| if order.key.turn > TurnId(1) { None } else { all_done(world, worker, order) };
    w.until("turn 2", |w| job(w).turn == TurnId(2));
    w.run(2);
    let orders = orders_for(&w.state, NodeId(1)).tasks;
    let sys = orders.iter().find(|t| t.key.part.ls_number().is_sys()).expect("log stream 1 is copied again");
    let TaskSpec::BackupLs(spec) = &sys.spec else { panic!() };
    let before = LsTurn { ls_id: LsId::SYS, turn: TurnId(1), retry: RetryId(0) };
    assert_eq!(spec.failed_retries, [before]);
    assert!(spec.min_checkpoint_scn >= job(&w).turn_scn);
}

#[test]
fn a_tenant_that_never_stands_still_is_backed_up_all_the_same() {
    let mut w = World::archiving(1, 1, 3600);
    start(&mut w, false);
    for n in 0..200 {
        if !job(&w).is_open() {
            break;
        }
        create_table(&mut w, &format!("t{n}"));
        w.run(1);
    }
    w.until("the end", |w| !job(w).is_open());
    assert_eq!(set(&w).status, BackupSetStatus::Success);
    assert!(set(&w).data_turn.0 <= limits::BACKUP_TURNS_MAX);
}

#[test]
fn the_result_of_a_failed_set_is_that_of_its_cause() {
    for (class, code, result) in [
        (ErrorClass::Corrupt, 0, -4103),
        (ErrorClass::Exhausted, 0, -4184),
        (ErrorClass::Permission, 0, -9116),
        (ErrorClass::Permission, -9003, -9003),
    ] {
        let mut w = World::archiving(1, 1, 3600);
        start(&mut w, false);
        w.medium_failure = Some(Failure::new(class, "no", "file:///data", "").with_code(code));
        w.run(2);
        assert_eq!((job(&w).status, set(&w).result), (BackupJobStatus::Failed, result), "{class:?}");
    }
}

const STAGES: [BackupJobStatus; 6] = [
    BackupJobStatus::Data,
    BackupJobStatus::Index,
    BackupJobStatus::Log,
    BackupJobStatus::CopyLog,
    BackupJobStatus::Infos,
    BackupJobStatus::End,
];

/// Brings a job into a stage and holds it there.
fn hold_in(w: &mut World, stage: BackupJobStatus) {
    start(w, true);
    w.write();
    w.stop_when("the stage", |w| job(w).status == stage);
}

#[test]
fn a_set_that_loses_its_medium_in_any_stage_has_one_end_and_the_next_backup_succeeds() {
    for stage in STAGES {
        for class in [ErrorClass::Transient, ErrorClass::Exhausted] {
            let mut w = World::archiving(2, 1, 3600);
            hold_in(&mut w, stage);
            let id = set(&w).set_id;
            w.medium_failure = Some(Failure::new(class, "gone", "file:///data", ""));
            w.run(20);
            w.medium_failure = None;
            w.until("the end", |w| !job(w).is_open());
            let is_success = set(&w).status == BackupSetStatus::Success;
            assert_eq!(ends(&w, id), BTreeSet::from([is_success]), "{stage:?}, {class:?}");
            start(&mut w, false);
            w.until("the next end", |w| !job(w).is_open());
            assert_eq!(set(&w).status, BackupSetStatus::Success, "{stage:?}, {class:?}");
        }
    }
}

#[test]
fn a_set_whose_workers_die_in_any_stage_is_completed_by_others() {
    for stage in STAGES {
        let mut w = World::archiving(4, 3, 3600);
        hold_in(&mut w, stage);
        let running = job(&w).runs.values();
        let victims: BTreeSet<NodeId> = running.filter(|r| r.is_running()).filter_map(|r| r.executor).collect();
        if let Some(victim) = victims.first() {
            w.kill(*victim);
        }
        w.until("the end", |w| !job(w).is_open());
        assert_eq!(set(&w).status, BackupSetStatus::Success, "{stage:?}");
        assert_eq!(ends(&w, set(&w).set_id), BTreeSet::from([true]), "{stage:?}");
    }
}

#[test]
fn cancel_is_taken_in_every_stage_but_the_last_two() {
    for stage in STAGES {
        let mut w = World::archiving(2, 1, 3600);
        hold_in(&mut w, stage);
        let id = set(&w).set_id;
        let answer = w.act(Action::CancelJob { kind: JobKind::Backup, tenant: TENANT });
        let is_late = matches!(stage, BackupJobStatus::Infos | BackupJobStatus::End);
        assert_eq!(answer.is_err(), is_late, "{stage:?}: {answer:?}");
        w.until("the end", |w| !job(w).is_open());
        assert_eq!(ends(&w, id), BTreeSet::from([is_late]), "{stage:?}");
    }
}

#[test]
fn two_leaders_in_any_stage_never_write_two_ends() {
    for stage in STAGES {
        let mut w = World::archiving(2, 1, 3600);
        hold_in(&mut w, stage);
        let id = set(&w).set_id;
        // The old leader has planned and hangs; the new one goes on, in a world where the job fails if it still can.
        let stale = plan(&w.state, w.now_ms).steps;
        w.act(Action::TakeLead { node: NodeId(902), term: Term(9) }).unwrap();
        let failure = Failure::new(ErrorClass::Corrupt, "damage", "", "");
        let failed = w.act(Action::JobFailed { job: job(&w).id, failure });
        w.until("the end", |w| !job(w).is_open());
        for step in stale {
            w.medium.extend(step.work);
            w.act(step.then).unwrap();
        }
        w.run(3);
        let ends = ends(&w, id);
        assert_eq!(ends.len(), 1, "{stage:?}: {ends:?}, {failed:?}");
    }
}

#[test]
fn a_whole_set_whose_end_the_medium_does_not_take_is_given_up_without_another_end() {
    let mut w = World::archiving(1, 1, 3600);
    hold_in(&mut w, BackupJobStatus::End);
    let id = set(&w).set_id;
    w.medium_failure = Some(Failure::new(ErrorClass::Exhausted, "full", "file:///data", ""));
    w.run(5);
    assert_eq!(job(&w).status, BackupJobStatus::End, "what is decided stays decided");
    w.now_ms += limits::FORCE_STOP_MS;
    w.run(2);
    assert_eq!((job(&w).status, job(&w).is_open()), (BackupJobStatus::Failed, false));
    assert!(set(&w).comment.contains("the medium decides"), "{}", set(&w).comment);
    assert_eq!(ends(&w, id), BTreeSet::new());
}

#[test]
fn a_silent_executor_is_given_up_with_a_new_retry() {
    let mut w = World::archiving(3, 3, 3600);
    start(&mut w, false);
    w.task_hook = |_, _, order| Some(report(order, TaskState::Doing, None, None));
    w.run(3);
    let before = run_of(job(&w).data_tasks(), 1001).clone();
    w.now_ms += limits::TASK_STALL_MS + 1;
    w.run(1);
    let after = run_of(job(&w).data_tasks(), 1001);
    assert_eq!(after.retry, before.retry.next());
    assert!(after.black_list.contains(&before.executor.unwrap()));
}
