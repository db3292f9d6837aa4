//! A [`GroupStateMachine`] as openraft's state machine.
//!
//! A snapshot is built while nothing is applied (openraft asks for its builder between two applies, and the work is
//! done right there), so what it holds is exactly what was applied. Every responder is answered after the batch of its
//! entry was applied; when a batch fails, the group stops and openraft drops the rest.

use crate::convert::{decode_membership, encode_membership, entry_from_raft, log_id_of, pos_of};
use crate::log_adapter::work_on;
use crate::raft_types::{LogId, Snapshot, SnapshotMeta, StoredMembership, TypeConfig};
use crate::snapshot_files::SnapshotFiles;
use crate::state_machine::{GroupStateMachine, SnapshotDir};
use futures::{Stream, StreamExt};
use openraft::storage::{EntryResponder, RaftStateMachine};
use openraft::{OptionalSend, RaftSnapshotBuilder};
use std::io;
use std::sync::Arc;
use strandline_types::limits;

/// The state machine of one group.
#[derive(Clone)]
pub(crate) struct SmAdapter {
    sm: Arc<dyn GroupStateMachine>,
}

impl SmAdapter {
    pub(crate) fn new(sm: Arc<dyn GroupStateMachine>) -> Self {
        Self { sm }
    }
}

fn to_raft(snapshot: SnapshotDir) -> io::Result<Snapshot> {
    Ok(Snapshot {
        meta: SnapshotMeta {
            last_log_id: snapshot.last.map(log_id_of),
            last_membership: decode_membership(&snapshot.membership)?,
        },
        snapshot: SnapshotFiles::lent(snapshot.dir),
    })
}

/// A snapshot that is already built.
pub(crate) struct Built(Option<io::Result<SnapshotDir>>);

impl RaftSnapshotBuilder<TypeConfig> for Built {
    type SnapshotData = SnapshotFiles;

    async fn build_snapshot(&mut self) -> io::Result<Snapshot> {
        let built = self.0.take().unwrap_or_else(|| Err(io::Error::other("a snapshot is given out once")));
        built.and_then(to_raft)
    }
}

impl RaftStateMachine<TypeConfig> for SmAdapter {
    type SnapshotData = SnapshotFiles;
    type SnapshotBuilder = Built;

    async fn applied_state(&mut self) -> io::Result<(Option<LogId>, StoredMembership)> {
        let sm = self.sm.clone();
        let applied = work_on(move || sm.applied()).await?;
        Ok((applied.last.map(log_id_of), decode_membership(&applied.membership)?))
    }

    async fn apply<Strm>(&mut self, mut entries: Strm) -> io::Result<()>
    where
        Strm: Stream<Item = io::Result<EntryResponder<TypeConfig>>> + Unpin + OptionalSend,
    {
        loop {
            let mut batch = Vec::new();
            let mut responders = Vec::new();
            let mut bytes = 0;
            while batch.len() < limits::APPLY_BATCH_ENTRIES_MAX && bytes < limits::APPLY_BATCH_BYTES_MAX {
                let Some(item) = entries.next().await else { break };
                let (entry, responder) = item?;
                let entry = entry_from_raft(entry)?;
                bytes += entry.body_len();
                batch.push(entry);
                responders.push(responder);
            }
            if batch.is_empty() {
                return Ok(());
            }
            let sm = self.sm.clone();
            let replies = work_on(move || sm.apply(batch)).await?;
            if replies.len() != responders.len() {
                return Err(io::Error::other("the state machine must answer every entry once"));
            }
            for (reply, responder) in replies.into_iter().zip(responders) {
                if let Some(responder) = responder {
                    responder.send(reply);
                }
            }
        }
    }

    async fn get_snapshot_builder(&mut self) -> Built {
        let sm = self.sm.clone();
        Built(Some(work_on(move || sm.build_snapshot()).await))
    }

    async fn install_snapshot(&mut self, meta: &SnapshotMeta, snapshot: SnapshotFiles) -> io::Result<()> {
        let sm = self.sm.clone();
        let last = meta.last_log_id.as_ref().map(pos_of);
        let membership = encode_membership(&meta.last_membership)?;
        // The files move into the closure: a received directory is removed once they are installed.
        work_on(move || sm.install_snapshot(snapshot.dir(), last, membership)).await
    }

    async fn get_current_snapshot(&mut self) -> io::Result<Option<Snapshot>> {
        let sm = self.sm.clone();
        work_on(move || sm.current_snapshot()).await?.map(to_raft).transpose()
    }
}
