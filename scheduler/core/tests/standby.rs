//! Standby tenants and restore drills, scripted.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod harness;

use harness::{TENANT, World, all_done, report, restore_wish};
use strandline_scheduler_core::state::{Drill, DrillStage, StandbyStage, TenantStatus};
use strandline_scheduler_core::*;
use strandline_types::*;

/// A worker whose follow tasks never end by themselves.
fn follows(world: &World, worker: NodeId, order: &TaskOrder) -> Option<TaskReport> {
    match &order.spec {
        TaskSpec::RestoreLog(spec) if spec.follow => Some(report(order, TaskState::Doing, None, None)),
        _ => all_done(world, worker, order),
    }
}

fn standby_world() -> (World, TenantId) {
    let mut w = World::new(3);
    w.task_hook = follows;
    let Action::StartRestore(mut wish) = restore_wish("s", 3) else { unreachable!() };
    wish.standby = true;
    w.act(Action::StartRestore(wish)).unwrap();
    w.until("the restore", |w| w.state.restore_jobs.values().all(|j| j.stage.is_ended()));
    let tenant = *w.state.standbys.keys().next().unwrap();
    (w, tenant)
}

#[test]
fn a_standby_is_read_only_and_follows_no_further_than_the_archive_of_all_its_streams() {
    let (mut w, tenant) = standby_world();
    assert_eq!(w.state.tenants[&tenant].status, TenantStatus::Standby);
    assert!(orders_for(&w.state, NodeId(1)).replicas.iter().all(|r| r.open && r.read_only));
    let refused = w.act(Action::CreateTable { tenant, name: "x".to_owned(), tablets: 1 }).unwrap_err();
    assert!(refused.what.contains("STANDBY"), "{refused}");
    assert!(w.act(Action::RecoverStandby { tenant, until: Some(Scn(4000)) }).unwrap_err().what.contains("already"));

    w.act(Action::RecoverStandby { tenant, until: Some(Scn(9000)) }).unwrap();
    w.run(2);
    assert!(w.medium.iter().any(|m| matches!(m, MediumWork::Follow(_))), "the archive is looked at");
    let targets = |w: &World| -> Vec<(u64, bool)> {
        let orders = (1..=3).flat_map(|n| orders_for(&w.state, NodeId(n)).tasks);
        let spec =
            |t: TaskOrder| if let TaskSpec::RestoreLog(s) = t.spec { Some((s.target_scn.0, s.follow)) } else { None };
        orders.filter_map(spec).collect()
    };
    assert_eq!(targets(&w), [(5000, true); 2]);
    let source = |reach| Action::StandbySource { tenant, pieces: Vec::new(), reach: Scn(reach) };
    w.act(source(7000)).unwrap();
    assert_eq!(targets(&w), [(7000, true); 2]);
    w.act(source(6000)).unwrap();
    w.act(source(99_000)).unwrap();
    assert_eq!(targets(&w), [(9000, true); 2], "never back, never past UNTIL");
    w.act(Action::StopStandby { tenant }).unwrap();
    assert!(targets(&w).is_empty());
}

#[test]
fn activation_brings_all_streams_to_one_scn_before_it_opens() {
    let (mut w, tenant) = standby_world();
    w.act(Action::RecoverStandby { tenant, until: None }).unwrap();
    w.act(Action::StandbySource { tenant, pieces: Vec::new(), reach: Scn(7000) }).unwrap();
    w.run(1);
    w.task_hook = |_, _, _| None;
    w.act(Action::ActivateStandby { tenant }).unwrap();
    w.run(3);
    assert_eq!(w.state.standbys[&tenant].stage, StandbyStage::Activating);
    assert!(orders_for(&w.state, NodeId(1)).replicas.iter().all(|r| r.read_only), "not before all are there");
    w.task_hook = follows;
    w.until("the end", |w| w.state.standbys.is_empty());
    assert_eq!(w.state.tenants[&tenant].status, TenantStatus::Normal);
    assert!(orders_for(&w.state, NodeId(1)).replicas.iter().all(|r| r.open && !r.read_only));
}

fn drill(w: &World) -> &Drill {
    w.state.drills.values().next_back().unwrap()
}

/// Up to the restore, which the body would have started.
fn drilled(hook: harness::TaskHook) -> World {
    let mut w = World::archiving(3, 3, 3600);
    w.task_hook = hook;
    w.act(Action::StartDrill { tenant: TENANT, last_ms: None }).unwrap();
    assert!(w.act(Action::StartDrill { tenant: TENANT, last_ms: None }).unwrap_err().what.contains("already"));
    for _ in 0..100 {
        if drill(&w).stage == DrillStage::Choose && w.round().checkpoint_scn >= drill(&w).scn {
            break;
        }
        w.write();
        w.beat();
        w.now_ms += 150;
        for step in plan(&w.state, w.now_ms).steps {
            if !step.work.iter().any(|m| matches!(m, MediumWork::Drill(_))) {
                w.act(step.then).unwrap();
            }
        }
    }
    let Action::StartRestore(mut wish) = restore_wish(&drill(&w).tenant_name(), 3) else { unreachable!() };
    let mut user = wish.source.log_streams[1].clone();
    user.ls_id = LsId(1002);
    wish.source.log_streams.push(user);
    w.act(Action::StartRestore(wish)).unwrap();
    assert_eq!(drill(&w).stage, DrillStage::Restore);
    w.until("the end", |w| drill(w).stage.is_ended());
    w
}

#[test]
fn a_drill_compares_the_restored_tenant_with_its_source_and_leaves_only_the_evidence() {
    let w = drilled(all_done);
    assert_eq!(drill(&w).stage, DrillStage::Proven, "{:?}", drill(&w).failure);
    let plan = &w.state.drill_plans[&TENANT];
    assert_eq!(plan.proven_scn, drill(&w).scn);
    assert!(!w.state.tenants.values().any(|t| t.name.starts_with("DRILL_")));
}

#[test]
fn a_drill_that_finds_a_difference_proves_nothing() {
    let w = drilled(|world, worker, order| {
        let mut said = all_done(world, worker, order)?;
        if let (TaskSpec::Fingerprint(spec), Some(TaskResult::Fingerprint(print))) = (&order.spec, &mut said.result)
            && spec.scn == Scn::MIN
            && order.key.ls_id == LsId(1001)
        {
            print.keys += 1;
        }
        Some(said)
    });
    assert_eq!(drill(&w).stage, DrillStage::Failed);
    assert_eq!(drill(&w).failure.as_ref().unwrap().object, "log stream 1001");
    assert_eq!(w.state.drill_plans[&TENANT].proven_scn, Scn::MIN);
    assert!(!w.state.tenants.values().any(|t| t.name.starts_with("DRILL_")));
}

#[test]
fn a_drill_runs_at_the_times_of_its_cron_text_and_once_for_each() {
    let mut w = World::archiving(3, 3, 3600);
    let at = |cron: &str, zone: &str| Action::SetDrillSchedule {
        tenant: TENANT,
        cron: cron.to_owned(),
        time_zone: zone.to_owned(),
    };
    assert!(w.act(at("every day", "UTC")).unwrap_err().what.contains("not a cron text"));
    assert!(w.act(at("0 * * * *", "Nowhere/Land")).unwrap_err().what.contains("time zone"));
    w.act(at("0 * * * *", "Europe/Berlin")).unwrap();
    let due = |w: &World| {
        plan(&w.state, w.now_ms).steps.iter().filter(|s| matches!(s.then, Action::StartDrill { .. })).count()
    };
    assert_eq!(due(&w), 0, "not before its time");
    w.now_ms += 3_600_000 - w.now_ms % 3_600_000 + 1;
    w.beat();
    assert_eq!(due(&w), 1);
    let step =
        plan(&w.state, w.now_ms).steps.into_iter().find(|s| matches!(s.then, Action::StartDrill { .. })).unwrap();
    w.act(step.then.clone()).unwrap();
    assert_eq!(w.act(step.then), Ok(Done::Nothing), "the same turn of another leader");
    w.act(Action::CancelDrill { tenant: TENANT }).unwrap();
    assert_eq!(due(&w), 0, "its time was dealt with");
}
