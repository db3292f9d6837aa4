//! Whatever a plan proposes may come twice, and long after: the second time it is void.

use crate::harness;
use crate::harness::jobs::{JOBS, Job, execute, open_jobs, start, world};
use crate::harness::table::failure;
use crate::harness::{TENANT, World, all_done};
use proptest::prelude::*;
use strandline_scheduler_core::*;
use strandline_types::*;

/// What may happen while the jobs run.
#[derive(Clone, Debug)]
enum Event {
    Start(Job),
    Kill(u64),
    Boot(u64),
    /// Workers fail their tasks in one of two ways, or do them.
    Fail(Option<ErrorClass>),
    Table(u32),
    Turns(u32),
}

fn events() -> impl Strategy<Value = Vec<Event>> {
    let class = prop::option::of(prop::sample::select(vec![ErrorClass::Transient, ErrorClass::Corrupt]));
    let event = prop_oneof![
        6 => prop::sample::select(JOBS.to_vec()).prop_map(Event::Start),
        1 => (1u64..4).prop_map(Event::Kill),
        2 => (1u64..4).prop_map(Event::Boot),
        2 => class.prop_map(Event::Fail),
        1 => (0u32..4).prop_map(Event::Table),
        8 => (1u32..8).prop_map(Event::Turns),
    ];
    prop::collection::vec(event, 5..25)
}

/// Time passes; each step is run, and its word comes a second time at once and a third time much later.
fn turn(w: &mut World, old: &mut Vec<Action>) {
    w.now_ms += 700;
    w.write();
    for _ in 0..3 {
        w.beat();
        for step in plan(&w.state, w.now_ms).steps {
            let then = step.then.clone();
            execute(w, step);
            w.is_void(then.clone());
            old.push(then);
        }
    }
    for action in old.iter() {
        w.is_void(action.clone());
    }
    // More than a leader that hangs could have.
    let surplus = old.len().saturating_sub(60);
    old.drain(..surplus);
}

fn happen(w: &mut World, old: &mut Vec<Action>, event: &Event) {
    match event {
        Event::Start(job) => drop(start(w, *job)),
        Event::Kill(n) => w.kill(NodeId(*n)),
        Event::Boot(n) => w.boot(NodeId(*n)),
        Event::Fail(None) => w.task_hook = all_done,
        Event::Fail(Some(ErrorClass::Corrupt)) => w.task_hook = damaged,
        Event::Fail(Some(_)) => w.task_hook = away,
        Event::Table(n) => drop(w.act(Action::CreateTable { tenant: TENANT, name: format!("k{n}"), tablets: 2 })),
        Event::Turns(n) => (0..*n).for_each(|_| turn(w, old)),
    }
}

fn damaged(_: &World, _: NodeId, order: &TaskOrder) -> Option<TaskReport> {
    Some(harness::report(order, TaskState::Failed, Some(failure(ErrorClass::Corrupt)), None))
}

fn away(_: &World, _: NodeId, order: &TaskOrder) -> Option<TaskReport> {
    Some(harness::report(order, TaskState::Failed, Some(failure(ErrorClass::Transient)), None))
}

#[test]
fn every_step_in_the_life_of_a_job_is_void_when_it_is_repeated() {
    for job in JOBS {
        let (mut w, mut old) = (world(), Vec::new());
        start(&mut w, job).unwrap();
        for _ in 0..200 {
            if open_jobs(&w.state).is_empty() {
                break;
            }
            turn(&mut w, &mut old);
        }
        assert_eq!(open_jobs(&w.state), Vec::<String>::new(), "{job:?}");
        turn(&mut w, &mut old);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 40, ..ProptestConfig::default() })]

    #[test]
    fn a_leader_that_was_overtaken_does_no_harm_whatever_has_happened_meanwhile(events in events()) {
        let (mut w, mut old) = (world(), Vec::new());
        for event in &events {
            happen(&mut w, &mut old, event);
        }
    }

    #[test]
    fn ids_only_rise_and_none_is_given_twice(events in events()) {
        let mut w = world();
        let mut seen: std::collections::BTreeSet<JobId> = w.state.jobs.keys().copied().collect();
        for event in &events {
            let (next, streams) = (w.state.next, w.state.tenants[&TENANT].next);
            happen(&mut w, &mut Vec::new(), event);
            let after = &w.state.tenants[&TENANT].next;
            prop_assert!(w.state.next.job >= next.job && w.state.next.tenant >= next.tenant);
            prop_assert!(after.table >= streams.table && after.tablet >= streams.tablet);
            prop_assert!(after.round >= streams.round && after.piece >= streams.piece);
            prop_assert!(after.backup_set >= streams.backup_set);
            for id in w.state.jobs.keys().filter(|id| !seen.contains(id)) {
                prop_assert!(*id >= next.job, "job {id} has an old number");
            }
            seen.extend(w.state.jobs.keys().copied());
        }
    }
}
