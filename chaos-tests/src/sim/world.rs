//! The world and its loop.

use super::archivers::Op;
use super::cleaning::Cleaned;
use super::faults::Faults;
use super::group::Group;
use super::medium::Medium;
use super::queue::Queue;
use super::restores::Restores;
use super::rng::Rng;
use super::schedulers::Run;
use super::stream::Stream;
use super::trace::Trace;
use super::workers::{Reply, Worker, WorkerKey};
use crate::invariants::{
    ArchiveIsOneLog, Broken, CheckpointIsDurable, CleaningKeepsTheWindow, FrozenPiecesStand, StreamKey,
};
use std::collections::BTreeMap;
use std::fmt;
use strandline_scheduler_core::WorkerReport;
use strandline_types::limits::{BLOCK_BODY_BYTES, HEARTBEAT_MS, SCHEDULER_TICK_MS};
use strandline_types::{
    BackupSetKind, BackupSetStatus, DestId, LsId, Lsn, NodeId, PieceClock, PieceKey, RoundId, Scn, TenantId,
};

/// The one tenant.
pub(super) const TENANT: TenantId = TenantId::FIRST_USER;
/// Wall clocks do not begin at 0.
pub(super) const START_MS: u64 = 1_700_000_000_000;
/// Time with faults.
const STORM_MS: u64 = 25_000;
/// Time to come to rest.
const CALM_MS: u64 = 60_000;
/// User log streams.
const USER_STREAMS: u64 = 2;

/// Something that happens.
#[derive(Debug)]
pub(super) enum Event {
    /// A scheduler node looks whether there is something to do.
    Tick(usize),
    /// A scheduler node learns committed entries.
    Follow(usize),
    /// The next operation of a step.
    StepPart(u64),
    /// A worker reports.
    Beat(NodeId),
    /// A report arrives.
    Report { node: usize, boot: u64, seq: u64, report: Box<WorkerReport> },
    /// An answer arrives.
    Answer { worker: NodeId, boot: u64, seq: u64, reply: Reply },
    /// An archiver looks whether there is something to do.
    Poke(NodeId, WorkerKey),
    /// An operation of an archiver takes effect.
    Effect(u64),
    /// A client writes.
    Write,
    /// A log stream elects a leader.
    Elect(LsId),
    /// Something goes wrong.
    Fault,
    /// Something is well again.
    Repair(super::faults::Repair),
    /// An administrator wants something.
    Request,
    /// Somebody tries what can be restored.
    Restore,
}

/// What a good run was.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Report {
    /// The trace.
    pub trace: Trace,
    /// Entries of the scheduler's log.
    pub entries: usize,
    /// Rounds that were opened.
    pub rounds: usize,
    /// Pieces that were frozen.
    pub frozen_pieces: usize,
    /// Leader changes of log streams.
    pub elections: u64,
    /// Leader changes of the scheduler.
    pub scheduler_terms: u64,
    /// Writes that were acknowledged.
    pub writes: usize,
    /// Backup sets that are whole.
    pub sets: usize,
    /// Those of them that are incremental.
    pub incrementals: usize,
    /// What restores came to.
    pub restores: Restores,
    /// What was deleted.
    pub cleaned: Cleaned,
}

/// An invariant is broken, or the world did not come to rest.
#[derive(Clone, Debug)]
pub struct Violation {
    /// Repeats the run.
    pub seed: u64,
    /// When, since the start.
    pub at_ms: u64,
    /// What.
    pub what: String,
    /// The last lines of the trace.
    pub tail: String,
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "seed {} at {} ms: {}", self.seed, self.at_ms, self.what)?;
        write!(f, "the last of what happened:\n{}", self.tail)
    }
}

/// Everything.
pub(super) struct World {
    pub now_ms: u64,
    pub rng: Rng,
    pub queue: Queue<Event>,
    pub medium: Medium,
    pub group: Group,
    pub runs: BTreeMap<u64, Run>,
    pub workers: BTreeMap<NodeId, Worker>,
    pub ops: BTreeMap<u64, Op>,
    pub streams: BTreeMap<LsId, Stream>,
    pub faults: Faults,
    pub trace: Trace,
    /// Numbers for runs, operations and archivers.
    pub numbers: u64,
    pub restores: Restores,
    pub cleaned: Cleaned,
    pub cleanings: CleaningKeepsTheWindow,
    /// Set once faults are over.
    pub is_calm: bool,
    archive: ArchiveIsOneLog,
    checkpoints: CheckpointIsDurable,
    frozen: FrozenPiecesStand,
}

/// Runs one seed.
///
/// # Errors
/// The first invariant that was broken, or what did not come to rest.
pub fn run(seed: u64) -> Result<Report, Box<Violation>> {
    let mut world = World::new(seed);
    world.live().map_err(|what| {
        let at_ms = world.now_ms - START_MS;
        Box::new(Violation { seed, at_ms, what, tail: world.trace.tail() })
    })
}

impl World {
    fn new(seed: u64) -> Self {
        let mut rng = Rng::new(seed);
        let workers = rng.between(3, 6);
        let mut world = Self {
            now_ms: START_MS,
            queue: Queue::default(),
            medium: Medium::default(),
            group: Group::new(3),
            runs: BTreeMap::new(),
            workers: (1..=workers).map(|n| (NodeId(n), Worker::new(NodeId(n), &mut rng))).collect(),
            ops: BTreeMap::new(),
            streams: BTreeMap::new(),
            faults: Faults::default(),
            trace: Trace::default(),
            numbers: 0,
            restores: Restores::default(),
            cleaned: Cleaned::default(),
            cleanings: CleaningKeepsTheWindow::default(),
            is_calm: false,
            archive: ArchiveIsOneLog::default(),
            checkpoints: CheckpointIsDurable::default(),
            frozen: FrozenPiecesStand::default(),
            rng,
        };
        for node in 0..3 {
            world.after(node as u64 * 7, Event::Tick(node));
            world.after(node as u64 * 5, Event::Follow(node));
        }
        for worker in world.workers.keys().copied().collect::<Vec<_>>() {
            world.after(worker.0, Event::Beat(worker));
        }
        world
    }

    fn live(&mut self) -> Result<Report, Broken> {
        self.found()?;
        let storm_ends = self.now_ms + STORM_MS;
        self.after(300, Event::Write);
        self.after(1500, Event::Fault);
        self.after(2000, Event::Request);
        self.after(3000, Event::Restore);
        self.run_until(storm_ends, |_| false)?;
        self.heal()?;
        self.come_to_rest()?;
        self.try_restores()?;
        Ok(self.report())
    }

    /// Cluster, tenant, destination, first round.
    fn found(&mut self) -> Result<(), Broken> {
        self.found_cluster()?;
        let workers = self.workers.len();
        self.run_for(2000, "all workers report", |w| w.group.state().workers.len() == workers)?;
        self.found_tenant(USER_STREAMS)?;
        let streams = USER_STREAMS as usize + 1;
        self.run_for(5000, "all log streams are led", |w| w.led_streams() == streams)?;
        self.found_archive()
    }

    /// A new log stream's log begins shortly before a block's end, so that the run sees one.
    pub(super) fn first_lsn(&mut self) -> Lsn {
        let before_end = self.rng.between(2_000, 60_000);
        if self.rng.chance(300) { Lsn::ZERO } else { Lsn(BLOCK_BODY_BYTES - before_end) }
    }

    /// Something will happen.
    pub(super) fn after(&mut self, ms: u64, event: Event) {
        self.queue.at(self.now_ms + ms, event);
    }

    pub(super) fn number(&mut self) -> u64 {
        self.numbers += 1;
        self.numbers
    }

    pub(super) fn note(&mut self, what: impl fmt::Display) {
        let line = format!("{:>6} {what}", self.now_ms - START_MS);
        self.trace.line(line);
    }

    /// Runs until a condition holds or time is up; true when it holds.
    pub(super) fn run_until(&mut self, end_ms: u64, holds: impl Fn(&Self) -> bool) -> Result<bool, Broken> {
        while let Some((at, event)) = self.queue.next() {
            if at > end_ms {
                self.queue.at(at, event);
                self.now_ms = end_ms;
                return Ok(holds(self));
            }
            self.now_ms = at;
            self.happen(event)?;
            self.check()?;
            if holds(self) {
                return Ok(true);
            }
        }
        Err("nothing happens any more".to_owned())
    }

    /// The same, where time being up is a violation.
    pub(super) fn run_for(&mut self, ms: u64, what: &str, holds: impl Fn(&Self) -> bool) -> Result<(), Broken> {
        if self.run_until(self.now_ms + ms, holds)? {
            return Ok(());
        }
        let waiting = strandline_scheduler_core::plan(self.group.state(), self.now_ms).waiting;
        Err(format!("in {ms} ms it did not come that {what}; waiting: {waiting:#?}"))
    }

    fn happen(&mut self, event: Event) -> Result<(), Broken> {
        match event {
            Event::Tick(node) => {
                self.after(SCHEDULER_TICK_MS, Event::Tick(node));
                self.tick(node)
            }
            Event::Follow(node) => {
                let (pause, entries) = (self.rng.between(20, 200), self.rng.between(1, 20) as usize);
                self.after(pause, Event::Follow(node));
                self.group.follow(node, entries)
            }
            Event::StepPart(run) => self.step_part(run),
            Event::Beat(worker) => {
                self.after(HEARTBEAT_MS, Event::Beat(worker));
                self.beat(worker);
                Ok(())
            }
            Event::Report { node, boot, seq, report } => self.hear(node, boot, seq, *report),
            Event::Answer { worker, boot, seq, reply } => self.obey(worker, boot, seq, reply),
            Event::Poke(worker, key) => self.poke(worker, key),
            Event::Effect(op) => self.effect(op),
            Event::Write => self.client_writes(),
            Event::Elect(ls) => self.elect(ls),
            Event::Fault => self.fault(),
            Event::Repair(repair) => self.repair(repair),
            Event::Request => self.request(),
            Event::Restore => self.try_restores(),
        }
    }

    /// Every invariant, on what the last event changed.
    pub(super) fn check(&mut self) -> Result<(), Broken> {
        let changed = self.medium.take_changed();
        if changed.is_empty() {
            return Ok(());
        }
        for path in &changed {
            self.trace.line(format!("{:>6} medium {path}", self.now_ms - START_MS));
        }
        let rounds = &self.group.state().rounds;
        let clock = |_: DestId, round: RoundId| -> Option<PieceClock> { rounds.get(&(TENANT, round)).map(|r| r.clock) };
        let expected = |ls: LsId, at: Lsn, length: usize| self.streams.get(&ls).and_then(|s| s.slice(at, length));
        self.archive.check(&self.medium, &changed, clock, expected)?;
        let groups = self.streams.iter().map(|(id, s)| (*id, s.groups.as_slice())).collect();
        self.checkpoints.check(&self.medium, &changed, &self.archive, &groups)?;
        self.frozen.check(&self.medium, &changed)
    }

    /// A group with a write is committed: it must not be below what was called safe.
    pub(super) fn committed(&mut self, ls: LsId, scn: Scn) -> Result<(), Broken> {
        self.checkpoints.acknowledged(ls, scn)
    }

    /// What readers of the medium see as the checkpoint of a round.
    pub(super) fn published(&self, dest: DestId, round: RoundId) -> Option<Scn> {
        self.checkpoints.published(dest, round)
    }

    fn come_to_rest(&mut self) -> Result<(), Broken> {
        self.archive_catches_up(CALM_MS)?;
        self.backups_go_on(CALM_MS)?;
        self.cleaning_ends(CALM_MS)?;
        self.archive_stops(CALM_MS)?;
        self.rounds_begin_where_they_say()
    }

    /// Where State says that a round's log begins it begins on the medium: the infos of pieces tell readers so.
    fn rounds_begin_where_they_say(&self) -> Result<(), Broken> {
        for round in self.group.state().rounds.values() {
            let (dest_id, round_id) = (round.dest_id, round.round_id);
            for (&ls_id, reported) in round.progress.iter().filter(|(_, p)| p.archived_lsn > p.start_lsn) {
                let found = self.archive.begins(StreamKey { dest_id, round_id, ls_id });
                if found != Some(reported.start_lsn) {
                    let start = reported.start_lsn;
                    return Err(format!(
                        "round {round_id} says that log stream {ls_id} begins at {start}, not {found:?}"
                    ));
                }
            }
        }
        Ok(())
    }

    /// All log that ever came into a piece is on the medium.
    pub(super) fn is_whole(&self, piece: PieceKey) -> bool {
        self.frozen.is_whole(&self.medium, piece)
    }

    fn led_streams(&self) -> usize {
        self.streams.values().filter(|s| s.leader.is_some()).count()
    }

    fn report(&self) -> Report {
        let state = self.group.state();
        let whole = || state.backup_sets.values().filter(|s| s.status == BackupSetStatus::Success);
        let frozen =
            |p: &&strandline_scheduler_core::state::PieceRow| p.status == strandline_types::PieceStatus::Frozen;
        Report {
            trace: self.trace.clone(),
            entries: self.group.log.len(),
            rounds: state.rounds.len(),
            frozen_pieces: state.rounds.values().flat_map(|r| r.pieces.values()).filter(frozen).count(),
            elections: self.streams.values().map(|s| s.term.0).sum(),
            scheduler_terms: self.group.term.0,
            writes: self.streams.values().map(|s| s.groups.len()).sum(),
            sets: whole().count(),
            incrementals: whole().filter(|s| s.kind == BackupSetKind::Inc).count(),
            restores: self.restores,
            cleaned: self.cleaned,
        }
    }
}
