//! Scheduled backups over time, failovers and absences.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod harness;

use harness::{TENANT, World};
use strandline_catalogue::retention::Policy;
use strandline_scheduler_core::state::{BackupSchedule, DestState, MissedRun, SchedulePlan, TenantStatus};
use strandline_scheduler_core::*;
use strandline_types::*;

const MINUTE_MS: u64 = 60_000;
const DAY_MS: u64 = 24 * 60 * MINUTE_MS;

fn set(w: &mut World, plan: SchedulePlan, enable: bool) {
    let change = ScheduleChange::Set { plan, enable };
    w.act(Action::ChangeSchedule { tenant: TENANT, change }).unwrap();
}

fn nightly(missed: MissedRun) -> SchedulePlan {
    SchedulePlan { full: "0 2 * * *".into(), time_zone: "UTC".into(), missed, ..SchedulePlan::default() }
}

fn schedule(w: &World) -> &BackupSchedule {
    &w.state.schedules[&TENANT]
}

fn all_ended(w: &World) -> bool {
    w.state.backup_jobs().all(|j| !j.is_open())
}

/// Time passes, with a look every few minutes.
fn pass(w: &mut World, ms: u64) {
    let until_ms = w.now_ms + ms;
    while w.now_ms < until_ms {
        w.now_ms += 5 * MINUTE_MS;
        w.run(1);
    }
    w.until("the end of jobs", all_ended);
}

#[test]
fn a_schedule_is_off_until_it_is_enabled_and_then_runs_once_a_night() {
    let mut w = World::archiving(1, 1, 86_400);
    set(&mut w, nightly(MissedRun::RunOnce), false);
    pass(&mut w, 2 * DAY_MS);
    assert!(w.state.backup_jobs().next().is_none());
    w.act(Action::ChangeSchedule { tenant: TENANT, change: ScheduleChange::Enable(true) }).unwrap();
    w.run(3);
    assert!(w.state.backup_jobs().next().is_none(), "what was due before is no matter of it");
    pass(&mut w, 3 * DAY_MS);
    assert_eq!(w.state.backup_sets.len(), 3);
    assert!(w.state.backup_sets.values().all(|s| s.status == BackupSetStatus::Success));
    w.act(Action::ChangeSchedule { tenant: TENANT, change: ScheduleChange::Enable(false) }).unwrap();
    pass(&mut w, 2 * DAY_MS);
    assert_eq!(w.state.backup_sets.len(), 3);
}

#[test]
fn a_run_that_two_leaders_propose_is_run_once() {
    let mut w = World::archiving(1, 1, 86_400);
    set(&mut w, nightly(MissedRun::RunOnce), true);
    w.now_ms += DAY_MS;
    w.beat();
    let is_run = |s: &&Step| matches!(s.then, Action::RunSchedule { .. });
    let run = plan(&w.state, w.now_ms).steps.iter().find(is_run).unwrap().then.clone();
    assert!(matches!(w.act(run.clone()), Ok(Done::BackupJob(_))));
    w.act(Action::TakeLead { node: NodeId(902), term: Term(5) }).unwrap();
    assert_eq!(w.act(run), Ok(Done::Nothing));
    w.until("the end", all_ended);
    w.run(5);
    assert_eq!(w.state.backup_sets.len(), 1);
}

#[test]
fn a_run_that_an_older_plan_decided_is_void() {
    let mut w = World::archiving(1, 1, 86_400);
    set(&mut w, nightly(MissedRun::RunOnce), true);
    w.now_ms += DAY_MS;
    w.beat();
    let is_run = |s: &&Step| matches!(s.then, Action::RunSchedule { .. });
    let run = plan(&w.state, w.now_ms).steps.iter().find(is_run).unwrap().then.clone();
    set(&mut w, nightly(MissedRun::Skip), true);
    assert_eq!(w.act(run), Ok(Done::Nothing));
}

#[test]
fn after_an_absence_one_run_makes_up_or_none() {
    for (missed, sets) in [(MissedRun::RunOnce, 1), (MissedRun::Skip, 0)] {
        let mut w = World::archiving(1, 1, 86_400);
        set(&mut w, nightly(missed), true);
        // Four nights without a leader; back at an hour when nothing is due.
        w.now_ms += 4 * DAY_MS - w.now_ms % DAY_MS + 12 * 60 * MINUTE_MS;
        w.run(3);
        w.until("the end", all_ended);
        assert_eq!(w.state.backup_sets.len(), sets, "{missed:?}");
        let last = schedule(&w).runs.last().unwrap();
        assert_eq!(last.refusal.is_some(), sets == 0, "{last:?}");
    }
}

#[test]
fn a_refused_run_tells_why_and_is_not_tried_again_until_the_next_time() {
    let mut w = World::with_tenant(1, 1);
    set(&mut w, nightly(MissedRun::RunOnce), true);
    pass(&mut w, 2 * DAY_MS);
    assert!(w.state.backup_jobs().next().is_none());
    assert_eq!(schedule(&w).runs.len(), 2);
    for run in &schedule(&w).runs {
        assert_eq!(run.refusal.as_ref().unwrap().code, -9040, "{run:?}");
    }
}

#[test]
fn a_run_waits_for_the_backup_before_it() {
    let mut w = World::archiving(1, 1, 86_400);
    set(&mut w, nightly(MissedRun::RunOnce), true);
    w.task_hook = |_, _, order| Some(harness::report(order, TaskState::Doing, None, None));
    let request = BackupRequest::new(BackupMode::Full, "by hand");
    w.act(Action::StartBackup { tenant: TENANT, request }).unwrap();
    w.now_ms += DAY_MS - w.now_ms % DAY_MS + 2 * 60 * MINUTE_MS;
    w.beat();
    let waiting = plan(&w.state, w.now_ms).waiting;
    let found = waiting
        .iter()
        .any(|x| matches!(x.who, Who::ScheduledRun(BackupMode::Full, _)) && x.on == On::BackupJob(JobId(1)));
    assert!(found, "{waiting:?}");
    let shown = format!("{:?}", views::view(&w.state, w.now_ms, "CDB_STRANDLINE_BACKUP_SCHEDULES").unwrap().rows);
    assert!(shown.contains("waits for backup job 1 to end"), "COMMENT says it as well: {shown}");
    w.task_hook = harness::all_done;
    w.until("the end of both", |w| w.state.backup_jobs().count() == 2 && all_ended(w));
}

#[test]
fn due_times_that_pass_while_a_backup_runs_leave_a_row_each_and_very_many_are_counted() {
    for (missed, hours) in [(MissedRun::RunOnce, 3), (MissedRun::RunOnce, 40), (MissedRun::Skip, 3)] {
        let mut w = World::archiving(1, 1, 86_400);
        w.now_ms += DAY_MS - w.now_ms % DAY_MS + MINUTE_MS;
        w.run(1);
        let hourly = SchedulePlan { full: "0 * * * *".into(), ..nightly(missed) };
        set(&mut w, hourly, true);
        w.task_hook = |_, _, order| Some(harness::report(order, TaskState::Doing, None, None));
        let request = BackupRequest::new(BackupMode::Full, "by hand");
        w.act(Action::StartBackup { tenant: TENANT, request }).unwrap();
        let began_ms = w.now_ms;
        w.now_ms += hours * 60 * MINUTE_MS;
        w.beat();
        // Only the end of the backup lets the schedule go on.
        let job = w.state.open_backup_job(TENANT).unwrap().id;
        w.act(Action::JobFailed { job, failure: Failure::new(ErrorClass::Invalid, "enough", "", "") }).unwrap();
        w.task_hook = harness::all_done;
        w.until("the run", |w| w.state.backup_jobs().count() == 2 && all_ended(w));

        let hour_ms = 60 * MINUTE_MS;
        let due: Vec<u64> = (1..=hours).map(|h| began_ms - began_ms % hour_ms + h * hour_ms).collect();
        let shown = due.len().min(limits::SCHEDULE_LEFT_OUT_MAX + 1);
        let runs = &schedule(&w).runs;
        let rows: Vec<u64> = runs.iter().map(|r| r.due_ms).collect();
        assert_eq!(rows, due[due.len() - shown..], "{missed:?}, {hours} h");
        let (last, left_out) = runs.split_last().unwrap();
        assert!(last.job.is_some() && left_out.iter().all(|r| r.job.is_none()));
        let why = left_out[0].refusal.as_ref().unwrap().to_string();
        assert!(why.contains(if missed == MissedRun::Skip { "SKIP" } else { "makes up for it" }), "{why}");
        assert_eq!(why.contains("due times before it"), due.len() > shown, "{why}");
        let first = format!("so were {} due times before it", due.len() - shown);
        assert!(due.len() == shown || why.contains(&first), "{why}");
    }
}

#[test]
fn a_dropped_schedule_is_gone_and_says_so() {
    let mut w = World::archiving(1, 1, 86_400);
    let drop = |w: &mut World| w.act(Action::ChangeSchedule { tenant: TENANT, change: ScheduleChange::Drop });
    assert_eq!(drop(&mut w).unwrap_err().class, ErrorClass::NotFound);
    set(&mut w, nightly(MissedRun::RunOnce), true);
    assert_eq!(views::view(&w.state, w.now_ms, "CDB_STRANDLINE_BACKUP_SCHEDULES").unwrap().rows.len(), 1);
    drop(&mut w).unwrap();
    pass(&mut w, 2 * DAY_MS);
    assert!(w.state.backup_jobs().next().is_none());
}

#[test]
fn an_encrypted_run_waits_for_its_key_and_is_run_once_with_it() {
    let mut w = World::archiving(1, 1, 86_400);
    let plan_of = |key_source: &str| SchedulePlan { key_source: key_source.into(), ..nightly(MissedRun::RunOnce) };
    set(&mut w, plan_of("file:/keys/backup"), true);
    w.now_ms += DAY_MS;
    w.beat();
    let seal_of = |w: &World| {
        let steps = plan(&w.state, w.now_ms).steps;
        let step = steps.into_iter().find(|s| s.subject == Some(Subject::Schedule(TENANT))).unwrap();
        match step.work.first() {
            Some(MediumWork::SealRun(work)) => (**work).clone(),
            other => panic!("{other:?}"),
        }
    };
    let work = seal_of(&w);
    assert_eq!((work.key_source.as_str(), work.chain), ("file:/keys/backup", None));
    let failure = Failure::new(ErrorClass::NotFound, "no such file", "file:/keys/backup", "put it there");
    w.act(Action::MediumFailed { subject: Subject::Schedule(TENANT), failure: failure.clone() }).unwrap();
    assert!(w.state.backup_jobs().next().is_none(), "nothing is backed up in the clear instead");
    let waiting = plan(&w.state, w.now_ms).waiting;
    assert!(waiting.iter().any(|wait| wait.on.to_string().contains("no such file")), "{waiting:?}");
    assert_eq!(seal_of(&w), work, "it is tried again");

    let mut run = work.run;
    let seal = state::SetSeal { salt: [1; 16], fingerprint: [2; 8] };
    if let Action::RunSchedule { request: Some(request), .. } = &mut run {
        request.seal = Some(SealKey { key: Secret::new(vec![7; 32]), seal });
    }
    assert!(matches!(w.act(run.clone()), Ok(Done::BackupJob(_))));
    assert_eq!(w.act(run), Ok(Done::Nothing));
    w.act(Action::RunSealed { tenant: TENANT }).unwrap();
    assert_eq!(schedule(&w).trouble, None);
    w.until("the end", all_ended);
    let set = w.state.backup_sets.values().next().unwrap();
    assert_eq!((set.status, set.seal), (BackupSetStatus::Success, Some(seal)));
}

#[test]
fn a_key_source_that_is_none_is_refused_where_it_is_typed() {
    // What is no place of a key may be the key itself: it is not repeated.
    for (bad, shown) in [("secret", "******"), ("file:relative", "file:relative"), ("command:", "command:")] {
        let refused = check_schedule(&SchedulePlan { key_source: bad.into(), ..nightly(MissedRun::Skip) }).unwrap_err();
        assert!(refused.object.contains(shown) && refused.todo.contains("file:/"), "{refused}");
    }
}

#[test]
fn runs_of_a_tenant_whose_archive_is_paused_are_refused_one_by_one_and_leave_nothing_behind() {
    let mut w = World::archiving(1, 1, 86_400);
    set(&mut w, nightly(MissedRun::RunOnce), true);
    let switch = |w: &mut World, state| w.act(Action::SetArchiveDestState { tenant: TENANT, no: DestNo(0), state });
    switch(&mut w, DestState::Defer).unwrap();
    pass(&mut w, 5 * DAY_MS);
    let runs = &schedule(&w).runs;
    assert_eq!(runs.len(), 5);
    for run in runs {
        let refusal = run.refusal.as_ref().unwrap();
        assert!(run.job.is_none() && refusal.to_string().contains("archive round 1 is SUSPEND"), "{refusal}");
    }
    assert!(w.state.backup_jobs().next().is_none() && w.state.backup_sets.is_empty());
    // The paused nights are over: nothing is made up for, the next night is one run.
    switch(&mut w, DestState::Enable).unwrap();
    pass(&mut w, DAY_MS);
    assert_eq!((schedule(&w).runs.len(), w.state.backup_sets.len()), (6, 1));
}

#[test]
fn a_tenant_that_cannot_be_backed_up_takes_no_schedule_and_says_what_would_help() {
    let mut w = World::archiving(3, 1, 86_400);
    w.act(harness::restore_request("r", 1)).unwrap();
    let tenant = w.state.tenants.values().find(|t| t.name == "r").unwrap().id;
    let refusal = |status| {
        let mut state = w.state.clone();
        state.tenants.get_mut(&tenant).unwrap().status = status;
        let change = ScheduleChange::Set { plan: nightly(MissedRun::Skip), enable: true };
        let action = Action::ChangeSchedule { tenant, change };
        let refused = apply(&mut state, Command { proposed_at_ms: w.now_ms, action }).unwrap_err();
        assert!(state.schedules.is_empty());
        refused
    };
    for (status, way_out) in [
        (TenantStatus::Restoring, "CANCEL RESTORE r"),
        (TenantStatus::Standby, "ACTIVATE STANDBY TENANT = r"),
        (TenantStatus::Imported, "validated and cleaned"),
        (TenantStatus::Dropping, "another tenant"),
    ] {
        let failure = refusal(status);
        assert!(failure.what.contains(&status.to_string()) && failure.todo.contains(way_out), "{failure}");
    }
}

#[test]
fn a_tenant_that_is_made_again_under_the_name_of_a_dropped_one_inherits_nothing() {
    let mut w = World::archiving(1, 1, 86_400);
    set(&mut w, nightly(MissedRun::RunOnce), true);
    let policy =
        Policy { window_ns: 1, redundancy: 1, keep_weekly: 0, keep_monthly: 0, keep_yearly: 0, log_only: false };
    w.act(Action::AddCleanPolicy { tenant: TENANT, policy }).unwrap();
    w.act(Action::NoArchiveLog { tenant: TENANT }).unwrap();
    w.until("STOP", |w| w.round().state == RoundState::Stop);
    w.act(Action::DropTenant { tenant: TENANT }).unwrap();
    // A run that is due while it goes is nobody's.
    pass(&mut w, 2 * DAY_MS);
    let made = w.act(Action::CreateTenant { name: "t".to_owned(), log_streams: 2, replicas: 1 });
    let Ok(Done::Tenant(again)) = made else { panic!("{made:?}") };
    assert_ne!(again, TENANT);
    pass(&mut w, 2 * DAY_MS);
    assert!(w.state.schedules.is_empty() && w.state.backup_jobs().next().is_none());
    assert!(w.state.clean_policies.is_empty() && w.state.destinations.is_empty());
}

#[test]
fn a_backup_by_hand_in_the_minute_of_a_scheduled_one_is_one_set_each_and_names_who_was_left_out() {
    let mut w = World::archiving(1, 1, 86_400);
    w.act(Action::CreateTenant { name: "bare".to_owned(), log_streams: 1, replicas: 1 }).unwrap();
    let bare = w.state.tenants.values().find(|t| t.name == "bare").unwrap().id;
    set(&mut w, nightly(MissedRun::RunOnce), true);
    w.now_ms += DAY_MS - w.now_ms % DAY_MS + 2 * 60 * MINUTE_MS;
    w.beat();
    let request = BackupRequest::new(BackupMode::Full, "by hand");
    let started = w.act(Action::StartBackups { tenants: vec![TENANT, bare], all: true, request }).unwrap();
    let Done::Initiator { started, refused, .. } = started else { panic!("{started:?}") };
    assert_eq!((started.len(), refused.len(), refused[0].0), (1, 1, bare));
    assert!(refused[0].1.to_string().contains("no data backup destination"), "{}", refused[0].1);
    w.until("both", |w| w.state.backup_jobs().count() == 2 && all_ended(w));
    assert_eq!(w.state.backup_sets.len(), 2);
    assert!(schedule(&w).runs.iter().all(|r| r.job.is_some()));
}
