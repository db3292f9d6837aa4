//! The task runner: identities, outcomes, cancelling.

#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs)]

mod support;

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};
use strandline_engine_api::LogBase;
use strandline_media::{Fault, FaultPlan, FaultRule, Faulty, Medium, MemoryMedium};
use strandline_proto::v1;
use strandline_proto::v1::task_order::Spec;
use strandline_types::limits::WORKER_TASKS_MAX;
use strandline_types::{ErrorClass, Failure, NodeId};
use strandline_worker::task_runner::TaskRunner;
use support::{FakeEngine, FakeTarget};
use tokio::sync::Notify;

const ME: NodeId = NodeId(101);

fn runner(scratch: &Path) -> (TaskRunner, Arc<FakeEngine>) {
    let engine = Arc::new(FakeEngine::default());
    let open = Arc::new(|uri: &str, _: &str, _| match uri.strip_prefix("mem://") {
        Some(name) => Ok(MemoryMedium::named(name) as Arc<dyn strandline_media::Medium>),
        None => Err(Failure::new(ErrorClass::Invalid, "not a destination", uri, "")),
    });
    let source = Arc::clone(&engine) as Arc<dyn strandline_engine_api::Engine>;
    (TaskRunner::new(ME, source, open, scratch.to_owned(), Arc::new(Notify::new())), engine)
}

fn id(kind: v1::TaskKind, ls: u64, retry: u32) -> v1::TaskId {
    v1::TaskId { job_id: 7, tenant_id: support::RESTORED.0, ls_id: ls, kind: kind.into(), turn: 1, retry }
}

/// Fails at once: there is no such set.
fn failing(retry: u32) -> v1::TaskOrder {
    let spec = v1::BackupIndexSpec {
        dest_uri: "mem://tasks".into(),
        backup_set_id: 1,
        incremental: false,
        parts: vec![v1::LsTurn { ls_id: 1001, turn: 1, retry: 0 }],
        ..Default::default()
    };
    v1::TaskOrder { id: Some(id(v1::TaskKind::BackupIndex, 0, retry)), spec: Some(Spec::BackupIndex(spec)) }
}

async fn until_ended(runner: &TaskRunner) -> Vec<v1::TaskReport> {
    let deadline = Instant::now() + Duration::from_secs(10);
    loop {
        let reports = runner.reports(1);
        if reports.iter().all(|r| r.state() != v1::TaskState::Doing) {
            return reports;
        }
        assert!(Instant::now() < deadline, "{reports:#?}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

#[tokio::test]
async fn a_task_runs_once_under_its_identity_and_keeps_its_end_until_it_is_no_longer_ordered() {
    let dir = tempfile::tempdir().unwrap();
    let (runner, _) = runner(&dir.path().join("scratch"));
    runner.reconcile(vec![failing(0)]);
    let first = until_ended(&runner).await;
    assert_eq!((first[0].state(), first[0].executor), (v1::TaskState::Failed, 101));
    assert!(!first[0].failure.as_ref().unwrap().object.is_empty());
    runner.reconcile(vec![failing(0)]);
    assert_eq!(runner.reports(1), first, "it is not begun again");
    runner.reconcile(vec![failing(1)]);
    assert_eq!(until_ended(&runner).await[0].id.unwrap().retry, 1, "a new retry is a new task");
    runner.reconcile(Vec::new());
    assert!(runner.reports(1).is_empty());
    assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 0, "no scratch files stay");
}

#[tokio::test]
async fn an_order_that_this_worker_does_not_know_fails_instead_of_hanging() {
    let dir = tempfile::tempdir().unwrap();
    let (runner, _) = runner(&dir.path().join("scratch"));
    runner.reconcile(vec![v1::TaskOrder { spec: None, ..failing(0) }]);
    let failure = until_ended(&runner).await.remove(0).failure.unwrap();
    assert!(failure.todo.contains("upgrade"), "{failure:?}");
}

#[tokio::test]
async fn more_tasks_than_there_is_room_for_all_come_to_an_end() {
    let dir = tempfile::tempdir().unwrap();
    let (runner, engine) = runner(&dir.path().join("scratch"));
    let many = 3 * WORKER_TASKS_MAX as u64;
    let orders = (0..many).map(|ls| {
        let target = FakeTarget::new(&dir.path().join(format!("target{ls}")), LogBase::default());
        engine.targets.lock().unwrap().insert((support::RESTORED, strandline_types::LsId(ls)), target);
        let spec = v1::RestoreDataSpec { data_uri: "nowhere".into(), source_ls_id: ls, ..Default::default() };
        let id = Some(id(v1::TaskKind::RestoreData, ls, 0));
        v1::TaskOrder { id, spec: Some(Spec::RestoreData(spec)) }
    });
    runner.reconcile(orders.collect());
    let ended = until_ended(&runner).await;
    assert_eq!(ended.len() as u64, many);
    assert!(ended.iter().all(|r| r.state() == v1::TaskState::Failed), "the destination is not one");
    runner.shutdown().await;
    assert!(runner.reports(1).is_empty());
}

/// Orders of every kind of task that needs nothing but its destination to begin.
fn of_every_kind(uri: &str) -> Vec<v1::TaskOrder> {
    let (dest_uri, data_uri) = (uri.to_owned(), uri.to_owned());
    let part = v1::LsTurn { ls_id: 1001, turn: 1, retry: 0 };
    let index = v1::BackupIndexSpec { dest_uri, backup_set_id: 1, parts: vec![part], ..Default::default() };
    let restore = v1::RestoreDataSpec { data_uri, backup_set_id: 1, source_ls_id: 1001, ..Default::default() };
    let validate =
        v1::ValidateSpec { uri: uri.to_owned(), backup_set_id: 1, source_ls_id: 1001, level: 1, ..Default::default() };
    let clean =
        v1::CleanSpec { uri: uri.to_owned(), directories: vec!["backup_set_1_full".into()], ..Default::default() };
    let specs = [
        (v1::TaskKind::BackupIndex, Spec::BackupIndex(index)),
        (v1::TaskKind::RestoreData, Spec::RestoreData(restore)),
        (v1::TaskKind::Validate, Spec::Validate(validate)),
        (v1::TaskKind::Clean, Spec::Clean(clean)),
    ];
    let order = |(kind, spec)| v1::TaskOrder { id: Some(id(kind, 1001, 0)), spec: Some(spec) };
    specs.into_iter().map(order).collect()
}

/// Waits until every task says that it waits; gives what each says.
async fn until_all_wait(runner: &TaskRunner) -> Vec<(v1::TaskId, v1::Failure)> {
    let deadline = Instant::now() + Duration::from_secs(30);
    loop {
        let reports = runner.reports(1_000_000);
        let waits = |r: &v1::TaskReport| Some((r.id?, r.waiting.clone()?.trouble?));
        let report: Vec<_> = reports.iter().filter_map(waits).collect();
        if report.len() == reports.len() {
            let is_silent =
                |r: &v1::TaskReport| !r.answered && r.waiting.as_ref().is_some_and(|w| w.since_ms < 1_000_000);
            assert!(reports.iter().all(is_silent), "{reports:#?}");
            return report;
        }
        assert!(Instant::now() < deadline, "{reports:#?}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

#[tokio::test]
async fn tasks_of_every_kind_say_that_their_destination_does_not_answer_and_those_without_a_turn_that_they_wait_for_it()
{
    let dir = tempfile::tempdir().unwrap();
    let (plan, engine) = (FaultPlan::new(1), Arc::new(FakeEngine::default()));
    plan.add(FaultRule { op: None, path_part: String::new(), skip: 0, times: u32::MAX, fault: Fault::Hang });
    let hanging = plan.clone();
    let open = Arc::new(move |_: &str, _: &str, _| {
        Ok(Arc::new(Faulty::new(MemoryMedium::named("silent"), hanging.clone())) as Arc<dyn Medium>)
    });
    let target = FakeTarget::new(&dir.path().join("target"), LogBase::default());
    engine.targets.lock().unwrap().insert((support::RESTORED, strandline_types::LsId(1001)), target);
    let runner = TaskRunner::new(ME, engine, open, dir.path().join("scratch"), Arc::new(Notify::new()));
    let kinds = of_every_kind("mem://silent");
    runner.reconcile(kinds.clone());
    for (id, trouble) in until_all_wait(&runner).await {
        let text = format!("{trouble:?}");
        assert!(text.contains("does not answer") && text.contains("mem://silent"), "{:?}: {text}", id.kind());
    }
    // More of them than run at once.
    let again = |retry: u32| {
        kinds
            .iter()
            .map(move |order| v1::TaskOrder { id: order.id.map(|id| v1::TaskId { retry, ..id }), ..order.clone() })
    };
    runner.reconcile((0..=WORKER_TASKS_MAX as u32 / 4).flat_map(again).collect());
    let report = until_all_wait(&runner).await;
    let without_turn = report.iter().filter(|(_, trouble)| trouble.object == "its turn").count();
    assert_eq!(without_turn, report.len() - WORKER_TASKS_MAX);

    plan.heal();
    let ended = until_ended(&runner).await;
    assert!(ended.iter().all(|r| r.waiting.is_none()), "{ended:#?}");
    runner.shutdown().await;
}
