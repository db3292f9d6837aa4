//! A small world around the core: workers that report what their orders make of them, a medium that notes what it is
//! told, and the leader's loop. Everything is deterministic and has one clock.
#![allow(dead_code, clippy::unwrap_used, clippy::expect_used)]

pub mod jobs;
pub mod media;
pub mod table;

use std::collections::{BTreeMap, BTreeSet};
use strandline_scheduler_core::state::{
    ArchivedLog, DestFinding, DestOptions, Dictionary, LogGap, LsPiece, RestoreSource, SourceLs, TaskRun, Trouble,
};
use strandline_scheduler_core::*;
use strandline_types::*;

pub const TENANT: TenantId = TenantId::FIRST_USER;
pub const START_MS: u64 = 1_700_000_000_000;

/// The log of one log stream, as its group would have it.
#[derive(Clone, Debug, Default)]
pub struct Stream {
    pub leader: Option<NodeId>,
    pub term: Term,
    pub end_lsn: Lsn,
    pub max_scn: Scn,
    pub dictionary_version: u64,
    pub tablets_version: u64,
}

/// How a worker answers a task.
pub type TaskHook = fn(&World, NodeId, &TaskOrder) -> Option<TaskReport>;

#[derive(Clone)]
pub struct World {
    pub state: State,
    pub now_ms: u64,
    pub alive: BTreeSet<NodeId>,
    pub boot: BTreeMap<NodeId, u64>,
    pub streams: BTreeMap<(TenantId, LsId), Stream>,
    pub archived: BTreeMap<(TenantId, RoundId, LsId), (Lsn, Scn)>,
    /// Log streams whose archiver stands still.
    pub stuck: BTreeSet<LsId>,
    /// Log streams whose archiver cannot begin, and why.
    pub unable: BTreeMap<LsId, Trouble>,
    /// What the medium has of each stream, per piece.
    pub pieces: BTreeMap<(RoundId, LsId), BTreeMap<PieceId, LsPiece>>,
    /// Destinations that neither archivers nor the scheduler reach.
    pub dead: BTreeSet<DestNo>,
    /// Log that is gone before it was archived.
    pub gaps: BTreeMap<(RoundId, LsId), LogGap>,
    /// What was done on the medium, in order.
    pub medium: Vec<MediumWork>,
    /// Fails work on the medium, if set.
    pub medium_failure: Option<Failure>,
    /// Which work that is.
    pub failing: fn(&MediumWork) -> bool,
    /// Leaders do not come to log which tablets are left.
    pub keeps_tablets: bool,
    /// Groups that have no leader elect none.
    pub leaderless: bool,
    /// What log stream 1 of a restored tenant tells; `None` = it never comes to tell it.
    pub told: Option<Dictionary>,
    /// Workers do not come to remove a replica: the last reports of those that they had.
    pub keeps_replicas: bool,
    pub hosted: BTreeMap<(NodeId, TenantId, LsId), ReplicaReport>,
    pub task_hook: TaskHook,
    /// Kinds of tasks that are answered otherwise.
    pub held: BTreeMap<TaskKind, TaskHook>,
    /// Every task order ever given, with its executor.
    pub ordered: Vec<(NodeId, TaskKey)>,
}

impl World {
    /// A cluster with `workers` workers that have all reported.
    pub fn new(workers: u64) -> Self {
        let mut world = Self {
            state: State::default(),
            now_ms: START_MS,
            alive: (1..=workers).map(NodeId).collect(),
            boot: (1..=workers).map(|w| (NodeId(w), w * 100)).collect(),
            streams: BTreeMap::new(),
            archived: BTreeMap::new(),
            stuck: BTreeSet::new(),
            unable: BTreeMap::new(),
            pieces: BTreeMap::new(),
            dead: BTreeSet::new(),
            gaps: BTreeMap::new(),
            medium: Vec::new(),
            medium_failure: None,
            failing: |_| true,
            keeps_tablets: false,
            leaderless: false,
            told: Some(restored_dictionary()),
            keeps_replicas: false,
            hosted: BTreeMap::new(),
            task_hook: all_done,
            held: BTreeMap::new(),
            ordered: Vec::new(),
        };
        let schedulers = vec![(NodeId(901), "127.0.0.1:1".to_owned())];
        world.act(Action::InitCluster { id: ClusterId(7), name: "test".to_owned(), schedulers }).unwrap();
        world.act(Action::TakeLead { node: NodeId(901), term: Term(1) }).unwrap();
        world.beat();
        world
    }

    /// A tenant `t` with two user log streams and one replica of each on `workers` workers.
    pub fn with_tenant(workers: u64, replicas: u32) -> Self {
        let mut world = Self::new(workers);
        let made = world.act(Action::CreateTenant { name: "t".to_owned(), log_streams: 2, replicas });
        assert_eq!(made, Ok(Done::Tenant(TENANT)));
        world.run(5);
        world
    }

    /// The same with an archive round in DOING and a data destination.
    pub fn archiving(workers: u64, replicas: u32, piece_interval_s: u64) -> Self {
        let mut world = Self::with_tenant(workers, replicas);
        let spec = archive_spec("file:///arc", piece_interval_s);
        world.act(Action::SetArchiveDest { tenant: TENANT, no: DestNo(0), dest: Some(spec) }).unwrap();
        world
            .act(Action::SetDataDest {
                tenant: TENANT,
                uri: Some("file:///data".to_owned()),
                access: Access::default(),
            })
            .unwrap();
        world.act(Action::ArchiveLog { tenant: TENANT }).unwrap();
        world.run(5);
        assert_eq!(world.round().state, RoundState::Doing);
        world
    }

    pub fn round(&self) -> &strandline_scheduler_core::state::Round {
        self.state.newest_round(TENANT).unwrap()
    }

    pub fn act(&mut self, action: Action) -> Outcome {
        let outcome = apply(&mut self.state, Command { proposed_at_ms: self.now_ms, action });
        let found = lint(&self.state);
        assert!(found.is_empty(), "{found:#?}");
        outcome
    }

    /// Lets all streams of the tenant write something.
    pub fn write(&mut self) {
        for stream in self.streams.values_mut().filter(|s| s.leader.is_some()) {
            stream.end_lsn = stream.end_lsn.advance(1000);
            stream.max_scn = Scn::hybrid(Scn::from_ms(self.now_ms).0, stream.max_scn, Scn::MIN);
        }
    }

    /// `beats` times: time passes, workers report, the leader plans until nothing is left to do.
    pub fn run(&mut self, beats: u32) {
        for _ in 0..beats {
            self.now_ms += limits::HEARTBEAT_MS;
            self.beat();
            self.settle();
        }
    }

    /// Runs until a condition holds; panics when it takes too long.
    pub fn until(&mut self, what: &str, holds: impl Fn(&World) -> bool) {
        for _ in 0..20_000 {
            if holds(self) {
                return;
            }
            self.run(1);
        }
        panic!("never came: {what}; waiting: {:#?}", plan(&self.state, self.now_ms).waiting);
    }

    /// The leader's loop, until the plan has no steps any more.
    pub fn settle(&mut self) {
        for _ in 0..1000 {
            let steps = plan(&self.state, self.now_ms).steps;
            if steps.is_empty() {
                return;
            }
            let before = self.state.clone();
            for step in steps {
                self.execute(step);
            }
            if self.medium_failure.is_some() || !self.dead.is_empty() {
                return;
            }
            assert_ne!(before, self.state, "a plan that changes nothing");
        }
        panic!("the plan never ends: {:#?}", plan(&self.state, self.now_ms).steps);
    }

    fn execute(&mut self, step: Step) {
        if let Some(failure) = self.failure_of(&step) {
            if let Some(action) = failure_action(&self.state, &step, failure) {
                self.act(action).unwrap();
            }
            return;
        }
        self.medium.extend(step.work);
        self.act(step.then).unwrap();
    }

    /// How work on the medium fails, if it does.
    fn failure_of(&self, step: &Step) -> Option<Failure> {
        let no = match step.subject? {
            Subject::Round(tenant, round) => self.state.rounds.get(&(tenant, round)).map(|r| r.dest_no),
            Subject::Dest(id) => self
                .state
                .tenants
                .values()
                .flat_map(|t| &t.archive.dests)
                .find(|(_, d)| d.dest_id == id)
                .map(|(n, _)| *n),
            _ => None,
        };
        let dead = no.filter(|no| self.dead.contains(no));
        let away = dead.map(|_| Failure::new(ErrorClass::Transient, "the destination is away", "file:///", ""));
        away.or_else(|| self.medium_failure.clone().filter(|_| step.work.iter().any(self.failing)))
    }

    /// The dictionary that log stream 1 of a tenant holds.
    pub fn logged_dictionary(&self, tenant: TenantId) -> Dictionary {
        let version = self.streams.get(&(tenant, LsId::SYS)).map_or(0, |s| s.dictionary_version);
        let newest = self.state.tenants.get(&tenant).map(|t| t.dictionary()).unwrap_or_default();
        if newest.version == version { newest } else { Dictionary { version, ..Dictionary::default() } }
    }

    /// Every live worker follows its orders and reports.
    pub fn beat(&mut self) {
        let mut reports = Vec::new();
        for worker in self.alive.clone() {
            let orders = orders_for(&self.state, worker);
            reports.push(self.follow(worker, &orders));
        }
        let (state, now_ms) = (&self.state, self.now_ms);
        let news: Vec<_> = reports.into_iter().filter_map(|r| news(state, r, now_ms)).collect();
        if !news.is_empty() {
            self.act(Action::Heartbeats(news)).unwrap();
        }
    }

    fn follow(&mut self, worker: NodeId, orders: &Orders) -> WorkerReport {
        let mut replicas = Vec::new();
        for order in &orders.replicas {
            replicas.extend(self.host(worker, order));
        }
        self.keep(worker, &mut replicas);
        let mut archive = Vec::new();
        for order in &orders.rounds {
            archive.extend(self.archive(worker, order));
        }
        let archive_waiting = self.waiting(worker, &orders.rounds);
        archive.retain(|r: &ArchiveReport| !self.unable.contains_key(&r.ls_id));
        let answer = |t: &TaskOrder| self.held.get(&t.key.kind).unwrap_or(&self.task_hook)(self, worker, t);
        let tasks = orders.tasks.iter().filter_map(answer).collect();
        self.ordered.extend(orders.tasks.iter().map(|t| (worker, t.key)));
        let boot_id = self.boot[&worker];
        let address = format!("127.0.0.1:{}", 7000 + worker.0);
        let clock_ms = self.now_ms;
        let replica_troubles = Default::default();
        WorkerReport {
            worker_id: worker,
            address,
            boot_id,
            clock_ms,
            replicas,
            archive,
            archive_waiting,
            tasks,
            replica_troubles,
            free_bytes: None,
        }
    }

    fn host(&mut self, worker: NodeId, order: &ReplicaOrder) -> Option<ReplicaReport> {
        if order.restore.is_some_and(|r| !r.start) {
            return None;
        }
        let alive = &self.alive;
        let stream = self.streams.entry((order.tenant_id, order.ls_id)).or_default();
        let is_led = stream.leader.is_some_and(|l| alive.contains(&l) && order.members.contains(&l));
        // A group elects a live member when a majority lives.
        let live: Vec<NodeId> = order.members.iter().copied().filter(|m| alive.contains(m)).collect();
        if !is_led
            && !self.leaderless
            && live.len() * 2 > order.members.len()
            && (order.bootstrap || stream.term > Term(0))
        {
            stream.leader = Some(live[0]);
            stream.term = stream.term.next();
        }
        let is_leader = stream.leader == Some(worker);
        if is_leader && stream.max_scn < order.keep_alive_scn {
            stream.max_scn = order.keep_alive_scn;
            stream.end_lsn = stream.end_lsn.advance(100);
        }
        if let Some(dictionary) = order.dictionary.as_ref().filter(|_| is_leader) {
            stream.dictionary_version = dictionary.version;
        }
        if let Some(list) = order.tablets.as_ref().filter(|_| is_leader && !self.keeps_tablets) {
            stream.tablets_version = list.version;
            stream.max_scn = stream.max_scn.max(list.after_scn).next();
            stream.end_lsn = stream.end_lsn.advance(100);
        }
        let restored = self.told.clone().filter(|_| order.restore.is_some() && order.ls_id.is_sys());
        Some(ReplicaReport {
            tenant_id: order.tenant_id,
            ls_id: order.ls_id,
            is_leader,
            term: stream.term,
            leader: stream.leader,
            end_lsn: stream.end_lsn,
            max_scn: stream.max_scn,

            log_start_lsn: Lsn::ZERO,
            dictionary_version: stream.dictionary_version,
            tablets_version: stream.tablets_version,
            restored_dictionary: restored,
            replayed_scn: Scn::MAX,
            standing: Default::default(),
        })
    }

    /// What a worker has, beyond what it was ordered to have.
    fn keep(&mut self, worker: NodeId, replicas: &mut Vec<ReplicaReport>) {
        self.hosted.retain(|(at, tenant, ls), _| {
            *at != worker || !replicas.iter().any(|r| (r.tenant_id, r.ls_id) == (*tenant, *ls))
        });
        if !self.keeps_replicas {
            self.hosted.retain(|(at, ..), _| *at != worker);
        } else {
            replicas.extend(self.hosted.iter().filter(|((at, ..), _)| *at == worker).map(|(_, r)| r.clone()));
        }
        let here = replicas.iter().map(|r| ((worker, r.tenant_id, r.ls_id), r.clone()));
        self.hosted.extend(here.collect::<Vec<_>>());
    }

    fn archive(&mut self, worker: NodeId, order: &RoundOrder) -> Vec<ArchiveReport> {
        let mut reports = Vec::new();
        for ((_, ls), stream) in self.streams.iter().filter(|((t, _), _)| *t == order.tenant_id) {
            if stream.leader != Some(worker) {
                continue;
            }
            let at = self.archived.entry((order.tenant_id, order.round_id, *ls)).or_default();
            let gap = self.gaps.get(&(order.round_id, *ls)).copied();
            let is_stuck = self.stuck.contains(ls) || self.dead.contains(&order.dest_no) || gap.is_some();
            if order.work == RoundWork::Write && !is_stuck && at.0 < stream.end_lsn {
                let id = order.clock.piece_of(stream.max_scn);
                let known = self.pieces.entry((order.round_id, *ls)).or_default();
                let piece = known.entry(id).or_insert(LsPiece {
                    start_lsn: at.0,
                    end_lsn: at.0,
                    checkpoint_scn: stream.max_scn,
                    output_bytes: 0,
                });
                // This medium takes half of what the log has.
                (piece.end_lsn, piece.checkpoint_scn) = (stream.end_lsn, stream.max_scn);
                piece.output_bytes = piece.input_bytes() / 2;
            }
            if order.work == RoundWork::Write && !is_stuck {
                *at = (stream.end_lsn, stream.max_scn);
            }
            let state = match order.work {
                _ if gap.is_some() => ArchiveLsState::Interrupted,
                RoundWork::Write => ArchiveLsState::Doing,
                RoundWork::Stop => ArchiveLsState::Stopped,
                RoundWork::Suspend => ArchiveLsState::Suspended,
            };
            reports.push(ArchiveReport {
                tenant_id: order.tenant_id,
                ls_id: *ls,
                dest_id: order.dest_id,
                round_id: order.round_id,
                term: stream.term,
                state,
                piece_id: order.clock.piece_of(at.1),
                start_scn: order.clock.round_start,
                start_lsn: Lsn::ZERO,
                archived_lsn: at.0,
                checkpoint_scn: at.1,
                trouble: None,
                trouble_since_ms: 0,
                requests: 0,
                gap,
                pieces: self.pieces.get(&(order.round_id, *ls)).cloned().unwrap_or_default(),
            });
        }
        reports
    }

    /// What the leaders of streams that cannot begin say.
    fn waiting(&self, worker: NodeId, rounds: &[RoundOrder]) -> Vec<ArchiveWaiting> {
        let mut waiting = Vec::new();
        for order in rounds {
            for (ls, trouble) in &self.unable {
                let stream = self.streams.get(&(order.tenant_id, *ls));
                if stream.is_some_and(|s| s.leader == Some(worker)) {
                    let (tenant_id, round_id) = (order.tenant_id, order.round_id);
                    waiting.push(ArchiveWaiting { tenant_id, ls_id: *ls, round_id, trouble: trouble.clone() });
                }
            }
        }
        waiting
    }

    pub fn kill(&mut self, worker: NodeId) {
        self.alive.remove(&worker);
    }

    pub fn boot(&mut self, worker: NodeId) {
        self.alive.insert(worker);
        *self.boot.entry(worker).or_insert(worker.0 * 100) += 1;
    }
}

/// A destination with defaults but for its pieces.
pub fn archive_spec(uri: &str, piece_interval_s: u64) -> ArchiveDestSpec {
    let options = DestOptions { piece_interval_s, ..DestOptions::default() };
    ArchiveDestSpec { uri: uri.to_owned(), access: Access::default(), options }
}

/// A task that is done as soon as it is ordered.
pub fn all_done(world: &World, _worker: NodeId, order: &TaskOrder) -> Option<TaskReport> {
    let stream = |ls| world.streams.get(&(order.key.tenant_id, ls)).cloned().unwrap_or_default();
    let result = match &order.spec {
        TaskSpec::BackupLs(spec) => {
            let at = stream(order.key.part.ls_number());
            assert!(at.max_scn >= spec.min_checkpoint_scn, "the consistent point is before its bound");
            let base = PalfBase { lsn: at.end_lsn, prev_scn: at.max_scn, ..PalfBase::default() };
            let is_sys = order.key.part.ls_number().is_sys();
            Some(TaskResult::BackupLs(BackupLsResult {
                base,
                checkpoint_scn: at.max_scn,
                input_bytes: 100,
                output_bytes: 60,
                macro_block_count: 3,
                tablet_count: 2,
                file_count: 9,
                dictionary: is_sys.then(|| world.logged_dictionary(order.key.tenant_id)),
                ..BackupLsResult::default()
            }))
        }
        TaskSpec::BackupIndex(_) => {
            Some(TaskResult::BackupIndex(BackupIndexResult { file_count: 6, output_bytes: 10 }))
        }
        TaskSpec::Synthetic(spec) => Some(TaskResult::BackupLs(BackupLsResult {
            checkpoint_scn: Scn(1),
            output_bytes: 60,
            file_count: 9,
            dictionary: spec.source_ls_id.is_sys().then(Dictionary::default),
            ..BackupLsResult::default()
        })),
        TaskSpec::BackupLog(spec) => Some(TaskResult::BackupLog(BackupLogResult {
            start_lsn: spec.start_lsn,
            end_lsn: spec.start_lsn.advance(100),
            end_scn: spec.end_scn,
            file_count: 1,
            output_bytes: 100,
        })),
        TaskSpec::RestoreData(_) => None,
        TaskSpec::DestCheck(_) => Some(TaskResult::DestCheck(vec![good_finding()])),
        TaskSpec::RestoreLog(spec) => {
            Some(TaskResult::RestoreLog(RestoreLogResult { replayed_scn: spec.target_scn, replayed_bytes: 1 }))
        }
        TaskSpec::Validate(_) => {
            Some(TaskResult::Validate(ValidateResult { objects: 3, bytes: 100, ..ValidateResult::default() }))
        }
        TaskSpec::Clean(_) => Some(TaskResult::Clean(CleanResult { objects: 4, bytes: 50 })),
        TaskSpec::Fingerprint(spec) => Some(TaskResult::Fingerprint(FingerprintResult {
            scn: spec.scn,
            keys: 7,
            digest: order.key.part.ls_number().0.to_le_bytes().to_vec(),
        })),
        TaskSpec::RecoverTable(spec) => Some(TaskResult::RecoverTable(RecoverTableResult {
            keys: 5,
            bytes_fetched: 10,
            replayed_scn: spec.log.target_scn,
        })),
    };
    Some(report(order, TaskState::Done, None, result))
}

fn good_finding() -> DestFinding {
    DestFinding { probe: "write".to_owned(), verdict: Verdict::Good, detail: String::new(), took_us: 10 }
}

pub fn report(order: &TaskOrder, state: TaskState, failure: Option<Failure>, result: Option<TaskResult>) -> TaskReport {
    TaskReport {
        key: order.key,
        state,
        bytes_total: 100,
        bytes_done: 100,
        failure,
        result,
        waiting: None,
        answered: true,
    }
}

pub fn restored_dictionary() -> Dictionary {
    let tablets = vec![strandline_scheduler_core::state::Tablet { id: TabletId(200_007), ls_id: LsId(1001) }];
    let table = strandline_scheduler_core::state::Table { id: TableId(500_009), name: "kv".to_owned(), tablets };
    Dictionary { version: 4, scn: Scn(5), tables: vec![table], ..Dictionary::default() }
}

/// The task of one log stream.
pub fn run_of<'a>(mut runs: impl Iterator<Item = (LsId, &'a TaskRun)>, ls: u64) -> &'a TaskRun {
    runs.find(|(id, _)| *id == LsId(ls)).unwrap().1
}

pub fn address(uri: &str) -> Address {
    Address::parse(uri).unwrap()
}

/// A restore of a tenant with log streams 1 and 1001.
pub fn restore_request(name: &str, replicas: u32) -> Action {
    let ls = |id| SourceLs { ls_id: LsId(id), base: PalfBase::default(), turn: TurnId(1), retry: RetryId(2) };
    let key = PieceKey { dest_id: DestId(1001), round_id: RoundId(1), piece_id: PieceId(1) };
    Action::StartRestore(Box::new(StartRestore {
        tenant_name: name.to_owned(),
        replicas,
        target_scn: Scn(5000),
        source: RestoreSource {
            data: address("file:///data"),
            log: vec![ArchivedLog { from: address("file:///arc"), pieces: vec![key] }],
            key_source: String::new(),
            cluster_version: "0".to_owned(),
            cluster_name: "other".to_owned(),
            tenant_id: TenantId(1002),
            tenant_name: "t".to_owned(),
            set_id: BackupSetId(1),
            set_kind: BackupSetKind::Full,
            sets: vec![(BackupSetId(1), BackupSetKind::Full)],
            data_turn: TurnId(1),
            log_streams: vec![ls(1), ls(1001)],
            total_bytes: 1000,
            log_bytes: 500,
            tablet_count: 4,
            seal_key: Secret::NONE,
            chain_keys: Vec::new(),
        },
        standby: false,
        description: String::new(),
    }))
}
