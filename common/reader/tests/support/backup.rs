//! A sound data backup destination: a chain of sets with blocks of every kind, built as the workers and the scheduler build
//! it. Log stream 1 has its inner tablet; the user's has that and one table, whose newest block each set adds.

use super::archive::{Archive, CLUSTER, Round, SYS, TENANT, USER, at};
use super::tree::Tree;
use prost::Message;
use std::collections::BTreeMap;
use strandline_format::blocks::{
    BlockBuffer, BlockContent, BlockType, Coding, DataFileWriter, FileKind, encode_macroblock,
};
use strandline_format::checksum::crc32c_raw;
use strandline_format::index::{
    MacroBlockId, MacroIndexEntry, MetaIndexEntry, MetaType, PhysicalId, SecMetaIndexEntry, write_index,
};
use strandline_format::paths::{BackupPath, IndexKind, InfoKind, SetName};
use strandline_format::{DataType, pb};
use strandline_reader::verify::TAIL_BYTES;
use strandline_types::{
    BACKUP_COMPATIBLE, BackupSetId, BackupSetKind, BackupSetStatus, DataKind, FileId, FileStatus, LsId, RetryId, Scn,
    TabletId, TurnId,
};

pub const TURN: TurnId = TurnId(1);
pub const RETRY: RetryId = RetryId(0);
pub const TABLE: TabletId = TabletId::FIRST_USER;
const STREAMS: [LsId; 2] = [SYS, USER];

/// A destination.
#[derive(Clone, Debug)]
pub struct Backup {
    pub dest: u64,
    pub cluster: u64,
    pub tenant: u64,
    pub sets: Vec<Set>,
}

/// One set; positions are seconds of the model.
#[derive(Clone, Debug)]
pub struct Set {
    pub id: u64,
    /// The set before it in its chain; `None` = a full set.
    pub base: Option<u64>,
    pub replay: u64,
    pub restore: u64,
    /// It carries its own log.
    pub has_log: bool,
    /// How its blocks are stored.
    pub coding: Coding,
    /// What its key was derived with, where it came from a password.
    pub salt: Vec<u8>,
}

/// Index entries of one log stream and kind.
#[derive(Clone, Debug, Default)]
struct Dir {
    macros: Vec<MacroIndexEntry>,
    metas: Vec<MetaIndexEntry>,
}

type Dirs = BTreeMap<(LsId, DataKind), Dir>;

impl Set {
    pub fn full(id: u64, replay: u64, restore: u64) -> Self {
        Self { id, base: None, replay, restore, has_log: false, coding: Coding::default(), salt: Vec::new() }
    }

    pub fn inc(id: u64, base: u64, replay: u64, restore: u64) -> Self {
        Self { base: Some(base), ..Self::full(id, replay, restore) }
    }

    pub fn name(&self) -> SetName {
        let kind = if self.base.is_some() { BackupSetKind::Inc } else { BackupSetKind::Full };
        SetName { id: BackupSetId(self.id), kind }
    }
}

impl Backup {
    /// Destination 1002 with these sets.
    pub fn of(sets: impl IntoIterator<Item = Set>) -> Self {
        Self { dest: 1002, cluster: CLUSTER, tenant: TENANT, sets: sets.into_iter().collect() }
    }

    /// A full set and two increments on it.
    pub fn chain() -> Self {
        Self::of([Set::full(1, 2, 4), Set::inc(2, 1, 8, 9), Set::inc(3, 2, 14, 16)])
    }

    pub fn tree(&self) -> Tree {
        let mut tree = Tree::default();
        let format = pb::PathFormat {
            cluster_id: self.cluster,
            tenant_id: self.tenant,
            dest_id: self.dest,
            dest_type: "backup_data".to_owned(),
            ..Default::default()
        };
        tree.small(BackupPath::<Scn>::Format.path(), DataType::Format, &format);
        let (mut dirs, mut infos) = (BTreeMap::<u64, Dirs>::new(), Vec::new());
        for set in &self.sets {
            let base = set.base.and_then(|base| dirs.get(&base)).cloned().unwrap_or_default();
            let own = data(&mut tree, set, &base);
            infos.push(self.info(set));
            self.small_files(&mut tree, set, &own, &infos);
            dirs.insert(set.id, own);
        }
        tree
    }

    /// The full set that a set's chain begins with.
    fn full_of(&self, set: &Set) -> u64 {
        let base = set.base.and_then(|base| self.sets.iter().find(|s| s.id == base));
        base.map_or_else(|| set.base.unwrap_or(set.id), |base| self.full_of(base))
    }

    pub fn info(&self, set: &Set) -> pb::BackupSetInfo {
        let parts = STREAMS.iter().map(|ls| pb::LsTurnRetry { ls_id: ls.0, turn: TURN.0, retry: RETRY.0 });
        let sealed = if set.coding.key.is_some() { "PASSWORD" } else { "NONE" };
        pb::BackupSetInfo {
            backup_set_id: set.id,
            tenant_id: self.tenant,
            cluster_id: self.cluster,
            dest_id: self.dest,
            backup_type: set.name().kind.tag().to_owned(),
            plus_archivelog: set.has_log,
            prev_full_backup_set_id: set.base.map_or(0, |_| self.full_of(set)),
            prev_inc_backup_set_id: set.base.unwrap_or(0),
            end_time_ns: at(set.restore).0,
            status: BackupSetStatus::Success.to_string(),
            file_status: FileStatus::Available.to_string(),
            encryption_mode: sealed.to_owned(),
            password_salt: set.salt.clone().into(),
            start_replay_scn: at(set.replay).0,
            min_restore_scn: at(set.restore).0,
            consistent_scn: at(set.restore).0,
            backup_compatible: BACKUP_COMPATIBLE,
            data_turn_id: TURN.0,
            meta_turn_id: TURN.0,
            index_retry: RETRY.0,
            log_streams: parts.collect(),
            ..Default::default()
        }
    }

    fn small_files(&self, tree: &mut Tree, set: &Set, dirs: &Dirs, infos: &[pb::BackupSetInfo]) {
        let name = set.name();
        metas(tree, self.tenant, set);
        tenant_files(tree, self.tenant, set, dirs);
        for_people(tree, self, set);
        if set.has_log {
            let log = Archive { tenant: self.tenant, cluster: self.cluster, ..Archive::of([]) };
            let round = Round::stopped(1, 1, set.replay.saturating_sub(1), set.restore);
            let carried = Archive { rounds: vec![round], ..log }.without_identity();
            tree.add(&format!("{name}/complement_log"), &carried);
        }
        diagnosis(tree, self, set);
        let (start, end) = (at(set.replay), at(set.restore));
        let held = |start_replay_scn, min_restore_scn| pb::SetPlaceholder {
            tenant_id: self.tenant,
            backup_set_id: set.id,
            backup_type: name.kind.tag().to_owned(),
            status: BackupSetStatus::Success.to_string(),
            start_replay_scn,
            min_restore_scn,
        };
        let mut small = |path: BackupPath, held: &pb::SetPlaceholder| {
            tree.small(path.path(), DataType::SetPlaceholder, held);
        };
        small(BackupPath::SetStart { set: name }, &held(0, 0));
        small(BackupPath::SetInner { set: name, start, end }, &held(start.0, end.0));
        small(BackupPath::SetEnd { set: name, success: true, time_scn: end }, &held(start.0, end.0));
        let own = &infos[infos.len() - 1];
        tree.small(BackupPath::<Scn>::SingleSetInfo { set: name }.path(), DataType::BackupSetInfo, own);
        let all = pb::TenantBackupSetInfos { tenant_id: self.tenant, sets: infos.to_vec() };
        tree.small(BackupPath::<Scn>::TenantSetInfos { set: name }.path(), DataType::TenantBackupSetInfos, &all);
    }
}

fn tablets(ls: LsId) -> Vec<u64> {
    if ls == USER { vec![TabletId::INNER.0, TABLE.0] } else { vec![TabletId::INNER.0] }
}

fn metas(tree: &mut Tree, tenant_id: u64, set: &Set) {
    let (name, turn, retry) = (set.name(), TURN, RETRY);
    let meta = |ls: &LsId| pb::LsMetaInfo {
        tenant_id,
        ls_id: ls.0,
        checkpoint_scn: at(set.restore).0,
        tablet_ids: tablets(*ls),
        turn: turn.0,
        retry: retry.0,
        ..Default::default()
    };
    for ls in STREAMS {
        let path = BackupPath::<Scn>::LsMetaInfo { set: name, ls, turn, retry }.path();
        tree.small(path, DataType::LsMetaInfo, &meta(&ls));
        let tablets = tablets(ls).into_iter().map(|tablet_id| pb::TabletMeta { tablet_id, ..Default::default() });
        let info = pb::TabletInfo { ls_id: ls.0, file_no: 1, tablets: tablets.collect() };
        let path = BackupPath::<Scn>::TabletInfo { set: name, ls, turn, retry, n: 1 }.path();
        tree.small(path, DataType::TabletInfo, &info);
    }
    let all = pb::LsMetaInfos { tenant_id, log_streams: STREAMS.iter().map(meta).collect() };
    tree.small(BackupPath::<Scn>::LsMetaInfos { set: name }.path(), DataType::LsMetaInfos, &all);
    let attrs = STREAMS.iter().map(|ls| pb::LsAttr { ls_id: ls.0, ..Default::default() });
    let attrs = pb::LsAttrInfo { backup_scn: at(set.replay).0, log_streams: attrs.collect() };
    tree.small(BackupPath::<Scn>::LsAttrInfo { set: name, turn }.path(), DataType::LsAttrInfo, &attrs);
}

fn tenant_files(tree: &mut Tree, tenant_id: u64, set: &Set, dirs: &Dirs) {
    let (name, turn, retry) = (set.name(), TURN, RETRY);
    for kind in InfoKind::ALL {
        let of_kind: Vec<&Dir> = STREAMS.iter().filter_map(|ls| dirs.get(&(*ls, kind.data_kind()))).collect();
        let all = Dir {
            macros: of_kind.iter().flat_map(|d| d.macros.clone()).collect(),
            metas: of_kind.iter().flat_map(|d| d.metas.clone()).collect(),
        };
        for (index, bytes) in all.indexes() {
            tree.put(BackupPath::<Scn>::TenantIndex { set: name, kind, turn, index, retry }.path(), bytes);
        }
        let of = |ls: &LsId| pb::LsTablets { ls_id: ls.0, tablet_ids: tablets(*ls) };
        let map = pb::TabletLogStreamInfo { tenant_id, turn: turn.0, log_streams: STREAMS.iter().map(of).collect() };
        let path = BackupPath::<Scn>::TabletLsInfo { set: name, kind, turn }.path();
        tree.small(path, DataType::TabletLogStreamInfo, &map);
    }
}

fn for_people(tree: &mut Tree, backup: &Backup, set: &Set) {
    let (name, scn, tenant_id) = (set.name(), at(set.restore), backup.tenant);
    let locality = pb::LocalityInfo { tenant_id, backup_set_id: set.id, ..Default::default() };
    tree.small(BackupPath::<Scn>::LocalityInfo { set: name }.path(), DataType::LocalityInfo, &locality);
    let parameters = pb::Parameters { tenant_id, parameters: Vec::new() };
    tree.small(BackupPath::<Scn>::TenantParameter { set: name }.path(), DataType::Parameters, &parameters);
    let gone = pb::DeletedTabletInfo { tablet_ids: vec![200_009] };
    tree.small(BackupPath::<Scn>::DeletedTabletInfo { set: name }.path(), DataType::DeletedTabletInfo, &gone);
    let table = |name: &str| pb::TableName { table_name: name.to_owned(), ..Default::default() };
    let list = pb::TableList { tables: vec![table("accounts"), table("orders")] };
    tree.small(BackupPath::<Scn>::TableList { set: name, scn, n: 1 }.path(), DataType::TableList, &list);
    let part = pb::TableListPart { start_key: "accounts".into(), end_key: "orders".into() };
    let meta = pb::TableListMeta { scn: scn.0, count: 2, batch_size: 100, parts: vec![part] };
    tree.small(BackupPath::<Scn>::TableListMeta { set: name, scn }.path(), DataType::TableListMeta, &meta);
}

/// The file list of a set: everything that lies there by now.
fn diagnosis(tree: &mut Tree, backup: &Backup, set: &Set) {
    let (name, dir) = (set.name(), format!("{}/", set.name()));
    let files = tree.0.iter().filter_map(|(path, bytes)| {
        let tail = &bytes[bytes.len().saturating_sub(TAIL_BYTES as usize)..];
        let (size_bytes, tail_checksum) = (bytes.len() as u64, crc32c_raw(0, tail));
        Some(pb::SetFile { path: path.strip_prefix(&dir)?.to_owned(), size_bytes, tail_checksum })
    });
    let diagnose = pb::DiagnoseInfo {
        tenant_id: backup.tenant,
        backup_set_id: set.id,
        set: Some(backup.info(set)),
        files: files.collect(),
        ..Default::default()
    };
    tree.small(BackupPath::<Scn>::DiagnoseInfo { set: name }.path(), DataType::DiagnoseInfo, &diagnose);
}

/// All directories of a set: the table's major blocks are taken over but for the oldest, everything else is its own.
fn data(tree: &mut Tree, set: &Set, base: &Dirs) -> Dirs {
    let mut dirs = Dirs::new();
    for ls in STREAMS {
        for kind in DataKind::ALL {
            let tablet = if kind == DataKind::Sys { TabletId::INNER } else { TABLE };
            let taken = base.get(&(ls, kind)).filter(|_| kind == DataKind::Major).map(|dir| dir.macros.clone());
            let taken: Vec<MacroIndexEntry> = taken.unwrap_or_default().into_iter().skip(1).collect();
            let own = match (kind, set.base) {
                (DataKind::Major, None) => vec![10 * set.id, 10 * set.id + 1, 10 * set.id + 2],
                _ => vec![10 * set.id],
            };
            let is_empty = ls == SYS && kind != DataKind::Sys;
            let own = if is_empty { Vec::new() } else { own };
            let tablet = Some(tablet).filter(|_| !is_empty);
            dirs.insert((ls, kind), directory(tree, set, (ls, kind), taken, (tablet, own)));
        }
    }
    dirs
}

fn directory(
    tree: &mut Tree,
    set: &Set,
    (ls, kind): (LsId, DataKind),
    taken: Vec<MacroIndexEntry>,
    (tablet, own): (Option<TabletId>, Vec<u64>),
) -> Dir {
    let (name, turn, retry) = (set.name(), TURN, RETRY);
    let mut dir = Dir { macros: taken, metas: Vec::new() };
    let mut file = DataFileWriter::new(FileKind::Data);
    let mut bytes = file.header().to_vec();
    let place = |offset, length: usize| PhysicalId {
        backup_set_id: name.id,
        ls_id: ls,
        kind,
        turn,
        retry,
        file_id: FileId(0),
        offset,
        length: length as u64,
    };
    for (tablet_id, data_seq) in tablet.iter().flat_map(|t| own.iter().map(|seq| (*t, *seq))) {
        let logical = MacroBlockId { tablet_id, logic_version: 1, data_seq };
        let plain = format!("{ls} {kind:?} block {data_seq}; ").repeat(40 + data_seq as usize).into_bytes();
        let encoded = encode_macroblock(BlockBuffer::of(&plain), logical, &set.coding);
        let content = BlockContent {
            logical,
            plain_bytes: plain.len() as u64,
            checksum: encoded.checksum,
            unique_id: Vec::new(),
            storage: encoded.storage,
        };
        let offset = file.push(&encoded.block, Some(content));
        bytes.extend_from_slice(&encoded.block.bytes);
        dir.macros.push(MacroIndexEntry {
            logical,
            physical: place(offset, encoded.block.bytes.len()),
            file_name: format!("{data_seq:06}.sst"),
            level: 6,
            plain_bytes: plain.len() as u64,
            checksum: encoded.checksum,
            unique_id: Vec::new(),
            storage: encoded.storage,
        });
    }
    if let Some(tablet_id) = tablet {
        let meta = pb::TabletMeta { tablet_id: tablet_id.0, checkpoint_scn: at(set.restore).0, ..Default::default() };
        let block = file.block(BlockType::TabletMeta, &meta.encode_to_vec());
        bytes.extend_from_slice(&block.bytes);
        let physical = place(block.offset, block.bytes.len());
        dir.metas.push(MetaIndexEntry { tablet_id, meta_type: MetaType::Tablet, physical });
    }
    bytes.extend(file.finish().unwrap());
    tree.put(BackupPath::<Scn>::MacroBlockData { set: name, ls, kind, turn, retry, n: 0 }.path(), bytes);
    for (index, bytes) in dir.indexes() {
        tree.put(BackupPath::<Scn>::LsIndex { set: name, ls, kind, turn, retry, index }.path(), bytes);
    }
    dir
}

impl Dir {
    fn indexes(&self) -> [(IndexKind, Vec<u8>); 3] {
        let second = |e: &MacroIndexEntry| SecMetaIndexEntry { logical: e.logical, physical: e.physical };
        let seconds: Vec<SecMetaIndexEntry> = self.macros.iter().map(second).collect();
        [
            (IndexKind::MacroRange, write_index(&self.macros).unwrap()),
            (IndexKind::Meta, write_index(&self.metas).unwrap()),
            (IndexKind::SecMeta, write_index(&seconds).unwrap()),
        ]
    }
}
