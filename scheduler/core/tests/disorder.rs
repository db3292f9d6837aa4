//! A small world in disorder: workers die and come back, streams stand still, the medium fails, administrators change
//! their minds. The plan never runs in circles, and once everything is well again every job ends.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod harness;

use harness::{TENANT, World, all_done, report, restore_request};
use proptest::prelude::*;
use strandline_scheduler_core::state::{DestState, JobKind};
use strandline_scheduler_core::*;
use strandline_types::*;

#[derive(Clone, Debug)]
enum Event {
    Kill(u64),
    Boot(u64),
    Write,
    Run(u32),
    Sleep(u64),
    Stick(u64),
    Unstick,
    Medium(Option<ErrorClass>),
    Tasks(u8),
    Lead,
    Archive(bool),
    Defer(bool),
    Backup,
    CancelBackup,
    Restore,
    CancelRestore,
}

fn events() -> impl Strategy<Value = Vec<Event>> {
    let medium = prop_oneof![Just(None), Just(Some(ErrorClass::Transient)), Just(Some(ErrorClass::Exhausted))];
    let event = prop_oneof![
        1 => (1u64..=4).prop_map(Event::Kill),
        2 => (1u64..=4).prop_map(Event::Boot),
        4 => Just(Event::Write),
        8 => (1u32..8).prop_map(Event::Run),
        1 => (0u64..20_000).prop_map(Event::Sleep),
        1 => prop_oneof![Just(1u64), Just(1001)].prop_map(Event::Stick),
        1 => Just(Event::Unstick),
        2 => medium.prop_map(Event::Medium),
        2 => (0u8..4).prop_map(Event::Tasks),
        1 => Just(Event::Lead),
        2 => any::<bool>().prop_map(Event::Archive),
        1 => any::<bool>().prop_map(Event::Defer),
        2 => Just(Event::Backup),
        1 => Just(Event::CancelBackup),
        1 => Just(Event::Restore),
        1 => Just(Event::CancelRestore),
    ];
    prop::collection::vec(event, 0..60)
}

fn doing(_: &World, _: NodeId, order: &TaskOrder) -> Option<TaskReport> {
    Some(report(order, TaskState::Doing, None, None))
}

fn silent(_: &World, _: NodeId, _: &TaskOrder) -> Option<TaskReport> {
    None
}

fn failing(_: &World, worker: NodeId, order: &TaskOrder) -> Option<TaskReport> {
    let class = if worker.0.is_multiple_of(2) { ErrorClass::Transient } else { ErrorClass::Corrupt };
    let failure = Failure::new(class, "it failed", "something", "");
    Some(report(order, TaskState::Failed, Some(failure), None))
}

fn happen(w: &mut World, event: Event) {
    // Requestes may be refused: that is an answer.
    let request = |w: &mut World, action| drop(w.act(action));
    let restored = w.state.restore_jobs().next_back().map(|j| j.tenant_id);
    match event {
        Event::Kill(n) => w.kill(NodeId(n)),
        Event::Boot(n) => w.boot(NodeId(n)),
        Event::Write => w.write(),
        Event::Run(n) => w.run(n),
        Event::Sleep(ms) => w.now_ms += ms,
        Event::Stick(ls) => drop(w.stuck.insert(LsId(ls))),
        Event::Unstick => w.stuck.clear(),
        Event::Medium(class) => w.medium_failure = class.map(|c| Failure::new(c, "the medium", "file:///", "")),
        Event::Tasks(n) => w.task_hook = [all_done, doing, silent, failing][usize::from(n)],
        Event::Lead => {
            let term = w.state.schedulers.term.next();
            request(w, Action::TakeLead { node: NodeId(901), term });
        }
        Event::Archive(true) => request(w, Action::ArchiveLog { tenant: TENANT }),
        Event::Archive(false) => request(w, Action::NoArchiveLog { tenant: TENANT }),
        Event::Defer(on) => {
            let state = if on { DestState::Defer } else { DestState::Enable };
            request(w, Action::SetArchiveDestState { tenant: TENANT, no: DestNo(0), state });
        }
        Event::Backup => {
            request(w, Action::StartBackup { tenant: TENANT, request: BackupRequest::new(BackupMode::Full, "") });
        }
        Event::CancelBackup => request(w, Action::CancelJob { kind: JobKind::Backup, tenant: TENANT }),
        Event::Restore => request(w, restore_request("r", 3)),
        Event::CancelRestore => {
            request(w, Action::CancelJob { kind: JobKind::Restore, tenant: restored.unwrap_or(TENANT) })
        }
    }
}

/// Everything is well again.
fn heal(w: &mut World) {
    for n in 1..=4 {
        if !w.alive.contains(&NodeId(n)) {
            w.boot(NodeId(n));
        }
    }
    w.stuck.clear();
    w.medium_failure = None;
    w.task_hook = all_done;
}

fn is_at_rest(w: &World) -> bool {
    let jobs_ended = w.state.backup_jobs().all(|j| !j.is_open());
    let restores_ended = w.state.restore_jobs().all(|j| j.stage.is_ended());
    let config = &w.state.tenants[&TENANT].archive;
    let wanted: &[RoundState] = match (config.log_mode, config.dests[&DestNo(0)].state) {
        (true, DestState::Enable) => &[RoundState::Doing],
        (true, DestState::Defer) => &[RoundState::Suspend, RoundState::Stop],
        (false, _) => &[RoundState::Stop],
    };
    jobs_ended && restores_ended && wanted.contains(&w.round().state)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, ..ProptestConfig::default() })]

    #[test]
    fn a_world_in_disorder_comes_to_rest_once_all_is_well(events in events()) {
        let mut w = World::archiving(4, 3, 2);
        for event in events {
            happen(&mut w, event);
        }
        heal(&mut w);
        w.until("rest", is_at_rest);
        let checkpoint = w.round().checkpoint_scn;
        if w.round().state == RoundState::Doing {
            w.write();
            w.until("a higher checkpoint", |w| w.round().checkpoint_scn > checkpoint);
        }
    }
}
