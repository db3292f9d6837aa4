//! Restore jobs, scripted.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod harness;

use harness::{World, all_done, report, restore_request, run_of};
use strandline_scheduler_core::state::{JobKind, RestoreJob, TenantStatus};
use strandline_scheduler_core::*;
use strandline_types::*;

fn job(w: &World) -> &RestoreJob {
    w.state.restore_jobs().next_back().unwrap()
}

fn stage(w: &World) -> RestoreStage {
    job(w).stage
}

#[test]
fn a_restore_runs_through_its_stages_and_opens_the_tenant() {
    let mut w = World::new(3);
    assert_eq!(w.act(restore_request("r", 3)), Ok(Done::RestoreJob(JobId(1))));
    let tenant = job(&w).tenant_id;
    assert_eq!(w.state.tenants[&tenant].status, TenantStatus::Restoring);
    assert!(orders_for(&w.state, NodeId(1)).replicas.iter().all(|r| !r.open && r.keep_alive_scn == Scn::MIN));
    w.until("the end", |w| stage(w).is_ended());
    assert_eq!(stage(&w), RestoreStage::Success);
    let t = &w.state.tenants[&tenant];
    assert_eq!((t.status, t.dictionary_version), (TenantStatus::Normal, 4));
    assert_eq!(t.tables[&TableId(500_009)].name, "kv");
    assert!(t.next.table > TableId(500_009) && t.next.tablet > TabletId(200_007), "new ids never meet restored ones");
    let orders = orders_for(&w.state, NodeId(1));
    assert!(orders.tasks.is_empty() && orders.replicas.iter().all(|r| r.open && r.restore.is_none()));
    w.run(2);
    let made = w.act(Action::CreateTable { tenant, name: "more".to_owned(), tablets: 2 });
    assert_eq!(made, Ok(Done::Table(TableId(500_010))));
}

#[test]
fn no_group_starts_before_every_replica_has_its_data() {
    let mut w = World::new(3);
    w.task_hook = |world, worker, order| {
        if worker == NodeId(2) { None } else { all_done(world, worker, order) }
    };
    w.act(restore_request("r", 3)).unwrap();
    w.run(5);
    assert_eq!(stage(&w), RestoreStage::RestoreData);
    let restore = |w: &World, n| orders_for(&w.state, NodeId(n)).replicas[0].restore.unwrap();
    assert!((1..=3).all(|n| !restore(&w, n).start));
    w.task_hook = |world, worker, order| {
        if order.key.kind == TaskKind::RestoreLog { None } else { all_done(world, worker, order) }
    };
    w.until("replay", |w| stage(w) == RestoreStage::ReplayLog);
    assert!((1..=3).all(|n| restore(&w, n).start));
}

#[test]
fn the_replica_of_a_lost_worker_moves_to_another() {
    let mut w = World::new(4);
    w.task_hook = |world, worker, order| {
        if worker == NodeId(2) { None } else { all_done(world, worker, order) }
    };
    w.act(restore_request("r", 3)).unwrap();
    w.run(3);
    w.kill(NodeId(2));
    w.until("the end", |w| stage(w).is_ended());
    assert_eq!(stage(&w), RestoreStage::Success);
    let t = &w.state.tenants[&job(&w).tenant_id];
    assert!(t.log_streams.values().all(|ls| !ls.members.contains(&NodeId(2)) && ls.members.len() == 3));
}

#[test]
fn replay_follows_the_leader_under_a_new_retry() {
    let mut w = World::new(3);
    w.task_hook = |world, worker, order| {
        if order.key.kind == TaskKind::RestoreLog {
            return Some(report(order, TaskState::Doing, None, None));
        }
        all_done(world, worker, order)
    };
    w.act(restore_request("r", 3)).unwrap();
    w.until("replay", |w| job(w).log_tasks().any(|(_, r)| r.status == LsTaskStatus::Doing));
    let old = run_of(job(&w).log_tasks(), 1001).executor.unwrap();
    w.kill(old);
    w.until("the new leader", |w| run_of(job(w).log_tasks(), 1001).executor.is_some_and(|e| e != old));
    assert!(run_of(job(&w).log_tasks(), 1001).retry >= RetryId(1));
    w.task_hook = all_done;
    w.until("the end", |w| stage(w).is_ended());
    assert_eq!(stage(&w), RestoreStage::Success);
}

#[test]
fn a_damaged_block_fails_the_job_and_drops_the_half_built_tenant() {
    let mut w = World::new(3);
    w.task_hook = |_, _, order| {
        let failure = Failure::new(ErrorClass::Corrupt, "checksum", "macro_block_data.0", "restore an older set");
        Some(report(order, TaskState::Failed, Some(failure), None))
    };
    w.act(restore_request("r", 3)).unwrap();
    let tenant = job(&w).tenant_id;
    w.run(6);
    assert_eq!(stage(&w), RestoreStage::Failed);
    assert_eq!(job(&w).failure.as_ref().unwrap().object, "worker 1: macro_block_data.0");
    assert!(!w.state.tenants.contains_key(&tenant), "its replicas are gone, so it is");
    let rows = views::view(&w.state, w.now_ms, "CDB_OB_RESTORE_HISTORY").unwrap().rows;
    assert!(format!("{rows:?}").contains("macro_block_data.0"));
}

#[test]
fn cancel_drops_the_half_built_tenant_and_frees_its_name() {
    let mut w = World::new(3);
    w.task_hook = |_, _, _| None;
    w.act(restore_request("r", 3)).unwrap();
    w.run(2);
    let again = w.act(restore_request("R", 3)).unwrap_err();
    assert!(again.what.contains("OB_RESTORE_IN_PROGRESS"), "{again}");
    w.act(Action::CancelJob { kind: JobKind::Restore, tenant: job(&w).tenant_id }).unwrap();
    assert!(orders_for(&w.state, NodeId(1)).replicas.is_empty());
    w.run(3);
    assert!(w.act(restore_request("r", 3)).is_ok());
}

#[test]
fn a_restore_that_cannot_be_is_refused() {
    let mut w = World::with_tenant(2, 1);
    assert!(w.act(restore_request("t", 1)).unwrap_err().what.contains("exists"));
    assert!(w.act(restore_request("r", 6)).unwrap_err().todo.contains("1 to 5"));
    assert_eq!(w.act(restore_request("r", 3)).unwrap_err().class, ErrorClass::Exhausted);
    let Action::StartRestore(mut request) = restore_request("r", 1) else { unreachable!() };
    request.source.log_streams.remove(0);
    assert_eq!(w.act(Action::StartRestore(request)).unwrap_err().class, ErrorClass::Corrupt);
    assert!(w.state.restore_jobs().next().is_none(), "a refusal leaves nothing behind");
}

#[test]
fn a_name_is_taken_once_and_free_again_soon_after_its_restore_was_cancelled() {
    let mut w = World::with_tenant(3, 1);
    let running = |w: &World| w.state.tenants.values().find(|t| t.name == "r").map(|t| t.id);
    let refused = |w: &mut World, action: Action| {
        let before = w.state.tenants.clone();
        let failure = w.act(action).unwrap_err();
        assert_eq!(w.state.tenants, before, "a refusal leaves nothing half-visible");
        failure
    };
    let exists = refused(&mut w, restore_request("T", 1));
    assert!(exists.what.contains("exists"), "{exists}");
    let too_few = refused(&mut w, restore_request("r", 4));
    assert!(too_few.what.contains("4 live workers, there are 3"), "{too_few}");

    w.task_hook = |_, _, order| Some(report(order, TaskState::Doing, None, None));
    w.act(restore_request("r", 1)).unwrap();
    w.run(3);
    assert!(
        refused(&mut w, restore_request("R", 1)).what.contains("a restore is in progress"),
        "one of a name at a time"
    );
    let create = Action::CreateTenant { name: "R".to_owned(), log_streams: 1, replicas: 1 };
    assert!(refused(&mut w, create).what.contains("exists"));
    let tenant = running(&w).unwrap();
    let drop = refused(&mut w, Action::DropTenant { tenant });
    assert!(drop.todo.contains("CANCEL RESTORE r"), "{drop}");

    // A worker that is gone holds up neither the cancellation nor the name.
    w.alive.remove(&NodeId(3));
    w.act(Action::CancelJob { kind: JobKind::Restore, tenant }).unwrap();
    let going = refused(&mut w, restore_request("r", 1));
    assert!(going.class == ErrorClass::Transient && going.what.contains("still being dropped"), "{going}");
    w.task_hook = harness::all_done;
    w.until("the name", |w| running(w).is_none());
    w.act(restore_request("r", 1)).unwrap();
    w.until("the second one", |w| w.state.restore_jobs().all(|j| j.stage.is_ended()));
    assert_eq!(w.state.restore_jobs().next_back().unwrap().stage, RestoreStage::Success);
}
