//! Ended jobs are remembered for a while, each kind for itself, and go with their parts; what runs stays.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod harness;

use harness::jobs::{Job, open_jobs, start, turn, world};
use harness::{TENANT, World};
use strandline_scheduler_core::*;
use strandline_types::*;

fn until_ended(w: &mut World, job: Job) {
    start(w, job).unwrap();
    while !open_jobs(&w.state).is_empty() {
        turn(w, 1_000);
    }
}

#[test]
fn the_newest_ended_jobs_of_a_kind_are_kept_with_their_parts_and_older_ones_go() {
    let mut w = world();
    let sets = w.state.backup_sets.len();
    let backups = w.state.backup_jobs().count();
    for _ in 0..limits::CLEAN_JOBS_KEPT_MAX + 5 {
        until_ended(&mut w, Job::Validate);
    }
    start(&mut w, Job::Validate).unwrap();
    let kept: Vec<JobId> = w.state.validate_jobs().map(|job| job.id).collect();
    assert_eq!(kept.len(), limits::CLEAN_JOBS_KEPT_MAX + 1, "and the one that runs");
    assert_eq!(w.state.validate_tasks().count(), kept.len() * sets);
    assert!(w.state.validate_tasks().all(|part| kept.contains(&part.job_id())), "no part without its job");
    assert_eq!(w.state.backup_jobs().count(), backups, "other kinds are counted for themselves");
}

#[test]
fn a_check_of_a_destination_that_runs_is_not_forgotten_for_newer_ones() {
    let mut w = world();
    w.held.insert(TaskKind::DestCheck, |_, _, _| None);
    let Done::DestCheck(first) = start(&mut w, Job::DestCheck).unwrap() else { panic!("no check") };
    w.held.clear();
    for _ in 0..limits::DEST_CHECKS_KEPT_MAX + 5 {
        start(&mut w, Job::DestCheck).unwrap();
    }
    assert!(w.state.dest_check(first).is_some());
}

#[test]
fn a_dropped_tenant_leaves_the_rows_of_its_backups_and_restores_and_no_other_job() {
    let mut w = world();
    until_ended(&mut w, Job::Validate);
    until_ended(&mut w, Job::Restore);
    w.act(Action::NoArchiveLog { tenant: TENANT }).unwrap();
    for _ in 0..20 {
        turn(&mut w, 1_000);
    }
    w.act(Action::DropTenant { tenant: TENANT }).unwrap();
    for _ in 0..20 {
        turn(&mut w, 1_000);
    }
    assert!(!w.state.tenants.contains_key(&TENANT));
    assert!(w.state.backup_jobs().count() > 0 && w.state.restore_jobs().count() > 0);
    assert_eq!((w.state.validate_jobs().count(), w.state.validate_tasks().count()), (0, 0));
}
