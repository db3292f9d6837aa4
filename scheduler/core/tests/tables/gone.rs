//! Tenants that are not open, or go while jobs run, and jobs that are old enough to be forgotten.

use crate::harness;
use crate::harness::jobs::{Job as Started, start, world};
use crate::harness::{TENANT, World, archive_spec, restore_request};
use strandline_catalogue::retention::Policy;
use strandline_scheduler_core::state::{
    CleanWhat, DestKind, DestState, DrillStage, ImportedFrom, Job, JobHead, JobKind, RestoreJob, SchedulePlan,
    TenantStatus,
};
use strandline_scheduler_core::*;
use strandline_types::*;

/// Everything that only an open tenant takes.
fn requests(tenant: TenantId) -> Vec<Action> {
    let policy =
        Policy { window_ns: 1, redundancy: 1, keep_weekly: 0, keep_monthly: 0, keep_yearly: 0, log_only: false };
    let plan = SchedulePlan { full: "* * * * *".into(), time_zone: "UTC".into(), ..SchedulePlan::default() };
    let uri = Some("file:///new".to_owned());
    vec![
        Action::CreateTable { tenant, name: "k".to_owned(), tablets: 1 },
        Action::DropTable { tenant, name: "k".to_owned() },
        Action::SetArchiveDest { tenant, no: DestNo(0), dest: Some(archive_spec("file:///new", 60)) },
        Action::SetArchiveDest { tenant, no: DestNo(0), dest: None },
        Action::SetArchiveDestState { tenant, no: DestNo(0), state: DestState::Defer },
        Action::SetArchiveLag { tenant, lag_target_ms: 1_000 },
        Action::SetArchiveConcurrency { tenant, threads: 1 },
        Action::ArchiveLog { tenant },
        Action::NoArchiveLog { tenant },
        Action::SetDataDest { tenant, uri, access: Access::default() },
        Action::SetBackupParam { tenant, param: BackupParam::LowThreads(1) },
        Action::StartBackup { tenant, request: BackupRequest::new(BackupMode::Full, "") },
        Action::StartBackups { tenants: vec![tenant], all: true, request: BackupRequest::new(BackupMode::Full, "") },
        Action::ChangeSchedule { tenant, change: ScheduleChange::Set { plan, enable: true } },
        Action::StartDrill { tenant, last_ms: None },
        Action::AddCleanPolicy { tenant, policy },
        Action::StartClean { tenant, what: CleanWhat::Sets(vec![1]), description: String::new() },
    ]
}

/// A tenant in a status.
fn tenant_that_is(status: TenantStatus) -> (World, TenantId) {
    let mut w = World::new(3);
    let restore = |standby| {
        let Action::StartRestore(mut request) = restore_request("r", 3) else { unreachable!() };
        request.standby = standby;
        Action::StartRestore(request)
    };
    match status {
        TenantStatus::Restoring => drop(w.act(restore(false)).unwrap()),
        TenantStatus::Standby => drop(w.act(restore(true)).unwrap()),
        TenantStatus::Imported => drop(w.act(import(MADE, "file:///theirs")).unwrap()),
        TenantStatus::Dropping | TenantStatus::Normal => {
            w.act(Action::CreateTenant { name: "t".to_owned(), log_streams: 1, replicas: 1 }).unwrap();
            w.run(2);
        }
    }
    if status == TenantStatus::Dropping {
        w.act(Action::DropTenant { tenant: TENANT }).unwrap();
    }
    w.stop_when("the status", |w| w.state.tenants[&TENANT].status == status);
    (w, TENANT)
}

#[test]
fn a_tenant_that_is_not_open_takes_no_request_and_says_what_it_is() {
    let all = [TenantStatus::Restoring, TenantStatus::Standby, TenantStatus::Imported, TenantStatus::Dropping];
    for status in all {
        let (mut w, tenant) = tenant_that_is(status);
        for action in requests(tenant) {
            let refusal = w.is_refused(action.clone());
            let is_read_only = refusal.what.contains("without the right to delete");
            assert!(refusal.what.contains(&status.to_string()) || is_read_only, "{action:?}: {refusal}");
        }
        let may_go = matches!(status, TenantStatus::Standby | TenantStatus::Imported);
        assert_eq!(w.act(Action::DropTenant { tenant }).is_ok(), may_go, "{status}");
        if may_go {
            w.until("it is gone", |w| !w.state.tenants.contains_key(&tenant));
            assert!(w.state.destinations.is_empty() && w.state.standbys().count() == 0);
        }
    }
}

#[test]
fn nobody_is_asked_for_a_tenant_that_is_not_there_and_only_a_dropped_one_is_gone() {
    let mut w = World::with_tenant(1, 1);
    let nobody = TenantId(77);
    for action in requests(nobody).into_iter().chain([Action::DropTenant { tenant: nobody }]) {
        assert_eq!(w.is_refused(action).class, ErrorClass::NotFound);
    }
    for kind in JobKind::ALL {
        assert_eq!(w.is_refused(Action::CancelJob { kind: *kind, tenant: nobody }).class, ErrorClass::NotFound);
        let idle = w.is_refused(Action::CancelJob { kind: *kind, tenant: TENANT });
        assert!(idle.what.contains(kind.noun()), "{idle}");
    }
    w.is_void(Action::TenantGone { tenant: nobody });
    w.is_void(Action::TenantGone { tenant: TENANT });
    w.act(Action::DropTenant { tenant: TENANT }).unwrap();
    w.does_once(Action::TenantGone { tenant: TENANT });
}

/// A tenant that does not archive any more, with sets, and one of its jobs that runs.
fn runs(job: Started) -> World {
    let mut w = world();
    if job == Started::Drill {
        start(&mut w, job).unwrap();
        w.stop_when("the source is digested", |w| w.state.drills().any(|d| d.stage == DrillStage::Choose));
        w.now_ms += 2 * limits::DRILL_AHEAD_MS;
        w.write();
        w.stop_when("its restore", |w| w.state.drills().any(|d| d.stage == DrillStage::Restore));
    }
    w.held.insert(TaskKind::RestoreData, |_, _, _| None);
    w.act(Action::NoArchiveLog { tenant: TENANT }).unwrap();
    w.stop_when("STOP", |w| w.round().state == RoundState::Stop);
    w.held.insert(TaskKind::Validate, |_, _, _| None);
    w.held.insert(TaskKind::Clean, |_, _, _| None);
    if job != Started::Drill {
        start(&mut w, job).unwrap();
    }
    w
}

#[test]
fn a_tenant_that_is_dropped_takes_the_jobs_that_run_for_it_along() {
    for job in [Started::Validate, Started::Clean, Started::Drill] {
        let mut w = runs(job);
        w.act(Action::DropTenant { tenant: TENANT }).unwrap();
        w.until("it is gone", |w| !w.state.tenants.contains_key(&TENANT));
        let left = w.state.jobs.values().filter(|j| j.head().tenant_id == TENANT);
        let kinds: std::collections::BTreeSet<JobKind> = left.map(Job::kind).collect();
        assert_eq!(kinds, [JobKind::Backup].into(), "{job:?}");
        let (rounds, sets) = (w.state.rounds_of(TENANT).count(), w.state.backup_sets.len());
        assert_eq!((rounds, sets, w.state.destinations.len(), w.state.drill_plans.len()), (0, 0, 0, 0));
        w.until("all is gone", |w| w.state.tenants.is_empty());
        assert!((1..=3).all(|n| orders_for(&w.state, NodeId(n)).tasks.is_empty()), "{job:?}");
    }
}

const MADE: TenantId = TenantId(5002);

/// An import of an archive of some tenant of another cluster, without any round.
fn import(owner: TenantId, uri: &str) -> Action {
    Action::ImportCatalog(Box::new(ImportCatalog {
        at: harness::address(uri),
        kind: DestKind::Archive,
        from: ImportedFrom {
            cluster_id: ClusterId(77),
            cluster_name: "old".to_owned(),
            tenant_id: owner,
            tenant_name: format!("of_{owner}"),
            allow_delete: false,
        },
        name: None,
        sets: Vec::new(),
        rounds: Vec::new(),
    }))
}

#[test]
fn an_imported_place_that_has_got_another_owner_is_the_other_ones_from_then_on() {
    let mut w = World::new(1);
    let Ok(Done::Imported(first)) = w.act(import(MADE, "file:///theirs")) else { panic!("no import") };
    assert_eq!(w.act(import(MADE, "file:///theirs?max_iops=3")), Ok(Done::Imported(first)));
    let Ok(Done::Imported(second)) = w.act(import(TenantId(5004), "file:///theirs")) else { panic!("no import") };
    assert_ne!(first, second);
    let owners: Vec<(DestId, TenantId)> = w.state.destinations.values().map(|d| (d.id, d.tenant_id)).collect();
    assert_eq!(owners, [(DestId::FIRST, second)], "one place, one destination, and whose it is");
    assert_eq!(w.state.tenants[&first].status, TenantStatus::Dropping, "nothing is left of the first one");
}

/// Ended jobs of a kind, as many as are kept and some more.
fn fill(w: &mut World, kind: JobKind, count: usize) {
    let job = w.state.jobs.values().rfind(|j| j.kind() == kind && j.head().ended_ms.is_some()).unwrap().clone();
    for _ in 0..count {
        let id = w.state.next.job;
        w.state.next.job = id.next();
        let with_id = |head: &mut JobHead| head.id = id;
        let mut copy = job.clone();
        match &mut copy {
            Job::Backup(job) => with_id(&mut job.head),
            Job::Initiator(job) => with_id(&mut job.head),
            Job::Restore(job) => with_id(&mut job.head),
            Job::RecoverTable(job) => with_id(&mut job.head),
            Job::Drill(job) => with_id(&mut job.head),
            Job::DestCheck(job) => with_id(&mut job.head),
            other => panic!("{:?}", other.kind()),
        }
        w.state.jobs.insert(id, copy);
    }
}

#[test]
fn of_each_kind_the_newest_ended_jobs_are_kept_and_the_oldest_are_forgotten_first() {
    let several = |w: &mut World| {
        let request = BackupRequest::new(BackupMode::Full, "");
        w.act(Action::StartBackups { tenants: vec![TENANT], all: false, request }).map(drop)
    };
    let table = [
        (JobKind::Backup, Some(Started::Full), limits::JOBS_KEPT_MAX),
        (JobKind::Initiator, None, limits::JOBS_KEPT_MAX),
        (JobKind::Restore, Some(Started::Restore), limits::JOBS_KEPT_MAX),
        (JobKind::RecoverTable, Some(Started::RecoverTable), limits::CLEAN_JOBS_KEPT_MAX),
        (JobKind::Drill, Some(Started::Drill), limits::CLEAN_JOBS_KEPT_MAX),
        (JobKind::DestCheck, Some(Started::DestCheck), limits::DEST_CHECKS_KEPT_MAX),
    ];
    for (kind, job, max) in table {
        let mut w = world();
        let begin = |w: &mut World| match job {
            Some(job) => start(w, job).map(drop).unwrap(),
            None => several(w).unwrap(),
        };
        begin(&mut w);
        let cancel = |w: &mut World| {
            let tenant = w.state.jobs.values().rfind(|j| j.kind() == kind).unwrap().head().tenant_id;
            drop(w.act(Action::CancelJob { kind, tenant }));
            drop(w.act(Action::CancelJob { kind: JobKind::Backup, tenant: TENANT }));
        };
        cancel(&mut w);
        w.stop_when("its end", |w| w.state.jobs.values().all(|j| j.head().ended_ms.is_some()));
        w.until("its tenant is free", |w| w.state.tenants.len() == 1 && w.state.open_backup_job(TENANT).is_none());
        fill(&mut w, kind, max + 7);
        let all: Vec<JobId> = w.state.jobs.values().filter(|j| j.kind() == kind).map(|j| j.head().id).collect();
        let others = w.state.jobs.len() - all.len();
        begin(&mut w);
        let kept: Vec<JobId> = w.state.jobs.values().filter(|j| j.kind() == kind).map(|j| j.head().id).collect();
        assert_eq!(kept[..max], all[all.len() - max..], "{kind:?}");
        assert_eq!(kept.len(), max + 1, "{kind:?}: and the one that runs");
        assert!(w.state.jobs.len() - kept.len() >= others, "{kind:?}: other kinds are counted for themselves");
    }
}

#[test]
fn the_job_that_restored_a_tenant_may_be_forgotten_without_harm() {
    let mut w = World::new(3);
    w.act(restore_request("r", 3)).unwrap();
    w.stop_when("its end", |w| w.state.restore_jobs().all(|j| j.stage == RestoreStage::Success));
    let id = w.state.restore_jobs().next().map(|j: &RestoreJob| j.id).unwrap();
    fill(&mut w, JobKind::Restore, limits::JOBS_KEPT_MAX + 1);
    w.act(restore_request("s", 3)).unwrap();
    assert!(w.state.restore_job(id).is_none());
    w.run(5);
    assert!(!views::view(&w.state, w.now_ms, "CDB_OB_TENANTS").unwrap().rows.is_empty());
    w.act(Action::DropTenant { tenant: TENANT }).unwrap();
    w.until("it is gone", |w| !w.state.tenants.contains_key(&TENANT));
}
