//! Every stage of a standby and of a restore drill, and everything that may come.

use crate::harness;
use crate::harness::jobs::{Job, start, world};
use crate::harness::table::failure;
use crate::harness::{TENANT, World, address, all_done, report, restore_request};
use StandbyStage::{Activating, Following, Reached, Stopped};
use strandline_scheduler_core::state::{Drill, DrillStage, JobKind, Stage, Standby, StandbyStage, TenantStatus};
use strandline_scheduler_core::*;
use strandline_types::*;

const SOURCE: TenantId = TenantId::FIRST_USER;

fn standby(w: &World) -> &Standby {
    w.state.standbys().next().unwrap()
}

/// Tasks of a standby that ordered to follow never end by themselves.
fn follows(world: &World, worker: NodeId, order: &TaskOrder) -> Option<TaskReport> {
    match &order.spec {
        TaskSpec::RestoreLog(spec) if spec.follow => Some(report(order, TaskState::Doing, None, None)),
        _ => all_done(world, worker, order),
    }
}

/// A standby of a restore to SCN 5000, in a stage.
fn stands(stage: StandbyStage) -> World {
    let mut w = World::new(3);
    let Action::StartRestore(mut request) = restore_request("s", 3) else { unreachable!() };
    request.standby = true;
    w.act(Action::StartRestore(request)).unwrap();
    w.stop_when("the standby", |w| w.state.standbys().next().is_some());
    w.held.insert(TaskKind::RestoreLog, follows);
    let tenant = SOURCE;
    match stage {
        Stopped => {}
        Following => drop(w.act(Action::RecoverStandby { tenant, until: None }).unwrap()),
        Reached => drop(w.act(Action::RecoverStandby { tenant, until: Some(Scn(5000)) }).unwrap()),
        Activating => drop(w.act(Action::ActivateStandby { tenant }).unwrap()),
    }
    w.stop_when("the stage", |w| standby(w).stage == stage);
    w
}

/// What comes to a standby, by name.
fn comes(w: &World, what: &str) -> Action {
    let tenant = SOURCE;
    let job = standby(w).id;
    match what {
        "follow" => Action::RecoverStandby { tenant, until: None },
        "follow to the end that it has" => Action::RecoverStandby { tenant, until: Some(Scn(5000)) },
        "follow to the past" => Action::RecoverStandby { tenant, until: Some(Scn(4999)) },
        "stop" => Action::StopStandby { tenant },
        "activate" => Action::ActivateStandby { tenant },
        "archive goes on" => Action::StandbySource { tenant, pieces: Vec::new(), reach: Scn(9000) },
        "reached" => Action::StandbyReached { tenant },
        "open" => Action::OpenStandby { tenant },
        "task fails" => Action::JobFailed { job, failure: failure(ErrorClass::Corrupt) },
        "close" => Action::CloseJob { job },
        "advance" => Action::AdvanceJob {
            job,
            from: Stage::Restore(RestoreStage::CreateTenant),
            to: Stage::Restore(RestoreStage::RestoreData),
        },
        other => panic!("{other}"),
    }
}

enum Then {
    /// Nothing happens.
    Void,
    /// It is refused.
    Refused,
    /// This stage, with the tasks that it has.
    Same(StandbyStage),
    /// This stage, with tasks of a new id.
    New(StandbyStage),
}
use Then::{New, Refused, Same, Void};

#[test]
fn every_stage_of_a_standby_answers_everything_that_may_come() {
    #[rustfmt::skip]
    let table = [
        ("follow",                        [New(Following),  Same(Following), New(Following),  Refused]),
        ("follow to the end that it has", [New(Following),  Same(Following), New(Following),  Refused]),
        ("follow to the past",            [Refused,         Refused,         Refused,         Refused]),
        ("stop",                          [Void,            Same(Stopped),   Same(Stopped),   Void]),
        ("activate",                      [New(Activating), New(Activating), New(Activating), Void]),
        ("archive goes on",               [Void,            Same(Following), Void,            Void]),
        ("reached",                       [Void,            Void,            Void,            Void]),
        ("open",                          [Void,            Void,            Void,            Void]),
        ("task fails",                    [Same(Stopped),   New(Following),  Same(Reached),   New(Activating)]),
        ("close",                         [Void,            Void,            Void,            Void]),
        ("advance",                       [Void,            Void,            Void,            Void]),
    ];
    for (at, n) in [Stopped, Following, Reached, Activating].into_iter().zip(0..) {
        let stands = stands(at);
        let old = standby(&stands).id;
        for (what, row) in &table {
            let mut w = stands.clone();
            let action = comes(&w, what);
            match &row[n] {
                Void => w.is_void(action),
                Refused => drop(w.is_refused(action)),
                Same(stage) => {
                    assert_eq!(w.act(action), Ok(Done::Ok), "{what} in {at}");
                    assert_eq!((standby(&w).stage, standby(&w).id), (*stage, old), "{what} in {at}");
                }
                New(stage) => {
                    let next = w.state.next.job;
                    assert_eq!(w.act(action), Ok(Done::Ok), "{what} in {at}");
                    assert_eq!((standby(&w).stage, standby(&w).id), (*stage, next), "{what} in {at}");
                    assert!(standby(&w).runs.values().all(|run| run.executor.is_none()), "all begin anew");
                }
            }
            let stands = matches!(standby(&w).stage, Stopped | Reached);
            assert_eq!(standby(&w).runs.is_empty(), stands, "{what} in {at}: one that stands orders nothing");
        }
    }
}

#[test]
fn reports_of_the_tasks_before_are_void_once_a_standby_has_new_ones() {
    let mut w = stands(Following);
    let old = standby(&w).id;
    w.stop_when("its tasks run", |w| standby(w).runs.values().all(|run| run.is_running()));
    let attempts = w.attempts(old);
    w.act(Action::ActivateStandby { tenant: SOURCE }).unwrap();
    let before = standby(&w).clone();
    for (key, run) in attempts {
        let executor = run.executor.unwrap();
        let result = Some(TaskResult::RestoreLog(RestoreLogResult { replayed_scn: Scn(9000), replayed_bytes: 1 }));
        let done = TaskReport { result, ..harness::table::said(key, TaskState::Done, 100) };
        w.hear(w.says(executor, vec![done]));
        w.is_void(Action::TaskLost { key, executor, failure: failure(ErrorClass::Transient) });
    }
    assert_eq!(standby(&w).runs, before.runs);
}

#[test]
fn a_standby_opens_when_all_its_streams_stand_at_one_scn_and_its_job_is_there_no_more() {
    let mut w = stands(Activating);
    w.is_void(Action::OpenStandby { tenant: SOURCE });
    w.stop_when("all is replayed", |w| standby(w).runs.have_finished(TaskKind::RestoreLog));
    let id = standby(&w).id;
    w.does_once(Action::OpenStandby { tenant: SOURCE });
    assert_eq!(w.state.tenants[&SOURCE].status, TenantStatus::Normal);
    assert!(!w.state.jobs.contains_key(&id));
    for what in ["follow", "stop", "activate"] {
        let asked = comes(&stands(Stopped), what);
        assert!(w.is_refused(asked).what.contains("no standby"), "{what}");
    }
    for what in ["reached", "open", "archive goes on", "task fails"] {
        w.is_void(comes(&stands(Stopped), what));
    }
}

#[test]
fn the_target_of_a_standby_only_rises_and_never_above_the_end_that_was_asked_for() {
    let mut w = stands(Following);
    let reach = |w: &mut World, scn, pieces| {
        w.act(Action::StandbySource { tenant: SOURCE, pieces, reach: Scn(scn) }).unwrap();
        standby(w).target_scn
    };
    let key = |id| PieceKey { dest_id: DestId(1001), round_id: RoundId(1), piece_id: PieceId(id) };
    assert_eq!(reach(&mut w, 7000, vec![key(2), key(3)]), Scn(7000));
    assert_eq!(standby(&w).source.log[0].pieces, [key(2), key(3)]);
    assert_eq!(reach(&mut w, 6000, Vec::new()), Scn(7000), "log is never taken back");
    assert_eq!(standby(&w).source.log[0].pieces, [key(2), key(3)], "a look that finds nothing changes nothing");
    w.act(Action::RecoverStandby { tenant: SOURCE, until: Some(Scn(8000)) }).unwrap();
    assert_eq!(reach(&mut w, 9000, Vec::new()), Scn(8000));
}

#[test]
fn a_standby_that_cannot_look_at_its_archive_falls_behind_and_nothing_else() {
    let mut w = stands(Following);
    let before = standby(&w).clone();
    let failed = Action::MediumFailed { subject: Subject::Standby(SOURCE), failure: failure(ErrorClass::Corrupt) };
    w.act(failed).unwrap();
    assert_eq!((standby(&w).stage, &standby(&w).runs), (before.stage, &before.runs));
    let since_ms = standby(&w).trouble.as_ref().unwrap().since_ms;
    w.now_ms += 5_000;
    let other = Action::MediumFailed { subject: Subject::Standby(SOURCE), failure: failure(ErrorClass::Transient) };
    w.act(other).unwrap();
    assert_eq!(standby(&w).trouble.as_ref().unwrap().since_ms, since_ms, "since when it first was so");
    w.act(Action::StandbyScanned { tenant: SOURCE }).unwrap();
    assert_eq!(standby(&w).trouble, None);
    w.act(Action::SetRestoreSource { tenant: SOURCE, from: address("file:///other") }).unwrap();
    assert_eq!((standby(&w).source.pieces().count(), standby(&w).scanned_ms), (0, 0), "the next look finds them");
}

fn drill(w: &World) -> &Drill {
    w.state.drills().next_back().unwrap()
}

/// A drill that stands in a stage.
fn drills(stage: DrillStage, ripe: bool) -> World {
    let mut w = world();
    start(&mut w, Job::Drill).unwrap();
    let has_all = |w: &World| drill(w).runs.have_finished(TaskKind::Fingerprint);
    let digests = |s| matches!(s, DrillStage::Source | DrillStage::Restored);
    // Its archive comes as far as its SCN once something is written after that.
    w.stop_when("the source is digested", |w| drill(w).stage == stage || drill(w).stage == DrillStage::Choose);
    if stage != DrillStage::Source && stage != DrillStage::Choose {
        w.now_ms += 2 * limits::DRILL_AHEAD_MS;
        w.write();
    }
    w.stop_when("the stage", |w| drill(w).stage == stage);
    w.stop_when("all is there", |w| !digests(stage) || !ripe || has_all(w));
    w
}

#[test]
fn a_drill_goes_from_stage_to_stage_and_a_restore_begins_by_itself() {
    let row = |at, ripe, may: &[DrillStage]| {
        let w = drills(at, ripe);
        let may: Vec<Stage> = may.iter().copied().map(Stage::Drill).collect();
        w.advances_only(drill(&w).id, Stage::Drill(at), &may);
    };
    row(DrillStage::Source, false, &[]);
    row(DrillStage::Source, true, &[DrillStage::Choose]);
    row(DrillStage::Choose, true, &[]);
    row(DrillStage::Restore, true, &[DrillStage::Restored]);
    row(DrillStage::Restored, false, &[]);
    row(DrillStage::Restored, true, &[DrillStage::Drop]);
    row(DrillStage::Drop, true, &[DrillStage::Proven]);
    row(DrillStage::Proven, true, &[]);
}

#[test]
fn a_drill_that_ends_early_drops_what_it_has_restored_first() {
    use DrillStage::{Choose, Drop, Failed, Proven, Restore, Restored};
    for (at, ends_in) in [(DrillStage::Source, Failed), (Choose, Failed), (Restore, Drop), (Restored, Drop)] {
        let w = drills(at, false);
        let id = drill(&w).id;
        let failed = Action::JobFailed { job: id, failure: failure(ErrorClass::Transient) };
        let refused = Action::MediumFailed { subject: Subject::Drill(id), failure: failure(ErrorClass::Permission) };
        let canceled = Action::CancelJob { kind: JobKind::Drill, tenant: TENANT };
        for (end, answer) in [(failed, Done::Ok), (refused, Done::Ok), (canceled.clone(), Done::Drill(id))] {
            let mut w = w.clone();
            assert_eq!(w.act(end.clone()), Ok(answer), "{at}");
            assert_eq!((drill(&w).stage, drill(&w).runs.len()), (ends_in, 0), "{at}");
            if let Some((job, tenant)) = drill(&w).restore {
                assert_eq!(w.state.tenants[&tenant].status, TenantStatus::Dropping, "{at}");
                assert!(w.state.restore_job(job).unwrap().ended_ms.is_some());
                w.is_void(Action::JobFailed { job: id, failure: failure(ErrorClass::Corrupt) });
                w.stop_when("the end", |w| drill(w).stage.is_ended());
            }
            assert_eq!(drill(&w).stage, Failed, "{at}: what ended early proves nothing");
            assert_eq!(w.state.drill_plans[&TENANT].proven_ms, 0);
            assert_eq!(w.is_refused(canceled.clone()).class, ErrorClass::NotFound);
        }
        let mut w = w;
        let away = Action::MediumFailed { subject: Subject::Drill(id), failure: failure(ErrorClass::Transient) };
        w.act(away).unwrap();
        assert_eq!((drill(&w).stage, drill(&w).trouble.is_some()), (at, true), "what may go away is waited for");
    }
    let mut w = drills(Proven, true);
    w.is_void(Action::JobFailed { job: drill(&w).id, failure: failure(ErrorClass::Corrupt) });
    assert_eq!(w.state.drill_plans[&TENANT].proven_scn, drill(&w).scn);
}

/// Both have the same log streams, and a drill has one id: but for their tenants its tasks have the same names.
#[test]
fn a_digest_of_the_source_is_never_taken_for_one_of_what_was_restored() {
    let mut w = drills(DrillStage::Restored, false);
    w.held.insert(TaskKind::Fingerprint, |_, _, _| None);
    w.stop_when("its tasks run", |w| drill(w).runs.values().all(|run| run.is_running()));
    for (of_source, run) in w.attempts(drill(&w).id) {
        let executor = run.executor.unwrap();
        let result = Some(TaskResult::Fingerprint(FingerprintResult::default()));
        let done = TaskReport { result, ..harness::table::said(of_source, TaskState::Done, 100) };
        w.hear(w.says(executor, vec![done.clone()]));
        w.is_void(Action::TaskLost { key: of_source, executor, failure: failure(ErrorClass::Transient) });
        assert_eq!(drill(&w).restored.len(), 0);
        let restored = drill(&w).restore.unwrap().1;
        let mut w = w.clone();
        w.hear(w.says(executor, vec![TaskReport { key: TaskKey { tenant_id: restored, ..of_source }, ..done }]));
        assert_eq!(drill(&w).restored.len(), 1);
    }
}
