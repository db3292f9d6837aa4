//! What backup tasks put on the medium, and how a restore reads it back.
//!
//! A block is some neighbouring rows of one tablet. What is known of the chain, what is copied, and which blocks a
//! restore wants are decided by production; indexes are real index files. Only blocks lie as plain bytes side by side.

use super::content::{Content, Records, Rows};
use super::world::World;
use crate::invariants::{Broken, Tree};
use bytes::Bytes;
use std::collections::BTreeMap;
use strandline_catalogue::Choice;
use strandline_format::entry::{EntryKind, join};
use strandline_format::index::{IndexReader, MacroIndexEntry, PhysicalId, Storage, write_index};
use strandline_format::paths::backup::{BackupPath, IndexKind, InfoKind, SetName};
use strandline_scheduler_core::state::{BackupSet, Dictionary};
use strandline_scheduler_core::{
    BackupIndexResult, BackupIndexSpec, BackupLsResult, BackupLsSpec, BaseSet, LsTurn, TaskKey,
};
use strandline_types::{
    BackupSetId, BackupSetKind, DataKind, ErrorClass, Failure, FileId, LsId, NodeId, PalfBase, RetryId, Scn, TabletId,
    TurnId,
};
use strandline_worker_core::backup_plan::{CheckpointBlock, plan_backup};
use strandline_worker_core::index_merge::merge;
use strandline_worker_core::known::KnownBlocks;
use strandline_worker_core::restore_plan::plan_restore;
use xxhash_rust::xxh3::{xxh3_64, xxh3_128};

fn corrupt(what: impl std::fmt::Display, path: &str) -> Failure {
    Failure::new(ErrorClass::Corrupt, what.to_string(), path, "")
}

const fn name(id: BackupSetId, incremental: bool) -> SetName {
    SetName { id, kind: if incremental { BackupSetKind::Inc } else { BackupSetKind::Full } }
}

fn data_path(set: SetName, (ls, turn, retry): (LsId, TurnId, RetryId), n: u64) -> String {
    BackupPath::<Scn>::MacroBlockData { set, ls, kind: DataKind::Major, turn, retry, n }.path()
}

fn index_path(set: SetName, (ls, turn, retry): (LsId, TurnId, RetryId)) -> String {
    let (kind, index) = (DataKind::Major, IndexKind::MacroRange);
    BackupPath::<Scn>::LsIndex { set, ls, kind, turn, retry, index }.path()
}

fn meta_path(set: SetName, (ls, turn, retry): (LsId, TurnId, RetryId)) -> String {
    BackupPath::<Scn>::LsMetaInfo { set, ls, turn, retry }.path()
}

fn tenant_index_path(set: SetName, turn: TurnId, retry: RetryId) -> String {
    let (kind, index) = (InfoKind::Major, IndexKind::MacroRange);
    BackupPath::<Scn>::TenantIndex { set, kind, turn, index, retry }.path()
}

/// A block and its bytes.
fn block(tablet: u64, rows: &Rows) -> (CheckpointBlock, Bytes) {
    let bytes = rows.encode();
    let mut unique_id = [0; 24];
    unique_id[..16].copy_from_slice(&xxh3_128(&bytes).to_be_bytes());
    unique_id[16..].copy_from_slice(&xxh3_64(&bytes).to_be_bytes());
    let block = CheckpointBlock {
        tablet: TabletId(tablet),
        kind: DataKind::Major,
        file_name: format!("{tablet}-{:032x}.sst", xxh3_128(&bytes)),
        bytes: bytes.len() as u64,
        level: 0,
        unique_id,
    };
    (block, bytes)
}

impl World {
    /// `None` while the replica has not come far enough. A consistent point is where the replica stands.
    pub(super) fn backup_ls(
        &mut self,
        id: NodeId,
        key: TaskKey,
        spec: &BackupLsSpec,
    ) -> Option<Result<BackupLsResult, Failure>> {
        let stream = self.streams.get(&key.part.ls()?)?;
        let replica = stream.replicas.get(&id).filter(|r| r.max_scn >= spec.min_checkpoint_scn)?;
        let (base, content) = stream.applied(replica.end).ok()?;
        let version = stream.dictionary_version;
        let written = self.write_part(key, spec, base, &content);
        Some(written.map(|blocks| BackupLsResult {
            base,
            checkpoint_scn: base.prev_scn,
            tablet_count: 1,
            macro_block_count: blocks as u64,
            dictionary: key.part.ls_number().is_sys().then(|| Dictionary { version, ..Dictionary::default() }),
            ..BackupLsResult::default()
        }))
    }

    /// Blocks that are not known yet, the index of all of them, and where replay begins; gives how many were copied.
    fn write_part(
        &mut self,
        key: TaskKey,
        spec: &BackupLsSpec,
        base: PalfBase,
        content: &Content,
    ) -> Result<usize, Failure> {
        let (set, part) = (name(spec.set_id, spec.incremental), (key.part.ls_number(), key.turn, key.retry));
        let mut known = KnownBlocks::of(key.part.ls_number());
        if let Some(chain) = &spec.base {
            known.learn(self.tenant_index(chain)?);
        }
        let blocks: Vec<_> = content.blocks().iter().map(|(tablet, rows)| block(*tablet, rows)).collect();
        let bytes_of: BTreeMap<&str, &Bytes> = blocks.iter().map(|(b, bytes)| (b.file_name.as_str(), bytes)).collect();
        let all: Vec<CheckpointBlock> = blocks.iter().map(|(b, _)| b.clone()).collect();
        let path = data_path(set, part, 0);
        let plan = plan_backup(&all, base.prev_scn, &known).map_err(|e| corrupt(e, &path))?;
        let (mut data, mut index, mut copied) = (Vec::new(), Vec::new(), 0);
        for planned in plan.into_iter().flat_map(|dir| dir.blocks) {
            if let Some(known) = planned.known {
                index.push(known);
                continue;
            }
            let bytes =
                bytes_of.get(planned.block.file_name.as_str()).ok_or_else(|| corrupt("no such block", &path))?;
            copied += 1;
            index.push(MacroIndexEntry {
                logical: planned.logical,
                physical: PhysicalId {
                    backup_set_id: spec.set_id,
                    ls_id: key.part.ls_number(),
                    kind: DataKind::Major,
                    turn: key.turn,
                    retry: key.retry,
                    file_id: FileId(0),
                    offset: data.len() as u64,
                    length: bytes.len() as u64,
                },
                file_name: planned.block.file_name,
                level: 0,
                plain_bytes: bytes.len() as u64,
                checksum: xxh3_64(bytes) as u32,
                unique_id: planned.block.unique_id.to_vec(),
                storage: Storage::default(),
            });
            data.extend_from_slice(bytes);
        }
        let index = write_index(&index).map_err(|e| corrupt(e, &path))?;
        let meta = postcard::to_allocvec(&(base, content.records())).map_err(|e| corrupt(e, &path))?;
        // A process that forgot what it wrote finds the files of the attempt, with other bytes in them: fenced.
        self.medium.put_if_absent(&mut self.rng, &meta_path(set, part), &meta)?;
        self.medium.put_if_absent(&mut self.rng, &path, &data)?;
        self.medium.put_if_absent(&mut self.rng, &index_path(set, part), &index)?;
        Ok(copied)
    }

    fn tenant_index(&mut self, of: &BaseSet) -> Result<Vec<MacroIndexEntry>, Failure> {
        let path = tenant_index_path(name(of.set_id, of.incremental), of.turn, of.index_retry);
        self.read_index(&path)
    }

    fn read_index(&mut self, path: &str) -> Result<Vec<MacroIndexEntry>, Failure> {
        let length = self.medium.bytes(path).map_or(0, |b| b.len() as u64);
        let bytes = self.medium.read(&mut self.rng, path, (0, length))?;
        IndexReader::parse(&Bytes::from(bytes)).map_err(|e| corrupt(e, path))
    }

    /// The indexes of all log streams become one.
    pub(super) fn backup_index(&mut self, key: TaskKey, spec: &BackupIndexSpec) -> Result<BackupIndexResult, Failure> {
        let set = name(spec.set_id, spec.incremental);
        let path = tenant_index_path(set, key.turn, key.retry);
        let read = |LsTurn { ls_id, turn, retry }: &LsTurn| self.read_index(&index_path(set, (*ls_id, *turn, *retry)));
        let parts: Vec<Vec<MacroIndexEntry>> = spec.parts.iter().map(read).collect::<Result<_, _>>()?;
        let merged = merge(parts).map_err(|e| corrupt(e, &path))?;
        let index = write_index(&merged).map_err(|e| corrupt(e, &path))?;
        self.medium.put_if_absent(&mut self.rng, &path, &index)?;
        Ok(BackupIndexResult { file_count: 1, output_bytes: index.len() as u64 })
    }

    /// Every log stream of the chosen set: where replay begins, and what it holds there.
    pub(super) fn base_of(&self, choice: &Choice) -> Result<Vec<(LsId, PalfBase, Content)>, Broken> {
        let chosen = choice.sets.last().ok_or("a choice without a set")?;
        let rows = &self.group.state().backup_sets;
        let row: &BackupSet = rows.values().find(|r| r.set_id == chosen.set_id).ok_or("a set without a row")?;
        if row.parts.is_empty() {
            return Err(format!("set {} has no part", row.set_id));
        }
        let set = SetName { id: row.set_id, kind: row.kind };
        let path = tenant_index_path(set, row.data_turn, row.index_retry);
        let index = Bytes::copy_from_slice(self.medium.bytes(&path).ok_or_else(|| format!("{path}: is missing"))?);
        let index: Vec<MacroIndexEntry> = IndexReader::parse(&index).map_err(|e| format!("{path}: {e}"))?;
        let part = |(ls, part): (&LsId, &strandline_scheduler_core::state::LsPart)| {
            let path = meta_path(set, (*ls, part.turn, part.retry));
            let meta = self.medium.bytes(&path).ok_or_else(|| format!("{path}: is missing"))?;
            let (base, records) = postcard::from_bytes(meta).map_err(|e| format!("{path}: {e}"))?;
            Ok((*ls, base, self.part_of(choice, *ls, records, &index)?))
        };
        row.parts.iter().map(part).collect()
    }

    /// The blocks of one log stream, out of the sets of the chain and no others.
    fn part_of(
        &self,
        choice: &Choice,
        ls: LsId,
        records: Records,
        index: &[MacroIndexEntry],
    ) -> Result<Content, Broken> {
        let mut content = Content::of_records(records);
        let wanted = plan_restore(ls, index.iter().cloned(), [], &BTreeMap::new()).map_err(|e| e.to_string())?;
        for block in wanted {
            let at = block.entry.physical;
            let set = choice.sets.iter().find(|s| s.set_id == at.backup_set_id);
            let set = set.ok_or_else(|| format!("a block lies in set {}, which was not chosen", at.backup_set_id))?;
            let name = SetName { id: set.set_id, kind: set.kind };
            let path = data_path(name, (at.ls_id, at.turn, at.retry), at.file_id.0);
            let bytes = self.medium.bytes(&path).ok_or_else(|| format!("{path}: is missing"))?;
            let bytes = bytes.get(at.offset as usize..(at.offset + at.length) as usize);
            let bytes = bytes.ok_or_else(|| format!("{path}: is too short"))?;
            content.apply(join(EntryKind::ClientBatch, bytes).into())?;
        }
        Ok(content)
    }
}
