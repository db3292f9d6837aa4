//! One worker: what it remembers between two heartbeats.

use super::rng::Rng;
use super::running_archiver::Running;
use super::running_task::RunningTask;
use super::worker_key::WorkerKey;
use std::collections::{BTreeMap, BTreeSet};
use strandline_scheduler_core::{Orders, TaskKey};
use strandline_types::{LsId, NodeId, Term};

/// An answer of the scheduler.
#[derive(Debug)]
pub(super) enum Reply {
    /// Ask this node.
    NotLeader(usize),
    /// What to do, in which term.
    Orders(Term, Box<Orders>),
}

/// One worker.
#[derive(Debug)]
pub(super) struct Worker {
    pub is_up: bool,
    /// Cut off from schedulers and other workers, not from the medium.
    pub is_cut: bool,
    pub boot: u64,
    pub skew_ms: u64,
    pub seq: u64,
    /// When the report that is not answered yet was sent: one at a time, or answers would overtake each other.
    pub asked_ms: Option<u64>,
    /// The streams that this worker leads, as that report says.
    pub claims: BTreeSet<(LsId, Term)>,
    pub term: Term,
    pub orders: Option<Orders>,
    pub guess: usize,
    pub archivers: BTreeMap<WorkerKey, Running>,
    pub tasks: BTreeMap<TaskKey, RunningTask>,
}

impl Worker {
    pub(super) fn new(id: NodeId, rng: &mut Rng) -> Self {
        Self {
            is_up: true,
            is_cut: false,
            boot: id.0 * 1000,
            skew_ms: rng.between(0, 80),
            seq: 0,
            asked_ms: None,
            claims: BTreeSet::new(),
            term: Term(0),
            orders: None,
            guess: 0,
            archivers: BTreeMap::new(),
            tasks: BTreeMap::new(),
        }
    }

    /// Its own clock.
    pub(super) fn clock_ms(&self, now_ms: u64) -> u64 {
        now_ms - self.skew_ms
    }

    /// The process is gone and comes back with an empty memory.
    pub(super) fn restart(&mut self) {
        self.is_up = true;
        self.boot += 1;
        (self.orders, self.asked_ms, self.seq) = (None, None, 0);
        self.archivers.clear();
        self.tasks.clear();
    }

    pub(super) fn can_talk(&self) -> bool {
        self.is_up && !self.is_cut
    }
}
