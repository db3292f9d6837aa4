//! What holds of every plan, whatever has happened: it is the same for the same state and time, a step that is done does
//! not come again and does no harm when it is done twice, and nothing stands still without a word.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod harness;

use harness::jobs::{JOBS, Job, execute, start, world};
use harness::{TENANT, TaskHook, World, report};
use proptest::prelude::*;
use std::collections::BTreeSet;
use strandline_scheduler_core::state::{self, DestState, JobKind, TaskRun, TenantStatus};
use strandline_scheduler_core::*;
use strandline_stored::{decode, encode};
use strandline_types::*;

#[derive(Clone, Copy, Debug)]
enum Event {
    Start(Job),
    Cancel(JobKind),
    /// Tasks of a kind fail, wait or say nothing; the medium is away; all is well.
    Fail(TaskKind),
    Silence(TaskKind),
    Away,
    Heal,
    Kill(u64),
    Boot(u64),
    Lead,
    Archive(bool),
    Enable(bool),
    Drop,
    Pass(u64),
}

const KINDS: [TaskKind; 9] = [
    TaskKind::BackupLs,
    TaskKind::BackupIndex,
    TaskKind::BackupLog,
    TaskKind::Synthetic,
    TaskKind::RestoreData,
    TaskKind::RestoreLog,
    TaskKind::Validate,
    TaskKind::Clean,
    TaskKind::RecoverTable,
];

fn events() -> impl Strategy<Value = Vec<Event>> {
    let kinds = || prop::sample::select(KINDS.to_vec());
    let event = prop_oneof![
        5 => prop::sample::select(JOBS.to_vec()).prop_map(Event::Start),
        1 => prop::sample::select(JobKind::ALL.to_vec()).prop_map(Event::Cancel),
        2 => kinds().prop_map(Event::Fail),
        2 => kinds().prop_map(Event::Silence),
        1 => Just(Event::Away),
        2 => Just(Event::Heal),
        2 => (1u64..4).prop_map(Event::Kill),
        2 => (1u64..4).prop_map(Event::Boot),
        1 => Just(Event::Lead),
        1 => any::<bool>().prop_map(Event::Archive),
        1 => any::<bool>().prop_map(Event::Enable),
        1 => Just(Event::Drop),
        8 => prop_oneof![Just(150u64), Just(1_500), Just(7_000), Just(700_000)].prop_map(Event::Pass),
    ];
    prop::collection::vec(event, 0..24)
}

fn happen(w: &mut World, event: Event) {
    let fails: TaskHook = |_, _, order| {
        let failure = Failure::new(ErrorClass::Transient, "it does not work now", "it", "wait");
        Some(report(order, TaskState::Failed, Some(failure), None))
    };
    let silent: TaskHook = |_, _, _| None;
    let tenant = TENANT;
    let action = match event {
        Event::Start(job) => return drop(w.state.tenants.contains_key(&tenant).then(|| start(w, job))),
        Event::Cancel(kind) => Action::CancelJob { kind, tenant },
        Event::Fail(kind) => return w.held.extend([(kind, fails)]),
        Event::Silence(kind) => return w.held.extend([(kind, silent)]),
        Event::Away => {
            w.medium_failure = Some(Failure::new(ErrorClass::Transient, "the medium is away", "file:///", "wait"));
            return;
        }
        Event::Heal => {
            w.held.clear();
            w.medium_failure = None;
            return;
        }
        Event::Kill(worker) => return w.kill(NodeId(worker)),
        Event::Boot(worker) => return w.boot(NodeId(worker)),
        Event::Lead => Action::TakeLead { node: NodeId(902), term: w.state.schedulers.term.next() },
        Event::Archive(true) => Action::ArchiveLog { tenant },
        Event::Archive(false) => Action::NoArchiveLog { tenant },
        Event::Enable(is_enabled) => {
            let state = if is_enabled { DestState::Enable } else { DestState::Defer };
            Action::SetArchiveDestState { tenant, no: DestNo(0), state }
        }
        Event::Drop => Action::DropTenant { tenant },
        Event::Pass(ms) => return pass(w, ms),
    };
    let _ = w.act(action);
}

/// Time passes; workers report and the leader does what it plans, with a look at every plan.
fn pass(w: &mut World, ms: u64) {
    w.now_ms += ms;
    w.write();
    for _ in 0..3 {
        w.beat();
        check(&w.state, w.now_ms);
        for step in plan(&w.state, w.now_ms).steps {
            check_step(&w.state, w.now_ms, &step);
            execute(w, step);
        }
    }
}

fn applied(state: &State, now_ms: u64, action: &Action) -> State {
    let mut after = state.clone();
    let _ = apply(&mut after, Command { proposed_at_ms: now_ms, action: action.clone() });
    after
}

/// True for work that finds something out, which comes as an action of its own before the step is done.
fn finds_out(work: &MediumWork) -> bool {
    matches!(work, MediumWork::Drill(_) | MediumWork::SealRun(_))
}

fn check_step(state: &State, now_ms: u64, step: &Step) {
    if step.work.iter().any(finds_out) {
        return;
    }
    let once = applied(state, now_ms, &step.then);
    assert_eq!(once, applied(&once, now_ms, &step.then), "done twice it is done once: {:?}", step.then);
    let again = plan(&once, now_ms).steps;
    assert!(!again.contains(step), "it is done and comes again: {step:#?}");
}

fn check(state: &State, now_ms: u64) {
    let planned = plan(state, now_ms);
    let kept: State = decode(&encode(state).unwrap()).unwrap();
    assert_eq!(planned, plan(&kept, now_ms), "another node plans the same");
    let mut subjects = BTreeSet::new();
    for step in &planned.steps {
        assert!(step.subject.is_none_or(|s| subjects.insert(s)), "two steps with {:?}", step.subject);
        assert!(step.subject.is_some() || step.work.is_empty(), "work for nobody: {step:#?}");
    }
    for line in &planned.waiting {
        let (who, on) = (line.who.to_string(), line.on.to_string());
        assert!(!who.is_empty() && !on.is_empty() && !format!("{who}{on}").contains(['{', '}']), "{line:?}");
        assert!(line.since_ms.is_none_or(|since| since <= state.present(now_ms)), "since tomorrow: {line:?}");
        assert!(line.tenant_id == TenantId::SYS || state.tenants.contains_key(&line.tenant_id), "{line:?}");
    }
    nothing_is_silent(state, &planned);
}

/// Whatever wants to move has a step, a task that runs, or a line that says what it waits for.
fn nothing_is_silent(state: &State, planned: &Plan) {
    let told = format!("{planned:?}");
    let runs = |run: &TaskRun| run.is_running();
    let of_job = |id: JobId| told.contains(&format!("{id:?}"));
    for job in state.jobs.values() {
        let id = job.head().id;
        let parts: Vec<JobId> = match job {
            state::Job::Clean(job) => job.tasks.clone(),
            state::Job::Validate(job) => job.tasks.clone(),
            state::Job::Drill(drill) => drill.restore.iter().map(|(job, _)| *job).collect(),
            _ => Vec::new(),
        };
        let moves = |id: &JobId| of_job(*id) || state.jobs.get(id).is_some_and(|j| j.head().runs.values().any(runs));
        let is_told = moves(&id) || parts.iter().any(moves);
        assert!(is_told || !is_open(job), "{job:#?} stands still and says nothing: {told}");
    }
    for round in state.rounds.values().filter(|r| !stands(r.state)) {
        assert!(told.contains(&format!("{:?}", round.round_id)), "round {} is {}", round.round_id, round.state);
    }
    for tenant in state.tenants.values().filter(|t| t.status == TenantStatus::Dropping) {
        assert!(told.contains(&format!("{:?}", tenant.id)), "tenant {} is being dropped", tenant.name);
    }
    for dest in state.destinations.values().filter(|d| !d.formatted) {
        assert!(told.contains(&format!("{:?}", dest.id)), "destination {} is not ready", dest.uri);
    }
}

fn stands(state: RoundState) -> bool {
    matches!(state, RoundState::Doing | RoundState::Suspend | RoundState::Interrupted | RoundState::Stop)
}

fn is_open(job: &state::Job) -> bool {
    match job {
        state::Job::Backup(j) => j.is_open(),
        state::Job::Restore(j) => !j.stage.is_ended(),
        state::Job::RecoverTable(j) => !j.stage.is_ended(),
        state::Job::Drill(j) => !j.stage.is_ended(),
        state::Job::Clean(j) => !j.status.is_ended(),
        state::Job::Validate(j) => !j.status.is_ended(),
        state::Job::DestCheck(j) => j.ended_ms.is_none(),
        // Their parts are looked at, or they are parts; a standby that follows has nothing to end.
        _ => false,
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    #[test]
    fn a_step_that_is_done_does_not_come_again_and_whatever_stands_still_says_why(events in events()) {
        let mut w = world();
        for event in &events {
            happen(&mut w, *event);
            check(&w.state, w.now_ms);
        }
        pass(&mut w, 150);
    }
}
