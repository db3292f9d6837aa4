//! Cleaning and validation jobs, scripted.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod harness;

use harness::{TENANT, World, all_done, report};
use strandline_catalogue::retention::Policy;
use strandline_scheduler_core::state::JobKind;
use strandline_scheduler_core::state::*;
use strandline_scheduler_core::*;
use strandline_types::*;

const DAY_MS: u64 = 86_400_000;

fn policy(days: u64) -> Policy {
    let window_ns = days * DAY_MS * 1_000_000;
    Policy { window_ns, redundancy: 1, keep_weekly: 0, keep_monthly: 0, keep_yearly: 0, log_only: false }
}

/// One full backup a day for `days` days, pieces of an hour.
fn history(days: u64) -> World {
    let mut w = World::archiving(3, 3, 3600);
    for day in 0..days {
        let at = harness::START_MS + day * DAY_MS;
        while w.now_ms < at {
            w.now_ms += 1_800_000;
            w.write();
            w.run(2);
        }
        w.write();
        w.act(Action::StartBackup { tenant: TENANT, request: BackupRequest::new(BackupMode::Full, "nightly") })
            .unwrap();
        w.until("the backup", |w| w.state.open_backup_job(TENANT).is_none());
    }
    w.write();
    w.run(3);
    w
}

fn sets(w: &World) -> Vec<FileStatus> {
    w.state.backup_sets.values().map(|s| s.file_status).collect()
}

fn job(w: &World) -> &CleanJob {
    w.state.clean_jobs().next_back().unwrap()
}

#[test]
fn the_policy_ticks_and_what_it_deletes_goes_in_order() {
    let mut w = history(5);
    w.medium.clear();
    w.act(Action::AddCleanPolicy { tenant: TENANT, policy: policy(2) }).unwrap();
    w.run(30);
    assert!(w.state.clean_jobs().next().is_none(), "a new policy waits: nobody has seen its plan yet");
    w.now_ms += limits::CLEAN_TICK_MS;
    w.until("a job", |w| w.state.clean_jobs().any(|j| j.status.is_ended()));
    assert_eq!(job(&w).status, JobStatus::Completed, "{:?}", job(&w).failure);
    let status = sets(&w);
    assert_eq!(status[4], FileStatus::Available);
    assert_eq!(status[0], FileStatus::Deleted);
    assert!(status.iter().filter(|s| **s == FileStatus::Available).count() >= 2, "{status:?}");
    let pieces: Vec<FileStatus> =
        w.state.rounds.values().flat_map(|r| r.pieces.values()).map(|p| p.file_status).collect();
    let gone = pieces.iter().filter(|s| **s == FileStatus::Deleted).count();
    assert!(gone > 20 && gone < pieces.len(), "{gone} of {}", pieces.len());

    let of_set = |work: &&MediumWork| match work {
        MediumWork::CleanBegin(c) | MediumWork::CleanRest(c) => matches!(c.name, MediumName::Set(BackupSetId(1), _)),
        _ => false,
    };
    let order: Vec<&MediumWork> = w.medium.iter().filter(of_set).collect();
    assert!(matches!(order.as_slice(), [MediumWork::CleanBegin(_), MediumWork::CleanRest(_)]), "{order:?}");
    let cleaned = w.ordered.iter().filter(|(_, k)| k.kind == TaskKind::Clean).count();
    assert!(cleaned > 0, "log streams are deleted by workers");
    for name in ["CDB_OB_BACKUP_DELETE_JOB_HISTORY", "CDB_OB_BACKUP_DELETE_TASK_HISTORY", "CDB_OB_BACKUP_DELETE_POLICY"]
    {
        assert!(!views::view(&w.state, w.now_ms, name).unwrap().rows.is_empty(), "{name}");
    }
}

#[test]
fn a_dry_run_says_what_and_why_and_changes_nothing() {
    let mut w = history(4);
    let what = CleanWhat::Obsolete;
    let refused = views::clean_preview(&w.state, TENANT, &what, w.now_ms).unwrap_err();
    assert!(refused.what.contains("no delete policy"), "{refused}");
    w.state.clean_policies.insert(TENANT, CleanPolicy { policy: policy(1), last_run_ms: w.now_ms });
    let before = w.state.clone();
    let rows = views::clean_preview(&w.state, TENANT, &what, w.now_ms).unwrap().rows;
    assert_eq!(before, w.state);
    let text = format!("{rows:?}");
    assert!(text.contains("DELETE") && text.contains("KEEP") && text.contains("recovery window"), "{text}");
    let objects = w.state.backup_sets.len() + w.state.rounds.values().map(|r| r.pieces.len()).sum::<usize>();
    assert_eq!(rows.len(), objects, "everything has its verdict");
}

#[test]
fn by_hand_only_what_nothing_needs_goes() {
    let mut w = history(2);
    let start = |w: &mut World, what| w.act(Action::StartClean { tenant: TENANT, what, description: String::new() });
    let last = start(&mut w, CleanWhat::Sets(vec![1, 2])).unwrap_err();
    assert!(last.what.contains("nothing could be restored any more"), "{last}");
    let needed = start(&mut w, CleanWhat::Pieces(vec![1])).unwrap_err();
    assert!(needed.what.contains("related id=1"), "{needed}");
    let current = w.state.tenants[&TENANT].data_dest.unwrap();
    assert!(start(&mut w, CleanWhat::All(current)).unwrap_err().what.contains("in use"));
    assert!(matches!(start(&mut w, CleanWhat::Sets(vec![1])), Ok(Done::CleanJob(_))));
    let again = start(&mut w, CleanWhat::Sets(vec![2])).unwrap_err();
    assert!(again.what.contains("already"), "{again}");
    w.until("the end", |w| job(w).status.is_ended());
    assert_eq!(sets(&w), [FileStatus::Deleted, FileStatus::Available]);
}

#[test]
fn what_was_not_begun_is_given_back_by_a_cancel() {
    let mut w = history(3);
    w.task_hook = |world, worker, order| {
        if order.key.kind == TaskKind::Clean { None } else { all_done(world, worker, order) }
    };
    w.act(Action::StartClean { tenant: TENANT, what: CleanWhat::Sets(vec![1, 2]), description: String::new() })
        .unwrap();
    assert_eq!(sets(&w), [FileStatus::Deleting, FileStatus::Deleting, FileStatus::Available]);
    w.act(Action::CancelJob { kind: JobKind::Clean, tenant: TENANT }).unwrap();
    w.run(2);
    assert_eq!(job(&w).status, JobStatus::Canceled);
    assert_eq!(sets(&w), [FileStatus::Available; 3]);
    w.act(Action::StartClean { tenant: TENANT, what: CleanWhat::Sets(vec![1]), description: String::new() }).unwrap();
    w.run(3);
    w.act(Action::CancelJob { kind: JobKind::Clean, tenant: TENANT }).unwrap();
    w.run(2);
    assert_eq!(sets(&w)[0], FileStatus::Deleting, "what has begun is gone on with by the next cleaning");
    w.task_hook = all_done;
    w.act(Action::StartClean { tenant: TENANT, what: CleanWhat::Sets(vec![1]), description: String::new() }).unwrap();
    w.until("the end", |w| job(w).status.is_ended());
    assert_eq!(sets(&w)[0], FileStatus::Deleted);
}

#[test]
fn a_locked_object_is_waited_for_and_not_an_error() {
    let mut w = history(2);
    w.task_hook = |_, _, order| {
        let what =
            "cannot delete: OB_OBJECT_STORAGE_OBJECT_LOCKED_BY_WORM: the object is locked until its retention ends";
        let failure = Failure::new(ErrorClass::Permission, what, "x", "");
        Some(report(order, TaskState::Failed, Some(failure), None))
    };
    w.act(Action::StartClean { tenant: TENANT, what: CleanWhat::Sets(vec![1]), description: String::new() }).unwrap();
    for _ in 0..100 {
        w.now_ms += 2 * limits::CLEAN_LOCKED_PAUSE_MS;
        w.run(3);
    }
    assert_eq!(job(&w).status, JobStatus::Doing);
    let waiting = plan(&w.state, w.now_ms).waiting;
    assert!(waiting.iter().any(|x| x.on.to_string().contains("locked until its retention ends")), "{waiting:?}");
    w.task_hook = all_done;
    w.until("the end", |w| job(w).status.is_ended());
    assert_eq!(job(&w).status, JobStatus::Completed);
}

#[test]
fn a_hung_medium_fails_the_job_in_time_and_the_next_one_goes_on() {
    let mut w = history(2);
    w.act(Action::StartClean { tenant: TENANT, what: CleanWhat::Sets(vec![1]), description: String::new() }).unwrap();
    w.medium_failure = Some(Failure::new(ErrorClass::Transient, "does not answer", "file:///data", ""));
    w.run(3);
    w.now_ms += limits::JOB_STALL_MS;
    w.run(3);
    assert_eq!(job(&w).status, JobStatus::Failed);
    assert!(job(&w).failure.as_ref().unwrap().what.contains("does not answer"));
    assert_eq!(sets(&w)[0], FileStatus::Deleting);
    w.medium_failure = None;
    w.run(3);
    w.act(Action::StartClean { tenant: TENANT, what: CleanWhat::Sets(vec![1]), description: String::new() }).unwrap();
    w.until("the end", |w| job(w).status.is_ended());
    assert_eq!(sets(&w)[0], FileStatus::Deleted);
}

fn objects(w: &World) -> Vec<MediumObject> {
    let set = |s: &BackupSet| MediumObject {
        name: MediumName::Set(s.set_id, s.kind),
        at: harness::address(&s.uri),
        dest_id: s.dest_id,
        log_streams: s.parts.keys().copied().collect(),
        bytes: s.output_bytes,
        key_source: String::new(),
    };
    w.state.backup_sets.values().map(set).collect()
}

fn validate(w: &mut World, level: ValidateLevel) {
    let request = StartValidate {
        tenant: TENANT,
        kind: ValidateKind::BackupSet,
        level,
        path: String::new(),
        description: String::new(),
        objects: objects(w),
        keys: vec![(BackupSetId(1), Secret::new(vec![1; 32]))],
    };
    w.act(Action::StartValidate(Box::new(request))).unwrap();
    w.until("the end", |w| w.state.validate_jobs().all(|j| j.status.is_ended()));
}

fn validated(w: &World) -> &ValidateJob {
    w.state.validate_jobs().next_back().unwrap()
}

#[test]
fn a_validation_looks_at_every_log_stream_on_all_workers_and_forgets_its_keys() {
    let mut w = history(2);
    w.ordered.clear();
    validate(&mut w, ValidateLevel::Physical);
    assert_eq!(validated(&w).status, JobStatus::Completed);
    assert!(validated(&w).keys.is_empty());
    let done: Vec<_> = w.ordered.iter().filter(|(_, k)| k.kind == TaskKind::Validate).collect();
    let tasks: std::collections::BTreeSet<_> = done.iter().map(|(_, k)| (k.job_id, k.part)).collect();
    assert_eq!(tasks.len(), 8, "two sets, three log streams and the rest of each");
    let workers: std::collections::BTreeSet<_> = done.iter().map(|(w, _)| *w).collect();
    assert_eq!(workers.len(), 3);
}

#[test]
fn a_damaged_set_is_broken_and_no_restore_relies_on_it_until_it_is_mended() {
    let mut w = history(2);
    w.task_hook = |_, _, order| {
        let damage = Damage { path: "x/y".to_owned(), kind: "corrupt".to_owned(), detail: "checksum".to_owned() };
        let is_bad = matches!(&order.spec, TaskSpec::Validate(s)
            if s.name == MediumName::Set(BackupSetId(2), BackupSetKind::Full) && s.source_ls_id == LsId(1001));
        let damages = if is_bad { vec![damage] } else { Vec::new() };
        let result = ValidateResult { objects: 1, bytes: 1, damage_count: damages.len() as u64, damages };
        Some(report(order, TaskState::Done, None, Some(TaskResult::Validate(result))))
    };
    validate(&mut w, ValidateLevel::Basic);
    assert_eq!(validated(&w).status, JobStatus::Failed);
    assert!(validated(&w).failure.as_ref().unwrap().object.ends_with("x/y"));
    assert_eq!(sets(&w), [FileStatus::Available, FileStatus::Broken]);
    let rows = views::view(&w.state, w.now_ms, "CDB_STRANDLINE_BACKUP_DAMAGES").unwrap().rows;
    assert_eq!(rows.len(), 1);
    w.task_hook = all_done;
    validate(&mut w, ValidateLevel::Basic);
    assert_eq!(sets(&w)[1], FileStatus::Broken, "a look at sizes proves nothing");
    validate(&mut w, ValidateLevel::Physical);
    assert_eq!(sets(&w)[1], FileStatus::Available);
}
