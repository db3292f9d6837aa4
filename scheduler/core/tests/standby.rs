//! Standby tenants and restore drills, scripted.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod harness;

use harness::{TENANT, World, all_done, report, restore_request};
use strandline_scheduler_core::state::{Drill, DrillStage, JobKind, StandbyStage, TenantStatus};
use strandline_scheduler_core::views::{Value, view};
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
    let Action::StartRestore(mut request) = restore_request("s", 3) else { unreachable!() };
    request.standby = true;
    w.act(Action::StartRestore(request)).unwrap();
    w.until("the restore", |w| w.state.restore_jobs().all(|j| j.stage.is_ended()));
    let tenant = w.state.standbys().next().unwrap().tenant_id;
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
    assert_eq!(targets(&w), [(9000, false); 2], "never back, never past UNTIL; the tasks end there");
    w.act(Action::StopStandby { tenant }).unwrap();
    assert!(targets(&w).is_empty());
}

fn standing(w: &World, tenant: TenantId) -> StandbyStage {
    w.state.standby(tenant).unwrap().stage
}

/// The column of every row of a view.
fn column(w: &World, name: &str, column: &str) -> Vec<String> {
    let table = view(&w.state, w.now_ms, name).unwrap();
    let at = table.columns.iter().position(|c| *c == column).unwrap();
    let text =
        |row: &Vec<Value>| if let Value::Text(text) = &row[at] { text.clone() } else { format!("{:?}", row[at]) };
    table.rows.iter().map(text).collect()
}

fn waits_on(w: &World) -> Vec<String> {
    let waiting = plan(&w.state, w.now_ms).waiting;
    waiting.into_iter().filter(|x| matches!(x.who, Who::Standby(_))).map(|x| x.on.to_string()).collect()
}

#[test]
fn a_standby_that_has_all_up_to_the_end_that_was_asked_for_has_reached_it_and_may_go_on() {
    let (mut w, tenant) = standby_world();
    let source = |reach| Action::StandbySource { tenant, pieces: Vec::new(), reach: Scn(reach) };
    w.act(Action::RecoverStandby { tenant, until: Some(Scn(9000)) }).unwrap();
    w.act(source(7000)).unwrap();
    w.run(3);
    assert_eq!(standing(&w, tenant), StandbyStage::Following);
    let on = waits_on(&w);
    assert!(on.iter().any(|on| on.contains("come to SCN 9000") && on.contains("up to SCN 7000")), "{on:?}");
    // The end may lie between two entries: no position of a log stream has to be there.
    w.act(source(99_000)).unwrap();
    w.until("the end", |w| standing(w, tenant) == StandbyStage::Reached);
    assert_eq!(waits_on(&w), Vec::<String>::new());
    assert_eq!(column(&w, "CDB_OB_LOG_RESTORE_SOURCE", "STATUS"), ["REACHED"]);
    let status = column(&w, "V$OB_LS_LOG_RESTORE_STATUS", "SYNC_STATUS");
    assert!(!status.is_empty() && status.iter().all(|s| s == "REACHED"), "{status:?}");
    assert!(column(&w, "V$OB_LS_LOG_RESTORE_STATUS", "COMMENT").iter().all(|c| c.contains("up to SCN 9000")));
    assert!((1..=3).all(|n| orders_for(&w.state, NodeId(n)).tasks.is_empty()), "nothing is left to do");

    w.act(Action::RecoverStandby { tenant, until: Some(Scn(9500)) }).unwrap();
    assert_eq!(standing(&w, tenant), StandbyStage::Following);
    w.act(source(99_000)).unwrap();
    w.until("the next end", |w| standing(w, tenant) == StandbyStage::Reached);
    w.act(Action::RecoverStandby { tenant, until: None }).unwrap();
    w.act(Action::StopStandby { tenant }).unwrap();
    assert_eq!(standing(&w, tenant), StandbyStage::Stopped);
    w.act(Action::ActivateStandby { tenant }).unwrap();
    w.until("it is open", |w| w.state.standbys().next().is_none());
}

#[test]
fn a_standby_whose_archive_goes_no_further_says_so_since_when_and_goes_on_when_it_does() {
    let (mut w, tenant) = standby_world();
    w.act(Action::RecoverStandby { tenant, until: None }).unwrap();
    w.act(Action::StandbySource { tenant, pieces: Vec::new(), reach: Scn(7000) }).unwrap();
    let ends = |w: &mut World| {
        let what = "the standby comes to SCN 7000 and no further: round 1 was stopped";
        let failure = Failure::new(ErrorClass::NotFound, what, "file:///a", "RESTORE it again").with_code(-4018);
        w.act(Action::MediumFailed { subject: Subject::Standby(tenant), failure }).unwrap();
    };
    ends(&mut w);
    let status = column(&w, "V$OB_LS_LOG_RESTORE_STATUS", "SYNC_STATUS");
    assert!(!status.is_empty() && status.iter().all(|s| s == "SOURCE HAS A GAP"), "{status:?}");
    assert!(column(&w, "V$OB_LS_LOG_RESTORE_STATUS", "COMMENT").iter().all(|c| c.contains("round 1 was stopped")));
    assert!(column(&w, "V$OB_LS_LOG_RESTORE_STATUS", "ERR_CODE").iter().all(|c| c.contains("-4018")));
    let since = |w: &World| w.state.standby(tenant).unwrap().trouble.as_ref().map(|t| t.since_ms);
    let (first, on) = (since(&w), waits_on(&w));
    assert!(on.iter().any(|on| on.contains("round 1 was stopped") && on.contains("RESTORE it again")), "{on:?}");
    w.now_ms += 60_000;
    ends(&mut w);
    assert_eq!(since(&w), first, "it is the same trouble");
    w.act(Action::StandbySource { tenant, pieces: Vec::new(), reach: Scn(8000) }).unwrap();
    w.act(Action::StandbyScanned { tenant }).unwrap();
    assert_eq!(waits_on(&w), Vec::<String>::new());
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
    assert_eq!(w.state.standby(tenant).unwrap().stage, StandbyStage::Activating);
    assert!(orders_for(&w.state, NodeId(1)).replicas.iter().all(|r| r.read_only), "not before all are there");
    w.task_hook = follows;
    w.until("the end", |w| w.state.standbys().next().is_none());
    assert_eq!(w.state.tenants[&tenant].status, TenantStatus::Normal);
    assert!(orders_for(&w.state, NodeId(1)).replicas.iter().all(|r| r.open && !r.read_only));
}

fn drill(w: &World) -> &Drill {
    w.state.drills().next_back().unwrap()
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
    let Action::StartRestore(mut request) = restore_request(&drill(&w).tenant_name(), 3) else { unreachable!() };
    let mut user = request.source.log_streams[1].clone();
    user.ls_id = LsId(1002);
    request.source.log_streams.push(user);
    w.act(Action::StartRestore(request)).unwrap();
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

/// The first looks come when the log stream has passed the SCN already.
fn passed_twice(world: &World, worker: NodeId, order: &TaskOrder) -> Option<TaskReport> {
    let is_source = matches!(&order.spec, TaskSpec::Fingerprint(spec) if spec.scn > Scn::MIN);
    let is_late = is_source && order.key.turn < TurnId(3) && order.key.part.ls_number() == LsId(1001);
    let passed = Failure::new(ErrorClass::Invalid, "the content has changed", "log stream 1001", "");
    if is_late {
        return Some(report(order, TaskState::Failed, Some(passed.with_code(CODE_SCN_PASSED)), None));
    }
    all_done(world, worker, order)
}

#[test]
fn a_drill_whose_scn_has_passed_takes_a_new_one() {
    let w = drilled(passed_twice);
    assert_eq!(drill(&w).stage, DrillStage::Proven, "{:?}", drill(&w).failure);
    assert_eq!(w.state.drill_plans[&TENANT].proven_scn, drill(&w).scn);
    let turns: Vec<TurnId> = w
        .ordered
        .iter()
        .filter(|(_, k)| k.kind == TaskKind::Fingerprint && k.part == Part::Ls(LsId(1)))
        .map(|(_, k)| k.turn)
        .collect();
    assert!(turns.contains(&TurnId(3)), "every stream is looked at again at the new one: {turns:?}");
}

#[test]
fn a_drill_that_never_comes_in_time_says_so() {
    let mut w = World::archiving(3, 3, 3600);
    w.task_hook = |world, worker, order| {
        let early = TaskOrder { key: TaskKey { turn: TurnId(1), ..order.key }, ..order.clone() };
        passed_twice(world, worker, &early).map(|said| TaskReport { key: order.key, ..said })
    };
    w.act(Action::StartDrill { tenant: TENANT, last_ms: None }).unwrap();
    let first = drill(&w).scn;
    w.until("the end", |w| drill(w).stage.is_ended());
    assert_eq!((drill(&w).stage, drill(&w).failure.as_ref().unwrap().code), (DrillStage::Failed, CODE_SCN_PASSED));
    assert!(drill(&w).scn > first);
}

#[test]
fn a_drill_that_finds_a_difference_proves_nothing() {
    let w = drilled(|world, worker, order| {
        let mut said = all_done(world, worker, order)?;
        if let (TaskSpec::Fingerprint(spec), Some(TaskResult::Fingerprint(print))) = (&order.spec, &mut said.result)
            && spec.scn == Scn::MIN
            && order.key.part.ls_number() == LsId(1001)
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
    w.act(Action::CancelJob { kind: JobKind::Drill, tenant: TENANT }).unwrap();
    assert_eq!(due(&w), 0, "its time was dealt with");
}
