//! Attempts at tasks, of every kind: whose word counts, what a failure leads to, and how many of them end a job.

use crate::harness::jobs::{Job, start, world};
use crate::harness::table::{failure, said, said_failed};
use crate::harness::{TENANT, World};
use strandline_scheduler_core::state::{JobHead, JobKind, RecoverStage, TaskRun, Trouble};
use strandline_scheduler_core::*;
use strandline_types::*;

/// A job that runs tasks of each kind.
const KINDS: [(TaskKind, Job); 10] = [
    (TaskKind::BackupLs, Job::Full),
    (TaskKind::Synthetic, Job::Synthetic),
    (TaskKind::BackupIndex, Job::Full),
    (TaskKind::BackupLog, Job::WithLog),
    (TaskKind::RestoreData, Job::Restore),
    (TaskKind::RestoreLog, Job::Restore),
    (TaskKind::RecoverTable, Job::RecoverTable),
    (TaskKind::Fingerprint, Job::Drill),
    (TaskKind::Validate, Job::Validate),
    (TaskKind::Clean, Job::Clean),
];

/// A world in which tasks of a kind wait for executors, and the job that has them.
fn waits(kind: TaskKind) -> (World, JobId) {
    let (_, job) = KINDS.into_iter().find(|(k, _)| *k == kind).unwrap();
    let of = |w: &World| {
        let open = w.state.jobs.values().filter(|j| j.head().ended_ms.is_none());
        let is_prepared = |id| w.state.recover_job(id).is_none_or(|j| j.stage != RecoverStage::Prepare);
        let has = |head: &&JobHead| head.runs.of(kind).next().is_some() && is_prepared(head.id);
        open.map(|j| j.head()).find(has).map(|head| head.id)
    };
    let mut w = world();
    start(&mut w, job).unwrap();
    w.write();
    w.stop_when("the tasks", |w| of(w).is_some());
    let id = of(&w).unwrap();
    (w, id)
}

/// The first task of a kind of a job.
fn first(w: &World, job: JobId, kind: TaskKind) -> (TaskKey, TaskRun) {
    w.attempts(job).into_iter().find(|(key, _)| key.kind == kind).unwrap()
}

/// Gives the first task of a kind to a worker; the key of the attempt.
fn assign(w: &mut World, job: JobId, kind: TaskKind, executor: NodeId) -> TaskKey {
    let (key, _) = first(w, job, kind);
    w.does_once(Action::AssignTask { key, executor });
    key
}

/// The next attempt at the first task of a kind fails.
fn fail(w: &mut World, job: JobId, kind: TaskKind, failure: &Failure) {
    let executor = NodeId(1 + u64::from(first(w, job, kind).1.retry.0) % 3);
    let key = assign(w, job, kind, executor);
    w.hear(w.says(executor, vec![said_failed(key, failure.clone())]));
}

/// How many failed attempts at one task a job stands, and how it ends.
fn stands(kind: TaskKind, class: ErrorClass) -> (u32, Failure) {
    let (mut w, id) = waits(kind);
    for n in 1..100 {
        fail(&mut w, id, kind, &failure(class));
        if w.state.jobs[&id].head().ended_ms.is_some() {
            return (n, w.state.jobs[&id].head().failure.clone().unwrap());
        }
        let (_, run) = first(&w, id, kind);
        assert_eq!((run.retry, run.status, run.executor), (RetryId(n), LsTaskStatus::Init, None));
        assert_eq!(run.not_before_ms, w.state.clock_ms + limits::LS_TASK_RETRY_DELAY_MS);
        assert_eq!(run.failure.unwrap().class, class);
    }
    panic!("{kind} is tried for ever");
}

#[test]
fn a_job_fails_when_no_worker_could_do_its_task_or_after_too_many_attempts() {
    const OFTEN: u32 = limits::LS_TASK_RETRIES_MAX + 1;
    // What trying again does not cure, what is not there, and what may go away by itself.
    let table = [
        (TaskKind::BackupLs, 3, OFTEN),
        (TaskKind::Synthetic, 3, OFTEN),
        (TaskKind::BackupIndex, 3, OFTEN),
        (TaskKind::BackupLog, 3, OFTEN),
        (TaskKind::RestoreData, 1, 1),
        (TaskKind::RestoreLog, 1, 1),
        (TaskKind::RecoverTable, 3, 3),
        (TaskKind::Fingerprint, 1, OFTEN),
        (TaskKind::Validate, 1, 1),
        (TaskKind::Clean, 1, OFTEN),
    ];
    for (kind, hard, not_found) in table {
        for class in [ErrorClass::Corrupt, ErrorClass::Permission, ErrorClass::Invalid, ErrorClass::Exhausted] {
            let (n, why) = stands(kind, class);
            assert_eq!((n, why.class), (hard, class), "{kind}");
            assert!(why.object.starts_with("worker "), "{kind}: whose it was is said: {why}");
        }
        let (n, why) = stands(kind, ErrorClass::NotFound);
        assert_eq!((n, why.class), (not_found, ErrorClass::NotFound), "{kind}");
        let (n, why) = stands(kind, ErrorClass::Transient);
        assert_eq!((n, why.class), (OFTEN, ErrorClass::Transient), "{kind}");
        assert!(why.what.contains("too many attempts") && why.what.contains("it went wrong"), "{why}");
    }
}

#[test]
fn an_attempt_is_named_by_all_of_its_key_and_spoken_for_by_its_executor_alone() {
    let (mut w, id) = waits(TaskKind::BackupLs);
    let executor = NodeId(2);
    let key = assign(&mut w, id, TaskKind::BackupLs, executor);
    let others = [
        TaskKey { job_id: JobId(id.0 - 1), ..key },
        TaskKey { job_id: w.state.next.job, ..key },
        TaskKey { tenant_id: TenantId(TENANT.0 + 2), ..key },
        TaskKey { part: Part::Ls(LsId(1009)), ..key },
        TaskKey { part: Part::Tenant, ..key },
        TaskKey { part: Part::Rest, ..key },
        TaskKey { kind: TaskKind::Synthetic, ..key },
        TaskKey { kind: TaskKind::BackupLog, ..key },
        TaskKey { turn: key.turn.next(), ..key },
        TaskKey { turn: TurnId(0), ..key },
        TaskKey { retry: key.retry.next(), ..key },
    ];
    let before = w.state.jobs.clone();
    let mut say = |by: NodeId, key| {
        w.now_ms += 1;
        w.is_void(Action::TaskLost { key, executor: by, failure: failure(ErrorClass::Transient) });
        let result = Some(TaskResult::BackupLs(BackupLsResult::default()));
        let done = TaskReport { result, ..said(key, TaskState::Done, 100) };
        let failed = said_failed(key, failure(ErrorClass::Corrupt));
        w.hear(w.says(by, vec![done, failed, said(key, TaskState::Doing, 50)]));
        assert_eq!(w.state.jobs, before, "{key} by worker {by}");
    };
    for other in others {
        say(executor, other);
    }
    say(NodeId(1), key);
    for other in others {
        w.is_void(Action::AssignTask { key: other, executor: NodeId(3) });
    }
    w.is_void(Action::AssignTask { key, executor: NodeId(3) });
}

#[test]
fn nobody_that_was_never_heard_gets_a_task() {
    for (kind, _) in KINDS {
        let (mut w, id) = waits(kind);
        let (key, _) = first(&w, id, kind);
        w.is_void(Action::AssignTask { key, executor: NodeId(77) });
    }
}

#[test]
fn a_lost_attempt_gets_another_name_before_anybody_else_gets_the_task() {
    for (kind, _) in KINDS {
        let (mut w, id) = waits(kind);
        let key = assign(&mut w, id, kind, NodeId(1));
        w.does_once(Action::TaskLost { key, executor: NodeId(1), failure: failure(ErrorClass::Transient) });
        let (new, run) = first(&w, id, kind);
        assert_eq!((new.retry, run.executor, run.bytes_done), (key.retry.next(), None, 0), "{kind}");
        assert!(run.black_list.contains(&NodeId(1)), "{kind}: others are asked first");
        w.is_void(Action::AssignTask { key, executor: NodeId(2) });
        w.does_once(Action::AssignTask { key: new, executor: NodeId(2) });
    }
}

#[test]
fn tasks_of_a_job_that_has_left_their_stage_are_nobodys_any_more() {
    for (kind, job) in KINDS {
        let (mut w, id) = waits(kind);
        let key = assign(&mut w, id, kind, NodeId(1));
        let (what, tenant) = match job {
            Job::Restore => (JobKind::Restore, w.state.jobs[&id].head().tenant_id),
            Job::RecoverTable => (JobKind::RecoverTable, TENANT),
            Job::Drill => (JobKind::Drill, TENANT),
            Job::Validate => (JobKind::Validate, TENANT),
            Job::Clean => (JobKind::Clean, TENANT),
            _ => (JobKind::Backup, TENANT),
        };
        w.act(Action::CancelJob { kind: what, tenant }).unwrap();
        w.is_void(Action::TaskLost { key, executor: NodeId(1), failure: failure(ErrorClass::Transient) });
        let before = w.state.jobs.clone();
        w.hear(w.says(NodeId(1), vec![said_failed(key, failure(ErrorClass::Corrupt))]));
        assert_eq!(w.state.jobs, before, "{kind}");
    }
}

/// One result of each kind of task.
fn results() -> [TaskResult; 9] {
    [
        TaskResult::BackupLs(BackupLsResult::default()),
        TaskResult::BackupIndex(BackupIndexResult::default()),
        TaskResult::BackupLog(BackupLogResult::default()),
        TaskResult::RestoreLog(RestoreLogResult::default()),
        TaskResult::RecoverTable(RecoverTableResult::default()),
        TaskResult::Fingerprint(FingerprintResult::default()),
        TaskResult::Validate(ValidateResult::default()),
        TaskResult::Clean(CleanResult { objects: 3, bytes: 5 }),
        TaskResult::DestCheck(Vec::new()),
    ]
}

fn brings(kind: TaskKind, result: &TaskResult) -> bool {
    use TaskResult as R;
    match kind {
        TaskKind::BackupLs | TaskKind::Synthetic => matches!(result, R::BackupLs(_)),
        TaskKind::BackupIndex => matches!(result, R::BackupIndex(_)),
        TaskKind::BackupLog => matches!(result, R::BackupLog(_)),
        TaskKind::RestoreData => true,
        TaskKind::RestoreLog => matches!(result, R::RestoreLog(_)),
        TaskKind::RecoverTable => matches!(result, R::RecoverTable(_)),
        TaskKind::Fingerprint => matches!(result, R::Fingerprint(_)),
        TaskKind::Validate => matches!(result, R::Validate(_)),
        TaskKind::Clean => matches!(result, R::Clean(_)),
        TaskKind::DestCheck => matches!(result, R::DestCheck(_)),
    }
}

#[test]
fn a_task_that_ends_without_what_it_was_to_bring_has_failed_and_one_that_brings_it_has_ended() {
    for (kind, _) in KINDS {
        for result in results().into_iter().map(Some).chain([None]) {
            let (mut w, id) = waits(kind);
            let key = assign(&mut w, id, kind, NodeId(1));
            let is_right = result.as_ref().map_or(kind == TaskKind::RestoreData, |r| brings(kind, r));
            let done = TaskReport { result, ..said(key, TaskState::Done, 100) };
            w.hear(w.says(NodeId(1), vec![done.clone()]));
            let (next, run) = first(&w, id, kind);
            if !is_right {
                assert_eq!(next.retry, key.retry.next(), "{kind}: {done:?}");
                assert!(run.failure.unwrap().what.contains("without its result"));
                continue;
            }
            assert_eq!((run.status, run.bytes_done, next.retry), (LsTaskStatus::Finish, 100, key.retry), "{kind}");
            // It is counted once, however often it is said.
            let before = w.state.jobs.clone();
            w.hear(w.says(NodeId(1), vec![done.clone(), said_failed(key, failure(ErrorClass::Corrupt))]));
            assert_eq!(w.state.jobs, before, "{kind}");
            w.is_void(Action::TaskLost { key, executor: NodeId(1), failure: failure(ErrorClass::Transient) });
            w.is_void(Action::AssignTask { key, executor: NodeId(2) });
        }
    }
}

#[test]
fn only_bytes_that_move_put_the_deadline_of_an_attempt_off_and_show_that_its_job_moves() {
    for (kind, job) in KINDS {
        let (mut w, id) = waits(kind);
        let key = assign(&mut w, id, kind, NodeId(1));
        let mut hear = |bytes| {
            w.now_ms += 1_000;
            w.hear(w.says(NodeId(1), vec![said(key, TaskState::Doing, bytes)]));
            let moved = w.state.clock_ms + limits::TASK_STALL_MS;
            let head = w.state.jobs[&id].head();
            let parent = head.parent.map_or(head, |p| w.state.jobs[&p].head());
            let is_progress = [head.progress_ms, parent.progress_ms].map(|ms| ms == w.state.clock_ms);
            let run = first(&w, id, kind).1;
            assert_eq!((run.status, run.bytes_done), (LsTaskStatus::Doing, bytes), "{kind}");
            (run.deadline_ms == moved, is_progress)
        };
        // A drill counts its stages, not the bytes of their tasks.
        let moves = [job != Job::Drill; 2];
        assert_eq!(hear(0), (true, moves), "{kind}: it has begun");
        assert_eq!(hear(0), (false, [false; 2]), "{kind}");
        assert_eq!(hear(10), (true, moves), "{kind}");
        assert_eq!(hear(10), (false, [false; 2]), "{kind}");
        assert_eq!(hear(400), (true, moves), "{kind}: more than was thought");
    }
}

#[test]
fn no_worker_waits_since_tomorrow() {
    let (mut w, id) = waits(TaskKind::BackupLs);
    let key = assign(&mut w, id, TaskKind::BackupLs, NodeId(1));
    let waiting = Some(Trouble { failure: failure(ErrorClass::Transient), since_ms: w.now_ms + 86_400_000 });
    w.hear(w.says(NodeId(1), vec![TaskReport { waiting, answered: false, ..said(key, TaskState::Doing, 0) }]));
    let trouble = first(&w, id, TaskKind::BackupLs).1.trouble.unwrap();
    assert_eq!((trouble.since_ms, trouble.failure.object.as_str()), (w.state.clock_ms, "worker 1: it"));
}

#[test]
fn an_object_lock_is_waited_for_however_long_and_not_counted() {
    let locked = Failure::new(ErrorClass::Permission, "OB_OBJECT_STORAGE_OBJECT_LOCKED_BY_WORM", "it", "");
    let (mut w, id) = waits(TaskKind::Clean);
    for _ in 0..3 * limits::LS_TASK_RETRIES_MAX {
        fail(&mut w, id, TaskKind::Clean, &locked);
        let run = first(&w, id, TaskKind::Clean).1;
        assert_eq!(run.not_before_ms, w.state.clock_ms + limits::CLEAN_LOCKED_PAUSE_MS);
        assert_eq!(run.hard_failures, 0);
    }
    assert_eq!(w.state.jobs[&id].head().trouble.as_ref().unwrap().failure.what, locked.what);
    // A worker that is restarted meanwhile is no reason to give the deletion up.
    for _ in 0..3 {
        fail(&mut w, id, TaskKind::Clean, &failure(ErrorClass::Transient));
        assert_eq!(w.state.jobs[&id].head().ended_ms, None);
        fail(&mut w, id, TaskKind::Clean, &locked);
    }
}
