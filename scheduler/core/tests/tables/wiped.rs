//! Keys that a statement brought are needed while its job runs. When it has ended, well or not, they are nowhere in State.

use crate::harness::jobs::{open_jobs, recover_table, turn, validate, world};
use crate::harness::table::failure;
use crate::harness::{TENANT, World, all_done, report, restore_request};
use strandline_scheduler_core::state::{JobKind, RestoreSource, SetSeal, StandbyStage};
use strandline_scheduler_core::*;
use strandline_types::*;

/// What nobody may find in State, one for each place that a key comes from.
const SET: &str = "key-of-the-set";
const CHAIN: &str = "key-of-the-chain";
const DATA: &str = "key-of-the-data";
const LOG: &str = "key-of-the-log";

/// Which of the keys are in the bytes of State.
fn kept(w: &World) -> Vec<&'static str> {
    let bytes = strandline_stored::encode(&w.state).unwrap();
    let is_in = |key: &&str| bytes.windows(key.len()).any(|part| part == key.as_bytes());
    [SET, CHAIN, DATA, LOG].into_iter().filter(|key| is_in(key)).collect()
}

fn secret(key: &str) -> Secret {
    Secret::new(key.as_bytes().to_vec())
}

fn access(key: &str) -> Access {
    Access::new(format!("access_id=me&access_key={key}"))
}

fn lock(source: &mut RestoreSource) {
    source.seal_key = secret(SET);
    source.chain_keys = vec![(BackupSetId(1), secret(CHAIN))];
    source.data.access = access(DATA);
    source.log.iter_mut().for_each(|log| log.from.access = access(LOG));
}

fn restore(standby: bool) -> Action {
    let Action::StartRestore(mut request) = restore_request("r", 3) else { unreachable!() };
    lock(&mut request.source);
    request.standby = standby;
    Action::StartRestore(request)
}

/// A statement with keys, the keys, and the kind of job that it starts.
fn statements(w: &World) -> Vec<(Action, Vec<&'static str>, JobKind)> {
    let seal = Some(SealKey { key: secret(SET), seal: SetSeal { salt: [1; 16], fingerprint: [2; 8] } });
    let backup = BackupRequest { seal, ..BackupRequest::new(BackupMode::Full, "") };
    let Action::StartRecoverTable(mut recovery) = recover_table() else { unreachable!() };
    lock(&mut recovery.source);
    let Action::StartValidate(mut look) = validate(w) else { unreachable!() };
    look.keys = vec![(BackupSetId(1), secret(SET))];
    look.objects.iter_mut().for_each(|o| o.at.access = access(DATA));
    let check = Action::CheckDest { uri: "file:///x".to_owned(), access: access(DATA), key_source: String::new() };
    vec![
        (Action::StartBackup { tenant: TENANT, request: backup }, vec![SET], JobKind::Backup),
        (restore(false), vec![SET, CHAIN, DATA, LOG], JobKind::Restore),
        (Action::StartRecoverTable(recovery), vec![SET, CHAIN, DATA, LOG], JobKind::RecoverTable),
        (Action::StartValidate(look), vec![SET, DATA], JobKind::Validate),
        (check, vec![DATA], JobKind::DestCheck),
    ]
}

fn newest(w: &World, kind: JobKind) -> (JobId, TenantId) {
    let job = w.state.jobs.values().rfind(|job| job.kind() == kind).unwrap();
    (job.head().id, job.head().tenant_id)
}

fn damaged(_: &World, _: NodeId, order: &TaskOrder) -> Option<TaskReport> {
    Some(report(order, TaskState::Failed, Some(failure(ErrorClass::Corrupt)), None))
}

fn until_ended(w: &mut World) {
    for _ in 0..400 {
        if open_jobs(&w.state).is_empty() {
            return;
        }
        turn(w, 1_000);
    }
    panic!("{:?}", open_jobs(&w.state));
}

/// How a job of a kind comes to its end.
type End = fn(&mut World, JobKind);

#[test]
fn no_key_of_a_statement_outlives_its_job_however_that_ends() {
    let ends: [(&str, End); 4] = [
        ("well", |w, _| w.task_hook = all_done),
        ("by the failure of its tasks", |w, _| w.task_hook = damaged),
        ("as it was told to fail", |w, kind| {
            w.task_hook = all_done;
            let (job, _) = newest(w, kind);
            drop(w.act(Action::JobFailed { job, failure: failure(ErrorClass::Exhausted) }));
        }),
        ("by a cancel", |w, kind| {
            w.task_hook = all_done;
            let (_, tenant) = newest(w, kind);
            drop(w.act(Action::CancelJob { kind, tenant }));
        }),
    ];
    for (how, end) in ends {
        for (statement, keys, kind) in statements(&world()) {
            let mut w = world();
            w.task_hook = |_, _, _| None;
            w.act(statement).unwrap();
            turn(&mut w, 1_000);
            assert_eq!(kept(&w), keys, "{kind:?}: it is needed");
            end(&mut w, kind);
            until_ended(&mut w);
            assert_eq!(kept(&w), Vec::<&str>::new(), "{kind:?} that ended {how}");
        }
    }
}

#[test]
fn a_standby_keeps_the_keys_of_the_archive_that_it_follows_and_no_other() {
    let mut w = World::new(3);
    w.act(restore(true)).unwrap();
    until_ended(&mut w);
    assert_eq!(w.state.standbys().next().unwrap().stage, StandbyStage::Stopped);
    assert_eq!(kept(&w), [LOG]);
    let tenant = w.state.standbys().next().unwrap().tenant_id;
    w.act(Action::ActivateStandby { tenant }).unwrap();
    for _ in 0..40 {
        turn(&mut w, 1_000);
    }
    assert_eq!(w.state.standbys().count(), 0);
    assert_eq!(kept(&w), Vec::<&str>::new());
}

#[test]
fn keys_of_a_dropped_tenants_jobs_and_destinations_go_with_it() {
    for (statement, ..) in statements(&world()).into_iter().filter(|(.., kind)| *kind == JobKind::Validate) {
        let mut w = world();
        w.act(Action::NoArchiveLog { tenant: TENANT }).unwrap();
        w.until("STOP", |w| w.round().state == RoundState::Stop);
        let (dest, uri) = (w.round().dest_id, "file:///arc".to_owned());
        w.act(Action::ChangeStorage { dest, uri, access: access(LOG) }).unwrap();
        w.task_hook = |_, _, _| None;
        w.act(statement).unwrap();
        assert_eq!(kept(&w), [SET, DATA, LOG]);
        w.act(Action::DropTenant { tenant: TENANT }).unwrap();
        w.until("it is gone", |w| !w.state.tenants.contains_key(&TENANT));
        assert_eq!(kept(&w), Vec::<&str>::new());
    }
}
