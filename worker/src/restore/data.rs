//! `RESTORE_DATA`: rebuilds the tablets of one replica from a backup set.
//!
//! Order: indexes and meta are read and verified, blocks are fetched in parallel and verified against both their own
//! header and the index, files are made durable one by one, the engine's own files come last, then the engine takes
//! the whole over. Re-entrant: a file that is here with the right length and checksum is not fetched again. Nothing in
//! an index is trusted as a path.

use crate::disk::{blocking, io_failure, sync_dir, write_durable};
use crate::source::RestoredBase;
use crate::task_ctx::{TaskCtx, cancelled};
use bytes::Bytes;
use futures::stream::{self, StreamExt, TryStreamExt};
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use strandline_format::blocks::open_macroblock;
use strandline_format::checksum::crc32c_raw;
use strandline_format::cipher::{self, Key};
use strandline_format::index::{IndexReader, KeyFingerprint, MacroIndexEntry};
use strandline_format::paths::{BackupPath, IndexKind, InfoKind, SetName};
use strandline_format::small::read_small;
use strandline_format::{DataType, FormatError, pb};
use strandline_media::Medium;
use strandline_proto::TaskKey;
use strandline_proto::v1::RestoreDataSpec;
use strandline_types::limits::{BLOCK_BYTES_IN_FLIGHT_MAX, BLOCKS_IN_FLIGHT_MAX};
use strandline_types::{
    BackupSetId, BackupSetKind, DataKind, ErrorClass, Failure, LsId, Lsn, PalfBase, RetryId, Scn, TurnId,
};
use strandline_worker_core::restore_plan::{WantedBlock, plan_restore};
use tokio::sync::Semaphore;

/// The file that makes RocksDB see the others; it is written after all of them.
const LAST_ENGINE_FILE: &str = "CURRENT";
const BUDGET_UNIT_BYTES: u64 = 1024;

/// Runs the task. Nothing is reported back: the engine keeps what it needs.
///
/// # Errors
/// `NotFound` or `Corrupt` with the object for a file or block that is missing or damaged; `Exhausted` when the local
/// disk is full.
pub async fn run_restore_data(ctx: &TaskCtx, spec: &RestoreDataSpec, id: TaskKey) -> Result<(), Failure> {
    tokio::select! {
        done = restore(ctx, spec, id) => done,
        () = ctx.cancel.cancelled() => Err(cancelled()),
    }
}

async fn restore(ctx: &TaskCtx, spec: &RestoreDataSpec, id: TaskKey) -> Result<(), Failure> {
    let target = ctx.engine.restore_target(id.tenant_id, id.ls_id, id.job_id);
    if target.is_finished().await? {
        return Ok(());
    }
    let set = BackupSet::open(ctx.medium(&spec.data_uri)?, spec).await?;
    let meta = set.ls_meta().await?;
    let base = restored_base(&meta).ok_or_else(|| set.damaged("the log stream's meta has no base"))?;
    let entries = set.block_entries().await?;

    let dir = target.prepare().await?;
    let present = present_files(dir.clone()).await?;
    let engine_files = meta.engine_files.keys().map(String::as_str);
    let wanted = plan_restore(set.ls, entries, engine_files, &present).map_err(|e| set.damaged(&e.to_string()))?;
    ctx.progress.set_total(wanted.iter().map(|w| w.entry.plain_bytes).sum());

    let kept = wanted.iter().map(|w| &w.entry.file_name).chain(meta.engine_files.keys()).cloned().collect();
    remove_strays(dir.clone(), present, kept).await?;
    fetch_all(ctx, &set, &dir, wanted).await?;
    let files = dir.clone();
    blocking(move || lay_engine_files(&files, &meta.engine_files)).await?;
    Ok(target.finish_restored(base).await?)
}

/// The backup set of a task, read from its medium.
#[derive(Clone, Debug)]
struct BackupSet {
    medium: Arc<dyn Medium>,
    name: SetName,
    /// Every set of the destination: an index may name blocks of earlier sets.
    sets: BTreeMap<BackupSetId, SetName>,
    ls: LsId,
    index_turn: TurnId,
    ls_turn: TurnId,
    ls_retry: RetryId,
    /// The keys that were given, by fingerprint.
    keys: BTreeMap<KeyFingerprint, Key>,
}

impl BackupSet {
    async fn open(medium: Arc<dyn Medium>, spec: &RestoreDataSpec) -> Result<Self, Failure> {
        let kind = if spec.incremental { BackupSetKind::Inc } else { BackupSetKind::Full };
        let dirs = medium.list_dirs("").await?;
        let sets = dirs.iter().filter_map(|dir| SetName::parse(dir)).map(|set| (set.id, set)).collect();
        Ok(Self {
            medium,
            name: SetName { id: BackupSetId(spec.backup_set_id), kind },
            sets,
            ls: LsId(spec.source_ls_id),
            index_turn: TurnId(spec.turn),
            ls_turn: TurnId(spec.ls_turn),
            ls_retry: RetryId(spec.ls_retry),
            keys: keys_of(spec),
        })
    }

    async fn ls_meta(&self) -> Result<pb::LsMetaInfo, Failure> {
        let Self { name: set, ls, ls_turn: turn, ls_retry: retry, .. } = *self;
        let path = BackupPath::LsMetaInfo { set, ls, turn, retry }.path();
        let file = self.medium.get(&path).await?;
        read_small(DataType::LsMetaInfo, &file).map_err(|e| self.bad_object(e, &path))
    }

    /// Every block of the log stream: sys data from its own index, the rest from the tenant's.
    async fn block_entries(&self) -> Result<Vec<MacroIndexEntry>, Failure> {
        let Self { name: set, ls, ls_turn: turn, ls_retry: retry, .. } = *self;
        let index = IndexKind::MacroRange;
        let sys = BackupPath::LsIndex { set, ls, kind: DataKind::Sys, turn, retry, index }.path();
        let mut entries = self.index(&sys).await?;
        for kind in InfoKind::ALL {
            let path = self.newest_tenant_index(kind).await?;
            entries.extend(self.index(&path).await?);
        }
        Ok(entries)
    }

    async fn index(&self, path: &str) -> Result<Vec<MacroIndexEntry>, Failure> {
        let file = self.medium.get(path).await?;
        IndexReader::parse(&file).map_err(|e| self.bad_object(e, path))
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

    /// One block, opened and verified against its header and the index.
    async fn block(&self, wanted: &WantedBlock) -> Result<Bytes, Failure> {
        let p = wanted.entry.physical;
        let set = self.sets.get(&p.backup_set_id).copied().unwrap_or(SetName { id: p.backup_set_id, ..self.name });
        let (ls, kind, turn, retry, n) = (p.ls_id, p.kind, p.turn, p.retry, p.file_id.0);
        let path = BackupPath::MacroBlockData { set, ls, kind, turn, retry, n }.path();
        let bytes = self.medium.get_range(&path, p.offset..p.offset + p.length).await?;
        // Without the right key any other: the error then says whether it is the wrong one or none.
        let key_of =
            |fingerprint: &KeyFingerprint| self.keys.get(fingerprint).or_else(|| self.keys.values().next()).cloned();
        open_macroblock(&bytes, &wanted.entry, key_of).map_err(|e| self.bad_object(e.moved(p.offset), &path))
    }

    fn bad_object(&self, error: FormatError, path: &str) -> Failure {
        error.into_failure(format!("{}/{path}", self.medium.uri().trim_end_matches('/')))
    }

    fn damaged(&self, what: &str) -> Failure {
        let object = format!("{}/{} log stream {}", self.medium.uri().trim_end_matches('/'), self.name, self.ls);
        Failure::new(ErrorClass::Corrupt, what, object, "use another backup set or another copy of the destination")
    }
}

fn keys_of(spec: &RestoreDataSpec) -> BTreeMap<KeyFingerprint, Key> {
    let given = [&spec.seal_key].into_iter().chain(spec.chain_keys.iter().map(|k| &k.key));
    given.filter_map(|key| Key::from_slice(key)).map(|key| (cipher::fingerprint(&key), key)).collect()
}

/// Fetches what is not here yet, several blocks at once within a byte budget.
async fn fetch_all(ctx: &TaskCtx, set: &BackupSet, dir: &Path, wanted: Vec<WantedBlock>) -> Result<(), Failure> {
    let budget = Semaphore::new((BLOCK_BYTES_IN_FLIGHT_MAX / BUDGET_UNIT_BYTES) as usize);
    stream::iter(wanted)
        .map(Ok)
        .try_for_each_concurrent(BLOCKS_IN_FLIGHT_MAX, |wanted| {
            let budget = &budget;
            async move {
                let units = wanted.entry.plain_bytes.min(BLOCK_BYTES_IN_FLIGHT_MAX).div_ceil(BUDGET_UNIT_BYTES) as u32;
                let room = budget.acquire_many(units).await;
                let path = dir.join(&wanted.entry.file_name);
                let bytes = wanted.entry.plain_bytes;
                let is_here = wanted.is_present && is_intact(path.clone(), wanted.entry.checksum).await?;
                if !is_here {
                    let content = set.block(&wanted).await?;
                    blocking(move || write_durable(&path, &content)).await?;
                }
                drop(room);
                ctx.progress.add_done(bytes);
                Ok(())
            }
        })
        .await
}

async fn is_intact(path: PathBuf, checksum: u32) -> Result<bool, Failure> {
    blocking(move || {
        let content = std::fs::read(&path).map_err(|e| io_failure("read", &path, &e))?;
        Ok(crc32c_raw(0, &content) == checksum)
    })
    .await
}

/// Names and lengths of the plain files in a directory.
async fn present_files(dir: PathBuf) -> Result<BTreeMap<String, u64>, Failure> {
    blocking(move || {
        let list = || {
            let mut files = BTreeMap::new();
            for entry in std::fs::read_dir(&dir)? {
                let entry = entry?;
                let meta = entry.metadata()?;
                if let (true, Ok(name)) = (meta.is_file(), entry.file_name().into_string()) {
                    files.insert(name, meta.len());
                }
            }
            Ok(files)
        };
        list().map_err(|e| io_failure("list", &dir, &e))
    })
    .await
}

/// Removes what an earlier attempt left and this set does not have: the store must be the set's and nothing else.
async fn remove_strays(dir: PathBuf, present: BTreeMap<String, u64>, kept: BTreeSet<String>) -> Result<(), Failure> {
    blocking(move || {
        for name in present.keys().filter(|name| !kept.contains(*name)) {
            let path = dir.join(name);
            std::fs::remove_file(&path).map_err(|e| io_failure("remove", &path, &e))?;
        }
        Ok(())
    })
    .await
}

fn lay_engine_files(dir: &Path, files: &BTreeMap<String, Bytes>) -> Result<(), Failure> {
    let (last, others): (Vec<_>, Vec<_>) = files.iter().partition(|(name, _)| *name == LAST_ENGINE_FILE);
    for (name, content) in others {
        write_durable(&dir.join(name), content)?;
    }
    sync_dir(dir)?;
    for (name, content) in last {
        write_durable(&dir.join(name), content)?;
    }
    sync_dir(dir)
}

fn restored_base(meta: &pb::LsMetaInfo) -> Option<RestoredBase> {
    let base = meta.base?;
    Some(RestoredBase {
        base: PalfBase {
            lsn: Lsn(base.lsn),
            prev_log_id: base.prev_log_id,
            prev_accumulated_checksum: base.prev_accumulated_checksum,
            prev_scn: Scn(base.prev_scn),
        },
        scn: Scn(meta.checkpoint_scn),
    })
}
