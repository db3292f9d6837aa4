//! Every stage of a deletion, of a look at an object and of the jobs that they are parts of; checks of destinations and
//! backups of several tenants, which answer to nobody.

use crate::harness;
use crate::harness::jobs::{Job, start, world};
use crate::harness::table::{every_stage, failure, said_failed};
use crate::harness::{TENANT, World};
use CleanStage::{Begin, Canceled, Done as Deleted, Failed, LogStreams, Rest, Waiting};
use strandline_scheduler_core::state::{CleanJob, CleanTask, JobKind, Stage, ValidateJob, ValidateTask};
use strandline_scheduler_core::*;
use strandline_types::*;

fn task(w: &World) -> &CleanTask {
    w.state.clean_tasks().next_back().unwrap()
}

fn job(w: &World) -> &CleanJob {
    w.state.clean_jobs().next_back().unwrap()
}

fn worth(w: &World) -> FileStatus {
    w.state.backup_sets[&(TENANT, BackupSetId(1))].file_status
}

fn cancel(kind: JobKind) -> Action {
    Action::CancelJob { kind, tenant: TENANT }
}

/// The deletion of set 1, in a stage.
fn deletes(stage: CleanStage, ripe: bool) -> World {
    let mut w = world();
    start(&mut w, Job::Clean).unwrap();
    let is_ripe = |w: &World| stage != LogStreams || task(w).runs.have_finished(TaskKind::Clean);
    w.stop_when("the stage", |w| task(w).stage == stage && (is_ripe(w) || !ripe));
    assert_eq!(is_ripe(&w), ripe);
    w
}

#[test]
fn a_deletion_goes_from_stage_to_stage_in_order_and_its_workers_first() {
    let row = |at, ripe, may: &[CleanStage]| {
        let w = deletes(at, ripe);
        let may: Vec<Stage> = may.iter().copied().map(Stage::CleanTask).collect();
        w.advances_only(task(&w).id, Stage::CleanTask(at), &may);
    };
    row(Waiting, true, &[Begin]);
    row(Begin, true, &[LogStreams]);
    row(LogStreams, false, &[]);
    row(LogStreams, true, &[Rest]);
    row(Rest, true, &[Deleted]);
    row(Deleted, true, &[]);
}

#[test]
fn a_deletion_that_ends_early_gives_back_what_it_had_not_begun_and_leaves_the_rest_to_the_next_one() {
    let given_back = FileStatus::Available;
    for (at, worth_after) in [
        (Waiting, given_back),
        (Begin, FileStatus::Deleting),
        (LogStreams, FileStatus::Deleting),
        (Rest, FileStatus::Deleting),
    ] {
        let w = deletes(at, at != LogStreams);
        let (id, parent) = (task(&w).id, job(&w).id);
        let failed = Action::JobFailed { job: id, failure: failure(ErrorClass::Corrupt) };
        let mut broken = w.clone();
        broken.does_once(failed.clone());
        assert_eq!((task(&broken).stage, worth(&broken)), (Failed, worth_after), "{at:?}");
        broken.advances_only(id, Stage::CleanTask(Failed), &[]);
        broken.does_once(Action::CloseJob { job: parent });
        assert_eq!(job(&broken).status, JobStatus::Failed);
        assert_eq!(job(&broken).failure, task(&broken).failure, "the job says why");

        let mut called_off = w.clone();
        assert_eq!(called_off.act(cancel(JobKind::Clean)), Ok(Done::CleanJob(parent)));
        assert_eq!((task(&called_off).stage, worth(&called_off)), (Canceled, worth_after), "{at:?}");
        let before = called_off.state.clone();
        called_off.act(cancel(JobKind::Clean)).unwrap();
        called_off.is_untouched_since(before, &cancel(JobKind::Clean));
        called_off.is_void(failed);
        called_off.does_once(Action::CloseJob { job: parent });
        assert_eq!(job(&called_off).status, JobStatus::Canceled);
        assert_eq!(called_off.is_refused(cancel(JobKind::Clean)).class, ErrorClass::NotFound);
    }
}

#[test]
fn a_cleaning_ends_with_its_last_deletion_and_not_before() {
    for at in [Waiting, Begin, LogStreams, Rest] {
        let mut w = deletes(at, at != LogStreams);
        let (id, parent) = (task(&w).id, job(&w).id);
        w.is_void(Action::CloseJob { job: parent });
        w.is_void(Action::CloseJob { job: id });
        // Each deletion fails for itself.
        w.is_void(Action::JobFailed { job: parent, failure: failure(ErrorClass::Corrupt) });
        for job in [id, parent] {
            w.now_ms += 10;
            let held_up = Action::MediumFailed { subject: Subject::Clean(job), failure: failure(ErrorClass::Corrupt) };
            w.act(held_up).unwrap();
            assert!(w.state.jobs[&job].head().trouble.is_some(), "{at:?}: it is tried again until it stalls");
        }
        assert_eq!((task(&w).stage, job(&w).status), (at, JobStatus::Doing));
        w.stop_when("the end", |w| job(w).status.is_ended());
        assert_eq!((job(&w).status, worth(&w), &job(&w).trouble), (JobStatus::Completed, FileStatus::Deleted, &None));
        w.is_void(Action::CloseJob { job: parent });
    }
}

fn validation(w: &World) -> &ValidateJob {
    w.state.validate_jobs().next_back().unwrap()
}

fn looks(w: &World) -> Vec<&ValidateTask> {
    w.state.validate_tasks().collect()
}

/// A validation of three sets whose destination was named with a key.
fn validates() -> World {
    let mut w = world();
    let Action::StartValidate(mut request) = harness::jobs::validate(&w) else { unreachable!() };
    request.keys = vec![(BackupSetId(1), Secret::new(vec![9; 32]))];
    request.objects.iter_mut().for_each(|o| o.at.access = Access::new("access_id=me&access_key=very-secret"));
    w.act(Action::StartValidate(request)).unwrap();
    w
}

#[test]
fn a_look_that_fails_ends_alone_and_its_validation_with_the_last_one() {
    let mut w = validates();
    let id = validation(&w).id;
    let parts: Vec<JobId> = looks(&w).iter().map(|t| t.id).collect();
    assert_eq!((parts.len(), &validation(&w).tasks), (3, &parts));
    for part in &parts {
        w.is_void(Action::CloseJob { job: id });
        w.is_void(Action::CloseJob { job: *part });
        w.does_once(Action::JobFailed { job: *part, failure: failure(ErrorClass::NotFound) });
        let part = w.state.validate_task(*part).unwrap();
        assert!(part.status == JobStatus::Failed && part.object.at.access.is_empty());
        assert!(!validation(&w).status.is_ended() && !validation(&w).keys.is_empty());
    }
    w.does_once(Action::CloseJob { job: id });
    assert_eq!((validation(&w).status, validation(&w).keys.len()), (JobStatus::Failed, 0));
    assert_eq!(validation(&w).failure, Some(failure(ErrorClass::NotFound)));
    let all_available = w.state.backup_sets.values().all(|s| s.file_status == FileStatus::Available);
    assert!(all_available, "what could not be looked at is not broken");
}

#[test]
fn a_validation_that_is_cancelled_or_fails_ends_its_looks_with_the_same_reason() {
    let mut failed = validates();
    let id = validation(&failed).id;
    failed.does_once(Action::JobFailed { job: id, failure: failure(ErrorClass::Exhausted) });
    assert_eq!((validation(&failed).status, validation(&failed).keys.len()), (JobStatus::Failed, 0));
    assert!(looks(&failed).iter().all(|t| t.failure == Some(failure(ErrorClass::Exhausted))));

    let mut w = validates();
    assert_eq!(w.act(cancel(JobKind::Validate)), Ok(Done::ValidateJob(id)));
    assert_eq!(validation(&w).status, JobStatus::Canceling);
    assert!(looks(&w).iter().all(|t| t.status == JobStatus::Canceled && t.failure == validation(&w).failure));
    assert!((1..=3).all(|n| orders_for(&w.state, NodeId(n)).tasks.is_empty()));
    w.does_once(Action::CloseJob { job: id });
    assert_eq!(validation(&w).status, JobStatus::Canceled);
    for w in [&mut failed, &mut w] {
        assert!(looks(w).iter().all(|t| t.object.at.access.is_empty()));
        assert_eq!(w.is_refused(cancel(JobKind::Validate)).class, ErrorClass::NotFound);
        w.is_void(Action::JobFailed { job: id, failure: failure(ErrorClass::Corrupt) });
        w.is_void(Action::JobFailed { job: looks(w)[0].id, failure: failure(ErrorClass::Corrupt) });
    }
}

/// Everything that could be said to a job by its number.
fn words(job: JobId) -> Vec<Action> {
    let stages = every_stage();
    let steps = stages.windows(2).map(|s| Action::AdvanceJob { job, from: s[0], to: s[1] });
    let word = [
        Action::CloseJob { job },
        Action::BackupLeft { job },
        Action::NextTurn { job, turn: TurnId(1) },
        Action::MoveReplica { job, ls: LsId::SYS, from: NodeId(1), to: NodeId(2) },
        Action::MediumFailed { subject: Subject::Backup(job), failure: failure(ErrorClass::Corrupt) },
    ];
    steps.chain(word).collect()
}

#[test]
fn words_for_a_job_that_is_not_there_are_void() {
    let mut w = world();
    let nobody = w.state.next.job;
    for action in words(nobody) {
        w.is_void(action);
    }
    w.is_void(Action::JobFailed { job: nobody, failure: failure(ErrorClass::Corrupt) });
}

#[test]
fn a_check_of_a_destination_ends_with_the_answer_of_its_last_worker_and_by_nothing_else() {
    let mut w = world();
    let access = Access::new("access_id=me&access_key=very-secret");
    let uri = "file:///somewhere".to_owned();
    let Ok(Done::DestCheck(id)) = w.act(Action::CheckDest { uri, access, key_source: String::new() }) else {
        panic!("no check")
    };
    for action in words(id) {
        w.is_void(action);
    }
    w.is_void(Action::JobFailed { job: id, failure: failure(ErrorClass::Corrupt) });
    let sys = Action::CancelJob { kind: JobKind::DestCheck, tenant: TenantId::SYS };
    assert_eq!(w.is_refused(sys).class, ErrorClass::NotFound);
    for (key, run) in w.attempts(id) {
        assert!(w.state.dest_check(id).unwrap().ended_ms.is_none());
        assert!(!w.state.dest_check(id).unwrap().access.is_empty());
        let worker = run.executor.unwrap();
        match worker {
            NodeId(1) => w.hear(w.says(worker, vec![said_failed(key, failure(ErrorClass::Permission))])),
            NodeId(2) => {
                w.does_once(Action::TaskLost { key, executor: worker, failure: failure(ErrorClass::Transient) })
            }
            _ => w.stop_when("its answer", |w| w.state.dest_check(id).unwrap().findings.contains_key(&worker)),
        }
    }
    let check = w.state.dest_check(id).unwrap();
    assert!(check.ended_ms.is_some() && check.access.is_empty());
    assert_eq!(check.failures.keys().copied().collect::<Vec<_>>(), [NodeId(1), NodeId(2)]);
    assert_eq!(check.findings.keys().copied().collect::<Vec<_>>(), [NodeId(3)]);
}

#[test]
fn a_backup_of_several_tenants_ends_as_the_worst_of_its_children_and_by_nothing_else() {
    let cancel = |w: &mut World, tenant| drop(w.act(Action::CancelJob { kind: JobKind::Backup, tenant }).unwrap());
    let mut two = World::archiving(3, 3, 3600);
    let other = TenantId(TENANT.0 + 2);
    two.act(Action::CreateTenant { name: "u".to_owned(), log_streams: 1, replicas: 3 }).unwrap();
    let spec = harness::archive_spec("file:///arc2", 3600);
    two.act(Action::SetArchiveDest { tenant: other, no: DestNo(0), dest: Some(spec) }).unwrap();
    let uri = Some("file:///data2".to_owned());
    two.act(Action::SetDataDest { tenant: other, uri, access: Access::default() }).unwrap();
    two.act(Action::ArchiveLog { tenant: other }).unwrap();
    two.until("both archive", |w| w.state.open_round(other).is_some_and(|r| r.state == RoundState::Doing));
    two.run(2);
    for (failed, canceled, end) in [
        (vec![], vec![], BackupJobStatus::Completed),
        (vec![], vec![TENANT], BackupJobStatus::Canceled),
        (vec![other], vec![TENANT], BackupJobStatus::Failed),
    ] {
        let mut w = two.clone();
        let request = BackupRequest::new(BackupMode::Full, "");
        let answer = w.act(Action::StartBackups { tenants: vec![TENANT, other], all: false, request }).unwrap();
        let Done::Initiator { job: id, started, .. } = answer else { panic!("{answer:?}") };
        for action in words(id) {
            w.is_void(action);
        }
        w.is_void(Action::JobFailed { job: id, failure: failure(ErrorClass::Corrupt) });
        canceled.iter().for_each(|t| cancel(&mut w, *t));
        for (_, job) in started.iter().filter(|(t, _)| failed.contains(t)) {
            w.does_once(Action::JobFailed { job: *job, failure: failure(ErrorClass::Corrupt) });
        }
        let initiator = |w: &World| w.state.initiator(id).unwrap().clone();
        assert_eq!(initiator(&w).ended_ms, None, "their ends are still to be written");
        w.until("the end", |w| w.state.initiator(id).unwrap().ended_ms.is_some());
        assert_eq!(initiator(&w).status(), end);
        let open = started.iter().filter(|(_, job)| w.state.backup_job(*job).unwrap().is_open());
        assert_eq!(open.count(), 0, "every child has ended");
    }
}
