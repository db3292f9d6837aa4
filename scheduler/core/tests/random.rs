//! Random commands: whatever comes, in whatever order, the state stays sound, moves only along its tables, and is the
//! same on every node.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod harness;

use harness::{START_MS, archive_spec, restore_request};
use proptest::prelude::*;
use std::collections::BTreeMap;
use strandline_scheduler_core::state::{DestState, JobKind, LsPiece, Stage, Trouble};
use strandline_scheduler_core::*;
use strandline_stored::{decode, encode};
use strandline_types::*;

fn tenants() -> impl Strategy<Value = TenantId> {
    prop_oneof![Just(TenantId(1002)), Just(TenantId(1004))]
}

fn streams() -> impl Strategy<Value = LsId> {
    prop_oneof![Just(LsId(1)), Just(LsId(1001))]
}

fn failure() -> impl Strategy<Value = Failure> {
    (1u32..8).prop_map(|n| Failure::new(ErrorClass::from_number(n), "failed", "it", ""))
}

fn requests() -> impl Strategy<Value = Action> {
    let spec = (any::<bool>(), 1u64..3)
        .prop_map(|(other, s)| archive_spec(if other { "file:///x" } else { "file:///arc" }, s));
    prop_oneof![
        (0u32..3, 0u32..4).prop_map(|(n, r)| Action::CreateTenant {
            name: format!("t{n}"),
            log_streams: 1,
            replicas: r
        }),
        tenants().prop_map(|tenant| Action::DropTenant { tenant }),
        (tenants(), 0u32..5).prop_map(|(tenant, n)| Action::CreateTable { tenant, name: format!("k{n}"), tablets: n }),
        (tenants(), 0u32..5).prop_map(|(tenant, n)| Action::DropTable { tenant, name: format!("k{n}") }),
        (tenants(), prop::option::of(spec)).prop_map(|(tenant, dest)| Action::SetArchiveDest {
            tenant,
            no: DestNo(0),
            dest
        }),
        (tenants(), any::<bool>()).prop_map(|(tenant, on)| {
            let state = if on { DestState::Enable } else { DestState::Defer };
            Action::SetArchiveDestState { tenant, no: DestNo(0), state }
        }),
        tenants().prop_map(|tenant| Action::ArchiveLog { tenant }),
        tenants().prop_map(|tenant| Action::NoArchiveLog { tenant }),
        tenants().prop_map(|tenant| Action::SetDataDest {
            tenant,
            uri: Some(format!("file:///data{tenant}")),
            access: Access::default()
        }),
        tenants().prop_map(|tenant| Action::StartBackup { tenant, request: BackupRequest::new(BackupMode::Full, "") }),
        tenants().prop_map(|tenant| Action::CancelJob { kind: JobKind::Backup, tenant }),
        (0u32..3).prop_map(|n| restore_request(&format!("t{n}"), 1)),
        tenants().prop_map(|tenant| Action::CancelJob { kind: JobKind::Restore, tenant }),
        (1u64..4, failure()).prop_map(|(job, failure)| Action::JobFailed { job: JobId(job), failure }),
        (1u64..4, failure())
            .prop_map(|(job, failure)| Action::MediumFailed { subject: Subject::Backup(JobId(job)), failure }),
    ]
}

/// The words of steps, at any time and with any content: most of them are void.
fn words() -> impl Strategy<Value = Action> {
    let round = || (1u64..3).prop_map(RoundId);
    let piece = || (1u64..5).prop_map(PieceId);
    let state = || prop::sample::select(RoundState::ALL.to_vec());
    let event = || prop::sample::select(RoundEvent::ALL.to_vec());
    let status = || prop::sample::select(BackupJobStatus::ALL.to_vec());
    let stage = || prop::sample::select(RestoreStage::ALL.to_vec());
    prop_oneof![
        (1001u64..1004).prop_map(|d| Action::DestFormatted { dest: DestId(d) }),
        (tenants(), round()).prop_map(|(tenant, round)| Action::Round { tenant, round, what: RoundAction::Begun }),
        (tenants(), round(), state(), event()).prop_map(|(tenant, round, from, event)| {
            Action::Round { tenant, round, what: RoundAction::Move { from, event, comment: String::new() } }
        }),
        (tenants(), round()).prop_map(|(tenant, round)| Action::Round { tenant, round, what: RoundAction::Restart }),
        (tenants(), round()).prop_map(|(tenant, round)| Action::Round { tenant, round, what: RoundAction::Reopen }),
        (tenants(), round()).prop_map(|(tenant, round)| Action::Round {
            tenant,
            round,
            what: RoundAction::BackupAfter { version: String::new() }
        }),
        (tenants(), round(), piece()).prop_map(|(tenant, round, upto)| Action::Round {
            tenant,
            round,
            what: RoundAction::PiecesStarted { upto }
        }),
        (tenants(), round(), piece(), 0u64..4000).prop_map(|(tenant, round, piece, ms)| {
            let checkpoint_scn = Scn::from_ms(START_MS + ms);
            Action::Round { tenant, round, what: RoundAction::CheckpointPublished { piece, checkpoint_scn } }
        }),
        (tenants(), round(), piece()).prop_map(|(tenant, round, piece)| Action::Round {
            tenant,
            round,
            what: RoundAction::SealPiece { piece }
        }),
        (tenants(), round(), piece()).prop_map(|(tenant, round, piece)| Action::Round {
            tenant,
            round,
            what: RoundAction::PieceFrozen { piece }
        }),
        (tenants(), round(), any::<bool>()).prop_map(|(tenant, round, forced)| Action::Round {
            tenant,
            round,
            what: RoundAction::Stopped { forced }
        }),
        (1u64..4, status(), status()).prop_map(|(j, from, to)| Action::AdvanceJob {
            job: JobId(j),
            from: Stage::Backup(from),
            to: Stage::Backup(to)
        }),
        (1u64..4).prop_map(|j| Action::CloseJob { job: JobId(j) }),
        (1u64..4, stage(), stage()).prop_map(|(j, from, to)| Action::AdvanceJob {
            job: JobId(j),
            from: Stage::Restore(from),
            to: Stage::Restore(to)
        }),
        (1u64..4, streams(), 1u64..4, 1u64..4).prop_map(|(j, ls, from, to)| {
            Action::MoveReplica { job: JobId(j), ls, from: NodeId(from), to: NodeId(to) }
        }),
        tenants().prop_map(|tenant| Action::TenantGone { tenant }),
        (1u64..4).prop_map(|t| Action::TakeLead { node: NodeId(900 + t), term: Term(t) }),
    ]
}

fn reports() -> impl Strategy<Value = Action> {
    let replica = (tenants(), streams(), any::<bool>(), 1u64..4, 0u64..3000).prop_map(
        |(tenant_id, ls_id, is_leader, term, ms)| ReplicaReport {
            tenant_id,
            ls_id,
            is_leader,
            term: Term(term),
            leader: None,
            end_lsn: Lsn(ms * 10),
            max_scn: Scn::from_ms(START_MS + ms),

            log_start_lsn: Lsn::ZERO,
            dictionary_version: ms / 1000,
            tablets_version: ms / 2000,
            restored_dictionary: Some(harness::restored_dictionary()),
            replayed_scn: Scn(5000),
            standing: Default::default(),
        },
    );
    let archive =
        (tenants(), streams(), 1u64..4, 0u32..4, 0u64..4000).prop_map(|(tenant_id, ls_id, term, state, ms)| {
            use ArchiveLsState::{Doing, Interrupted, Stopped, Suspended};
            let piece = LsPiece {
                start_lsn: Lsn(ms % 7),
                end_lsn: Lsn(ms * 10),
                checkpoint_scn: Scn::from_ms(START_MS + ms),
                output_bytes: ms,
            };
            ArchiveReport {
                tenant_id,
                ls_id,
                dest_id: DestId(1001),
                round_id: RoundId(1),
                term: Term(term),
                state: [Doing, Doing, Stopped, Suspended, Interrupted][state as usize + usize::from(ms > 3900)],
                piece_id: PieceId(1 + ms / 1000),
                start_scn: Scn(0),
                start_lsn: Lsn(ms % 7),
                archived_lsn: Lsn(ms * 10),
                checkpoint_scn: Scn::from_ms(START_MS + ms),
                trouble: None,
                trouble_since_ms: 0,
                requests: 0,
                gap: None,
                pieces: BTreeMap::from([(PieceId(1 + ms / 1000), piece)]),
            }
        });
    let kinds = prop::sample::select(vec![
        TaskKind::BackupLs,
        TaskKind::BackupIndex,
        TaskKind::RestoreData,
        TaskKind::RestoreLog,
    ]);
    let task = (1u64..4, tenants(), prop_oneof![streams(), Just(LsId(0))], kinds, 0u32..3, prop::option::of(failure()));
    let task = task.prop_map(|(job, tenant_id, ls_id, kind, retry, failure)| {
        let (turn, retry) = (TurnId(1), RetryId(retry));
        let key = TaskKey { job_id: JobId(job), tenant_id, part: kind.part(ls_id, NodeId(1)), kind, turn, retry };
        let state = if failure.is_some() { TaskState::Failed } else { TaskState::Done };
        let result = match kind {
            TaskKind::BackupLs => Some(TaskResult::BackupLs(BackupLsResult::default())),
            TaskKind::BackupIndex => Some(TaskResult::BackupIndex(BackupIndexResult::default())),
            TaskKind::RestoreLog => Some(TaskResult::RestoreLog(RestoreLogResult::default())),
            _ => None,
        };
        TaskReport { key, state, bytes_total: 5, bytes_done: 7, failure, result, waiting: None, answered: true }
    });
    let said = (1u64..4, 1u64..3, prop::collection::vec(replica, 0..4));
    let waiting = (tenants(), streams(), failure()).prop_map(|(tenant_id, ls_id, failure)| ArchiveWaiting {
        tenant_id,
        ls_id,
        round_id: RoundId(1),
        trouble: Trouble { failure, since_ms: START_MS },
    });
    let archiving = (prop::collection::vec(archive, 0..4), prop::collection::vec(waiting, 0..2));
    let rest = (archiving, prop::collection::vec(task, 0..3), 0u64..4000);
    (said, rest).prop_map(|((worker, boot_id, replicas), ((archive, waiting), tasks, ms))| {
        Action::Heartbeats(vec![WorkerReport {
            worker_id: NodeId(worker),
            address: "w:1".to_owned(),
            boot_id,
            clock_ms: START_MS + ms,
            replicas,
            archive,
            archive_waiting: waiting,
            tasks,
            replica_troubles: Default::default(),
            free_bytes: None,
        }])
    })
}

/// One event: a command, or a look at the plan of which the n-th step is carried out.
#[derive(Clone, Debug)]
enum Event {
    Act(Box<Action>),
    Plan(usize),
}

fn events() -> impl Strategy<Value = Vec<(u64, Event)>> {
    let event = prop_oneof![
        3 => requests().prop_map(|action| Event::Act(Box::new(action))),
        2 => words().prop_map(|action| Event::Act(Box::new(action))),
        4 => reports().prop_map(|action| Event::Act(Box::new(action))),
        8 => (0usize..4).prop_map(Event::Plan),
    ];
    prop::collection::vec((0u64..400, event), 0..150)
}

/// Runs the events; gives the commands that were applied and the state that they made.
fn run(events: &[(u64, Event)]) -> (Vec<Command>, State) {
    let (mut state, mut log, mut now_ms) = (State::default(), Vec::new(), START_MS);
    for n in 1..=3 {
        let address = "w:1".to_owned();
        let report = WorkerReport {
            worker_id: NodeId(n),
            address,
            boot_id: 1,
            clock_ms: now_ms,
            replicas: vec![],
            archive: vec![],
            archive_waiting: vec![],
            tasks: vec![],
            replica_troubles: Default::default(),
            free_bytes: None,
        };
        step(&mut state, &mut log, now_ms, Action::Heartbeats(vec![report]));
    }
    for action in prelude() {
        step(&mut state, &mut log, now_ms, action);
    }
    for (passed, event) in events {
        now_ms += passed;
        match event {
            Event::Act(action) => step(&mut state, &mut log, now_ms, (**action).clone()),
            Event::Plan(n) => {
                let steps = plan(&state, now_ms).steps;
                if let Some(planned) = steps.get(*n % steps.len().max(1)) {
                    step(&mut state, &mut log, now_ms, planned.then.clone());
                }
            }
        }
    }
    (log, state)
}

/// A tenant with everything that a round and a backup need, so that random words mean something.
fn prelude() -> Vec<Action> {
    let tenant = TenantId(1002);
    let spec = archive_spec("file:///arc", 1);
    vec![
        Action::CreateTenant { name: "t0".to_owned(), log_streams: 1, replicas: 3 },
        Action::SetArchiveDest { tenant, no: DestNo(0), dest: Some(spec) },
        Action::SetDataDest { tenant, uri: Some("file:///data1002".to_owned()), access: Access::default() },
        Action::DestFormatted { dest: DestId(1001) },
        Action::DestFormatted { dest: DestId(1002) },
        Action::ArchiveLog { tenant },
        Action::Round { tenant, round: RoundId(1), what: RoundAction::Begun },
    ]
}

fn step(state: &mut State, log: &mut Vec<Command>, now_ms: u64, action: Action) {
    let before = state.clone();
    // Some leaders' clocks are behind.
    let proposed_at_ms = if log.len().is_multiple_of(5) { now_ms - 100_000 } else { now_ms };
    let command = Command { proposed_at_ms, action };
    log.push(command.clone());
    let outcome = apply(state, command.clone());
    assert_eq!(lint(state), Vec::<String>::new(), "after {command:?}");
    check_moves(&before, state, &command);
    if outcome.is_err() || outcome == Ok(Done::Nothing) {
        let (clock_ms, mut schedulers) = (state.clock_ms, before.schedulers.clone());
        schedulers.heard_raw_ms = state.schedulers.heard_raw_ms;
        assert_eq!(
            State { clock_ms, schedulers, ..before },
            *state,
            "what is refused or void has no trace: {command:?}"
        );
    }
    for worker in 1..=3 {
        let _ = orders_for(state, NodeId(worker));
    }
}

fn moved<S: Transition>(from: S, to: S, command: &Command) {
    assert!(from == to || from.may_become(to), "{from:?} -> {to:?} by {command:?}");
}

fn check_moves(before: &State, after: &State, command: &Command) {
    assert!(after.clock_ms >= before.clock_ms);
    for (key, old) in &before.rounds {
        let Some(new) = after.rounds.get(key) else { continue };
        moved(old.state, new.state, command);
        assert!(new.checkpoint_scn >= old.checkpoint_scn, "the checkpoint fell by {command:?}");
        for (id, piece) in &old.pieces {
            moved(piece.status, new.pieces[id].status, command);
            moved(piece.file_status, new.pieces[id].file_status, command);
            let is_same = *piece == new.pieces[id];
            assert!(piece.status != PieceStatus::Frozen || is_same, "a frozen piece changed by {command:?}");
        }
        for (ls, row) in &old.progress {
            let now = &new.progress[ls];
            assert!(now.term >= row.term && now.archived_lsn >= row.archived_lsn, "{command:?}");
            assert!(now.checkpoint_scn >= row.checkpoint_scn, "{command:?}");
        }
    }
    for (id, old) in &before.tenants {
        if let Some(new) = after.tenants.get(id) {
            moved(old.status, new.status, command);
        }
    }
    for old in before.backup_jobs() {
        moved(old.status, after.backup_job(old.id).unwrap().status, command);
    }
    for old in before.restore_jobs() {
        moved(old.stage, after.restore_job(old.id).unwrap().stage, command);
    }
    for old in before.recover_jobs() {
        if let Some(new) = after.recover_job(old.id) {
            moved(old.stage, new.stage, command);
        }
    }
    for old in before.drills() {
        if let Some(new) = after.drill(old.id) {
            moved(old.stage, new.stage, command);
        }
    }
    for old in before.clean_jobs() {
        if let Some(new) = after.clean_job(old.id) {
            moved(old.status, new.status, command);
        }
    }
    for old in before.validate_jobs() {
        if let Some(new) = after.validate_job(old.id) {
            moved(old.status, new.status, command);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, ..ProptestConfig::default() })]

    #[test]
    fn any_commands_leave_a_sound_state_that_is_the_same_on_every_node(events in events()) {
        let (log, state) = run(&events);
        let mut other = State::default();
        for command in log {
            let read: Command = decode(&encode(&command).unwrap()).unwrap();
            prop_assert_eq!(&read, &command);
            let _ = apply(&mut other, read);
        }
        let bytes = encode(&state).unwrap();
        prop_assert_eq!(&bytes, &encode(&other).unwrap());
        prop_assert_eq!(decode::<State>(&bytes).unwrap(), state);
    }
}
