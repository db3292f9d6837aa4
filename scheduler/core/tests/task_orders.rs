//! The orders of tasks, for every kind: who gets them, what is in them, which keys, and that nothing is left of them when
//! the job has ended.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod harness;

use harness::jobs::{JOBS, Job, execute, open_jobs, recover_table, start, turn, validate, world};
use harness::{TENANT, TaskHook, World, address, report};
use std::collections::{BTreeMap, BTreeSet};
use strandline_scheduler_core::state::{DestKind, JobKind, TaskRun};
use strandline_scheduler_core::views::{all_names, view_for};
use strandline_scheduler_core::*;
use strandline_types::*;

const DATA_KEY: &str = "key-of-the-data";
const ARCHIVE_KEY: &str = "key-of-the-archive";
const SOURCE_KEY: &str = "key-of-the-source";

/// The world of all jobs, whose destinations need keys.
fn with_keys() -> World {
    let mut w = world();
    let dests: Vec<_> = w.state.destinations.values().map(|d| (d.id, d.uri.to_string(), d.kind)).collect();
    for (dest, uri, kind) in dests {
        let key = if kind == DestKind::Data { DATA_KEY } else { ARCHIVE_KEY };
        let access = Access::new(format!("access_id=me&access_key={key}"));
        w.act(Action::ChangeStorage { dest, uri, access }).unwrap();
    }
    w
}

fn of_source() -> Access {
    Access::new(format!("access_id=me&access_key={SOURCE_KEY}"))
}

/// Starts a job; what it reads elsewhere needs a key as well.
fn start_with_keys(w: &mut World, job: Job) {
    let action = match job {
        Job::Restore => {
            let mut request = harness::jobs::source("r");
            request.source.data.access = of_source();
            request.source.seal_key = Secret::new(vec![7; 32]);
            Action::StartRestore(Box::new(request))
        }
        Job::RecoverTable => {
            let Action::StartRecoverTable(mut request) = recover_table() else { unreachable!() };
            request.source.log[0].from.access = of_source();
            Action::StartRecoverTable(request)
        }
        Job::Validate => {
            let Action::StartValidate(mut request) = validate(w) else { unreachable!() };
            for object in &mut request.objects {
                object.at.access = of_source();
            }
            Action::StartValidate(request)
        }
        Job::DestCheck => {
            let (uri, key_source) = ("file:///somewhere".to_owned(), "file:/keys/k".to_owned());
            Action::CheckDest { uri, access: of_source(), key_source }
        }
        job => {
            start(w, job).unwrap();
            return;
        }
    };
    w.act(action).unwrap();
}

fn orders(w: &World) -> Vec<(NodeId, TaskOrder)> {
    let of = |n: u64| orders_for(&w.state, NodeId(n)).tasks.into_iter().map(move |t| (NodeId(n), t));
    (1..=3).flat_map(of).collect()
}

/// The keys that an order carries.
fn keys(spec: &TaskSpec) -> BTreeSet<String> {
    let data = |s: &RestoreDataSpec| vec![s.data.access.reveal().to_owned()];
    let log = |s: &RestoreLogSpec| s.log.iter().map(|l| l.from.access.reveal().to_owned()).collect::<Vec<_>>();
    let all = match spec {
        TaskSpec::BackupLs(s) => vec![s.access.reveal().to_owned()],
        TaskSpec::BackupIndex(s) => vec![s.access.reveal().to_owned()],
        TaskSpec::BackupLog(s) => vec![s.access.reveal().to_owned(), s.archive_access.reveal().to_owned()],
        TaskSpec::Synthetic(s) => vec![s.access.reveal().to_owned()],
        TaskSpec::RestoreData(s) => data(s),
        TaskSpec::RestoreLog(s) => log(s),
        TaskSpec::DestCheck(s) => vec![s.access.reveal().to_owned()],
        TaskSpec::Validate(s) => vec![s.at.access.reveal().to_owned()],
        TaskSpec::Clean(s) => vec![s.access.reveal().to_owned()],
        TaskSpec::Fingerprint(_) => Vec::new(),
        TaskSpec::RecoverTable(s) => [data(&s.data), log(&s.log)].concat(),
    };
    let key = |access: &String| access.split("access_key=").nth(1).map(str::to_owned);
    all.iter().filter_map(key).collect()
}

/// Which keys tasks of a kind need.
fn needed(kind: TaskKind) -> Vec<&'static str> {
    match kind {
        TaskKind::BackupLs | TaskKind::BackupIndex | TaskKind::Synthetic | TaskKind::Clean => vec![DATA_KEY],
        TaskKind::BackupLog => vec![ARCHIVE_KEY, DATA_KEY],
        TaskKind::RestoreData | TaskKind::DestCheck | TaskKind::Validate | TaskKind::RecoverTable => vec![SOURCE_KEY],
        // This restore's archive, and what a tenant's own workers digest, need none.
        TaskKind::RestoreLog | TaskKind::Fingerprint => Vec::new(),
    }
}

/// Follows a job to its end; gives the orders of each kind that came on the way.
fn follow(w: &mut World, job: Job) -> BTreeMap<TaskKind, Vec<(NodeId, TaskOrder)>> {
    start_with_keys(w, job);
    let mut seen: BTreeMap<TaskKind, Vec<(NodeId, TaskOrder)>> = BTreeMap::new();
    for _ in 0..2_000 {
        for (worker, order) in orders(w) {
            check_order(w, worker, &order);
            seen.entry(order.key.kind).or_default().push((worker, order));
        }
        nothing_is_shown(w);
        if open_jobs(&w.state).is_empty() {
            assert_eq!(orders(w), [], "{job:?} has ended");
            return seen;
        }
        w.now_ms += 200;
        w.write();
        w.beat();
        for step in plan(&w.state, w.now_ms).steps {
            execute(w, step);
        }
    }
    panic!("{job:?}: {:?}", open_jobs(&w.state));
}

fn check_order(w: &World, worker: NodeId, order: &TaskOrder) {
    let run: &TaskRun = w.state.jobs[&order.key.job_id].head().runs.get(order.key.task()).unwrap();
    assert_eq!((run.turn, run.retry), (order.key.turn, order.key.retry), "the present attempt");
    assert!(run.is_running() && run.executor == Some(worker), "its executor and nobody else");
    let carried = keys(&order.spec);
    let wanted: BTreeSet<String> = needed(order.key.kind).into_iter().map(str::to_owned).collect();
    // The tenant of a drill is restored out of a source without keys.
    let is_of_drill = carried.is_empty() && w.state.drills().any(|d| d.restore.is_some());
    assert!(carried == wanted || is_of_drill, "{:?} carries {carried:?}", order.key);
}

/// Neither plans, orders nor views show a key.
fn nothing_is_shown(w: &World) {
    let planned = format!("{:?}{:?}", plan(&w.state, w.now_ms), orders(w));
    let rows = |name: &String| format!("{:?}", view_for(&w.state, w.now_ms, name, None).unwrap().rows);
    for key in [DATA_KEY, ARCHIVE_KEY, SOURCE_KEY, "7, 7, 7, 7, 7, 7, 7"] {
        assert!(!planned.contains(key), "a plan or an order shows {key}");
        let shown: Vec<String> = all_names().into_iter().filter(|name| rows(name).contains(key)).collect();
        assert!(shown.is_empty(), "{key} is shown by {shown:?}");
    }
}

fn kinds_of(job: Job) -> Vec<TaskKind> {
    match job {
        Job::Full | Job::Incremental => vec![TaskKind::BackupLs, TaskKind::BackupIndex],
        Job::WithLog => vec![TaskKind::BackupLs, TaskKind::BackupIndex, TaskKind::BackupLog],
        Job::Synthetic => vec![TaskKind::BackupIndex, TaskKind::Synthetic],
        Job::Restore => vec![TaskKind::RestoreData, TaskKind::RestoreLog],
        Job::Drill => vec![TaskKind::RestoreData, TaskKind::RestoreLog, TaskKind::Fingerprint],
        Job::RecoverTable => vec![TaskKind::RecoverTable],
        Job::Validate => vec![TaskKind::Validate],
        Job::Clean => vec![TaskKind::Clean],
        Job::DestCheck => vec![TaskKind::DestCheck],
    }
}

#[test]
fn a_task_is_ordered_from_its_executor_alone_with_the_keys_that_it_needs_and_nothing_is_left_at_the_end() {
    for job in JOBS {
        let mut w = with_keys();
        let seen = follow(&mut w, job);
        assert_eq!(seen.keys().copied().collect::<Vec<_>>(), kinds_of(job), "{job:?}");
    }
}

#[test]
fn orders_say_whose_destination_it_has_to_be() {
    let of_data = |w: &World| w.state.owner_by_id(w.state.tenants[&TENANT].data_dest.unwrap());
    for job in [Job::WithLog, Job::Synthetic, Job::Clean] {
        let mut w = with_keys();
        let wanted = of_data(&w);
        assert_eq!((wanted.cluster_id, wanted.tenant_id), (ClusterId(7), TENANT));
        for (_, order) in follow(&mut w, job).into_values().flatten() {
            let owner = match &order.spec {
                TaskSpec::BackupLs(s) => s.owner,
                TaskSpec::BackupIndex(s) => s.owner,
                TaskSpec::BackupLog(s) => s.owner,
                TaskSpec::Synthetic(s) => s.owner,
                TaskSpec::Clean(s) => s.owner,
                other => panic!("{other:?}"),
            };
            assert_eq!(owner, wanted, "{:?}", order.key);
        }
    }
}

#[test]
fn every_part_of_a_job_is_ordered_once_with_its_own_log_stream() {
    let mut w = with_keys();
    let seen = follow(&mut w, Job::WithLog);
    let set = w.state.backup_sets.values().next_back().unwrap();
    let round = w.round();
    for (_, order) in &seen[&TaskKind::BackupLog] {
        let TaskSpec::BackupLog(spec) = &order.spec else { panic!("{order:?}") };
        assert_eq!(Some(spec.source_ls_id), order.key.part.ls());
        assert_eq!((spec.set_id, spec.end_scn, spec.incremental), (set.set_id, set.min_restore_scn, false));
        assert!(spec.pieces.iter().all(|key| round.pieces.contains_key(&key.piece_id)) && !spec.pieces.is_empty());
    }
    for (_, order) in &seen[&TaskKind::BackupIndex] {
        let TaskSpec::BackupIndex(spec) = &order.spec else { panic!("{order:?}") };
        let parts = set.parts.iter().map(|(ls_id, p)| LsTurn { ls_id: *ls_id, turn: p.turn, retry: p.retry });
        assert_eq!(spec.parts, parts.collect::<Vec<_>>(), "the attempts that succeeded");
    }
    let streams = |kind| seen[&kind].iter().filter_map(|(_, o)| o.key.part.ls()).collect::<BTreeSet<_>>();
    let all: BTreeSet<LsId> = w.state.tenants[&TENANT].log_streams.keys().copied().collect();
    assert_eq!((streams(TaskKind::BackupLs), streams(TaskKind::BackupLog)), (all.clone(), all));
}

#[test]
fn a_check_of_a_destination_asks_every_worker_and_a_cleaning_names_directories_of_its_set() {
    let mut w = with_keys();
    let seen = follow(&mut w, Job::DestCheck);
    let asked: BTreeSet<NodeId> = seen[&TaskKind::DestCheck].iter().map(|(worker, _)| *worker).collect();
    assert_eq!(asked, (1..=3).map(NodeId).collect());
    for (worker, order) in &seen[&TaskKind::DestCheck] {
        let TaskSpec::DestCheck(spec) = &order.spec else { panic!("{order:?}") };
        assert_eq!((spec.uri.as_str(), spec.key_source.as_str()), ("file:///somewhere", "file:/keys/k"));
        assert_eq!((order.key.part, spec.owner), (Part::Worker(*worker), None), "nobody's yet");
    }
    let seen = follow(&mut w, Job::Clean);
    for (_, order) in &seen[&TaskKind::Clean] {
        let TaskSpec::Clean(spec) = &order.spec else { panic!("{order:?}") };
        assert_eq!(address(&spec.uri).place(), address("file:///data").place());
        assert!(!spec.directories.is_empty());
        assert!(spec.directories.iter().all(|d| d.starts_with("backup_set_1_full/")), "{:?}", spec.directories);
    }
}

#[test]
fn a_job_that_was_cancelled_or_has_failed_orders_nothing_from_that_moment_on() {
    let hangs: TaskHook = |_, _, order| Some(report(order, TaskState::Doing, None, None));
    for job in [Job::Full, Job::Restore, Job::RecoverTable, Job::Validate, Job::Clean, Job::Drill] {
        for is_cancelled in [true, false] {
            let mut w = with_keys();
            w.task_hook = hangs;
            start_with_keys(&mut w, job);
            for _ in 0..10 {
                turn(&mut w, 200);
            }
            let (key, tenant) = orders(&w).first().map(|(_, o)| (o.key, o.key.tenant_id)).unwrap();
            let kind = w.state.jobs[&key.job_id].kind();
            let kind = match kind {
                JobKind::CleanTask => JobKind::Clean,
                JobKind::ValidateTask => JobKind::Validate,
                kind => kind,
            };
            let failure = Failure::new(ErrorClass::Invalid, "enough", "it", "");
            let action = if is_cancelled {
                Action::CancelJob { kind, tenant }
            } else {
                Action::JobFailed { job: key.job_id, failure }
            };
            w.act(action).unwrap();
            let left: Vec<_> = orders(&w).into_iter().filter(|(_, o)| o.key.job_id == key.job_id).collect();
            // What is being deleted is deleted: a cancel of a cleaning takes back only what was not begun.
            let goes_on = is_cancelled && job == Job::Clean;
            assert!(left.is_empty() || goes_on, "{job:?}, {is_cancelled}: {left:?}");
        }
    }
}
