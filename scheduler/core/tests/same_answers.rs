//! What commands led to once, they lead to today: worlds that are driven by numbers, and a digest of every answer, view,
//! order and step, compared with those that were written down.
//!
//! `STRANDLINE_WRITE_ANSWERS=1` writes them down anew, for a change that is meant. `STRANDLINE_TRACE=<directory>` writes
//! what the digests are made of, to find the first difference. Ids of jobs in orders are no part of them.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod harness;

use harness::jobs::{JOBS, execute, start, turn, world};
use harness::{TENANT, TaskHook, World, all_done, report, restore_request};
use std::collections::BTreeSet;
use std::fmt::Write;
use strandline_scheduler_core::state::{CleanWhat, JobKind, SchedulePlan, Stage};
use strandline_scheduler_core::views::{ALL, view};
use strandline_scheduler_core::*;
use strandline_stored::decode;
use strandline_types::*;

const SEEDS: u64 = 40;
const EVENTS: u64 = 45;
const FILE: &str = "tests/answers.txt";

/// A sequence of numbers that a seed decides.
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, n: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ (z >> 31)) % n
    }
}

/// Everything that is compared, as text.
#[derive(Default)]
struct Trace(String);

impl Trace {
    fn answer(&mut self, what: &str, outcome: &Outcome) {
        writeln!(self.0, "{what} -> {outcome:?}").unwrap();
    }

    fn see(&mut self, w: &World) {
        self.look(&w.state, w.now_ms);
    }

    fn look(&mut self, state: &State, now_ms: u64) {
        for name in ALL.iter().flat_map(|view| view.names()) {
            let table = view(state, now_ms, name).unwrap();
            let mut rows = table.rows.iter().map(|row| format!("{row:?}")).collect::<Vec<_>>();
            // Their order is that of the plan, which is none in particular.
            if name == "CDB_STRANDLINE_WAITING" {
                rows.sort();
            }
            writeln!(self.0, "  {name}: {}", rows.join("\n    ")).unwrap();
        }
        for worker in 1..=3 {
            let tasks = orders_for(state, NodeId(worker)).tasks;
            let line = |order: &TaskOrder| {
                let TaskKey { tenant_id, kind, turn, retry, .. } = order.key;
                let key = (tenant_id, kind, ls_of(&order.key), turn, retry);
                format!("  {worker}: {key:?} {:?}", order.spec)
            };
            let mut lines: Vec<String> = tasks.iter().map(line).collect();
            lines.sort();
            writeln!(self.0, "{}", lines.join("\n")).unwrap();
        }
        let steps = plan(state, now_ms).steps;
        let mut steps: Vec<String> = steps.iter().map(|s| format!("  {:?} {:?}", s.subject, s.work)).collect();
        steps.sort();
        writeln!(self.0, "{}", steps.join("\n")).unwrap();
    }

    /// FNV-1a over the text.
    fn digest(&self) -> u64 {
        self.0.bytes().fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x100_0000_01b3))
    }
}

fn ls_of(key: &TaskKey) -> LsId {
    key.part.ls_number()
}

const KINDS: [TaskKind; 11] = [
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

fn hold(w: &mut World, numbers: &mut Numbers) {
    let hooks: [TaskHook; 5] = [
        |_, _, _| None,
        |_, _, order| Some(report(order, TaskState::Doing, None, None)),
        |_, _, order| {
            let failure = Failure::new(ErrorClass::Transient, "it does not work now", "it", "");
            Some(report(order, TaskState::Failed, Some(failure), None))
        },
        |_, _, order| {
            let failure = Failure::new(ErrorClass::Corrupt, "it is damaged", "it", "");
            Some(report(order, TaskState::Failed, Some(failure), None))
        },
        // No result of its own, and a wait.
        |world, _, order| {
            let failure = Failure::new(ErrorClass::Transient, "it waits", "it", "");
            let waiting = Some(strandline_scheduler_core::state::Trouble { failure, since_ms: world.now_ms });
            Some(TaskReport { bytes_done: 0, waiting, answered: false, ..report(order, TaskState::Doing, None, None) })
        },
    ];
    let kind = KINDS[numbers.below(KINDS.len() as u64) as usize];
    match numbers.below(9) {
        0 => w.leaderless = true,
        1 => w.told = None,
        2 => w.medium_failure = Some(Failure::new(ErrorClass::Transient, "the medium is away", "it", "")),
        3 => w.medium_failure = Some(Failure::new(ErrorClass::Permission, "LOCKED_BY_WORM", "it", "")),
        n => drop(w.held.insert(kind, hooks[(n - 4) as usize])),
    }
}

fn heal(w: &mut World) {
    w.held.clear();
    (w.leaderless, w.medium_failure) = (false, None);
    w.told = Some(harness::restored_dictionary());
    for worker in w.boot.keys().copied().collect::<Vec<_>>() {
        if !w.alive.contains(&worker) {
            w.boot(worker);
        }
    }
}

fn any_job(numbers: &mut Numbers) -> JobId {
    JobId(1 + numbers.below(24))
}

/// CANCEL of some kind of job.
fn cancel(which: u64, tenant: TenantId) -> Action {
    match which {
        0 => Action::CancelJob { kind: JobKind::Backup, tenant },
        1 => Action::CancelJob { kind: JobKind::Drill, tenant },
        2 => Action::CancelJob { kind: JobKind::RecoverTable, tenant },
        3 => Action::CancelJob { kind: JobKind::Validate, tenant },
        4 => Action::CancelJob { kind: JobKind::Clean, tenant },
        _ => Action::CancelJob { kind: JobKind::Restore, tenant },
    }
}

/// A step of some job, which is mostly void.
fn advance(job: JobId, numbers: &mut Numbers) -> Action {
    let (from, to) = (numbers.below(16) as usize, numbers.below(16) as usize);
    let (from, to) = match numbers.below(4) {
        0 => {
            let all = BackupJobStatus::ALL;
            (Stage::Backup(all[from % all.len()]), Stage::Backup(all[to % all.len()]))
        }
        1 => {
            let all = RestoreStage::ALL;
            (Stage::Restore(all[from % all.len()]), Stage::Restore(all[to % all.len()]))
        }
        2 => {
            let all = CleanStage::ALL;
            (Stage::CleanTask(all[from % all.len()]), Stage::CleanTask(all[to % all.len()]))
        }
        _ => {
            use state::RecoverStage::{Canceled, Completed, Failed, Importing, Prepare};
            let all = [Prepare, Importing, Completed, Failed, Canceled];
            (Stage::RecoverTable(all[from % 5]), Stage::RecoverTable(all[to % 5]))
        }
    };
    Action::AdvanceJob { job, from, to }
}

/// The end of a job of one of three kinds; void for a job of another one.
fn finish(w: &World, which: u64, job: JobId) -> Action {
    let kind = [JobKind::Clean, JobKind::Validate, JobKind::Backup][which as usize];
    let is_it = w.state.jobs.get(&job).is_some_and(|found| found.kind() == kind);
    Action::CloseJob { job: if is_it { job } else { JobId(0) } }
}

fn tenant_of(w: &World, numbers: &mut Numbers) -> TenantId {
    let all: Vec<TenantId> = w.state.tenants.keys().copied().collect();
    let n = numbers.below(all.len() as u64 + 3) as usize;
    all.get(n).copied().unwrap_or(TENANT)
}

/// Something that an administrator, a step or a failure brings.
fn action(w: &World, numbers: &mut Numbers) -> Action {
    let tenant = tenant_of(w, numbers);
    let failure = || Failure::new(ErrorClass::Permission, "it may not", "it", "");
    match numbers.below(22) {
        0 => Action::StartBackups {
            tenants: vec![TENANT],
            all: true,
            request: BackupRequest::new(BackupMode::Full, "all"),
        },
        1 => Action::DropTenant { tenant },
        2 => Action::CreateTable { tenant, name: format!("k{}", numbers.below(4)), tablets: 3 },
        3 => Action::DropTable { tenant, name: format!("k{}", numbers.below(4)) },
        4 | 5 => Action::JobFailed { job: any_job(numbers), failure: failure() },
        6 => Action::MediumFailed { subject: Subject::Backup(any_job(numbers)), failure: failure() },
        7 => Action::MediumFailed { subject: Subject::Clean(any_job(numbers)), failure: failure() },
        8 => Action::MediumFailed { subject: Subject::Drill(any_job(numbers)), failure: failure() },
        9 => {
            let plan = SchedulePlan { full: "* * * * *".into(), time_zone: "UTC".into(), ..SchedulePlan::default() };
            Action::ChangeSchedule { tenant, change: ScheduleChange::Set { plan, enable: true } }
        }
        10 => Action::ChangeSchedule { tenant, change: ScheduleChange::Enable(numbers.below(2) == 0) },
        11 => Action::SetDrillInterval { tenant, interval_ms: 600_000 * numbers.below(2) },
        12 => Action::StartClean { tenant, what: CleanWhat::Sets(vec![numbers.below(6)]), description: "c".into() },
        13 => Action::NextTurn { job: any_job(numbers), turn: TurnId(1) },
        14 => Action::BackupLeft { job: any_job(numbers) },
        15 | 16 => advance(any_job(numbers), numbers),
        17 => finish(w, numbers.below(3), any_job(numbers)),
        18 => Action::MoveReplica {
            job: any_job(numbers),
            ls: LsId(1),
            from: NodeId(1 + numbers.below(3)),
            to: NodeId(1 + numbers.below(3)),
        },
        19 => Action::TenantGone { tenant },
        20 => restore_request(&format!("r{}", numbers.below(3)), 1 + numbers.below(3) as u32),
        _ => cancel(numbers.below(6), tenant),
    }
}

fn shown(action: &Action) -> String {
    format!("{action:?}").split(|c: char| !c.is_alphanumeric()).next().unwrap_or_default().to_owned()
}

fn happen(w: &mut World, numbers: &mut Numbers, trace: &mut Trace) {
    match numbers.below(24) {
        0..6 => {
            let job = JOBS[numbers.below(JOBS.len() as u64) as usize];
            let outcome = start(w, job);
            trace.answer(&format!("start {job:?}"), &outcome);
        }
        6..8 => hold(w, numbers),
        8 => heal(w),
        9 => w.kill(NodeId(1 + numbers.below(3))),
        10 => w.boot(NodeId(1 + numbers.below(3))),
        11..14 => {
            let action = action(w, numbers);
            // These have other names since: the answer is what counts.
            let name = if is_renamed(&action) { "a step or a cancel".to_owned() } else { shown(&action) };
            let outcome = w.act(action);
            trace.answer(&name, &outcome);
        }
        _ => turn(w, [100, 1_500, 7_000, 60_000, 700_000][numbers.below(5) as usize]),
    }
}

fn is_renamed(action: &Action) -> bool {
    let name = shown(action);
    ["Move", "Advance", "Cancel", "Finish", "Close", "BackupClosed"].iter().any(|start| name.starts_with(start))
}

/// Jobs of every kind in one tenant, whatever happens to it.
fn jobs(seed: u64) -> Trace {
    jobs_and_world(seed, EVENTS).0
}

fn jobs_and_world(seed: u64, events: u64) -> (Trace, World) {
    let (mut w, mut numbers, mut trace) = (world(), Numbers(seed), Trace::default());
    let first = JOBS[seed as usize % JOBS.len()];
    let outcome = start(&mut w, first);
    trace.answer(&format!("start {first:?}"), &outcome);
    if (10..20).contains(&seed) {
        // Tasks are ordered and not heard of again.
        let unheard: TaskHook = |_, _, _| None;
        w.held.extend(KINDS.map(|kind| (kind, unheard)));
    }
    for _ in 0..events {
        happen(&mut w, &mut numbers, &mut trace);
        trace.see(&w);
    }
    if events < EVENTS {
        return (trace, w);
    }
    heal(&mut w);
    for _ in 0..4 {
        turn(&mut w, 60_000);
    }
    trace.see(&w);
    (trace, w)
}

/// A worker whose follow tasks never end by themselves.
fn follows(world: &World, worker: NodeId, order: &TaskOrder) -> Option<TaskReport> {
    match &order.spec {
        TaskSpec::RestoreLog(spec) if spec.follow => Some(report(order, TaskState::Doing, None, None)),
        _ => all_done(world, worker, order),
    }
}

/// A standby that follows, stops, fails and opens.
fn standby(seed: u64) -> Trace {
    standby_and_world(seed, EVENTS).0
}

fn standby_and_world(seed: u64, events: u64) -> (Trace, World) {
    let (mut w, mut numbers, mut trace) = (World::new(3), Numbers(seed), Trace::default());
    w.task_hook = follows;
    let Action::StartRestore(mut request) = restore_request("s", 3) else { unreachable!() };
    request.standby = true;
    w.act(Action::StartRestore(request)).unwrap();
    w.run(10);
    let tenant = w.state.tenant_by_name("s").unwrap().id;
    for _ in 0..events {
        let scn = Scn(4000 + 1000 * numbers.below(9));
        let action = match numbers.below(14) {
            0 => Action::RecoverStandby { tenant, until: Some(scn) },
            1 => Action::RecoverStandby { tenant, until: None },
            2 => Action::StopStandby { tenant },
            3 if numbers.below(4) == 0 => Action::ActivateStandby { tenant },
            4 => Action::SetRestoreSource { tenant, from: harness::address("file:///arc2") },
            5 | 6 => Action::StandbySource { tenant, pieces: Vec::new(), reach: scn },
            7 => Action::StandbyScanned { tenant },
            8 => Action::StandbyReached { tenant },
            9 => Action::OpenStandby { tenant },
            10 => {
                let failure = Failure::new(ErrorClass::Transient, "the archive is away", "it", "");
                Action::MediumFailed { subject: Subject::Standby(tenant), failure }
            }
            11 => {
                w.held.insert(TaskKind::RestoreLog, |_, _, order| {
                    let failure = Failure::new(ErrorClass::Corrupt, "it is damaged", "it", "");
                    Some(report(order, TaskState::Failed, Some(failure), None))
                });
                Action::StandbyScanned { tenant }
            }
            12 => {
                w.held.clear();
                Action::StandbyScanned { tenant }
            }
            _ => Action::CreateTable { tenant, name: format!("k{}", numbers.below(3)), tablets: 1 },
        };
        let name = shown(&action);
        let outcome = w.act(action);
        trace.answer(&name, &outcome);
        w.now_ms += 1_500;
        w.beat();
        for step in plan(&w.state, w.now_ms).steps {
            execute(&mut w, step);
        }
        trace.see(&w);
    }
    (trace, w)
}

#[test]
fn answers_views_orders_and_steps_are_those_that_were_written_down() {
    let mut now = String::new();
    for seed in 0..SEEDS {
        for (what, trace) in [("jobs", jobs(seed)), ("standby", standby(seed))] {
            writeln!(now, "{what} {seed} {:016x}", trace.digest()).unwrap();
            if let Some(directory) = std::env::var_os("STRANDLINE_TRACE") {
                std::fs::create_dir_all(&directory).unwrap();
                std::fs::write(std::path::Path::new(&directory).join(format!("{what}-{seed}.txt")), &trace.0).unwrap();
            }
        }
    }
    if std::env::var_os("STRANDLINE_WRITE_ANSWERS").is_some() {
        return std::fs::write(FILE, now).unwrap();
    }
    let kept = std::fs::read_to_string(FILE).unwrap_or_default();
    let differ: Vec<&str> = now.lines().filter(|line| !kept.lines().any(|k| k == *line)).collect();
    assert!(differ.is_empty(), "led to something else: {differ:?}");
    assert_eq!(kept.lines().count(), now.lines().count());
}

#[test]
fn jobs_of_every_kind_run_in_the_worlds_that_are_compared() {
    let text: String = (0..SEEDS).map(|seed| jobs(seed).0).collect();
    for job in JOBS {
        assert!(text.contains(&format!("start {job:?} -> Ok")), "{job:?}");
    }
    for kind in KINDS {
        assert!(text.contains(&format!(" {kind:?},")), "{kind:?}");
    }
}

/// States of version 2 with jobs of every kind under way, and the digests of what was seen of them then.
#[test]
fn a_state_with_a_map_for_each_kind_of_job_is_read_with_all_of_them() {
    let mut kinds = BTreeSet::new();
    for line in std::fs::read_to_string("tests/stored/worlds-2.txt").unwrap().lines() {
        let (digest, hex) = line.split_once(' ').unwrap();
        let bytes: Vec<u8> =
            (0..hex.len()).step_by(2).map(|n| u8::from_str_radix(&hex[n..n + 2], 16).unwrap()).collect();
        let state: State = decode(&bytes).unwrap();
        assert_eq!(lint(&state), Vec::<String>::new());
        let mut trace = Trace::default();
        trace.look(&state, state.clock_ms);
        assert_eq!(format!("{:016x}", trace.digest()), digest, "{:?}", state.jobs.keys());
        kinds.extend(state.jobs.values().map(state::Job::kind));
    }
    assert_eq!(kinds.into_iter().collect::<Vec<_>>(), JobKind::ALL);
}
