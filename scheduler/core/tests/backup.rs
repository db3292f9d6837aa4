//! Backup jobs, scripted.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod harness;

use harness::table::said;
use harness::{TENANT, World, all_done, report, run_of};
use std::collections::BTreeSet;
use strandline_scheduler_core::state::{BackupJob, BackupSet, JobKind};
use strandline_scheduler_core::*;
use strandline_types::*;

fn backup() -> Action {
    Action::StartBackup { tenant: TENANT, request: BackupRequest::new(BackupMode::Full, "nightly") }
}

fn job(w: &World) -> &BackupJob {
    w.state.backup_jobs().next_back().unwrap()
}

fn set(w: &World) -> &BackupSet {
    w.state.backup_sets.values().next_back().unwrap()
}

fn ended(w: &World) -> bool {
    !job(w).is_open()
}

#[test]
fn a_backup_runs_through_its_stages_and_the_set_becomes_available_last() {
    let mut w = World::archiving(3, 3, 3600);
    w.write();
    w.act(backup()).unwrap();
    w.until("the end", ended);
    assert_eq!(job(&w).status, BackupJobStatus::Completed);
    let s = set(&w);
    assert_eq!((s.status, s.file_status, s.result), (BackupSetStatus::Success, FileStatus::Available, 0));
    assert!(s.start_replay_scn <= s.min_restore_scn && s.min_restore_scn <= w.round().checkpoint_scn);
    assert!(s.start_replay_scn >= w.round().clock.round_start);
    assert_eq!((s.input_bytes, s.file_count, s.tablet_count), (300, 3 * 9 + 6, 6));
    let of_set = w.medium.iter().filter_map(|m| match m {
        MediumWork::SetStart { .. } => Some("start"),
        MediumWork::SetInfos(i) => {
            assert_eq!((i.parts.len(), i.set.status), (3, BackupSetStatus::Success));
            assert_eq!(i.set.end_ms, s.end_ms, "decided before it is written");
            Some("infos")
        }
        MediumWork::SetEnd { success, .. } => Some(if *success { "success" } else { "failed" }),
        _ => None,
    });
    assert_eq!(of_set.collect::<Vec<_>>(), ["start", "infos", "success"]);
}

#[test]
fn followers_are_preferred_and_the_load_is_spread() {
    let mut w = World::archiving(3, 3, 3600);
    w.task_hook = |_, _, order| Some(report(order, TaskState::Doing, None, None));
    w.act(backup()).unwrap();
    w.run(3);
    let job = job(&w);
    assert_eq!(job.status, BackupJobStatus::Data);
    let tenant = &w.state.tenants[&TENANT];
    for (ls, run) in job.data_tasks() {
        assert_ne!(run.executor, tenant.log_streams[&ls].leader, "log stream {ls}");
    }
    let used: BTreeSet<_> = job.data_tasks().map(|(_, r)| r.executor).collect();
    assert!(used.len() >= 2, "{used:?}");
}

#[test]
fn a_lost_executor_costs_a_retry_and_never_meets_the_new_one_in_a_file() {
    let mut w = World::archiving(3, 3, 3600);
    w.task_hook = |_, _, order| Some(report(order, TaskState::Doing, None, None));
    w.act(backup()).unwrap();
    w.run(3);
    let victim = run_of(job(&w).data_tasks(), 1001).executor.unwrap();
    w.kill(victim);
    w.until("another executor", |w| run_of(job(w).data_tasks(), 1001).executor.is_some_and(|e| e != victim));
    assert_eq!(run_of(job(&w).data_tasks(), 1001).retry, RetryId(1));
    let mut by_key = std::collections::BTreeMap::new();
    for (worker, key) in &w.ordered {
        assert_eq!(*by_key.entry(*key).or_insert(*worker), *worker, "{key} was given to two workers");
    }
    w.task_hook = all_done;
    w.until("the end", ended);
    assert_eq!(job(&w).status, BackupJobStatus::Completed);
    assert_eq!(set(&w).parts[&LsId(1001)].retry, RetryId(1));
}

#[test]
fn a_restarted_executor_gets_a_new_retry() {
    let mut w = World::archiving(1, 1, 3600);
    w.task_hook = |_, _, order| Some(report(order, TaskState::Doing, None, None));
    w.act(backup()).unwrap();
    w.run(3);
    w.boot(NodeId(1));
    w.until("retry 1", |w| run_of(job(w).data_tasks(), 1).retry == RetryId(1));
}

#[test]
fn a_report_of_an_older_retry_is_void() {
    let mut w = World::archiving(3, 3, 3600);
    w.task_hook = |_, _, _| None;
    w.act(backup()).unwrap();
    w.run(2);
    let executor = run_of(job(&w).data_tasks(), 1).executor.unwrap();
    let old = w.ordered.iter().find(|(worker, k)| *worker == executor && k.part == Part::Ls(LsId(1))).unwrap().1;
    let gone = Failure::new(ErrorClass::Transient, "gone", "", "");
    w.act(Action::TaskLost { key: old, executor, failure: gone }).unwrap();
    let result = Some(TaskResult::BackupLs(BackupLsResult::default()));
    let report = w.says(executor, vec![TaskReport { result, ..said(old, TaskState::Done, 1) }]);
    assert_eq!(news(&w.state, report.clone(), w.now_ms).unwrap().tasks, vec![]);
    w.act(Action::Heartbeats(vec![report])).unwrap();
    assert!(job(&w).results.is_empty());
    assert_eq!(run_of(job(&w).data_tasks(), 1).status, LsTaskStatus::Init);
}

#[test]
fn transient_failures_go_round_the_replicas_until_one_succeeds() {
    let mut w = World::archiving(3, 3, 3600);
    w.task_hook = |world, worker, order| {
        if order.key.kind == TaskKind::BackupLs && order.key.retry.0 < 7 {
            let failure = Failure::new(ErrorClass::Transient, "the share is slow", "", "");
            return Some(report(order, TaskState::Failed, Some(failure), None));
        }
        all_done(world, worker, order)
    };
    w.act(backup()).unwrap();
    w.until("the end", ended);
    assert_eq!(job(&w).status, BackupJobStatus::Completed);
    assert!(set(&w).parts.values().all(|p| p.retry == RetryId(7)));
    let tried: BTreeSet<_> =
        w.ordered.iter().filter(|(_, k)| k.part == Part::Ls(LsId(1001))).map(|(e, _)| *e).collect();
    assert_eq!(tried.len(), 3, "every replica had its turn");
}

#[test]
fn damage_fails_the_job_once_every_replica_has_it() {
    let mut w = World::archiving(3, 3, 3600);
    w.task_hook = |_, _, order| {
        let failure = Failure::new(ErrorClass::Corrupt, "checksum", "000017.sst", "");
        Some(report(order, TaskState::Failed, Some(failure), None))
    };
    w.act(backup()).unwrap();
    w.until("the end", ended);
    assert_eq!(job(&w).status, BackupJobStatus::Failed);
    assert_eq!(job(&w).failure.as_ref().unwrap().object, "worker 1: 000017.sst");
    assert!(w.ordered.iter().all(|(_, k)| k.retry.0 <= 2), "one attempt per replica");
    assert_eq!((set(&w).status, set(&w).file_status), (BackupSetStatus::Failed, FileStatus::Incomplete));
    assert!(matches!(w.medium.last(), Some(MediumWork::SetEnd { success: false, .. })));
}

#[test]
fn endless_transient_failures_end_the_job_too() {
    let mut w = World::archiving(1, 1, 3600);
    w.task_hook = |_, _, order| {
        let failure = Failure::new(ErrorClass::Transient, "again and again", "", "");
        Some(report(order, TaskState::Failed, Some(failure), None))
    };
    w.act(backup()).unwrap();
    w.until("the end", ended);
    let failure = job(&w).failure.clone().unwrap();
    assert!(failure.what.contains("too many attempts") && failure.what.contains("again and again"), "{failure}");
}

#[test]
fn a_backup_waits_until_the_checkpoint_covers_it() {
    let mut w = World::archiving(1, 1, 3600);
    w.write();
    w.run(2);
    w.act(backup()).unwrap();
    w.stuck.insert(LsId(1001));
    w.write();
    w.run(10);
    assert_eq!(job(&w).status, BackupJobStatus::Log);
    let waiting = plan(&w.state, w.now_ms).waiting;
    assert!(
        waiting.iter().any(|x| x.to_string().starts_with("backup job 1 waits for checkpoint_scn")
            && x.to_string().contains("min_restore_scn")),
        "{waiting:?}"
    );
    w.stuck.clear();
    w.until("the end", ended);
    assert_eq!(job(&w).status, BackupJobStatus::Completed);
}

#[test]
fn cancel_ends_as_cancelled_and_leaves_a_failed_placeholder() {
    let mut w = World::archiving(1, 1, 3600);
    w.task_hook = |_, _, _| None;
    w.act(backup()).unwrap();
    w.run(2);
    w.act(Action::CancelJob { kind: JobKind::Backup, tenant: TENANT }).unwrap();
    assert!(orders_for(&w.state, NodeId(1)).tasks.is_empty(), "executors are called off at once");
    w.run(1);
    assert_eq!(job(&w).status, BackupJobStatus::Canceled);
    assert!(matches!(w.medium.last(), Some(MediumWork::SetEnd { success: false, .. })));
    assert_eq!(
        w.act(Action::CancelJob { kind: JobKind::Backup, tenant: TENANT }).unwrap_err().class,
        ErrorClass::NotFound
    );
    assert_eq!(w.act(backup()), Ok(Done::BackupJob(JobId(2))), "the next one may come");
    assert_eq!(set(&w).set_id, BackupSetId(2), "a set id is never used again");
}

#[test]
fn a_backup_fails_when_its_archive_round_is_over() {
    let mut w = World::archiving(1, 1, 3600);
    w.task_hook = |_, _, _| None;
    w.act(backup()).unwrap();
    w.run(2);
    w.act(Action::NoArchiveLog { tenant: TENANT }).unwrap();
    w.until("the end", ended);
    assert!(job(&w).failure.as_ref().unwrap().what.contains("OB_LOG_ARCHIVE"));
}

#[test]
fn a_full_medium_fails_the_job_with_its_reason() {
    let mut w = World::archiving(1, 1, 3600);
    w.act(backup()).unwrap();
    let full = Failure::new(ErrorClass::Exhausted, "no space left", "file:///data", "make room");
    w.medium_failure = Some(full.clone());
    w.run(2);
    assert_eq!(job(&w).status, BackupJobStatus::Failed);
    assert_eq!(job(&w).failure, Some(full));
}

#[test]
fn a_job_that_nothing_moves_fails_in_the_end() {
    let mut w = World::archiving(1, 1, 3600);
    w.task_hook = |_, _, order| Some(report(order, TaskState::Doing, None, None));
    w.act(backup()).unwrap();
    w.run(2);
    w.kill(NodeId(1));
    w.now_ms += limits::JOB_STALL_MS + 1;
    w.run(2);
    assert!(job(&w).failure.as_ref().unwrap().what.contains("nothing has moved"));
}

#[test]
fn a_backup_is_refused_unless_everything_is_ready() {
    let mut w = World::with_tenant(1, 1);
    let refused = |w: &mut World| w.act(backup()).unwrap_err();
    let f = refused(&mut w);
    assert_eq!(f.code, -9040);
    assert!(f.what.contains("no data backup destination"));
    w.act(Action::SetDataDest { tenant: TENANT, uri: Some("file:///data".to_owned()), access: Access::default() })
        .unwrap();
    assert!(refused(&mut w).what.contains("not ready"));
    w.run(1);
    let f = refused(&mut w);
    assert!(f.what.contains("not archived") && f.code == -9040, "{f}");
    let mut w = World::archiving(1, 1, 3600);
    w.task_hook = |_, _, _| None;
    w.act(backup()).unwrap();
    assert!(refused(&mut w).what.contains("OB_BACKUP_IN_PROGRESS"));
    let dest = Action::SetDataDest { tenant: TENANT, uri: None, access: Access::default() };
    assert!(w.act(dest).unwrap_err().what.contains("OB_BACKUP_IN_PROGRESS"));
    assert!(w.act(Action::DropTenant { tenant: TENANT }).unwrap_err().what.contains("archive round"));
}
