//! Tenants: their log streams, tables and tablets.

use super::{ArchiveConfig, ImportedFrom};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use strandline_types::{
    BackupSetId, Compression, DestId, JobId, LsId, Lsn, NodeId, PieceId, RoundId, Scn, TableId, TabletId, TenantId,
    Term, Transition, limits,
};

/// Life of a tenant.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum TenantStatus {
    /// Open.
    Normal,
    /// Being built by a restore job.
    Restoring,
    /// Restored; clients read, only the recovery writes.
    Standby,
    /// Of another cluster: it has sets and pieces in an imported destination, and nothing else.
    Imported,
    /// Its replicas are being removed.
    Dropping,
}

impl Transition for TenantStatus {
    fn next_states(self) -> &'static [Self] {
        match self {
            Self::Restoring => &[Self::Normal, Self::Standby, Self::Dropping],
            Self::Standby => &[Self::Normal, Self::Dropping],
            Self::Normal | Self::Imported => &[Self::Dropping],
            Self::Dropping => &[],
        }
    }
}

impl fmt::Display for TenantStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Normal => "NORMAL",
            Self::Restoring => "RESTORE",
            Self::Standby => "STANDBY",
            Self::Imported => "IMPORTED",
            Self::Dropping => "DROPPING",
        })
    }
}

/// One tenant.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tenant {
    /// Id.
    pub id: TenantId,
    /// Name, unique without case.
    pub name: String,
    /// Status.
    pub status: TenantStatus,
    /// When it was created.
    pub created_ms: u64,
    /// Replicas of each log stream.
    pub replicas: u32,
    /// Log streams.
    pub log_streams: BTreeMap<LsId, LogStream>,
    /// Tables.
    pub tables: BTreeMap<TableId, Table>,
    /// Rises by 1 with every change of `tables`.
    pub dictionary_version: u64,
    /// Where and whether its log is archived.
    pub archive: ArchiveConfig,
    /// Where data backups go.
    pub data_dest: Option<DestId>,
    /// How data backups are made.
    pub backup: BackupParams,
    /// The restore job that built it, if any.
    pub restored_by: Option<JobId>,
    /// Whose sets and pieces it stands for, if it is [`TenantStatus::Imported`].
    pub imported: Option<ImportedFrom>,
    /// Ids to give out next.
    pub next: TenantCounters,
}

/// Ids of one tenant to give out next; they only rise.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TenantCounters {
    /// Next table.
    pub table: TableId,
    /// Next tablet.
    pub tablet: TabletId,
    /// Next archive round.
    pub round: RoundId,
    /// First piece of the next round.
    pub piece: PieceId,
    /// Next backup set.
    pub backup_set: BackupSetId,
}

impl Default for TenantCounters {
    fn default() -> Self {
        Self {
            // The original's first user table id.
            table: TableId(500_001),
            tablet: TabletId::FIRST_USER,
            round: RoundId(1),
            piece: PieceId(1),
            backup_set: BackupSetId(1),
        }
    }
}

/// Parameters of a tenant's data backups (docs/oceanbase.md, 4.12). A job keeps those that it was started with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BackupParams {
    /// `backup_data_file_size`: a data file is closed at this size.
    pub data_file_bytes: u64,
    /// `ha_low_thread_score`: threads of one backup, cleaning or validation task; 0 = the worker's default.
    pub ha_low_thread_score: u32,
    /// `backup_compression`.
    pub compression: Compression,
}

impl Default for BackupParams {
    fn default() -> Self {
        Self { data_file_bytes: limits::BACKUP_DATA_FILE_BYTES, ha_low_thread_score: 0, compression: Compression::None }
    }
}

/// One log stream: who should host it, and what its leader last said.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LogStream {
    /// Id.
    pub id: LsId,
    /// Workers that host a replica. The first one starts a fresh group.
    pub members: Vec<NodeId>,
    /// True once a leader was seen: from then on nobody may start the group anew.
    pub started: bool,
    /// The leader of the highest term seen.
    pub leader: Option<NodeId>,
    /// That term.
    pub term: Term,
    /// End of the log that the leader applied.
    pub end_lsn: Lsn,
    /// SCN of the last group that the leader applied.
    pub max_scn: Scn,
    /// Version of the dictionary that log stream 1 holds.
    pub dictionary_version: u64,
    /// Version of the dictionary from which on the stream has fewer tablets; 0 = it never lost one.
    pub shrunk_version: u64,
    /// Version of the tablet list that the stream has applied.
    pub tablets_version: u64,
}

impl LogStream {
    /// True while it still has tablets of dropped tables.
    #[must_use]
    pub const fn is_shrinking(&self) -> bool {
        self.tablets_version < self.shrunk_version
    }
}

/// One table.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Table {
    /// Id.
    pub id: TableId,
    /// Name.
    pub name: String,
    /// Its tablets, in key-hash order.
    pub tablets: Vec<Tablet>,
}

/// One tablet.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tablet {
    /// Id.
    pub id: TabletId,
    /// The log stream it belongs to.
    pub ls_id: LsId,
}

/// The data dictionary of a tenant: tables, their tablets, and the log stream of each tablet.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Dictionary {
    /// Rises by 1 with every change.
    pub version: u64,
    /// SCN of the entry that made it, 0 before it is logged.
    pub scn: Scn,
    /// Tables.
    pub tables: Vec<Table>,
    /// This tablet and all above were never given out; 0 = not said.
    pub next_tablet: TabletId,
}

/// The tablets that a log stream still has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TabletList {
    /// Version of the dictionary that names no others.
    pub version: u64,
    /// Only tablets below this can have been dropped.
    pub next_tablet: TabletId,
    /// Them, ascending.
    pub tablets: BTreeSet<TabletId>,
    /// The list gets a higher SCN than this one, which is not before the dictionary's: a restore to an SCN before
    /// the dictionary's gets the dropped tablets back.
    pub after_scn: Scn,
}

impl Tenant {
    /// The dictionary that log stream 1 should hold.
    #[must_use]
    pub fn dictionary(&self) -> Dictionary {
        Dictionary {
            version: self.dictionary_version,
            scn: Scn::MIN,
            tables: self.tables.values().cloned().collect(),
            next_tablet: self.next.tablet,
        }
    }

    /// What a log stream has to be told so that it drops the tablets of dropped tables; `None` when it has, or while
    /// log stream 1 does not hold the dictionary yet that does not name them.
    #[must_use]
    pub fn tablet_list(&self, ls: &LogStream) -> Option<TabletList> {
        let sys = self.log_streams.get(&LsId::SYS)?;
        if !ls.is_shrinking() || sys.dictionary_version < self.dictionary_version {
            return None;
        }
        let tablets = self.tables.values().flat_map(|t| &t.tablets);
        Some(TabletList {
            version: self.dictionary_version,
            next_tablet: self.next.tablet,
            tablets: tablets.filter(|t| t.ls_id == ls.id).map(|t| t.id).collect(),
            after_scn: sys.max_scn,
        })
    }

    /// Removes tables; the log streams that have their tablets are told.
    pub(crate) fn drop_tables(&mut self, ids: &[TableId]) {
        let gone: Vec<Table> = ids.iter().filter_map(|id| self.tables.remove(id)).collect();
        self.dictionary_version += 1;
        for tablet in gone.iter().flat_map(|t| &t.tablets) {
            if let Some(ls) = self.log_streams.get_mut(&tablet.ls_id) {
                ls.shrunk_version = self.dictionary_version;
            }
        }
    }

    /// A tenant that was rebuilt opens: its log streams may have tablets that its dictionary does not name.
    pub(crate) fn tell_tablets(&mut self) {
        for ls in self.log_streams.values_mut() {
            ls.shrunk_version = self.dictionary_version;
        }
    }

    /// Its tables are what replay made of them.
    pub(crate) fn take_tables(&mut self, dictionary: Dictionary) {
        let last_table = dictionary.tables.iter().map(|t| t.id).max();
        let last_tablet = dictionary.tables.iter().flat_map(|t| &t.tablets).map(|t| t.id).max();
        // New ids never meet restored ones.
        self.next.table = self.next.table.max(last_table.map_or(TableId(0), TableId::next));
        let after_last = last_tablet.map_or(TabletId(0), TabletId::next);
        // Also those of tables that were dropped: some of their rows may still be there.
        self.next.tablet = self.next.tablet.max(after_last).max(dictionary.next_tablet);
        self.dictionary_version = dictionary.version;
        // What a table recovery of the source had not finished is not taken over.
        self.tables = dictionary.tables.into_iter().filter(|t| !t.is_hidden()).map(|t| (t.id, t)).collect();
    }
}
