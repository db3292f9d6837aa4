//! Every stage of a restore and of a table recovery, and everything that may come.

use crate::harness;
use crate::harness::jobs::{Job, start, world};
use crate::harness::table::failure;
use crate::harness::{TENANT, World, restored_dictionary};
use RestoreStage::{CreateTenant, Failed, PostCheck, ReplayLog, RestoreData, StartLogStreams, Success};
use strandline_scheduler_core::state::{JobKind, RecoverStage, RecoverTableJob, RestoreJob, Stage, TenantStatus};
use strandline_scheduler_core::*;
use strandline_types::*;

const OPEN: [RestoreStage; 5] = [CreateTenant, RestoreData, StartLogStreams, ReplayLog, PostCheck];

fn job(w: &World) -> &RestoreJob {
    w.state.restore_jobs().next_back().unwrap()
}

fn is_ripe(w: &World) -> bool {
    let job = job(w);
    match job.stage {
        RestoreData => job.runs.have_finished(TaskKind::RestoreData),
        StartLogStreams => w.state.tenants[&job.tenant_id].log_streams.values().all(|ls| ls.started),
        ReplayLog => job.runs.have_finished(TaskKind::RestoreLog),
        PostCheck => job.dictionary.is_some(),
        _ => true,
    }
}

/// A restore on two of three workers that stands in a stage.
fn stands(stage: RestoreStage, ripe: bool) -> World {
    let mut w = World::new(3);
    let Action::StartRestore(mut request) = harness::restore_request("r", 2) else { unreachable!() };
    request.source.data.access = Access::new("access_id=me&access_key=very-secret");
    w.act(Action::StartRestore(request)).unwrap();
    w.leaderless = stage == StartLogStreams && !ripe;
    if stage == PostCheck && !ripe {
        w.told = None;
    }
    w.stop_when("the stage", |w| job(w).stage == stage && (is_ripe(w) || !ripe));
    assert_eq!((job(&w).stage, is_ripe(&w)), (stage, ripe));
    w
}

#[test]
fn a_restore_goes_from_stage_to_stage_in_order_and_only_with_what_the_next_one_needs() {
    let row = |at, ripe, may: &[RestoreStage]| {
        let w = stands(at, ripe);
        let may: Vec<Stage> = may.iter().copied().map(Stage::Restore).collect();
        w.advances_only(job(&w).id, Stage::Restore(at), &may);
    };
    row(CreateTenant, true, &[RestoreData]);
    row(RestoreData, false, &[]);
    row(RestoreData, true, &[StartLogStreams]);
    row(StartLogStreams, false, &[]);
    row(StartLogStreams, true, &[ReplayLog]);
    row(ReplayLog, false, &[]);
    row(ReplayLog, true, &[PostCheck]);
    row(PostCheck, false, &[]);
    row(PostCheck, true, &[Success]);
    row(Success, true, &[]);
}

#[test]
fn a_restore_that_ends_early_in_any_stage_drops_what_it_built_and_forgets_its_keys() {
    for at in OPEN {
        let w = stands(at, at == CreateTenant);
        let (id, tenant) = (job(&w).id, job(&w).tenant_id);
        assert!(!job(&w).source.data.access.is_empty());
        let canceled = Action::CancelJob { kind: JobKind::Restore, tenant };
        let failed = Action::JobFailed { job: id, failure: failure(ErrorClass::Exhausted) };
        for (end, answer) in [(canceled.clone(), Done::RestoreJob(id)), (failed.clone(), Done::Ok)] {
            let mut w = w.clone();
            assert_eq!(w.act(end.clone()), Ok(answer), "{at}");
            assert_eq!((job(&w).stage, w.state.tenants[&tenant].status), (Failed, TenantStatus::Dropping), "{at}");
            assert!(job(&w).failure.is_some() && job(&w).source.data.access.is_empty(), "{at}");
            assert!((1..=3).all(|n| orders_for(&w.state, NodeId(n)).tasks.is_empty()), "{at}: all are called off");
            assert_eq!(w.is_refused(canceled.clone()).class, ErrorClass::NotFound);
            w.is_void(failed.clone());
            w.advances_only(id, Stage::Restore(Failed), &[]);
        }
    }
    let mut w = stands(Success, true);
    assert!(job(&w).source.data.access.is_empty(), "a restore that ended well keeps no key either");
    w.is_void(Action::JobFailed { job: job(&w).id, failure: failure(ErrorClass::Exhausted) });
    let tenant = job(&w).tenant_id;
    assert_eq!(w.is_refused(Action::CancelJob { kind: JobKind::Restore, tenant }).class, ErrorClass::NotFound);
    assert_eq!(w.state.tenants[&tenant].status, TenantStatus::Normal);
}

#[test]
fn a_restore_is_closed_by_nobody_and_has_no_work_on_the_medium_that_could_fail() {
    for at in OPEN.into_iter().chain([Success]) {
        let mut w = stands(at, at == CreateTenant || at == Success);
        let id = job(&w).id;
        w.is_void(Action::CloseJob { job: id });
        w.is_void(Action::BackupLeft { job: id });
        w.is_void(Action::NextTurn { job: id, turn: TurnId(1) });
        for subject in [Subject::Backup(id), Subject::Clean(id), Subject::Drill(id)] {
            let before = w.state.clone();
            let action = Action::MediumFailed { subject, failure: failure(ErrorClass::Corrupt) };
            assert!(w.act(action.clone()).is_ok());
            w.is_untouched_since(before, &action);
        }
    }
}

#[test]
fn a_replica_moves_to_a_worker_that_has_none_while_data_is_restored_and_never_later() {
    let ls = LsId::SYS;
    let members = |w: &World| w.state.tenants[&job(w).tenant_id].log_streams[&ls].members.clone();
    for at in OPEN {
        let mut w = stands(at, at == CreateTenant);
        let from = members(&w)[0];
        let to = (1..=3).map(NodeId).find(|n| !members(&w).contains(n)).unwrap();
        let move_it = |job, ls, from, to| Action::MoveReplica { job, ls, from, to };
        let id = job(&w).id;
        if at != RestoreData {
            w.is_void(move_it(id, ls, from, to));
            continue;
        }
        let void = [
            (JobId(id.0 + 1), ls, from, to),
            (id, LsId(1009), from, to),
            (id, ls, to, from),
            (id, ls, from, from),
            (id, ls, from, members(&w)[1]),
        ];
        for (job, ls, from, to) in void {
            w.is_void(move_it(job, ls, from, to));
        }
        let (old, _) = w.attempts(id).into_iter().find(|(k, _)| k.part == Part::Replica(ls, from)).unwrap();
        w.does_once(move_it(id, ls, from, to));
        assert!(members(&w).contains(&to) && !members(&w).contains(&from));
        w.is_void(Action::AssignTask { key: old, executor: from });
        let (new, _) = w.attempts(id).into_iter().find(|(k, _)| k.part == Part::Replica(ls, to)).unwrap();
        assert_eq!(new.retry, old.retry.next(), "who had it writes under another name");
    }
}

#[test]
fn the_dictionary_is_taken_from_the_leader_of_log_stream_one_that_has_replayed_all_and_from_nobody_else() {
    let stands = stands(PostCheck, false);
    let tenant = job(&stands).tenant_id;
    let sys = stands.state.tenants[&tenant].log_streams[&LsId::SYS].clone();
    let (leader, other) = (sys.leader.unwrap(), *sys.members.iter().find(|m| Some(**m) != sys.leader).unwrap());
    let told = |worker, ls_id, is_leader, replayed_scn| {
        let mut w = stands.clone();
        let mut report = w.says(worker, Vec::new());
        report.replicas.push(ReplicaReport {
            tenant_id: tenant,
            ls_id,
            is_leader,
            term: sys.term,
            leader: Some(leader),
            end_lsn: sys.end_lsn,
            max_scn: sys.max_scn,
            log_start_lsn: Lsn::ZERO,
            dictionary_version: 0,
            tablets_version: 0,
            restored_dictionary: Some(restored_dictionary()),
            replayed_scn,
            standing: Default::default(),
        });
        w.hear(report);
        job(&w).dictionary.is_some()
    };
    let target = job(&stands).target_scn;
    assert!(told(leader, LsId::SYS, true, target));
    assert!(!told(leader, LsId::SYS, true, Scn(target.0 - 1)), "it may still be behind");
    assert!(!told(leader, LsId::SYS, false, target));
    assert!(!told(leader, LsId(1001), true, target));
    assert!(!told(other, LsId::SYS, false, target));
}

fn recovery(w: &World) -> &RecoverTableJob {
    w.state.recover_jobs().next_back().unwrap()
}

/// A table recovery that stands in a stage.
fn recovers(stage: RecoverStage, ripe: bool) -> World {
    let mut w = world();
    start(&mut w, Job::RecoverTable).unwrap();
    let is_ripe = |w: &World| match recovery(w).stage {
        RecoverStage::Prepare => {
            let sys = &w.state.tenants[&TENANT].log_streams[&LsId::SYS];
            sys.dictionary_version >= recovery(w).dictionary_version
        }
        RecoverStage::Importing => recovery(w).runs.have_finished(TaskKind::RecoverTable),
        _ => true,
    };
    w.stop_when("the stage", |w| recovery(w).stage == stage && (is_ripe(w) || !ripe));
    assert_eq!((recovery(&w).stage, is_ripe(&w)), (stage, ripe));
    w
}

fn tables(w: &World) -> Vec<&str> {
    w.state.tenants[&TENANT].tables.values().map(|t| t.name.as_str()).collect()
}

#[test]
fn a_table_recovery_goes_on_when_the_tenant_knows_its_tables_and_ends_when_all_is_written() {
    let row = |at, ripe, may: &[RecoverStage]| {
        let w = recovers(at, ripe);
        let may: Vec<Stage> = may.iter().copied().map(Stage::RecoverTable).collect();
        w.advances_only(recovery(&w).id, Stage::RecoverTable(at), &may);
    };
    row(RecoverStage::Prepare, false, &[]);
    row(RecoverStage::Prepare, true, &[RecoverStage::Importing]);
    row(RecoverStage::Importing, false, &[]);
    row(RecoverStage::Importing, true, &[RecoverStage::Completed]);
    row(RecoverStage::Completed, true, &[]);
}

#[test]
fn a_table_recovery_that_ends_early_takes_its_tables_away_and_a_name_is_promised_until_then() {
    for (at, ripe) in
        [(RecoverStage::Prepare, false), (RecoverStage::Importing, false), (RecoverStage::Importing, true)]
    {
        let mut w = recovers(at, ripe);
        let id = recovery(&w).id;
        assert_eq!(tables(&w), [RecoverTableJob::hidden_name(id, "a2")], "{at}");
        w.is_refused(Action::CreateTable { tenant: TENANT, name: "A2".to_owned(), tablets: 1 });
        w.is_refused(Action::DropTable { tenant: TENANT, name: "a2".to_owned() });
        assert!(w.is_refused(Action::DropTenant { tenant: TENANT }).what.contains("dropped"));
        let canceled = Action::CancelJob { kind: JobKind::RecoverTable, tenant: TENANT };
        let failed = Action::JobFailed { job: id, failure: failure(ErrorClass::Corrupt) };
        let ends = [
            (canceled.clone(), Done::RecoverTableJob(id), RecoverStage::Canceled),
            (failed.clone(), Done::Ok, RecoverStage::Failed),
        ];
        for (end, answer, stage) in ends {
            let mut w = w.clone();
            let version = w.state.tenants[&TENANT].dictionary_version;
            assert_eq!(w.act(end), Ok(answer), "{at}");
            assert_eq!((recovery(&w).stage, tables(&w).len()), (stage, 0), "{at}");
            assert_eq!(w.state.tenants[&TENANT].dictionary_version, version + 1, "log stream 1 is told");
            assert_eq!(w.is_refused(canceled.clone()).class, ErrorClass::NotFound);
            w.is_void(failed.clone());
            w.is_void(Action::CloseJob { job: id });
            w.act(Action::CreateTable { tenant: TENANT, name: "a2".to_owned(), tablets: 1 }).unwrap();
        }
    }
    let mut w = recovers(RecoverStage::Completed, true);
    let id = recovery(&w).id;
    w.is_void(Action::JobFailed { job: id, failure: failure(ErrorClass::Corrupt) });
    assert_eq!(tables(&w), ["a2"], "what has ended well stays");
}
