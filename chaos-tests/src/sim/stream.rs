//! One log stream: its committed log, and what each replica knows of it.
//!
//! Raft itself is taken for granted: what is committed stays, every replica frames the same bytes, a new leader has all
//! of it. What is simulated is what Raft allows: replicas that are behind, and an old leader that still believes.

use super::content::Content;
use crate::invariants::{Broken, Group};
use bytes::Bytes;
use std::collections::BTreeMap;
use strandline_format::entry::{EntryKind, join};
use strandline_format::palf::Framer;
use strandline_types::{LsId, Lsn, NodeId, PalfBase, Scn, Term};

/// One replica.
#[derive(Clone, Copy, Debug, Default)]
pub struct Replica {
    /// The term in which it believes to lead.
    pub leads: Option<Term>,
    /// First position that it still has.
    pub start: Lsn,
    /// End of the log that it knows to be committed.
    pub end: Lsn,
    /// SCN of the last group before that end.
    pub max_scn: Scn,
}

/// One log stream.
#[derive(Debug)]
pub struct Stream {
    /// Id.
    pub id: LsId,
    /// Members of the group.
    pub members: Vec<NodeId>,
    /// Where the log begins.
    begin: Lsn,
    bytes: Vec<u8>,
    framer: Framer,
    /// Committed groups with an SCN of their own.
    pub groups: Vec<Group>,
    /// Every group's end, in order: where a read may be cut.
    ends: Vec<Lsn>,
    /// Every entry: the log before what follows it, its SCN, its body.
    entries: Vec<(PalfBase, Scn, Bytes)>,
    /// The leader, as Raft sees it.
    pub leader: Option<NodeId>,
    /// Its term.
    pub term: Term,
    /// Replicas by worker.
    pub replicas: BTreeMap<NodeId, Replica>,
    /// Version of the dictionary that it holds.
    pub dictionary_version: u64,
    /// Version of the newest tablet list in its log.
    pub tablets_version: u64,
}

impl Stream {
    /// A log that begins at `begin`, so that its first block's end is near.
    #[must_use]
    pub fn new(id: LsId, members: Vec<NodeId>, begin: Lsn) -> Self {
        let base = PalfBase { lsn: begin, ..PalfBase::default() };
        let replica = Replica { leads: None, start: begin, end: begin, max_scn: Scn::MIN };
        let replicas = members.iter().map(|m| (*m, replica)).collect();
        Self {
            id,
            members,
            begin,
            bytes: Vec::new(),
            framer: Framer::new(base),
            groups: Vec::new(),
            ends: Vec::new(),
            entries: Vec::new(),
            leader: None,
            term: Term(0),
            replicas,
            dictionary_version: 0,
            tablets_version: 0,
        }
    }

    /// Commits one entry on the leader; gives its SCN. `strict` entries carry an SCN of their own.
    pub fn append(&mut self, scn: Scn, is_strict: bool, body: &[u8]) -> Scn {
        let framed = self.framer.frame(self.term, scn, is_strict, body);
        self.bytes.extend_from_slice(&framed.bytes);
        if framed.padded {
            self.ends.push(framed.lsn);
        }
        self.ends.push(framed.end);
        self.entries.push((self.framer.base(), framed.scn, Bytes::copy_from_slice(body)));
        if is_strict {
            self.groups.push(Group { end: framed.end, scn: framed.scn });
        }
        if let Some(leader) = self.leader {
            self.catch_up(leader);
        }
        framed.scn
    }

    /// What applying the log below `end` makes, and the log before what follows.
    ///
    /// # Errors
    /// An entry that cannot be decoded.
    pub fn applied(&self, end: Lsn) -> Result<(PalfBase, Content), Broken> {
        let below = self.entries.partition_point(|(base, ..)| base.lsn <= end);
        let base =
            below.checked_sub(1).map_or(PalfBase { lsn: self.begin, ..PalfBase::default() }, |n| self.entries[n].0);
        Ok((base, self.content(below)?))
    }

    /// What the stream held at an SCN, inclusive.
    ///
    /// # Errors
    /// An entry that cannot be decoded.
    pub fn content_at(&self, scn: Scn) -> Result<Content, Broken> {
        self.content(self.entries.partition_point(|(_, of, _)| *of <= scn))
    }

    /// Every row that was written up to an SCN, those of dropped tablets too.
    ///
    /// # Errors
    /// An entry that cannot be decoded.
    pub fn written_at(&self, scn: Scn) -> Result<Content, Broken> {
        let mut content = Content::default();
        let is_batch = |body: &[u8]| body.first() == Some(&EntryKind::ClientBatch.number());
        for (_, of, body) in self.entries.iter().filter(|(_, _, body)| is_batch(body)) {
            if *of <= scn {
                content.apply(body.clone())?;
            }
        }
        Ok(content)
    }

    fn content(&self, entries: usize) -> Result<Content, Broken> {
        let mut content = Content::default();
        for (_, _, body) in &self.entries[..entries] {
            content.apply(body.clone())?;
        }
        Ok(content)
    }

    /// A member becomes leader: it has the whole log and writes a blank entry.
    pub fn elect(&mut self, node: NodeId) {
        self.term = self.term.next();
        self.leader = Some(node);
        if let Some(replica) = self.replicas.get_mut(&node) {
            replica.leads = Some(self.term);
        }
        self.append(Scn::MIN, false, &join(EntryKind::Blank, b""));
    }

    /// A replica that is connected learns everything, also that it does not lead any more.
    pub fn catch_up(&mut self, node: NodeId) {
        let (end, max_scn, term) = (self.end(), self.framer.base().prev_scn, self.term);
        if let Some(replica) = self.replicas.get_mut(&node) {
            replica.end = end;
            replica.max_scn = max_scn;
            replica.leads = replica.leads.filter(|t| *t == term);
        }
    }

    /// End of the committed log.
    #[must_use]
    pub fn end(&self) -> Lsn {
        self.begin.advance(self.bytes.len() as u64)
    }

    /// SCN of the last group.
    #[must_use]
    pub fn max_scn(&self) -> Scn {
        self.framer.base().prev_scn
    }

    /// So many bytes at a position, if the log has them.
    #[must_use]
    pub fn slice(&self, at: Lsn, length: usize) -> Option<&[u8]> {
        let from = at.0.checked_sub(self.begin.0)? as usize;
        self.bytes.get(from..from + length)
    }

    /// Whole groups at `from` up to `end` and about `max_bytes`, at least one if there is one.
    #[must_use]
    pub fn read(&self, from: Lsn, end: Lsn, max_bytes: usize) -> &[u8] {
        let first = self.ends.partition_point(|e| *e <= from);
        let mut upto = from;
        for &group_end in self.ends.get(first..).unwrap_or_default() {
            let is_enough = upto > from && group_end.0 - from.0 > max_bytes as u64;
            if group_end > end || is_enough {
                break;
            }
            upto = group_end;
        }
        self.slice(from, (upto.0 - from.0) as usize).unwrap_or_default()
    }
}
