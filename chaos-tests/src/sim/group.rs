//! The scheduler group: three states fed by one log, and who leads them.
//!
//! Raft itself is taken for granted: only the true leader commits, a new leader has applied all that was committed.
//! What is simulated is what Raft allows: followers that are behind, and an old leader that still believes.

use crate::invariants::{Broken, ReplicasAgree};
use std::collections::BTreeSet;
use strandline_scheduler_core::{Action, Command, Outcome, State, Subject, apply, lint};
use strandline_types::{NodeId, Term};
use xxhash_rust::xxh3::xxh3_64;

/// One scheduler node.
#[derive(Debug, Default)]
pub struct Node {
    /// What it has applied.
    pub state: State,
    /// How many entries that are.
    pub applied: usize,
    /// False while it is down.
    pub is_up: bool,
    /// The term in which it believes to lead.
    pub leads: Option<Term>,
    /// What its steps under way are for.
    pub busy: BTreeSet<Subject>,
}

/// The group.
#[derive(Debug)]
pub struct Group {
    /// Its nodes.
    pub nodes: Vec<Node>,
    /// Committed entries.
    pub log: Vec<Command>,
    /// The true leader.
    pub leader: usize,
    /// Its term.
    pub term: Term,
    agree: ReplicasAgree,
    /// Room for an encoded state.
    encoded: Vec<u8>,
}

/// Replicas are compared after every such entry: what differs once does not become equal by itself.
const COMPARED_EVERY: usize = 4;

impl Group {
    /// A fresh group of `nodes` nodes that is led by the first.
    #[must_use]
    pub fn new(nodes: usize) -> Self {
        let node = || Node { is_up: true, ..Node::default() };
        let mut nodes: Vec<Node> = (0..nodes).map(|_| node()).collect();
        nodes[0].leads = Some(Term(1));
        Self {
            nodes,
            log: Vec::new(),
            leader: 0,
            term: Term(1),
            agree: ReplicasAgree::default(),
            encoded: vec![0; 1 << 16],
        }
    }

    /// Id of a node.
    #[must_use]
    pub fn id(node: usize) -> NodeId {
        NodeId(901 + node as u64)
    }

    /// The true leader's state.
    #[must_use]
    pub fn state(&self) -> &State {
        &self.nodes[self.leader].state
    }

    /// Commits and applies an action, if this node is the true leader; `None` when it only believes to be.
    ///
    /// # Errors
    /// The state became unsound, or differs from another replica's.
    pub fn propose(&mut self, node: usize, now_ms: u64, action: Action) -> Result<Option<Outcome>, Broken> {
        let is_leader = node == self.leader && self.nodes[node].leads == Some(self.term);
        if !is_leader || !self.nodes[node].is_up {
            return Ok(None);
        }
        self.log.push(Command { proposed_at_ms: now_ms, action });
        self.apply_next(node).map(Some)
    }

    /// A follower learns some more entries.
    ///
    /// # Errors
    /// As [`Group::propose`].
    pub fn follow(&mut self, node: usize, entries: usize) -> Result<(), Broken> {
        for _ in 0..entries {
            if self.nodes[node].is_up && self.nodes[node].applied < self.log.len() {
                let _ = self.apply_next(node)?;
            }
        }
        Ok(())
    }

    fn apply_next(&mut self, at: usize) -> Result<Outcome, Broken> {
        let node = &mut self.nodes[at];
        let outcome = apply(&mut node.state, self.log[node.applied].clone());
        node.applied += 1;
        if node.applied.is_multiple_of(COMPARED_EVERY) {
            let digest = digest(&node.state, &mut self.encoded)?;
            self.agree.applied(&format!("scheduler {at}"), node.applied as u64, digest)?;
        }
        let found = if at == self.leader { lint(&node.state) } else { Vec::new() };
        match found.first() {
            None => Ok(outcome),
            Some(first) => Err(format!("{first} (after entry {}: {:?})", node.applied, self.log[node.applied - 1])),
        }
    }

    /// Another node becomes leader: it applies all that was committed first. The old one may still believe.
    ///
    /// # Errors
    /// As [`Group::propose`].
    pub fn elect(&mut self, node: usize, now_ms: u64) -> Result<(), Broken> {
        self.follow(node, self.log.len())?;
        self.term = self.term.next();
        self.leader = node;
        self.nodes[node].leads = Some(self.term);
        // Steps of an earlier term are not its own any more.
        self.nodes[node].busy.clear();
        let action = Action::TakeLead { node: Self::id(node), term: self.term };
        self.propose(node, now_ms, action).map(|_| ())
    }

    /// A node loses its memory and comes back: from a snapshot of its own, or with nothing at all.
    ///
    /// # Errors
    /// The snapshot does not give the same state again.
    pub fn restart(&mut self, at: usize, from_snapshot: bool) -> Result<(), Broken> {
        let node = &mut self.nodes[at];
        if from_snapshot {
            let bytes = strandline_stored::encode(&node.state).map_err(|e| e.to_string())?;
            let state: State = strandline_stored::decode(&bytes).map_err(|e| e.to_string())?;
            if state != node.state {
                return Err(format!("scheduler {at}: its snapshot is another state"));
            }
            *node = Node { state, applied: node.applied, is_up: true, ..Node::default() };
        } else {
            *node = Node { is_up: true, ..Node::default() };
        }
        Ok(())
    }
}

fn digest(state: &State, room: &mut Vec<u8>) -> Result<u64, Broken> {
    loop {
        match postcard::to_slice(state, room) {
            Ok(bytes) => return Ok(xxh3_64(bytes)),
            Err(postcard::Error::SerializeBufferFull) => room.resize(2 * room.len(), 0),
            Err(e) => return Err(format!("the state cannot be encoded: {e}")),
        }
    }
}
