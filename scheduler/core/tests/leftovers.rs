//! Backups that are cancelled or fail while their medium does not answer: they end, what they leave is done later, and
//! nothing else of them ever is.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod harness;

use harness::{TENANT, World};
use std::collections::BTreeSet;
use strandline_scheduler_core::state::{BackupJob, BackupSet, CleanWhat, JobKind};
use strandline_scheduler_core::views::{Value, view};
use strandline_scheduler_core::*;
use strandline_types::*;

const STAGES: [BackupJobStatus; 6] = [
    BackupJobStatus::Init,
    BackupJobStatus::Data,
    BackupJobStatus::Index,
    BackupJobStatus::Log,
    BackupJobStatus::CopyLog,
    BackupJobStatus::Infos,
];

fn job(w: &World, id: JobId) -> &BackupJob {
    w.state.backup_job(id).unwrap()
}

fn set(w: &World, id: JobId) -> &BackupSet {
    &w.state.backup_sets[&(TENANT, job(w, id).set_id)]
}

fn back_up(w: &mut World, to: Option<&str>) -> Outcome {
    let to = to.map(|uri| BackupDest { uri: uri.to_owned(), access: Access::default() });
    let request = BackupRequest { plus_archivelog: true, to, ..BackupRequest::new(BackupMode::Full, "") };
    w.act(Action::StartBackup { tenant: TENANT, request })
}

fn started(w: &mut World) -> JobId {
    match back_up(w, None) {
        Ok(Done::BackupJob(id)) => id,
        other => panic!("{other:?}"),
    }
}

/// A job that stands in a stage.
fn hold_in(w: &mut World, stage: BackupJobStatus) -> JobId {
    let id = started(w);
    w.write();
    w.stop_when("the stage", |w| job(w, id).status == stage);
    id
}

fn silence() -> Option<Failure> {
    Some(Failure::new(ErrorClass::Transient, "the destination does not answer", "file:///data", ""))
}

/// Time passes on a medium that neither answers nor says why.
fn hang(w: &mut World, ms: u64) {
    let until_ms = w.now_ms + ms;
    while w.now_ms < until_ms {
        w.now_ms += limits::HEARTBEAT_MS;
        w.beat();
        for step in plan(&w.state, w.now_ms).steps.into_iter().filter(|step| step.work.is_empty()) {
            w.act(step.then).unwrap();
        }
    }
}

fn cancel(w: &mut World) -> Outcome {
    w.act(Action::CancelJob { kind: JobKind::Backup, tenant: TENANT })
}

/// End placeholders of a set that the medium was told to write.
fn ends(w: &World, id: JobId) -> BTreeSet<bool> {
    let set_id = job(w, id).set_id;
    let of = |m: &MediumWork| match m {
        MediumWork::SetEnd { set, success, .. } if set.set_id == set_id => Some(*success),
        _ => None,
    };
    w.medium.iter().filter_map(of).collect()
}

/// WHAT and WAITING_ON of everything that waits.
fn waiting(w: &World) -> String {
    plan(&w.state, w.now_ms).waiting.iter().map(|l| format!("{}: {}\n", l.who, l.on)).collect()
}

fn comment(w: &World, name: &str) -> String {
    let table = view(&w.state, w.now_ms, name).unwrap();
    let at = table.columns.iter().position(|c| *c == "COMMENT").unwrap();
    table.rows.iter().map(|row| format!("{:?}\n", row[at])).collect()
}

#[test]
fn a_cancelled_backup_ends_in_a_moment_in_every_stage_and_another_place_is_free_at_once() {
    for stage in STAGES {
        // The silence is known when the cancel comes, or it is found out by the cancelled job itself, or nobody tells.
        for told in [Some(true), Some(false), None] {
            let mut w = World::archiving(2, 1, 3600);
            let id = hold_in(&mut w, stage);
            let subject = Subject::Backup(id);
            if told == Some(true) || stage == BackupJobStatus::Infos {
                w.act(Action::MediumFailed { subject, failure: silence().unwrap() }).unwrap();
            }
            let began_ms = w.now_ms;
            cancel(&mut w).unwrap();
            match told {
                Some(_) => {
                    w.medium_failure = silence();
                    w.run(2);
                }
                None => hang(&mut w, limits::CLOSE_MS_MAX + 1000),
            }
            let name = format!("{stage:?}, told: {told:?}");
            assert!(w.now_ms - began_ms <= 30_000, "{name}");
            assert_eq!((job(&w, id).status, job(&w, id).is_open()), (BackupJobStatus::Canceled, false), "{name}");
            let missing = format!("the end placeholder of backup set {}", job(&w, id).set_id);
            assert!(waiting(&w).contains(&missing), "{name}: {}", waiting(&w));
            let history = comment(&w, "CDB_OB_BACKUP_JOB_HISTORY");
            assert!(
                history.contains("it was cancelled [backup job") && history.contains("end placeholder"),
                "{history}"
            );
            assert!(matches!(back_up(&mut w, Some("file:///other")), Ok(Done::BackupJob(_))), "{name}");

            // The medium is back: the set is ended, once and not well, and nothing else is written for it.
            w.medium_failure = None;
            let before = w.medium.len();
            w.until("the rest", |w| w.state.leftovers.is_empty());
            assert_eq!(ends(&w, id), BTreeSet::from([false]), "{name}");
            let set_id = job(&w, id).set_id;
            let is_other = |m: &&MediumWork| matches!(m, MediumWork::SetInfos(i) if i.set.set_id == set_id);
            assert!(!w.medium[before..].iter().any(|m| is_other(&m)), "{name}");
            assert!(
                !waiting(&w).contains(&missing) && !comment(&w, "CDB_OB_BACKUP_JOB_HISTORY").contains("placeholder")
            );
        }
    }
}

#[test]
fn a_set_that_is_whole_is_given_up_by_a_cancel_when_its_medium_does_not_take_the_end() {
    let mut w = World::archiving(2, 1, 3600);
    let id = hold_in(&mut w, BackupJobStatus::End);
    assert!(cancel(&mut w).unwrap_err().what.contains("whole and being closed"), "as long as nothing is wrong");
    w.act(Action::MediumFailed { subject: Subject::Backup(id), failure: silence().unwrap() }).unwrap();
    cancel(&mut w).unwrap();
    assert_eq!((job(&w, id).status, job(&w, id).is_open()), (BackupJobStatus::Failed, false));
    assert!(set(&w, id).comment.contains("the medium decides"), "{}", set(&w, id).comment);
    w.run(5);
    assert_eq!(
        (ends(&w, id), w.state.leftovers.len()),
        (BTreeSet::new(), 0),
        "its end may be on its way: no second one"
    );
}

#[test]
fn a_running_job_shows_no_end_while_it_is_cancelled() {
    let mut w = World::archiving(2, 1, 3600);
    let id = hold_in(&mut w, BackupJobStatus::Data);
    cancel(&mut w).unwrap();
    for name in ["CDB_OB_BACKUP_JOBS", "CDB_OB_BACKUP_TASKS"] {
        let table = view(&w.state, w.now_ms, name).unwrap();
        let at = table.columns.iter().position(|c| *c == "END_TIMESTAMP").unwrap();
        assert_eq!(table.rows[0][at], Value::Null, "{name}");
    }
    w.until("the end", |w| !job(w, id).is_open());
    assert!(job(&w, id).ended_ms.is_some());
}

#[test]
fn a_failed_backup_does_not_wait_for_a_full_medium() {
    let mut w = World::archiving(2, 1, 3600);
    let id = hold_in(&mut w, BackupJobStatus::Infos);
    w.medium_failure = Some(Failure::new(ErrorClass::Exhausted, "no space left", "file:///data", "make room"));
    w.until("the end", |w| !job(w, id).is_open());
    assert_eq!((job(&w, id).status, ends(&w, id).len()), (BackupJobStatus::Failed, 0));
    w.run(1);
    assert!(waiting(&w).contains("no space left"), "{}", waiting(&w));
    w.medium_failure = None;
    w.until("the rest", |w| w.state.leftovers.is_empty());
    assert_eq!(ends(&w, id), BTreeSet::from([false]));
}

/// A job that was cancelled on a silent medium.
fn leave(w: &mut World) -> JobId {
    let id = hold_in(w, BackupJobStatus::Data);
    w.medium_failure = silence();
    cancel(w).unwrap();
    w.run(2);
    assert!(w.state.is_left_over(job(w, id).dest_id, job(w, id).set_id));
    w.medium_failure = None;
    id
}

#[test]
fn a_set_that_is_deleted_meanwhile_gets_no_placeholders_any_more() {
    let mut w = World::archiving(2, 1, 3600);
    let id = leave(&mut w);
    let what = CleanWhat::Sets(vec![job(&w, id).set_id.0]);
    w.act(Action::StartClean { tenant: TENANT, what, description: String::new() }).unwrap();
    assert!(w.state.leftovers.is_empty());
    w.until("the deletion", |w| w.state.open_clean_job(TENANT).is_none());
    assert_eq!(ends(&w, id), BTreeSet::new());
}

#[test]
fn what_is_left_is_bounded_and_what_waiting_does_not_mend_is_given_up() {
    let mut w = World::archiving(2, 1, 3600);
    let first = leave(&mut w);
    let (dest, first) = (job(&w, first).dest_id, job(&w, first).set_id);
    let left = &mut w.state.leftovers.get_mut(&dest).unwrap().sets;
    // As many as are kept: they stand for sets of as many jobs.
    for n in 1..limits::LEFTOVERS_KEPT_MAX as u64 {
        left.insert(BackupSetId(first.0 + n), 1);
        let set = BackupSet { set_id: BackupSetId(first.0 + n), ..w.state.backup_sets[&(TENANT, first)].clone() };
        w.state.backup_sets.insert((TENANT, set.set_id), set);
    }
    w.state.tenants.get_mut(&TENANT).unwrap().next.backup_set =
        BackupSetId(first.0 + limits::LEFTOVERS_KEPT_MAX as u64);
    let id = hold_in(&mut w, BackupJobStatus::Data);
    w.medium_failure = silence();
    cancel(&mut w).unwrap();
    w.run(2);
    assert!(w.state.is_left_over(dest, job(&w, id).set_id) && !w.state.is_left_over(dest, first));
    let given_up = |w: &World| w.state.audit.iter().filter(|e| e.event == "give_up_end_placeholder").count();
    assert_eq!(given_up(&w), 1);

    let failure = Failure::new(ErrorClass::Fenced, "another writer put other bytes there", "file:///data", "");
    w.act(Action::MediumFailed { subject: Subject::Leftovers(dest), failure }).unwrap();
    assert_eq!((given_up(&w), w.state.leftovers[&dest].sets.len()), (2, limits::LEFTOVERS_KEPT_MAX - 1));
}

#[test]
fn work_under_way_for_a_job_that_has_moved_on_is_wanted_no_more() {
    let mut w = World::archiving(2, 1, 3600);
    let id = hold_in(&mut w, BackupJobStatus::Infos);
    let of_job =
        |w: &World| plan(&w.state, w.now_ms).steps.into_iter().find(|s| s.subject == Some(Subject::Backup(id)));
    let under_way = of_job(&w).unwrap();
    assert!(!under_way.is_void(&plan(&w.state, w.now_ms).steps));
    w.act(Action::MediumFailed { subject: Subject::Backup(id), failure: silence().unwrap() }).unwrap();
    cancel(&mut w).unwrap();
    assert!(under_way.is_void(&plan(&w.state, w.now_ms).steps), "its infos must not be written any more");
    w.run(1);
    assert!(of_job(&w).is_none() && under_way.is_void(&[]));
}
