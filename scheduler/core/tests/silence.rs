//! Jobs of every kind on a medium that does not answer: they say what they wait for and since when, and a cancel ends them.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod harness;

use harness::jobs::{JOBS, Job, open_jobs, start, turn, world};
use harness::{START_MS, TENANT, TaskHook, World, report};
use strandline_scheduler_core::state::{JobKind, SchedulePlan, Stage, Trouble};
use strandline_scheduler_core::views::{Value, view};
use strandline_scheduler_core::*;
use strandline_types::*;

const KINDS: [TaskKind; 10] = [
    TaskKind::BackupLs,
    TaskKind::BackupIndex,
    TaskKind::BackupLog,
    TaskKind::Synthetic,
    TaskKind::RestoreData,
    TaskKind::RestoreLog,
    TaskKind::DestCheck,
    TaskKind::Validate,
    TaskKind::Clean,
    TaskKind::RecoverTable,
];

fn silence() -> Failure {
    Failure::new(ErrorClass::Transient, "the destination does not answer", "file:///data", "look at it")
}

/// Tasks that wait for their medium, and say so, since this moment.
const SINCE_MS: u64 = START_MS + 1;

fn waits(order: &TaskOrder) -> TaskReport {
    let waiting = Some(Trouble { failure: silence(), since_ms: SINCE_MS });
    TaskReport { bytes_done: 0, waiting, answered: false, ..report(order, TaskState::Doing, None, None) }
}

/// Nothing that reads or writes a medium is answered, wherever it runs.
fn fall_silent(w: &mut World) {
    for kind in KINDS {
        let hook: TaskHook = |_, _, order| Some(waits(order));
        w.held.insert(kind, hook);
    }
    w.medium_failure = Some(silence());
    // What a tenant's archive needs is answered: a drill waits for it before it needs anything else.
    w.failing = |work| {
        use MediumWork::{
            CleanBegin, CleanDest, CleanRest, ComplementLog, Drill, SetAbort, SetEnd, SetInfos, SetStart,
        };
        matches!(
            work,
            SetStart { .. }
                | SetInfos(_)
                | SetEnd { .. }
                | SetAbort { .. }
                | ComplementLog(_)
                | Drill(_)
                | CleanBegin(_)
                | CleanRest(_)
                | CleanDest { .. }
        )
    };
}

/// Where a job of a kind is shown while it runs; a check of a destination only waits.
fn running_view(job: Job) -> Option<&'static str> {
    Some(match job {
        Job::Full | Job::Incremental | Job::Synthetic | Job::WithLog => "CDB_OB_BACKUP_JOBS",
        Job::Restore => "CDB_OB_RESTORE_PROGRESS",
        Job::Drill => "CDB_STRANDLINE_RESTORE_DRILLS",
        Job::RecoverTable => "CDB_OB_RECOVER_TABLE_JOBS",
        Job::Validate => "CDB_OB_BACKUP_VALIDATE_JOBS",
        Job::Clean => "CDB_OB_BACKUP_DELETE_JOBS",
        Job::DestCheck => return None,
    })
}

fn comments(w: &World, name: &str) -> Vec<String> {
    let table = view(&w.state, w.now_ms, name).unwrap();
    let at = table.columns.iter().position(|c| *c == "COMMENT").unwrap();
    table.rows.iter().map(|row| format!("{:?}", row[at])).collect()
}

fn silent_lines(w: &World) -> Vec<Waiting> {
    plan(&w.state, w.now_ms).waiting.into_iter().filter(|l| l.on.to_string().contains("does not answer")).collect()
}

/// Brings a job to where it needs its medium.
fn until_it_waits(w: &mut World, job: Job) {
    for _ in 0..100 {
        if !silent_lines(w).is_empty() {
            return;
        }
        turn(w, 100);
    }
    panic!("{job:?} waits for {:#?}", plan(&w.state, w.now_ms).waiting);
}

#[test]
fn every_kind_of_job_says_what_it_waits_for_and_since_when() {
    for job in JOBS {
        let mut w = world();
        fall_silent(&mut w);
        start(&mut w, job).unwrap();
        until_it_waits(&mut w, job);
        let lines = silent_lines(&w);
        assert_eq!(lines.len(), 1, "{job:?}: {lines:#?}");
        assert!(lines[0].on.to_string().contains("file:///data") && lines[0].since_ms > Some(0), "{job:?}: {lines:#?}");
        if let Some(name) = running_view(job) {
            let all = comments(&w, name);
            assert!(all.iter().all(|c| c.contains("does not answer")) && !all.is_empty(), "{job:?}: {all:?}");
        }
    }
}

#[test]
fn every_kind_of_job_that_is_cancelled_ends_within_half_a_minute_and_orders_nothing_more() {
    for job in JOBS.into_iter().filter(|job| *job != Job::DestCheck) {
        let mut w = world();
        fall_silent(&mut w);
        start(&mut w, job).unwrap();
        until_it_waits(&mut w, job);
        let restored = w.state.tenants.values().find(|t| t.name == "r").map(|t| t.id);
        let tenant = restored.unwrap_or(TENANT);
        w.act(match job {
            Job::Full | Job::Incremental | Job::Synthetic | Job::WithLog => {
                Action::CancelJob { kind: JobKind::Backup, tenant }
            }
            Job::Restore => Action::CancelJob { kind: JobKind::Restore, tenant },
            Job::Drill => Action::CancelJob { kind: JobKind::Drill, tenant },
            Job::RecoverTable => Action::CancelJob { kind: JobKind::RecoverTable, tenant },
            Job::Validate => Action::CancelJob { kind: JobKind::Validate, tenant },
            Job::Clean => Action::CancelJob { kind: JobKind::Clean, tenant },
            Job::DestCheck => unreachable!(),
        })
        .unwrap();
        let began_ms = w.now_ms;
        while !open_jobs(&w.state).is_empty() {
            assert!(w.now_ms - began_ms <= 30_000, "{job:?}: {:?}", open_jobs(&w.state));
            turn(&mut w, 1_000);
        }
        for worker in w.alive.clone() {
            assert_eq!(orders_for(&w.state, worker).tasks.len(), 0, "{job:?}");
        }
        let is_of_jobs =
            |s: &&Step| matches!(s.subject, Some(Subject::Backup(_) | Subject::Clean(_) | Subject::Drill(_)));
        let steps = plan(&w.state, w.now_ms).steps;
        assert!(!steps.iter().any(|s| is_of_jobs(&s)), "{job:?}: {steps:#?}");
    }
}

/// The one line of a job that waits for its medium.
fn since(w: &World) -> u64 {
    let lines = plan(&w.state, w.now_ms).waiting;
    lines
        .iter()
        .find(|l| matches!(l.who, Who::Backup(_) | Who::Validate(_)))
        .unwrap_or_else(|| panic!("{lines:#?}"))
        .since_ms
        .unwrap()
}

#[test]
fn since_is_when_the_trouble_began_over_all_attempts_of_a_task_until_one_comes_further() {
    let mut w = world();
    let hook: TaskHook = |world, _, order| {
        // An attempt says that it waits, then it fails, each time in other words; then there is the next one.
        let failure = Failure::new(ErrorClass::Transient, format!("try {}", world.now_ms), "file:///data", "");
        let is_over = (world.now_ms / 1_000) % 3 == 0;
        let failed = || TaskReport { bytes_done: 0, ..report(order, TaskState::Failed, Some(failure), None) };
        Some(if is_over { failed() } else { waits(order) })
    };
    w.held.insert(TaskKind::Validate, hook);
    start(&mut w, Job::Validate).unwrap();
    until_it_waits(&mut w, Job::Validate);
    let began_ms = since(&w);
    let retries = |w: &World| w.state.validate_tasks().flat_map(|t| t.runs.values()).map(|r| r.retry.0).max();
    for _ in 0..40 {
        turn(&mut w, 700);
        assert_eq!(since(&w), began_ms);
    }
    assert!(retries(&w).unwrap() > 3, "it was tried again and again");
    let hook: TaskHook =
        |_, _, order| Some(TaskReport { bytes_done: 1, ..report(order, TaskState::Doing, None, None) });
    w.held.insert(TaskKind::Validate, hook);
    for _ in 0..5 {
        turn(&mut w, 700);
    }
    assert_eq!(silent_lines(&w), [], "bytes move: it is over");
}

#[test]
fn a_wait_of_the_running_attempt_is_over_when_the_medium_answers() {
    let mut w = world();
    fall_silent(&mut w);
    start(&mut w, Job::Validate).unwrap();
    until_it_waits(&mut w, Job::Validate);
    let hook: TaskHook =
        |_, _, order| Some(TaskReport { bytes_done: 0, answered: true, ..report(order, TaskState::Doing, None, None) });
    w.held.insert(TaskKind::Validate, hook);
    turn(&mut w, 100);
    assert_eq!(silent_lines(&w), []);
}

#[test]
fn since_of_the_schedulers_own_work_survives_every_change_of_words_until_it_is_done() {
    let mut w = world();
    start(&mut w, Job::Full).unwrap();
    let id = w.state.open_backup_job(TENANT).unwrap().id;
    let fails = |w: &mut World, n: u64| {
        w.now_ms += 10_000;
        let failure = Failure::new(ErrorClass::Transient, format!("try {n}"), "file:///data", "");
        w.act(Action::MediumFailed { subject: Subject::Backup(id), failure }).unwrap();
        since(w)
    };
    let began_ms = fails(&mut w, 0);
    assert_eq!(began_ms, w.now_ms);
    for n in 1..10 {
        assert_eq!(fails(&mut w, n), began_ms, "try {n}");
    }
    let then = Action::AdvanceJob {
        job: id,
        from: Stage::Backup(BackupJobStatus::Init),
        to: Stage::Backup(BackupJobStatus::Data),
    };
    w.act(then).unwrap();
    assert!(w.state.backup_job(id).unwrap().trouble.is_none(), "a step was done");
    assert_eq!(fails(&mut w, 11), w.now_ms, "this is another trouble");
}

#[test]
fn since_of_a_schedule_whose_key_does_not_come_is_when_it_first_did_not() {
    let mut w = world();
    let plan_of = SchedulePlan {
        full: "* * * * *".into(),
        time_zone: "UTC".into(),
        key_source: "command:/usr/bin/kms".into(),
        ..SchedulePlan::default()
    };
    let change = ScheduleChange::Set { plan: plan_of, enable: true };
    w.act(Action::ChangeSchedule { tenant: TENANT, change }).unwrap();
    w.now_ms += 60_000;
    w.beat();
    let began_ms = w.now_ms;
    for text in ["the source of the key does not answer", "the key command did not answer within 10s"].repeat(4) {
        let failure = Failure::new(ErrorClass::Transient, text, "command:/usr/bin/kms", "");
        w.act(Action::MediumFailed { subject: Subject::Schedule(TENANT), failure }).unwrap();
        let lines = plan(&w.state, w.now_ms).waiting;
        let line = lines.iter().find(|l| matches!(l.who, Who::ScheduledRun(BackupMode::Full, _))).unwrap();
        assert_eq!((line.since_ms, line.on.to_string().contains(text)), (Some(began_ms), true), "{line:?}");
        assert!(comments(&w, "CDB_STRANDLINE_BACKUP_SCHEDULES")[0].contains(text));
        w.now_ms += 7_000;
    }
    let change = ScheduleChange::Enable(false);
    w.act(Action::ChangeSchedule { tenant: TENANT, change }).unwrap();
    let shown = comments(&w, "CDB_STRANDLINE_BACKUP_SCHEDULES");
    assert_eq!(shown, [format!("{:?}", Value::Text(String::new()))], "what is switched off waits for nothing");
}
