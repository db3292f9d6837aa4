//! The indexes of one backup set: against the blocks that they name, against one another, and those of the tenant against
//! those of its log streams.

use super::checker::Checker;
use super::data::{self, Fact};
use super::report::DamageKind;
use super::shared::Shared;
use crate::set_names::data_file;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use strandline_format::blocks::open_macroblock;
use strandline_format::index::{IndexEntry, MacroIndexEntry, MetaIndexEntry, SecMetaIndexEntry};
use strandline_format::paths::{BackupPath, IndexKind, InfoKind, SetName};
use strandline_format::pb;
use strandline_types::{BackupSetId, BackupSetKind, DataKind, Defect, Failure, FileId, LsId, RetryId, TurnId};

/// The data file where the metas of a full set's directory begin: files before it that hold metas all the same were taken
/// over whole from a chain. Only full sets are built like that.
fn first_own_meta(set: SetName, metas: &[MetaIndexEntry]) -> Option<FileId> {
    let is_own = |e: &&MetaIndexEntry| set.kind == BackupSetKind::Full && e.physical.backup_set_id == set.id;
    metas.iter().filter(is_own).map(|e| e.physical.file_id).min()
}

/// Indexes against blocks, and tenant-level indexes against those of the log streams.
pub(super) struct Compare<'a> {
    pub(super) c: &'a Arc<Checker>,
    pub(super) set: SetName,
    pub(super) shared: &'a Shared,
    pub(super) info: &'a pb::BackupSetInfo,
}

impl Compare<'_> {
    fn parts(&self) -> impl Iterator<Item = (LsId, TurnId, RetryId)> + '_ {
        self.info.log_streams.iter().map(|l| (LsId(l.ls_id), TurnId(l.turn), RetryId(l.retry)))
    }

    fn ls_index(&self, part: (LsId, TurnId, RetryId), kind: DataKind, index: IndexKind) -> String {
        let (ls, turn, retry) = part;
        BackupPath::LsIndex { set: self.set, ls, kind, turn, retry, index }.path()
    }

    /// Every directory that a log stream's part has.
    pub(super) async fn log_streams(&self, only: Option<LsId>) -> Result<(), Failure> {
        for part in self.parts().filter(|(ls, _, _)| only.is_none_or(|o| o == *ls)) {
            for kind in DataKind::ALL {
                self.directory(part, kind).await?;
            }
        }
        Ok(())
    }

    async fn directory(&self, part: (LsId, TurnId, RetryId), kind: DataKind) -> Result<(), Failure> {
        let (ls, turn, retry) = part;
        let first = BackupPath::MacroBlockData { set: self.set, ls, kind, turn, retry, n: 0 }.path();
        let paths = [IndexKind::MacroRange, IndexKind::Meta, IndexKind::SecMeta].map(|i| self.ls_index(part, kind, i));
        for path in paths.iter().chain([&first]).filter(|path| !self.c.listed.contains_key(*path)) {
            self.c.damage(path, DamageKind::Missing, "every log stream of a set has it");
        }
        if !self.c.is_physical() {
            return Ok(());
        }
        let [macros, metas, secs] = &paths;
        let macros = (macros, data::index::<MacroIndexEntry>(self.c, macros).await?);
        let metas = (metas, data::index::<MetaIndexEntry>(self.c, metas).await?);
        let secs = (secs, data::index::<SecMetaIndexEntry>(self.c, secs).await?);
        if let (Some(m), Some(s)) = (&macros.1, &secs.1) {
            let pairs = m.iter().map(|e| (e.logical, e.physical)).eq(s.iter().map(|e| (e.logical, e.physical)));
            self.c.same(secs.0, "agreement with macro_range_index", pairs, true);
        }
        if let (Some(m), Some(t)) = (&macros.1, &metas.1) {
            self.blocks(macros.0, m).await?;
            self.metas(metas.0, t);
            self.both_ways((self.set.id, ls, kind, turn, retry), macros.0, m, t);
        }
        Ok(())
    }

    /// Every entry names a block that is there and is what the entry says.
    async fn blocks(&self, path: &str, entries: &[MacroIndexEntry]) -> Result<(), Failure> {
        for entry in entries {
            if !data::macro_agrees(self.c, &self.shared.known, path, entry) {
                self.fetched(path, entry).await?;
            }
        }
        Ok(())
    }

    /// A block of a file that is not read in this run: an earlier set of the chain, seen from one set alone.
    async fn fetched(&self, path: &str, entry: &MacroIndexEntry) -> Result<(), Failure> {
        let p = entry.physical;
        let Some(set) = self.shared.names.find(p.backup_set_id).await? else {
            let detail = format!("it names a block of backup set {}, of which there is no directory", p.backup_set_id);
            self.c.damage(path, DamageKind::Missing, detail);
            return Ok(());
        };
        let file = data_file(set, &p);
        if p.backup_set_id == self.set.id && !self.c.listed.contains_key(&file) {
            self.c.damage(&file, DamageKind::Missing, format!("{path} names a block in it"));
            return Ok(());
        }
        self.c.add(0, 1);
        for looked in 1.. {
            let trial = self.c.trial();
            self.fetch_block(&trial, &file, entry).await?;
            if self.c.counts(&trial, looked).await {
                break;
            }
        }
        Ok(())
    }

    async fn fetch_block(&self, c: &Checker, file: &str, entry: &MacroIndexEntry) -> Result<(), Failure> {
        let p = entry.physical;
        let Some(bytes) = c.get_range(file, p.offset..p.offset.saturating_add(p.length)).await? else {
            return Ok(());
        };
        c.add_bytes(bytes.len() as u64);
        match open_macroblock(&bytes, entry, |print| c.keys.find(print)) {
            Ok(_) => {}
            Err(strandline_format::FormatError::KeyMissing { .. }) => {
                c.note("blocks of earlier sets were not opened: their key was not given");
            }
            Err(e) => c.damage(file, DamageKind::Corrupt, e.moved(p.offset).to_string()),
        }
        Ok(())
    }

    fn metas(&self, path: &str, entries: &[MetaIndexEntry]) {
        for entry in entries {
            let Some(facts) = self.shared.known.file(&data::file_of(&entry.physical)) else { continue };
            match facts.get(&entry.physical.offset) {
                Some(Fact::Meta { length, tablet })
                    if *length == entry.physical.length && *tablet == entry.tablet_id => {}
                Some(Fact::Damaged) => {}
                _ if facts.is_empty() => {}
                _ => {
                    let detail = format!("it names a meta of tablet {} that is not there", entry.tablet_id);
                    self.c.damage(path, DamageKind::Foreign, detail);
                }
            }
        }
    }

    /// Every block of the directory's data files is named by its indexes, but for the metas of a data file that a
    /// synthetic set took over whole: they are those of the chain's set, and the set's own stand in a later file.
    fn both_ways(
        &self,
        dir: (BackupSetId, LsId, DataKind, TurnId, RetryId),
        path: &str,
        macros: &[MacroIndexEntry],
        metas: &[MetaIndexEntry],
    ) {
        let (set, ls, kind, turn, retry) = dir;
        let places = macros.iter().map(|e| e.physical).chain(metas.iter().map(|e| e.physical));
        let named: BTreeSet<_> = places.map(|p| (data::file_of(&p), p.offset)).collect();
        let own_metas = first_own_meta(self.set, metas);
        for n in 0.. {
            let file = (set, ls, kind, turn, retry, FileId(n));
            let Some(facts) = self.shared.known.file(&file) else { break };
            let is_taken_over = own_metas.is_some_and(|first| FileId(n) < first) && !Defect::F2.is_planted();
            for (offset, fact) in facts.iter().filter(|(_, fact)| **fact != Fact::Damaged) {
                let is_meta = matches!(fact, Fact::Meta { .. });
                let is_known = named.contains(&(file, *offset)) || (is_meta && is_taken_over);
                if !is_known {
                    let what = if is_meta { "tablet meta" } else { "macroblock" };
                    let detail = format!("it does not name the {what} at offset {offset} of data file {n}");
                    self.c.damage(path, DamageKind::Foreign, detail);
                }
            }
        }
    }

    /// The tenant-level indexes are the merged ones of the log streams.
    pub(super) async fn tenant(&self) -> Result<(), Failure> {
        for kind in InfoKind::ALL {
            self.merged::<MacroIndexEntry>(kind, IndexKind::MacroRange).await?;
            self.merged::<MetaIndexEntry>(kind, IndexKind::Meta).await?;
            self.merged::<SecMetaIndexEntry>(kind, IndexKind::SecMeta).await?;
        }
        Ok(())
    }

    async fn merged<E: IndexEntry + PartialEq>(&self, kind: InfoKind, index: IndexKind) -> Result<(), Failure> {
        let turn = TurnId(self.info.data_turn_id);
        let retry = RetryId(self.info.index_retry);
        let path = BackupPath::TenantIndex { set: self.set, kind, turn, index, retry }.path();
        if !self.c.listed.contains_key(&path) {
            self.c.damage(path, DamageKind::Missing, "every set has it");
            return Ok(());
        }
        if !self.c.is_physical() {
            return Ok(());
        }
        let Some(tenant) = data::index::<E>(self.c, &path).await? else { return Ok(()) };
        let mut merged: BTreeMap<Vec<u8>, E> = BTreeMap::new();
        for part in self.parts() {
            let own = self.ls_index(part, kind.data_kind(), index);
            if !self.c.listed.contains_key(&own) {
                return Ok(());
            }
            // Damage of it was reported when its directory was checked.
            let Some(bytes) = self.c.get(&own).await? else { return Ok(()) };
            let Ok(entries) = strandline_format::index::IndexReader::<E>::parse(&bytes) else { return Ok(()) };
            merged.extend(entries.into_iter().map(|e| (e.sort_key(), e)));
        }
        self.c.same(&path, "agreement with the indexes of the log streams", tenant.iter().eq(merged.values()), true);
        Ok(())
    }
}
