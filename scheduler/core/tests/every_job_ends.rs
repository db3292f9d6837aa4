//! Every job ends: from whatever state it is in, with workers that answer, and also when what it waits for cannot come.
//!
//! Workers here are alive and report; what is held back is one thing each time: a kind of task, a leader, a dictionary,
//! the archive, the medium, the removal of a replica. Time goes in leaps of a minute, as all deadlines are longer.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod harness;

use harness::jobs::{JOBS, Job, open_jobs, start, turn, world};
use harness::{TENANT, TaskHook, World, report};
use proptest::prelude::*;
use strandline_scheduler_core::state::{Dictionary, JobKind};
use strandline_scheduler_core::*;
use strandline_types::*;

const LEAP_MS: u64 = 60_000;
/// All retries of a task that never moves, then what a job may stand still: nothing takes longer.
const PATIENCE_MS: u64 = (limits::LS_TASK_RETRIES_MAX as u64 + 8) * limits::TASK_STALL_MS + 2 * limits::JOB_STALL_MS;

/// What does not come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Hold {
    Nothing,
    /// Tasks of this kind are ordered and never heard of again.
    Unheard(TaskKind),
    /// Tasks of this kind run and run.
    Endless(TaskKind),
    /// Tasks of this kind fail, and it may pass.
    Fails(TaskKind),
    /// Tasks of this kind meet damage.
    Damaged(TaskKind),
    Leader,
    Dictionary,
    Archive,
    Medium,
    MediumForGood,
    Removal,
}

fn holds() -> Vec<Hold> {
    use Hold::{
        Archive, Damaged, Dictionary, Endless, Fails, Leader, Medium, MediumForGood, Nothing, Removal, Unheard,
    };
    let kinds = [
        TaskKind::BackupLs,
        TaskKind::BackupIndex,
        TaskKind::BackupLog,
        TaskKind::Synthetic,
        TaskKind::RestoreData,
        TaskKind::RestoreLog,
        TaskKind::DestCheck,
        TaskKind::Validate,
        TaskKind::Clean,
        TaskKind::Fingerprint,
        TaskKind::RecoverTable,
    ];
    let of_tasks = kinds.into_iter().flat_map(|kind| [Unheard(kind), Endless(kind), Fails(kind), Damaged(kind)]);
    of_tasks.chain([Nothing, Leader, Dictionary, Archive, Medium, MediumForGood, Removal]).collect()
}

fn hold(w: &mut World, hold: Hold) {
    let failing: fn(ErrorClass) -> Failure = |class| Failure::new(class, "it does not work", "it", "");
    match hold {
        Hold::Nothing => {}
        Hold::Unheard(kind) => drop(w.held.insert(kind, |_, _, _| None)),
        Hold::Endless(kind) => {
            let hook: TaskHook = |_, _, order| Some(report(order, TaskState::Doing, None, None));
            w.held.insert(kind, hook);
        }
        Hold::Fails(kind) => {
            let hook: TaskHook = |_, _, order| {
                let failure = Failure::new(ErrorClass::Transient, "it does not work now", "it", "");
                Some(report(order, TaskState::Failed, Some(failure), None))
            };
            w.held.insert(kind, hook);
        }
        Hold::Damaged(kind) => {
            let hook: TaskHook = |_, _, order| {
                let failure = Failure::new(ErrorClass::Corrupt, "it is damaged", "it", "");
                Some(report(order, TaskState::Failed, Some(failure), None))
            };
            w.held.insert(kind, hook);
        }
        Hold::Leader => w.leaderless = true,
        Hold::Dictionary => w.told = None,
        Hold::Archive => w.stuck = w.state.tenants[&TENANT].log_streams.keys().copied().collect(),
        Hold::Medium => w.medium_failure = Some(failing(ErrorClass::Transient)),
        Hold::MediumForGood => w.medium_failure = Some(failing(ErrorClass::Permission)),
        Hold::Removal => w.keeps_replicas = true,
    }
}

fn heal(w: &mut World) {
    w.held.clear();
    w.stuck.clear();
    (w.leaderless, w.keeps_replicas, w.medium_failure) = (false, false, None);
    w.told = Some(harness::restored_dictionary());
    for worker in w.boot.keys().copied().collect::<Vec<_>>() {
        if !w.alive.contains(&worker) {
            w.boot(worker);
        }
    }
}

/// The reasons of jobs that did not end well have words.
fn check_reasons(state: &State) {
    let why = |job: String, failure: &Option<Failure>| {
        assert!(failure.as_ref().is_some_and(|f| !f.what.is_empty()), "{job} failed without a reason");
    };
    for job in state.backup_jobs().filter(|j| j.status == BackupJobStatus::Failed) {
        why(format!("backup {}", job.id), &job.failure);
    }
    for job in state.restore_jobs().filter(|j| j.stage == RestoreStage::Failed) {
        why(format!("restore {}", job.id), &job.failure);
    }
    for drill in state.drills().filter(|d| d.stage == state::DrillStage::Failed) {
        why(format!("drill {}", drill.id), &drill.failure);
    }
    for job in state.recover_jobs().filter(|j| j.stage == state::RecoverStage::Failed) {
        why(format!("table recovery {}", job.id), &job.failure);
    }
    for job in state.validate_jobs().filter(|j| j.status == JobStatus::Failed) {
        why(format!("validation {}", job.id), &job.failure);
    }
}

/// Runs until every job has ended; gives the time that it took.
fn until_ended(w: &mut World, what: &str) -> u64 {
    let began_ms = w.now_ms;
    while !open_jobs(&w.state).is_empty() {
        let waiting = || plan(&w.state, w.now_ms).waiting;
        assert!(
            w.now_ms - began_ms <= PATIENCE_MS,
            "{what}: {:?} never ends; it waits for {:#?}",
            open_jobs(&w.state),
            waiting()
        );
        turn(w, LEAP_MS);
    }
    check_reasons(&w.state);
    w.now_ms - began_ms
}

#[test]
fn a_job_ends_well_when_nothing_is_held_back() {
    for job in JOBS {
        let mut w = world();
        start(&mut w, job).unwrap();
        let took_ms = until_ended(&mut w, &format!("{job:?}"));
        assert!(took_ms <= 10 * LEAP_MS, "{job:?} took {took_ms} ms");
        let failed = w.state.backup_jobs().find_map(|j| j.failure.clone());
        let failed = failed.or(w.state.restore_jobs().find_map(|j| j.failure.clone()));
        assert_eq!(failed, None, "{job:?}");
    }
}

#[test]
fn a_restored_tenant_without_any_table_opens() {
    let mut w = world();
    w.told = Some(Dictionary::default());
    start(&mut w, Job::Restore).unwrap();
    until_ended(&mut w, "a restore of nothing");
    let job = w.state.restore_jobs().next_back().unwrap();
    assert_eq!(job.stage, RestoreStage::Success, "{:?}", job.failure);
    let tenant = &w.state.tenants[&job.tenant_id];
    assert_eq!((tenant.status, tenant.tables.len()), (state::TenantStatus::Normal, 0));
    let (tenant, name) = (tenant.id, "first".to_owned());
    assert!(w.act(Action::CreateTable { tenant, name, tablets: 2 }).is_ok(), "and takes its first table");
}

#[test]
fn a_job_ends_with_a_reason_when_what_it_waits_for_never_comes() {
    for job in JOBS {
        for held in holds() {
            let mut w = world();
            start(&mut w, job).unwrap();
            hold(&mut w, held);
            until_ended(&mut w, &format!("{job:?} without {held:?}"));
        }
    }
}

#[derive(Clone, Copy, Debug)]
enum Event {
    Start(Job),
    Hold(Hold),
    Heal,
    Kill(u64),
    Boot(u64),
    Pass(u64),
    Cancel(u8),
}

fn events() -> impl Strategy<Value = Vec<Event>> {
    let event = prop_oneof![
        4 => prop::sample::select(JOBS.to_vec()).prop_map(Event::Start),
        4 => prop::sample::select(holds()).prop_map(Event::Hold),
        1 => Just(Event::Heal),
        2 => (1u64..4).prop_map(Event::Kill),
        2 => (1u64..4).prop_map(Event::Boot),
        8 => prop_oneof![Just(100u64), Just(1_500), Just(7_000), Just(700_000)].prop_map(Event::Pass),
        1 => (0u8..5).prop_map(Event::Cancel),
    ];
    prop::collection::vec(event, 0..40)
}

fn happen(w: &mut World, event: Event) {
    let tenant = TENANT;
    match event {
        // What cannot be started now is refused: that is an end as well.
        Event::Start(job) => drop(start(w, job)),
        Event::Hold(held) => hold(w, held),
        Event::Heal => heal(w),
        Event::Kill(worker) => w.kill(NodeId(worker)),
        Event::Boot(worker) => w.boot(NodeId(worker)),
        Event::Pass(ms) => turn(w, ms),
        Event::Cancel(which) => drop(w.act(match which {
            0 => Action::CancelJob { kind: JobKind::Backup, tenant },
            1 => Action::CancelJob { kind: JobKind::Drill, tenant },
            2 => Action::CancelJob { kind: JobKind::RecoverTable, tenant },
            3 => Action::CancelJob { kind: JobKind::Validate, tenant },
            _ => Action::CancelJob { kind: JobKind::Clean, tenant },
        })),
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 96, ..ProptestConfig::default() })]

    #[test]
    fn from_any_state_jobs_end_once_workers_and_media_answer(events in events()) {
        let mut w = world();
        for event in events {
            happen(&mut w, event);
        }
        heal(&mut w);
        until_ended(&mut w, "after all healed");
    }

    #[test]
    fn from_any_state_jobs_end_though_something_never_comes(events in events(), held in prop::sample::select(holds())) {
        let mut w = world();
        for event in events {
            happen(&mut w, event);
        }
        heal(&mut w);
        hold(&mut w, held);
        until_ended(&mut w, &format!("after all healed but {held:?}"));
    }
}
