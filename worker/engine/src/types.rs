//! What goes in and out of a replica: plain data without behaviour.

use bytes::Bytes;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::path::PathBuf;
use strandline_proto::v1::Dictionary;
use strandline_types::{DataKind, JobId, LsId, Lsn, NodeId, PalfBase, Scn, TabletId, TenantId, Term};

/// One write of an atomic batch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KvWrite {
    /// The tablet that holds the key.
    pub tablet: TabletId,
    /// The key.
    pub key: Bytes,
    /// The new value; `None` deletes.
    pub value: Option<Bytes>,
}

/// One page of a scan.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ScanPage {
    /// Keys with values, in key order.
    pub pairs: Vec<(Bytes, Bytes)>,
    /// True when the range goes on after the last key.
    pub more: bool,
    /// SCN up to which the page is true.
    pub scn: Scn,
}

/// Which replica this worker has to host.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReplicaSpec {
    /// Tenant.
    pub tenant: TenantId,
    /// Log stream.
    pub ls: LsId,
    /// Every member of its group with the address of its gRPC server.
    pub members: BTreeMap<NodeId, String>,
    /// True for the one member that initializes a fresh group.
    pub bootstrap: bool,
    /// Set for replicas of a restored tenant.
    pub restore: Option<RestoreStart>,
}

/// A replica that begins from a backup instead of from nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RestoreStart {
    /// The restore job whose data was rebuilt here.
    pub job: JobId,
    /// Of the *source* log: the first group that is not in the data.
    pub base: PalfBase,
    /// Every replica has its data: the group may start.
    pub start: bool,
}

/// What clients may do at a replica. The numbers are those of the stored form: 0 and 1 were once a plain `open` flag.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Access {
    /// Nothing: the tenant is being restored.
    #[default]
    Closed,
    /// Read and write.
    Open,
    /// Read: the tenant is a standby, only the recovery writes.
    ReadOnly,
}

impl Access {
    /// As orders say it.
    #[must_use]
    pub const fn of(open: bool, read_only: bool) -> Self {
        match (open, read_only) {
            (false, _) => Self::Closed,
            (true, false) => Self::Open,
            (true, true) => Self::ReadOnly,
        }
    }
}

/// Where a replica stands; cheap to ask.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReplicaStatus {
    /// True when this replica leads.
    pub is_leader: bool,
    /// Raft term.
    pub term: Term,
    /// Who leads, when that is known.
    pub leader: Option<NodeId>,
    /// First position that is still in the local log.
    pub log_start: Lsn,
    /// End of the applied log.
    pub end_lsn: Lsn,
    /// SCN of the last applied group.
    pub max_scn: Scn,
    /// Version of the stored data dictionary; 0 = none.
    pub dictionary_version: u64,
    /// Version of the newest tablet list that is applied; 0 = none.
    pub tablets_version: u64,
    /// How far source log was replayed; `None` when this is no restored tenant.
    pub replayed: Option<Replayed>,
    /// What clients may do.
    pub access: Access,
}

/// Committed log: whole groups, paddings included, `[start, end)`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Committed {
    /// The groups as they lie in the log.
    pub bytes: Bytes,
    /// Start of the first group.
    pub start: Lsn,
    /// End of the last group; equal to `start` when nothing newer is committed.
    pub end: Lsn,
}

/// A consistent point of a log stream: a directory of hard links that the caller owns.
#[derive(Clone, Debug)]
pub struct TabletCheckpoint {
    /// Where the files lie.
    pub dir: PathBuf,
    /// Raft index of the last effect.
    pub index: u64,
    /// Raft term of the last effect.
    pub term: Term,
    /// The first log group that is not in the point.
    pub base: PalfBase,
    /// SCN of the last effect.
    pub scn: Scn,
    /// Every SST file.
    pub blocks: Vec<CheckpointBlock>,
    /// RocksDB's own small files (name, content) that make the SST files a store.
    pub engine_files: Vec<(String, Bytes)>,
    /// The data dictionary as it is at the point (log stream 1 only).
    pub dictionary: Option<Dictionary>,
}

/// One macroblock: one immutable SST file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CheckpointBlock {
    /// The tablet; [`TabletId::INNER`] for the inner column family.
    pub tablet: TabletId,
    /// Sys, minor or major.
    pub kind: DataKind,
    /// Name inside the checkpoint's directory.
    pub file_name: String,
    /// Length.
    pub bytes: u64,
    /// Level in RocksDB's tree.
    pub level: u32,
    /// Equal ids mean equal bytes, on every replica and for ever.
    pub unique_id: BlockUid,
}

/// Identity of an SST file: XXH3-128 of its tail, which holds RocksDB's own session id and file number, and its length.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct BlockUid(pub [u8; 24]);

/// One item of replayed log: the body of a source entry and what it was.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReplayItem {
    /// SCN of the source entry.
    pub scn: Scn,
    /// Kind byte of the source entry.
    pub kind: u8,
    /// Body after the kind byte.
    pub body: Bytes,
}

/// Source log `[start, end)`, applied as one step; an empty batch only moves the position.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReplayBatch {
    /// End of the batch before this one. Applying compares it with the replayed position (the restore base before the
    /// first batch): `end` at or below the position = known already, success; `start` elsewhere = refused, so that a
    /// batch that got lost with a leader never leaves a hole.
    pub start: Lsn,
    /// End of the last source group that the batch covers.
    pub end: Lsn,
    /// SCN of that group.
    pub scn: Scn,
    /// What has to be applied, in order.
    pub items: Vec<ReplayItem>,
}

/// How far source log is applied.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Replayed {
    /// End of the last source group that was applied or passed over.
    pub lsn: Lsn,
    /// Its SCN.
    pub scn: Scn,
}

/// The consistent point that a rebuilt replica starts from, in terms of its source.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RestoredPoint {
    /// The restore job.
    pub job: JobId,
    /// Where replay of the source log starts.
    pub base: PalfBase,
    /// SCN of the last effect in the data.
    pub scn: Scn,
}
