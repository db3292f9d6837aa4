//! `SYNTHETIC`: one log stream's part of a full set, built from the newest set of a chain, from the medium alone.
//!
//! No replica is asked. A data file of the chain whose every macroblock is wanted is copied whole, by the medium itself
//! where it can; the blocks of the others are read, verified and put into new data files. Sealed blocks stay sealed: what
//! seals a block is bound to the block and not to its place, so they move without a key, and all of them must be sealed
//! with the key of the new set. Order: data, indexes, then the metas, as in a set that a replica wrote.

use super::data_dir::{DirWriter, LsPlace, Written, file_bytes};
use super::existing_blocks::{object, read_index};
use super::ls::{seal_key, set_name};
use super::share::{TenantShare, share};
use crate::task_ctx::{TaskCtx, cancelled};
use bytes::Bytes;
use futures::stream::{self, Stream, StreamExt};
use prost::Message;
use std::pin::pin;
use std::sync::Arc;
use strandline_engine_api::dictionary_of_medium;
use strandline_format::blocks::{
    BlockBuffer, BlockContent, Coding, EncodedBlock, FramedBlock, TRAILER_BYTES, Trailer, encode_macroblock,
    open_macroblock,
};
use strandline_format::cipher;
use strandline_format::compress::Compressor;
use strandline_format::index::{
    IndexEntry, IndexReader, KeyFingerprint, MacroIndexEntry, MetaIndexEntry, PhysicalId, SecMetaIndexEntry,
    write_index,
};
use strandline_format::paths::{BackupPath, IndexKind, InfoKind, SetName};
use strandline_format::small::{read_small, write_small};
use strandline_format::{DataType, FormatError, pb};
use strandline_media::{Looks, Medium};
use strandline_proto::TaskKey;
use strandline_proto::v1::{BackupLsResult, SyntheticSpec};
use strandline_reader::SetNames;
use strandline_types::limits::BLOCKS_IN_FLIGHT_MAX;
use strandline_types::{BackupSetId, DataKind, ErrorClass, Failure, FileId, LsId, Lsn, PalfBase, RetryId, Scn, TurnId};
use tokio::sync::OwnedSemaphorePermit;

/// Runs the task.
///
/// # Errors
/// `NotFound` or `Corrupt` with the object for a part of the chain that is missing or damaged; `Invalid` for a chain that
/// is sealed with other keys than the new set.
pub async fn run_synthetic(ctx: &TaskCtx, spec: &SyntheticSpec, id: TaskKey) -> Result<BackupLsResult, Failure> {
    tokio::select! {
        done = build(ctx, spec, id) => done,
        () = ctx.cancel.cancelled() => Err(cancelled()),
    }
}

async fn build(ctx: &TaskCtx, spec: &SyntheticSpec, id: TaskKey) -> Result<BackupLsResult, Failure> {
    let chain = Arc::new(Chain::open(ctx, spec).await?);
    let place = LsPlace {
        medium: Arc::clone(&chain.medium),
        set: set_name(spec.backup_set_id, false),
        ls: chain.ls,
        turn: id.turn,
        retry: id.retry,
        file_bytes: file_bytes(&*chain.medium, spec.data_file_bytes),
    };
    let key = seal_key(spec.seal.as_ref())?;
    let seal = key.as_ref().map(cipher::fingerprint);
    let (meta, tablets) = chain.metas().await?;
    let mut dirs = Vec::new();
    for kind in DataKind::ALL {
        let blocks = chain.blocks(kind).await?;
        chain.check_seals(&blocks, seal).await?;
        dirs.push((kind, blocks));
    }
    let input_bytes = dirs.iter().flat_map(|(_, blocks)| blocks).map(|e| e.plain_bytes).sum();
    let macro_block_count = dirs.iter().map(|(_, blocks)| blocks.len() as u64).sum();
    ctx.progress.set_total(input_bytes);
    let fetcher = Fetcher { chain, coding: Coding { compressor: Compressor::None, key }, seal };
    let mut written = Written::default();
    let tenant = share().tenant(id.tenant_id, 0, 0);
    for (kind, blocks) in dirs {
        let mover = Mover { ctx, fetcher: &fetcher, place: &place, kind, tenant: &tenant };
        mover.dir(blocks, &mut written).await?;
    }
    let meta = pb::LsMetaInfo { turn: id.turn.0, retry: id.retry.0, ..meta };
    put_metas(&place, &meta, &tablets, &mut written).await?;
    let base = meta.base.unwrap_or_default();
    Ok(BackupLsResult {
        base: Some(palf_base(base).into()),
        checkpoint_scn: meta.checkpoint_scn,
        input_bytes,
        output_bytes: written.bytes,
        macro_block_count,
        tablet_count: meta.tablet_ids.len() as u64,
        file_count: written.files,
        tablets: meta.tablet_ids.clone(),
        dictionary: meta.dictionary.clone().map(dictionary_of_medium).map(Into::into),
        ls_meta: pb::LsMetaInfo { engine_files: Default::default(), ..meta }.encode_to_vec().into(),
        ..BackupLsResult::default()
    })
}

const fn palf_base(base: pb::PalfBaseInfo) -> PalfBase {
    PalfBase {
        lsn: Lsn(base.lsn),
        prev_log_id: base.prev_log_id,
        prev_accumulated_checksum: base.prev_accumulated_checksum,
        prev_scn: Scn(base.prev_scn),
    }
}

async fn put_metas(
    place: &LsPlace,
    meta: &pb::LsMetaInfo,
    tablets: &pb::TabletInfo,
    written: &mut Written,
) -> Result<(), Failure> {
    let LsPlace { set, ls, turn, retry, .. } = *place;
    let path = BackupPath::TabletInfo { set, ls, turn, retry, n: 1 }.path();
    place.put(&path, write_small(DataType::TabletInfo, tablets), written).await?;
    let path = BackupPath::LsMetaInfo { set, ls, turn, retry }.path();
    place.put(&path, write_small(DataType::LsMetaInfo, meta), written).await
}

/// The newest set of the chain, for one log stream.
struct Chain {
    medium: Arc<dyn Medium>,
    set: SetName,
    sets: SetNames,
    ls: LsId,
    index_turn: TurnId,
    index_retry: RetryId,
    ls_turn: TurnId,
    ls_retry: RetryId,
}

impl Chain {
    async fn open(ctx: &TaskCtx, spec: &SyntheticSpec) -> Result<Self, Failure> {
        let medium = ctx.medium_to_write(&spec.dest_uri, &spec.access, spec.owner)?;
        let set = set_name(spec.chain_set_id, spec.chain_incremental);
        Ok(Self {
            sets: SetNames::new(Arc::clone(&medium), Looks::default(), [set]),
            medium,
            set,
            ls: LsId(spec.source_ls_id),
            index_turn: TurnId(spec.chain_turn),
            index_retry: RetryId(spec.chain_index_retry),
            ls_turn: TurnId(spec.ls_turn),
            ls_retry: RetryId(spec.ls_retry),
        })
    }

    async fn metas(&self) -> Result<(pb::LsMetaInfo, pb::TabletInfo), Failure> {
        let Self { set, ls, ls_turn: turn, ls_retry: retry, .. } = *self;
        let path = BackupPath::LsMetaInfo { set, ls, turn, retry }.path();
        let meta = self.small(DataType::LsMetaInfo, &path).await?;
        let path = BackupPath::TabletInfo { set, ls, turn, retry, n: 1 }.path();
        Ok((meta, self.small(DataType::TabletInfo, &path).await?))
    }

    async fn small<M: Message + Default>(&self, kind: DataType, path: &str) -> Result<M, Failure> {
        let look = || async { read_small(kind, &self.medium.get(path).await?).map_err(|e| self.bad(e, path)) };
        Looks::default().sure(look).await
    }

    /// Every macroblock of a kind: sys data from the log stream's own index, the rest from the tenant's.
    async fn blocks(&self, kind: DataKind) -> Result<Vec<MacroIndexEntry>, Failure> {
        let Self { set, ls, index_turn: turn, index_retry: retry, .. } = *self;
        let index = IndexKind::MacroRange;
        let path = match InfoKind::ALL.into_iter().find(|info| info.data_kind() == kind) {
            Some(info) => BackupPath::TenantIndex { set, kind: info, turn, index, retry }.path(),
            None => BackupPath::LsIndex { set, ls, kind, turn: self.ls_turn, retry: self.ls_retry, index }.path(),
        };
        let mut blocks = read_index(&*self.medium, &path).await?;
        blocks.retain(|e| e.physical.ls_id == ls);
        blocks.sort_by_key(|e| place_key(&e.physical));
        Ok(blocks)
    }

    async fn tablet_metas(&self, kind: DataKind) -> Result<Vec<(MetaIndexEntry, FramedBlock)>, Failure> {
        let Self { set, ls, ls_turn: turn, ls_retry: retry, .. } = *self;
        let path = BackupPath::LsIndex { set, ls, kind, turn, retry, index: IndexKind::Meta }.path();
        let look = || async {
            let index = self.medium.get(&path).await?;
            IndexReader::<MetaIndexEntry>::parse(&index).map_err(|e| self.bad(e, &path))
        };
        let entries = Looks::default().sure(look).await?;
        let mut metas = Vec::with_capacity(entries.len());
        for entry in entries {
            let look = || async {
                let (bytes, path) = self.bytes(&entry.physical).await?;
                FramedBlock::read(&bytes).map_err(|e| self.bad(e, &path))
            };
            let block = Looks::default().sure(look).await?;
            metas.push((entry, block));
        }
        Ok(metas)
    }

    /// A set has one password: the key of the new one, or none at all where the new set is to be sealed on the way.
    async fn check_seals(&self, blocks: &[MacroIndexEntry], seal: Option<KeyFingerprint>) -> Result<(), Failure> {
        let foreign = |e: &&MacroIndexEntry| e.storage.sealed_by.is_some() && e.storage.sealed_by != seal;
        let Some(entry) = blocks.iter().find(foreign) else { return Ok(()) };
        Err(Failure::new(
            ErrorClass::Invalid,
            "the chain is sealed with another password than the new set would be",
            object(&*self.medium, &self.sets.data_file(&entry.physical).await?),
            "take a full backup instead",
        ))
    }

    /// A block, and the file that it comes from.
    async fn bytes(&self, p: &PhysicalId) -> Result<(Bytes, String), Failure> {
        let path = self.sets.data_file(p).await?;
        Ok((self.medium.get_range(&path, p.offset..p.offset.saturating_add(p.length)).await?, path))
    }

    fn bad(&self, error: FormatError, path: &str) -> Failure {
        error.into_failure(object(&*self.medium, path))
    }
}

/// Moves the blocks of one directory.
struct Mover<'a> {
    ctx: &'a TaskCtx,
    fetcher: &'a Fetcher,
    place: &'a LsPlace,
    kind: DataKind,
    tenant: &'a TenantShare,
}

impl Mover<'_> {
    async fn dir(&self, blocks: Vec<MacroIndexEntry>, written: &mut Written) -> Result<(), Failure> {
        let mut moved = Vec::with_capacity(blocks.len());
        let (mut rest, mut next) = (Vec::new(), FileId(0));
        for file in blocks.chunk_by(|a, b| file_key(&a.physical) == file_key(&b.physical)) {
            match self.copy_whole(file, next).await? {
                Some((entries, bytes)) => {
                    self.ctx.progress.add_done(file.iter().map(|e| e.plain_bytes).sum());
                    written.add(bytes);
                    moved.extend(entries);
                    next = next.next();
                }
                None => rest.extend_from_slice(file),
            }
        }
        let mut out = DirWriter::open_at(self.place, self.kind, next).await?;
        let mut blocks = pin!(self.fetcher.clone().fetch_ahead(rest));
        while let Some(fetched) = blocks.next().await {
            let Fetched { block: (mut entry, encoded), _room } = fetched?;
            share().admit(self.tenant, &*self.ctx.engine, encoded.block.bytes.len() as u64).await;
            entry.storage = encoded.storage;
            let at = out.block(&encoded.block, Some(content_of(&entry))).await?;
            entry.physical = self.place.physical(self.kind, at);
            self.ctx.progress.add_done(entry.plain_bytes);
            moved.push(entry);
        }
        let mut metas = Vec::new();
        for (entry, block) in self.fetcher.chain.tablet_metas(self.kind).await? {
            let at = out.block(&block, None).await?;
            metas.push(MetaIndexEntry { physical: self.place.physical(self.kind, at), ..entry });
        }
        let files = out.close().await?;
        written.files += files.files;
        written.bytes += files.bytes;
        self.indexes(&moved, &metas, written).await
    }

    /// Copies a data file as it is when all its macroblocks are wanted as they are; gives their new places.
    async fn copy_whole(
        &self,
        wanted: &[MacroIndexEntry],
        to: FileId,
    ) -> Result<Option<(Vec<MacroIndexEntry>, u64)>, Failure> {
        let (Some(first), true) = (wanted.first(), wanted.iter().all(|e| e.storage.sealed_by == self.fetcher.seal))
        else {
            return Ok(None);
        };
        let chain = &self.fetcher.chain;
        let from = chain.sets.data_file(&first.physical).await?;
        let medium = &*chain.medium;
        let bytes = medium.head(&from).await?;
        let look = || async {
            let trailer = medium.get_range(&from, bytes.saturating_sub(TRAILER_BYTES as u64)..bytes).await?;
            Trailer::decode(&trailer).map_err(|e| chain.bad(e, &from))
        };
        let trailer = Looks::default().sure(look).await?;
        if trailer.macro_block_count != wanted.len() as u64 || trailer.file_bytes != bytes {
            return Ok(None);
        }
        let LsPlace { set, ls, turn, retry, .. } = *self.place;
        let path = BackupPath::MacroBlockData { set, ls, kind: self.kind, turn, retry, n: to.0 }.path();
        share().admit(self.tenant, &*self.ctx.engine, bytes).await;
        medium.copy(&from, &path).await?;
        let moved = wanted.iter().cloned().map(|mut entry| {
            let (set, kind) = (self.place.set.id, self.kind);
            entry.physical = PhysicalId { backup_set_id: set, kind, turn, retry, file_id: to, ..entry.physical };
            entry
        });
        Ok(Some((moved.collect(), bytes)))
    }

    async fn indexes(
        &self,
        blocks: &[MacroIndexEntry],
        metas: &[MetaIndexEntry],
        written: &mut Written,
    ) -> Result<(), Failure> {
        let mapping: Vec<_> =
            blocks.iter().map(|e| SecMetaIndexEntry { logical: e.logical, physical: e.physical }).collect();
        self.index(IndexKind::MacroRange, blocks, written).await?;
        self.index(IndexKind::Meta, metas, written).await?;
        self.index(IndexKind::SecMeta, &mapping, written).await
    }

    async fn index<E: IndexEntry>(
        &self,
        index: IndexKind,
        entries: &[E],
        written: &mut Written,
    ) -> Result<(), Failure> {
        let LsPlace { set, ls, turn, retry, .. } = *self.place;
        let path = BackupPath::LsIndex { set, ls, kind: self.kind, turn, retry, index }.path();
        let file = write_index(entries).map_err(|e| self.fetcher.chain.bad(e, &path))?;
        self.place.put(&path, file, written).await
    }
}

/// Reads blocks of the chain ahead of the writer.
#[derive(Clone)]
struct Fetcher {
    chain: Arc<Chain>,
    coding: Coding,
    seal: Option<KeyFingerprint>,
}

impl Fetcher {
    /// The blocks, in order. A list that is owned, not borrowed: the task has to go from thread to thread.
    fn fetch_ahead(self, blocks: Vec<MacroIndexEntry>) -> impl Stream<Item = Result<Fetched, Failure>> + Send {
        stream::iter(blocks)
            // Room is taken one block after the other: a later block never holds what an earlier one waits for.
            .then(|entry| async move { (share().memory(entry.physical.length).await, entry) })
            .map(move |(room, entry)| {
                let this = self.clone();
                async move { Ok(Fetched { block: this.fetch(entry).await?, _room: room }) }
            })
            .buffered(BLOCKS_IN_FLIGHT_MAX)
    }

    /// One block, verified, as the new set stores it.
    async fn fetch(self, entry: MacroIndexEntry) -> Result<(MacroIndexEntry, EncodedBlock), Failure> {
        let encoded = Looks::default().sure(|| self.fetch_once(&entry)).await?;
        Ok((entry, encoded))
    }

    async fn fetch_once(&self, entry: &MacroIndexEntry) -> Result<EncodedBlock, Failure> {
        let (bytes, path) = self.chain.bytes(&entry.physical).await?;
        let bad = |e: FormatError| self.chain.bad(e.moved(entry.physical.offset), &path);
        let (checksum, storage) = (entry.checksum, entry.storage);
        Ok(if storage.sealed_by == self.seal {
            let block = FramedBlock::read(&bytes).map_err(bad)?;
            EncodedBlock { block, checksum, storage }
        } else {
            // Checked before: it is not sealed, and the new set is.
            let plain = open_macroblock(&bytes, entry, |_| None).map_err(bad)?;
            encode_macroblock(BlockBuffer::of(&plain), entry.logical, &self.coding)
        })
    }
}

/// A block in memory; its room is free again when it is dropped.
struct Fetched {
    block: (MacroIndexEntry, EncodedBlock),
    _room: Option<OwnedSemaphorePermit>,
}

fn content_of(entry: &MacroIndexEntry) -> BlockContent {
    BlockContent {
        logical: entry.logical,
        plain_bytes: entry.plain_bytes,
        checksum: entry.checksum,
        unique_id: entry.unique_id.clone(),
        storage: entry.storage,
    }
}

/// Blocks of one data file have one.
fn file_key(p: &PhysicalId) -> (BackupSetId, DataKind, TurnId, RetryId, FileId) {
    (p.backup_set_id, p.kind, p.turn, p.retry, p.file_id)
}

fn place_key(p: &PhysicalId) -> (BackupSetId, DataKind, TurnId, RetryId, FileId, u64) {
    let (set, kind, turn, retry, file) = file_key(p);
    (set, kind, turn, retry, file, p.offset)
}
