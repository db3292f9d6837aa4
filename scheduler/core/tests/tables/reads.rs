//! What a job reads stays at every step of its life, and may go at the step that ends it.

use crate::harness::World;
use crate::harness::jobs::{Job, recover_table, start, validate, world};
use crate::harness::{TENANT, restore_request};
use strandline_scheduler_core::state::{CleanWhat, DrillStage, JobKind, StandbyStage};
use strandline_scheduler_core::*;
use strandline_types::*;

/// True while cleaning leaves it because a job reads it, whatever else speaks for it.
fn is_read(w: &World, what: CleanWhat) -> bool {
    let mut state = w.state.clone();
    let action = Action::StartClean { tenant: TENANT, what, description: String::new() };
    let answer = apply(&mut state, Command { proposed_at_ms: w.now_ms, action });
    answer.is_err_and(|refusal| refusal.what.contains("it cannot be deleted now"))
}

fn set(id: u64) -> CleanWhat {
    CleanWhat::Sets(vec![id])
}

/// The whole life of a job: at each of its steps something is read, or is not.
fn lives(mut w: World, what: &CleanWhat, reads: fn(&World) -> bool, has_ended: fn(&World) -> bool) {
    let steps = std::cell::Cell::new([0, 0]);
    w.stop_when("the end", |w| {
        assert_eq!(is_read(w, what.clone()), reads(w), "{what:?} at step {:?}", steps.get());
        let [read, free] = steps.get();
        steps.set(if reads(w) { [read + 1, free] } else { [read, free + 1] });
        has_ended(w)
    });
    let [read, free] = steps.get();
    assert!(read > 3 && free > 0, "it was read for {read} steps, and then for {free} no more");
}

fn begun(job: Job) -> World {
    let mut w = world();
    w.write();
    start(&mut w, job).unwrap();
    w.write();
    w
}

#[test]
fn a_set_that_is_restored_is_read_from_the_first_stage_to_the_last() {
    let is_open = |w: &World| w.state.restore_jobs().any(|j| !j.stage.is_ended());
    lives(begun(Job::Restore), &set(1), is_open, |w| w.state.restore_jobs().all(|j| j.stage.is_ended()));
}

#[test]
fn a_set_that_tables_are_recovered_from_is_read_until_they_have_their_names() {
    let is_open = |w: &World| w.state.open_recover_job(TENANT).is_some();
    lives(begun(Job::RecoverTable), &set(1), is_open, |w| w.state.open_recover_job(TENANT).is_none());
}

#[test]
fn a_set_that_is_looked_at_is_read_until_its_own_look_is_over() {
    let reads = |w: &World| w.state.validate_tasks().next().is_some_and(|look| !look.status.is_ended());
    lives(begun(Job::Validate), &set(1), reads, |w| w.state.open_validate_job(TENANT).is_none());
}

#[test]
fn the_chain_below_an_incremental_or_synthetic_set_is_read_until_the_end_of_the_new_set_is_written() {
    let is_open = |w: &World| w.state.open_backup_job(TENANT).is_some();
    for job in [Job::Incremental, Job::Synthetic] {
        for id in [2, 3] {
            lives(begun(job), &set(id), is_open, |w| w.state.open_backup_job(TENANT).is_none());
        }
    }
    // One that is cancelled reads until then as well: its workers may not have heard of it yet.
    let mut w = begun(Job::Synthetic);
    w.stop_when("its tasks", |w| w.state.open_backup_job(TENANT).is_some_and(|j| j.status == BackupJobStatus::Data));
    w.act(Action::CancelJob { kind: JobKind::Backup, tenant: TENANT }).unwrap();
    assert!(is_read(&w, set(2)));
    w.until("its end", |w| w.state.open_backup_job(TENANT).is_none());
    assert!(!is_read(&w, set(2)));
}

#[test]
fn log_that_a_set_is_to_carry_is_read_until_the_set_is_whole() {
    let is_open = |w: &World| w.state.open_backup_job(TENANT).is_some();
    let piece = CleanWhat::Pieces(vec![1]);
    lives(begun(Job::WithLog), &piece, is_open, |w| w.state.open_backup_job(TENANT).is_none());
    let mut w = begun(Job::Full);
    w.stop_when("the end", |w| {
        assert!(!is_read(w, CleanWhat::Pieces(vec![1])), "a set without log reads none");
        w.state.open_backup_job(TENANT).is_none()
    });
}

#[test]
fn what_a_drill_will_restore_is_read_until_its_restore_reads_it() {
    let mut w = begun(Job::Drill);
    let drill = |w: &World| w.state.drills().next().unwrap().clone();
    let check = |w: &World| {
        let will = matches!(drill(w).stage, DrillStage::Source | DrillStage::Choose);
        let does = w.state.restore_jobs().any(|j| !j.stage.is_ended());
        assert_eq!((is_read(w, set(3)), is_read(w, set(1))), (will, does), "{}", drill(w).stage);
        drill(w).stage
    };
    w.stop_when("the source is digested", |w| check(w) == DrillStage::Choose);
    w.now_ms += 2 * limits::DRILL_AHEAD_MS;
    w.write();
    w.stop_when("the end", |w| check(w) == DrillStage::Proven);
}

#[test]
fn log_that_a_standby_follows_is_read_in_the_stages_in_which_it_moves() {
    let mut w = world();
    let Action::StartRestore(mut request) = restore_request("s", 3) else { unreachable!() };
    let key = w.round().pieces.values().next().unwrap().key;
    request.source.log[0].pieces = vec![key];
    request.standby = true;
    w.act(Action::StartRestore(request)).unwrap();
    w.stop_when("the standby", |w| w.state.standbys().next().is_some());
    w.held.insert(TaskKind::RestoreLog, |_, _, _| None);
    let standby = |w: &World| w.state.standbys().next().unwrap().clone();
    let tenant = standby(&w).tenant_id;
    let reads = |w: &World| (standby(w).stage, is_read(w, CleanWhat::Pieces(vec![key.piece_id.0])));
    assert_eq!(reads(&w), (StandbyStage::Stopped, false));
    w.act(Action::RecoverStandby { tenant, until: None }).unwrap();
    assert_eq!(reads(&w), (StandbyStage::Following, true));
    w.act(Action::StopStandby { tenant }).unwrap();
    assert_eq!(reads(&w), (StandbyStage::Stopped, false));
    w.act(Action::ActivateStandby { tenant }).unwrap();
    assert_eq!(reads(&w), (StandbyStage::Activating, true));
    w.held.clear();
    w.until("it opens", |w| w.state.standbys().next().is_none());
    assert!(!is_read(&w, CleanWhat::Pieces(vec![key.piece_id.0])));
}

#[test]
fn nothing_begins_to_read_what_is_being_deleted_and_other_things_still_do() {
    let mut w = world();
    w.held.insert(TaskKind::Clean, |_, _, _| None);
    start(&mut w, Job::Clean).unwrap();
    let Action::StartValidate(look) = validate(&w) else { unreachable!() };
    let all = look.objects.clone();
    let of_set_1 = |objects: Vec<state::MediumObject>| {
        let objects = objects.into_iter().filter(|o| o.name == MediumName::Set(BackupSetId(1), BackupSetKind::Full));
        Action::StartValidate(Box::new(StartValidate { objects: objects.collect(), ..(*look).clone() }))
    };
    for action in [restore_request("r", 3), recover_table(), of_set_1(all)] {
        let refusal = w.is_refused(action.clone());
        assert_eq!(refusal.class, ErrorClass::Transient, "{action:?}: it may be asked again");
        assert!(refusal.what.contains("being deleted"), "{refusal}");
    }
    let Action::StartRestore(mut request) = restore_request("r", 3) else { unreachable!() };
    request.source.set_id = BackupSetId(2);
    request.source.sets = vec![(BackupSetId(2), BackupSetKind::Full)];
    assert!(matches!(w.act(Action::StartRestore(request)), Ok(Done::RestoreJob(_))));
}
