//! A backup set as the restore tasks read it: indexes, the log stream's meta, blocks over the whole chain.
//!
//! Only reads. Everything is verified before it is given out, what one answer shows as damaged or missing is read again,
//! and nothing in an index is trusted as a path.

use bytes::Bytes;
use std::collections::BTreeMap;
use std::sync::Arc;
use strandline_engine_api::RestoredBase;
use strandline_format::blocks::open_macroblock;
use strandline_format::cipher::{self, Key};
use strandline_format::index::{IndexReader, KeyFingerprint, MacroIndexEntry};
use strandline_format::paths::{BackupPath, IndexKind, InfoKind, SetName};
use strandline_format::small::read_small;
use strandline_format::{DataType, FormatError, pb};
use strandline_media::{Looks, Medium};
use strandline_proto::v1::RestoreDataSpec;
use strandline_reader::{SetNames, data_file, object_name};
use strandline_types::{
    BackupSetId, BackupSetKind, DataKind, ErrorClass, Failure, LsId, Lsn, PalfBase, RetryId, Scn, TurnId,
};
use strandline_worker_core::restore_plan::BlockRun;

/// The backup set of a task, read from its medium.
#[derive(Clone, Debug)]
pub(super) struct BackupSet {
    medium: Arc<dyn Medium>,
    name: SetName,
    /// The sets of the destination: an index may name blocks of earlier ones.
    sets: Arc<SetNames>,
    ls: LsId,
    index_turn: TurnId,
    ls_turn: TurnId,
    ls_retry: RetryId,
    /// The keys that were given, by fingerprint.
    keys: BTreeMap<KeyFingerprint, Key>,
}

impl BackupSet {
    pub(super) async fn open(medium: Arc<dyn Medium>, spec: &RestoreDataSpec) -> Result<Self, Failure> {
        let kind = if spec.incremental { BackupSetKind::Inc } else { BackupSetKind::Full };
        let name = SetName { id: BackupSetId(spec.backup_set_id), kind };
        let sets = Arc::new(SetNames::new(Arc::clone(&medium), Looks::default(), [name]));
        Ok(Self {
            medium,
            name,
            sets,
            ls: LsId(spec.source_ls_id),
            index_turn: TurnId(spec.turn),
            ls_turn: TurnId(spec.ls_turn),
            ls_retry: RetryId(spec.ls_retry),
            keys: keys_of(spec),
        })
    }

    /// The source log stream.
    pub(super) const fn ls(&self) -> LsId {
        self.ls
    }

    pub(super) async fn ls_meta(&self) -> Result<pb::LsMetaInfo, Failure> {
        let Self { name: set, ls, ls_turn: turn, ls_retry: retry, .. } = *self;
        let path = BackupPath::LsMetaInfo { set, ls, turn, retry }.path();
        let look = || async {
            let file = self.medium.get(&path).await?;
            read_small(DataType::LsMetaInfo, &file).map_err(|e| self.bad_object(e, &path))
        };
        Looks::default().sure(look).await
    }

    /// Where replay starts, as the meta says it.
    pub(super) fn restored_base(&self, meta: &pb::LsMetaInfo) -> Result<RestoredBase, Failure> {
        let base = meta.base.ok_or_else(|| self.damaged("the log stream's meta has no base"))?;
        Ok(RestoredBase {
            base: PalfBase {
                lsn: Lsn(base.lsn),
                prev_log_id: base.prev_log_id,
                prev_accumulated_checksum: base.prev_accumulated_checksum,
                prev_scn: Scn(base.prev_scn),
            }
            .into(),
            scn: Scn(meta.checkpoint_scn),
        })
    }

    /// Every block of the log stream: sys data from its own index, the rest from the tenant's.
    pub(super) async fn block_entries(&self) -> Result<Vec<MacroIndexEntry>, Failure> {
        let Self { name: set, ls, ls_turn: turn, ls_retry: retry, .. } = *self;
        let index = IndexKind::MacroRange;
        let sys = BackupPath::LsIndex { set, ls, kind: DataKind::Sys, turn, retry, index }.path();
        let mut entries = self.index(&sys).await?;
        // Another log stream's index in this place is whole in itself, and would leave this one's own blocks out.
        if let Some(other) = entries.iter().map(|e| e.physical.ls_id).find(|other| *other != ls) {
            let object = object_name(&self.medium.uri(), &sys);
            let what = format!("it is the index of log stream {other}, not of {ls}");
            return Err(Failure::new(ErrorClass::Corrupt, what, object, "use another copy of the destination"));
        }
        for kind in InfoKind::ALL {
            let path = self.newest_tenant_index(kind).await?;
            entries.extend(self.index(&path).await?);
        }
        Ok(entries)
    }

    async fn index(&self, path: &str) -> Result<Vec<MacroIndexEntry>, Failure> {
        let look = || async {
            let file = self.medium.get(path).await?;
            IndexReader::parse(&file).map_err(|e| self.bad_object(e, path))
        };
        Looks::default().sure(look).await
    }

    /// The tenant's index of the highest retry that was written.
    async fn newest_tenant_index(&self, wanted: InfoKind) -> Result<String, Failure> {
        let (set, index_turn) = (self.name, self.index_turn);
        let tag = |retry| {
            BackupPath::TenantIndex { set, kind: wanted, turn: index_turn, index: IndexKind::MacroRange, retry }.path()
        };
        let first = tag(RetryId(0));
        let dir = first.rsplit_once('/').map_or("", |(dir, _)| dir);
        let listed = self.medium.list(dir).await?;
        let retries = listed.iter().filter_map(|object| match BackupPath::parse(&object.path)? {
            BackupPath::TenantIndex { kind, turn, index: IndexKind::MacroRange, retry, .. } => {
                (kind == wanted && turn == index_turn).then_some(retry)
            }
            _ => None,
        });
        // Without any the first name is asked for, so that the error names it.
        Ok(retries.max().map_or(first, tag))
    }

    /// The bytes of blocks that lie side by side, in one read.
    pub(super) async fn read(&self, run: &BlockRun) -> Result<Bytes, Failure> {
        let path = self.sets.data_file(&run.blocks()[0].entry.physical).await?;
        Ok(self.medium.get_range(&path, run.offset()..run.end()).await?)
    }

    /// One block of a run, opened and verified against its header and the index.
    pub(super) fn open_block(&self, run: &BlockRun, nth: usize, bytes: &Bytes) -> Result<Bytes, Failure> {
        let entry = &run.blocks()[nth].entry;
        let at = (entry.physical.offset - run.offset()) as usize;
        let end = at + entry.physical.length as usize;
        // Without the right key any other: the error then says whether it is the wrong one or none.
        let key_of =
            |fingerprint: &KeyFingerprint| self.keys.get(fingerprint).or_else(|| self.keys.values().next()).cloned();
        open_macroblock(&bytes.slice(at..end), entry, key_of)
            .map_err(|e| self.bad_object(e.moved(entry.physical.offset), &self.path_as_read(run)))
    }

    /// Where the blocks of a run lie, for messages about what was read from there.
    fn path_as_read(&self, run: &BlockRun) -> String {
        let place = run.blocks()[0].entry.physical;
        let set = self.sets.found(place.backup_set_id);
        set.map_or_else(|| format!("backup set {}", place.backup_set_id), |set| data_file(set, &place))
    }

    fn bad_object(&self, error: FormatError, path: &str) -> Failure {
        error.into_failure(object_name(&self.medium.uri(), path))
    }

    pub(super) fn damaged(&self, what: &str) -> Failure {
        let object = object_name(&self.medium.uri(), &format!("{} log stream {}", self.name, self.ls));
        Failure::new(ErrorClass::Corrupt, what, object, "use another backup set or another copy of the destination")
    }
}

fn keys_of(spec: &RestoreDataSpec) -> BTreeMap<KeyFingerprint, Key> {
    let given = [&spec.seal_key].into_iter().chain(spec.chain_keys.iter().map(|k| &k.key));
    given.filter_map(|key| Key::from_slice(key)).map(|key| (cipher::fingerprint(&key), key)).collect()
}
