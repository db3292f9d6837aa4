//! The state of the simulated world, its queue of events, and the invariants that are checked after each of them.

use super::counts::{Cleaned, Restores};
use super::fault_state::{NetworkFaults, Repair};
use super::group::Group;
use super::medium::Medium;
use super::queue::Queue;
use super::rng::Rng;
use super::running_archiver::Op;
use super::settings::{START_MS, TENANT};
use super::step_run::StepRun;
use super::stream::Stream;
use super::trace::Trace;
use super::worker::{Reply, Worker};
use super::worker_key::WorkerKey;
use crate::invariants::{ArchiveIsOneLog, Broken, CheckpointIsDurable, CleaningKeepsTheWindow, FrozenPiecesStand};
use std::collections::BTreeMap;
use std::fmt;
use strandline_scheduler_core::WorkerReport;
use strandline_types::limits::BLOCK_BODY_BYTES;
use strandline_types::{DestId, LsId, Lsn, NodeId, PieceClock, PieceKey, RoundId, Scn};

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
    Repair(Repair),
    /// An administrator wants something.
    Request,
    /// Somebody tries what can be restored.
    Restore,
}

/// Everything.
pub(super) struct World {
    pub now_ms: u64,
    pub rng: Rng,
    pub queue: Queue<Event>,
    pub medium: Medium,
    pub group: Group,
    pub runs: BTreeMap<u64, StepRun>,
    pub workers: BTreeMap<NodeId, Worker>,
    pub ops: BTreeMap<u64, Op>,
    pub streams: BTreeMap<LsId, Stream>,
    pub faults: NetworkFaults,
    pub trace: Trace,
    /// Numbers for runs, operations and archivers.
    pub numbers: u64,
    pub restores: Restores,
    pub cleaned: Cleaned,
    pub cleanings: CleaningKeepsTheWindow,
    /// Set once faults are over.
    pub is_calm: bool,
    pub archive: ArchiveIsOneLog,
    checkpoints: CheckpointIsDurable,
    frozen: FrozenPiecesStand,
}

impl World {
    pub(super) fn new(seed: u64) -> Self {
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
            faults: NetworkFaults::default(),
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

    /// All log that ever came into a piece is on the medium.
    pub(super) fn is_whole(&self, piece: PieceKey) -> bool {
        self.frozen.is_whole(&self.medium, piece)
    }
}
