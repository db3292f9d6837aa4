//! Chains, synthetic sets, carried log, encryption and jobs of the system tenant, scripted.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod harness;

use harness::{TENANT, World};
use strandline_scheduler_core::state::{BackupJob, BackupSet, InitiatorJob, JobKind, SetSeal};
use strandline_scheduler_core::*;
use strandline_types::*;

fn request(mode: BackupMode) -> BackupRequest {
    BackupRequest { version: "1.0".to_owned(), ..BackupRequest::new(mode, "") }
}

fn start(w: &mut World, request: BackupRequest) -> Outcome {
    w.act(Action::StartBackup { tenant: TENANT, request })
}

fn job(w: &World) -> &BackupJob {
    w.state.backup_jobs().next_back().unwrap()
}

fn set(w: &World) -> &BackupSet {
    w.state.backup_sets.values().next_back().unwrap()
}

fn run(w: &mut World, request: BackupRequest) -> BackupSet {
    start(w, request).unwrap();
    w.until("the end of the job", |w| !job(w).is_open());
    assert_eq!(job(w).status, BackupJobStatus::Completed, "{:?}", job(w).failure);
    set(w).clone()
}

fn sealed(n: u8, mode: BackupMode) -> BackupRequest {
    let seal = SetSeal { salt: [n; 16], fingerprint: [n; 8] };
    BackupRequest { seal: Some(SealKey { key: Secret::new(vec![n; 32]), seal }), ..request(mode) }
}

/// Specs of the newest job's data tasks, while they run.
fn specs(w: &mut World) -> Vec<TaskSpec> {
    let hook = std::mem::replace(&mut w.task_hook, |_, _, _| None);
    w.run(2);
    w.task_hook = hook;
    (1..=5).flat_map(|n| orders_for(&w.state, NodeId(n)).tasks).map(|t| t.spec).collect()
}

#[test]
fn an_incremental_set_builds_on_the_newest_and_tells_workers_where_its_index_is() {
    let mut w = World::archiving(3, 3, 3600);
    let full = run(&mut w, request(BackupMode::Full));
    let first = run(&mut w, request(BackupMode::Incremental));
    assert_eq!((first.kind, first.prev_full, first.prev_inc), (BackupSetKind::Inc, full.set_id, full.set_id));
    start(&mut w, request(BackupMode::Incremental)).unwrap();
    for spec in specs(&mut w) {
        let TaskSpec::BackupLs(spec) = spec else { panic!("{spec:?}") };
        let base = spec.base.unwrap();
        assert_eq!((base.set_id, base.incremental, base.turn), (first.set_id, true, TurnId(1)));
    }
    w.until("the end", |w| !job(w).is_open());
    assert_eq!((set(&w).prev_full, set(&w).prev_inc), (full.set_id, first.set_id));
}

#[test]
fn without_a_chain_a_full_set_is_made_and_says_why() {
    let mut w = World::archiving(1, 1, 3600);
    let first = run(&mut w, request(BackupMode::Incremental));
    assert_eq!(first.kind, BackupSetKind::Full);
    assert!(first.note.contains("no earlier set"), "{}", first.note);

    let other_version = BackupRequest { version: "2.0".to_owned(), ..request(BackupMode::Incremental) };
    let second = run(&mut w, other_version);
    assert!(second.kind == BackupSetKind::Full && second.note.contains("version 1.0"), "{}", second.note);

    let uri = Some("file:///elsewhere".to_owned());
    w.act(Action::SetDataDest { tenant: TENANT, uri, access: Access::default() }).unwrap();
    w.run(2);
    let third = run(&mut w, request(BackupMode::Incremental));
    assert!(third.kind == BackupSetKind::Full && third.note.contains("in this destination"), "{}", third.note);
}

#[test]
fn a_chain_is_only_so_long() {
    let mut w = World::archiving(1, 1, 3600);
    run(&mut w, request(BackupMode::Full));
    for _ in 0..limits::BACKUP_CHAIN_DEPTH_MAX {
        assert_eq!(run(&mut w, request(BackupMode::Incremental)).kind, BackupSetKind::Inc);
    }
    let next = run(&mut w, request(BackupMode::Incremental));
    assert_eq!(next.kind, BackupSetKind::Full);
    assert!(next.note.contains("64 incremental sets"), "{}", next.note);
}

#[test]
fn the_worker_that_made_the_set_before_is_preferred_for_an_incremental_one() {
    let mut w = World::archiving(3, 3, 3600);
    let full = run(&mut w, request(BackupMode::Full));
    start(&mut w, request(BackupMode::Incremental)).unwrap();
    w.task_hook = |_, _, order| Some(harness::report(order, TaskState::Doing, None, None));
    w.run(2);
    for (ls, run) in job(&w).data_tasks() {
        assert_eq!(run.executor, Some(full.parts[&ls].executor), "log stream {ls}");
    }
}

#[test]
fn a_chain_has_one_key() {
    let mut w = World::archiving(1, 1, 3600);
    let full = run(&mut w, sealed(1, BackupMode::Full));
    assert_eq!(full.seal.unwrap().salt, [1; 16]);
    assert!(job(&w).seal_key.is_empty(), "the key is wiped when the job ends");
    assert_eq!(run(&mut w, sealed(1, BackupMode::Incremental)).kind, BackupSetKind::Inc);
    let other = run(&mut w, sealed(2, BackupMode::Incremental));
    assert!(other.kind == BackupSetKind::Full && other.note.contains("another password"), "{}", other.note);
    let plain = run(&mut w, request(BackupMode::Incremental));
    assert_eq!((plain.kind, plain.seal), (BackupSetKind::Full, None));
}

#[test]
fn the_key_goes_to_executors_and_to_nobody_else() {
    let mut w = World::archiving(1, 1, 3600);
    start(&mut w, sealed(7, BackupMode::Full)).unwrap();
    for spec in specs(&mut w) {
        let TaskSpec::BackupLs(spec) = spec else { panic!("{spec:?}") };
        assert_eq!(spec.seal.as_ref().unwrap().key.expose(), [7; 32]);
        assert!(
            !format!("{spec:?}").contains("7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7"),
            "keys are not shown"
        );
    }
    w.act(Action::CancelJob { kind: JobKind::Backup, tenant: TENANT }).unwrap();
    assert!(job(&w).seal_key.is_empty());
}

#[test]
fn a_synthetic_set_takes_its_chain_and_leaves_the_cluster_alone() {
    let mut w = World::archiving(2, 1, 3600);
    let refused = start(&mut w, request(BackupMode::Synthetic)).unwrap_err();
    assert!(refused.code == -9040 && refused.what.contains("no set"), "{refused}");
    run(&mut w, request(BackupMode::Full));
    let refused = start(&mut w, request(BackupMode::Synthetic)).unwrap_err();
    assert!(refused.what.contains("full one already"), "{refused}");
    let inc = run(&mut w, request(BackupMode::Incremental));
    // The archive may be off: nothing of the cluster is read.
    w.act(Action::NoArchiveLog { tenant: TENANT }).unwrap();
    w.until("STOP", |w| w.round().state == RoundState::Stop);
    let made = run(&mut w, request(BackupMode::Synthetic));
    assert_eq!((made.kind, made.prev_full, made.prev_inc), (BackupSetKind::Full, BackupSetId(0), BackupSetId(0)));
    assert_eq!(
        (made.start_replay_scn, made.min_restore_scn, made.archive_round_id),
        (inc.start_replay_scn, inc.min_restore_scn, inc.archive_round_id),
        "it says what its chain says"
    );
    assert!(w.ordered.iter().any(|(_, key)| key.kind == TaskKind::Synthetic));
}

#[test]
fn plus_archivelog_copies_the_log_after_the_checkpoint_has_come_so_far() {
    let mut w = World::archiving(2, 2, 3600);
    w.write();
    let made = run(&mut w, BackupRequest { plus_archivelog: true, ..request(BackupMode::Full) });
    assert!(made.plus_archivelog && made.log_file_count == 3, "{made:?}");
    assert!(made.min_restore_scn > made.consistent_scn, "every log stream has log to carry");
    let of_set = w.medium.iter().filter_map(|m| match m {
        MediumWork::ComplementLog(log) => {
            assert_eq!((log.checkpoint_scn, log.log_streams.len()), (made.min_restore_scn, 3));
            assert!(!log.pieces.is_empty());
            Some("log")
        }
        MediumWork::SetInfos(_) => Some("infos"),
        MediumWork::SetEnd { .. } => Some("end"),
        _ => None,
    });
    assert_eq!(of_set.collect::<Vec<_>>(), ["log", "infos", "end"]);
}

#[test]
fn a_backup_to_a_path_has_a_chain_of_its_own_and_alters_no_destination() {
    let mut w = World::archiving(1, 1, 3600);
    let own = w.state.tenants[&TENANT].data_dest;
    let to = Some(BackupDest { uri: "file:///usb".to_owned(), access: Access::default() });
    let elsewhere = run(&mut w, BackupRequest { to: to.clone(), ..request(BackupMode::Full) });
    assert_eq!(elsewhere.uri, "file:///usb");
    assert!(
        w.medium.iter().any(|m| matches!(m, MediumWork::Format { dest, .. } if dest.uri.to_string() == "file:///usb"))
    );
    assert_eq!(w.state.tenants[&TENANT].data_dest, own);
    let here = run(&mut w, request(BackupMode::Incremental));
    assert_eq!(here.kind, BackupSetKind::Full, "the set elsewhere is no base here");
    let again = run(&mut w, BackupRequest { to, ..request(BackupMode::Incremental) });
    assert_eq!((again.kind, again.prev_inc), (BackupSetKind::Inc, elsewhere.set_id));
}

fn initiator(w: &World) -> &InitiatorJob {
    w.state.initiators().next_back().unwrap()
}

fn second_tenant(w: &mut World) -> TenantId {
    let made = w.act(Action::CreateTenant { name: "u".to_owned(), log_streams: 1, replicas: 1 });
    let Ok(Done::Tenant(id)) = made else { panic!("{made:?}") };
    w.run(5);
    id
}

#[test]
fn a_job_of_the_system_tenant_ends_when_its_children_have() {
    let mut w = World::archiving(2, 1, 3600);
    let tenants = vec![TENANT];
    let done = w.act(Action::StartBackups { tenants, all: true, request: request(BackupMode::Full) }).unwrap();
    let Done::Initiator { job: id, started, refused } = done else { panic!("{done:?}") };
    assert_eq!((started.len(), refused.len(), job(&w).parent), (1, 0, Some(id)));
    assert!(!initiator(&w).status().is_ended());
    w.until("the end", |w| initiator(w).status().is_ended());
    assert_eq!(initiator(&w).status(), BackupJobStatus::Completed);
    assert!(initiator(&w).ended_ms.is_some());
}

#[test]
fn all_tenants_means_those_that_can_and_named_ones_means_every_one() {
    let mut w = World::archiving(2, 1, 3600);
    let other = second_tenant(&mut w);
    let before = w.state.clone();
    let tenants = vec![TENANT, other];
    let named = Action::StartBackups { tenants: tenants.clone(), all: false, request: request(BackupMode::Full) };
    assert!(w.act(named).unwrap_err().what.contains("no data backup destination"));
    assert_eq!(w.state.jobs, before.jobs, "all or none");
    w.act(Action::StartBackups { tenants, all: true, request: request(BackupMode::Full) }).unwrap();
    w.until("the end", |w| initiator(w).status().is_ended());
    assert_eq!(initiator(&w).status(), BackupJobStatus::Failed, "one could not even start");
    assert_eq!(initiator(&w).failure().unwrap().0, other);
    assert_eq!(set(&w).status, BackupSetStatus::Success, "the other was backed up");
    let to = Some(BackupDest { uri: "file:///x".to_owned(), access: Access::default() });
    let both = Action::StartBackups {
        tenants: vec![TENANT, other],
        all: true,
        request: BackupRequest { to, ..request(BackupMode::Full) },
    };
    assert!(w.act(both).unwrap_err().what.contains("exactly one tenant"));
}
