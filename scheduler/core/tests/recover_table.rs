//! Table recovery jobs, scripted.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod harness;

use harness::{TENANT, World, all_done, report, restore_request, run_of};
use strandline_scheduler_core::state::{JobKind, RecoverStage, RecoverTableJob, RecoveredTable, Tablet};
use strandline_scheduler_core::*;
use strandline_types::*;

/// Tables `a` (as `a2`) and `b` of a source with log streams 1001 and 1002.
fn request() -> StartRecoverTable {
    let Action::StartRestore(restore) = restore_request("x", 1) else { unreachable!() };
    let mut source = restore.source;
    let mut second = source.log_streams[1].clone();
    second.ls_id = LsId(1002);
    source.log_streams.push(second);
    let tablet = |id, ls| Tablet { id: TabletId(id), ls_id: LsId(ls) };
    let table = |source_name: &str, target_name: &str, tablets| RecoveredTable {
        source_name: source_name.to_owned(),
        target_name: target_name.to_owned(),
        tablets,
        table_id: TableId(0),
    };
    StartRecoverTable {
        tenant: TENANT,
        target_scn: Scn(5000),
        source,
        all: false,
        tables: vec![table("a", "a2", vec![tablet(7, 1001), tablet(8, 1002)]), table("b", "b", vec![tablet(9, 1001)])],
        description: "why".to_owned(),
    }
}

fn start(w: &mut World) -> Outcome {
    w.act(Action::StartRecoverTable(Box::new(request())))
}

fn job(w: &World) -> &RecoverTableJob {
    w.state.recover_jobs().next_back().unwrap()
}

/// Tables of the tenant that users see.
fn names(w: &World) -> Vec<String> {
    let shown = views::view(&w.state, w.now_ms, "CDB_OB_TABLES").unwrap();
    shown.rows.iter().map(|r| if let views::Value::Text(t) = &r[2] { t.clone() } else { unreachable!() }).collect()
}

/// A worker whose recoveries are under way and never end.
fn never_ends(world: &World, worker: NodeId, order: &TaskOrder) -> Option<TaskReport> {
    match order.spec {
        TaskSpec::RecoverTable(_) => Some(report(order, TaskState::Doing, None, None)),
        _ => all_done(world, worker, order),
    }
}

fn specs(w: &World) -> Vec<RecoverTableSpec> {
    let orders = (1..=3).flat_map(|n| orders_for(&w.state, NodeId(n)).tasks);
    let spec = |t: TaskOrder| if let TaskSpec::RecoverTable(s) = t.spec { Some(*s) } else { None };
    let mut specs: Vec<_> = orders.filter_map(spec).collect();
    specs.sort_by_key(|s| s.source_ls_id);
    specs
}

#[test]
fn each_log_stream_is_asked_for_its_own_tablets_alone_and_names_come_at_the_end() {
    let mut w = World::with_tenant(3, 3);
    w.task_hook = never_ends;
    start(&mut w).unwrap();
    assert_eq!(job(&w).stage, RecoverStage::Prepare);
    w.until("the tasks", |w| specs(w).len() == 2);
    let of = |s: &RecoverTableSpec| -> Vec<(u64, String)> {
        s.tablets.iter().map(|t| (t.source_tablet_id.0, t.target_table.clone())).collect()
    };
    let specs = specs(&w);
    let id = job(&w).id;
    let (a, b) = (format!("a2${id}"), format!("b${id}"));
    assert_eq!(of(&specs[0]), [(7, a.clone()), (9, b)]);
    assert_eq!(of(&specs[1]), [(8, a)]);
    assert!(specs.iter().all(|s| s.log.target_scn == Scn(5000) && !s.log.follow && s.target_tenant_id == TENANT));
    assert!(specs.iter().all(|s| s.source_ls_id == s.data.source_ls_id && s.source_ls_id == s.log.source_ls_id));
    assert!(names(&w).is_empty(), "half a table is nobody's");
    let refused = w.act(Action::CreateTable { tenant: TENANT, name: "A2".to_owned(), tablets: 1 }).unwrap_err();
    assert!(refused.what.contains("exists"), "a promised name is taken: {refused}");

    w.task_hook = all_done;
    w.until("the end", |w| job(w).stage.is_ended());
    assert_eq!((job(&w).stage, names(&w)), (RecoverStage::Completed, vec!["a2".to_owned(), "b".to_owned()]));
    assert_eq!(w.state.tenants[&TENANT].tables.values().map(|t| t.tablets.len()).collect::<Vec<_>>(), [2, 1]);
    let shown = views::view(&w.state, w.now_ms, "CDB_OB_RECOVER_TABLE_JOB_HISTORY").unwrap();
    let text = format!("{:?}", shown.rows);
    assert!(text.contains("COMPLETED") && text.contains("a:a2,b:b") && text.contains("backup_set_1_full"), "{text}");
    assert!(start(&mut w).unwrap_err().what.contains("exists in tenant t"));
}

#[test]
fn a_cancelled_or_failed_recovery_leaves_no_table() {
    let mut w = World::with_tenant(3, 3);
    w.task_hook = never_ends;
    start(&mut w).unwrap();
    assert!(start(&mut w).unwrap_err().what.contains("already"), "one at a time");
    let refused = w.act(Action::DropTenant { tenant: TENANT }).unwrap_err();
    assert!(refused.todo.contains("CANCEL RECOVER TABLE"), "{refused}");
    w.until("the tasks", |w| specs(w).len() == 2);
    w.act(Action::CancelJob { kind: JobKind::RecoverTable, tenant: TENANT }).unwrap();
    let ended = (job(&w).stage, job(&w).failure.as_ref().unwrap().code);
    assert_eq!(ended, (RecoverStage::Canceled, -4072), "as every other job that is cancelled");
    assert!(specs(&w).is_empty() && w.state.tenants[&TENANT].tables.is_empty());
    assert!(
        w.act(Action::CancelJob { kind: JobKind::RecoverTable, tenant: TENANT })
            .unwrap_err()
            .what
            .contains("no table recovery")
    );

    w.task_hook = |world, worker, order| match order.spec {
        TaskSpec::RecoverTable(_) => {
            let failure = Failure::new(ErrorClass::Corrupt, "rotten", "a block", "use another set");
            Some(report(order, TaskState::Failed, Some(failure), None))
        }
        _ => all_done(world, worker, order),
    };
    start(&mut w).unwrap();
    w.until("the end", |w| job(w).stage.is_ended());
    assert_eq!(job(&w).stage, RecoverStage::Failed);
    assert!(job(&w).failure.as_ref().unwrap().what.contains("rotten"), "every worker has tried");
    assert!(w.state.tenants[&TENANT].tables.is_empty());
}

#[test]
fn a_worker_that_dies_in_a_recovery_is_replaced() {
    let mut w = World::with_tenant(3, 3);
    w.task_hook = never_ends;
    start(&mut w).unwrap();
    w.until("the tasks", |w| specs(w).len() == 2);
    let victim = run_of(job(&w).tasks(), 1002).executor.unwrap();
    w.kill(victim);
    w.until("another executor", |w| run_of(job(w).tasks(), 1002).executor.is_some_and(|e| e != victim));
    assert!(run_of(job(&w).tasks(), 1002).retry > RetryId(0), "under another name");
    w.task_hook = all_done;
    w.until("the end", |w| job(w).stage == RecoverStage::Completed);
}

#[test]
fn what_cannot_be_recovered_is_refused_before_anything_is_made() {
    let mut w = World::with_tenant(3, 3);
    let refused = |w: &mut World, change: fn(&mut StartRecoverTable)| {
        let mut request = request();
        change(&mut request);
        let failure = w.act(Action::StartRecoverTable(Box::new(request))).unwrap_err();
        assert!(w.state.recover_jobs().next().is_none() && w.state.tenants[&TENANT].tables.is_empty());
        failure.to_string()
    };
    assert!(refused(&mut w, |s| s.tenant = TenantId(99)).contains("no such tenant"));
    assert!(refused(&mut w, |s| s.tables[1].target_name = "A2".to_owned()).contains("exists"), "twice in one job");
    assert!(refused(&mut w, |s| s.tables[1].target_name = "x$1".to_owned()).contains("not a name"));
    assert!(refused(&mut w, |s| s.tables[0].tablets.clear()).contains("TABLETS"));
    assert!(refused(&mut w, |s| s.source.log_streams.truncate(2)).contains("log stream 1002"));
}
