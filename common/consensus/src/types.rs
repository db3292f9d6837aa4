//! The nouns of a replicated log as its owners see them: positions, payloads, entries.
//!
//! Nothing here knows openraft. [`EntryBody::Membership`] is opaque on purpose: an [`EntryLog`](crate::EntryLog) and a
//! [`GroupStateMachine`](crate::GroupStateMachine) store its bytes as they are and give them back.

use bytes::Bytes;
use serde::{Deserialize, Serialize};
use std::fmt;

/// Position of an entry: the term of the leader that proposed it, and its index. Ordered as Raft orders logs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct LogPos {
    /// Term of the leader that proposed the entry.
    pub term: u64,
    /// Index in the log; the first entry of a fresh group has index 0.
    pub index: u64,
}

impl fmt::Display for LogPos {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.term, self.index)
    }
}

/// What a client proposes. Consensus never looks inside.
#[derive(Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Payload {
    /// SCN that the proposer chose; 0 where the owner has no use for it.
    pub scn: u64,
    /// Kind of the body, a number of the owner.
    pub kind: u8,
    /// Body.
    pub body: Bytes,
}

// Bodies are megabytes of user data: neither logs nor errors may carry them.
impl fmt::Debug for Payload {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Payload{{scn:{}, kind:{}, {} bytes}}", self.scn, self.kind, self.body.len())
    }
}

impl fmt::Display for Payload {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self, f)
    }
}

/// What the state machine answers to one entry.
#[derive(Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Reply(pub Bytes);

impl fmt::Debug for Reply {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Reply({} bytes)", self.0.len())
    }
}

/// Content of an entry.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum EntryBody {
    /// A new leader's first entry.
    Blank,
    /// A change of the group's members, in an encoding that only this crate reads.
    Membership(Bytes),
    /// A client's proposal.
    Normal(Payload),
}

/// One entry of the log.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    /// Where it stands.
    pub pos: LogPos,
    /// What it says.
    pub body: EntryBody,
}

impl Entry {
    /// Bytes of the body: what byte caps count.
    #[must_use]
    pub fn body_len(&self) -> usize {
        match &self.body {
            EntryBody::Blank => 0,
            EntryBody::Membership(bytes) => bytes.len(),
            EntryBody::Normal(payload) => payload.body.len(),
        }
    }
}
