//! Writes one directory of a set: the data files of one kind of one log stream, then its three indexes.
//!
//! Blocks that lie on the medium already are only named by the indexes, the others are written once and never read back.
//! A directory without blocks still gets data file 0 and its indexes. The indexes come last: they name only blocks that
//! are durable.

use super::block_reader::{Reading, read_ahead};
use super::share::share;
use crate::task_ctx::TaskCtx;
use bytes::Bytes;
use futures::stream::StreamExt;
use std::pin::pin;
use std::sync::Arc;
use strandline_format::FormatError;
use strandline_format::blocks::{
    BlockBuffer, BlockContent, BlockType, DataFileWriter, EncodedBlock, FileKind, FramedBlock,
};
use strandline_format::index::{
    IndexEntry, IndexWriter, MacroIndexEntry, MetaIndexEntry, MetaType, PhysicalId, SecMetaIndexEntry,
};
use strandline_format::paths::{BackupPath, IndexKind, SetName};
use strandline_media::{LogForm, MediaError, Medium, ObjectWriter};
use strandline_types::limits::{BACKUP_OBJECT_BYTES_MAX, FILES_FINISHING_MAX};
use strandline_types::{DataKind, ErrorClass, Failure, FileId, LsId, RetryId, TabletId, TurnId};
use strandline_worker_core::backup_plan::{DirPlan, PlannedBlock, PlannedMeta};
use strandline_worker_core::packer::{Packer, Placement};
use tokio::task::JoinSet;

/// Where one log stream's files of one task go.
#[derive(Clone, Debug)]
pub(super) struct LsPlace {
    pub(super) medium: Arc<dyn Medium>,
    pub(super) set: SetName,
    pub(super) ls: LsId,
    pub(super) turn: TurnId,
    pub(super) retry: RetryId,
    /// Size at which a data file is closed.
    pub(super) file_bytes: u64,
}

/// What was written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Written {
    pub(super) files: u64,
    pub(super) bytes: u64,
}

impl Written {
    pub(super) fn add(&mut self, bytes: u64) {
        self.files += 1;
        self.bytes += bytes;
    }
}

/// Size at which a data file is closed on this medium. Stores that put an object together from its parts take time for
/// it when it ends: smaller ones let that go on beside the next one, and a failed task loses less.
pub(super) fn file_bytes(medium: &dyn Medium, asked: u64) -> u64 {
    match medium.log_form() {
        LogForm::Plain => asked,
        LogForm::Parts => asked.min(BACKUP_OBJECT_BYTES_MAX),
    }
}

impl LsPlace {
    /// Writes a write-once object and counts it.
    pub(super) async fn put(&self, path: &str, data: Vec<u8>, written: &mut Written) -> Result<(), Failure> {
        let bytes = data.len() as u64;
        self.medium.put(path, Bytes::from(data)).await?;
        written.add(bytes);
        Ok(())
    }

    pub(super) fn physical(&self, kind: DataKind, place: Placement) -> PhysicalId {
        PhysicalId {
            backup_set_id: self.set.id,
            ls_id: self.ls,
            kind,
            turn: self.turn,
            retry: self.retry,
            file_id: place.file,
            offset: place.offset,
            length: place.length,
        }
    }

    fn data_path(&self, kind: DataKind, file: FileId) -> String {
        let Self { set, ls, turn, retry, .. } = *self;
        BackupPath::MacroBlockData { set, ls, kind, turn, retry, n: file.0 }.path()
    }
}

/// Writes the whole directory.
pub(super) async fn write_dir(
    ctx: &TaskCtx,
    place: &LsPlace,
    reading: &Reading,
    plan: DirPlan,
) -> Result<Written, Failure> {
    let mut out = DirWriter::open(place, plan.kind).await?;
    let mut indexes = DirIndexes::default();
    let kind = plan.kind;
    if let Err(failure) = fill(ctx, reading, plan, &mut out, &mut indexes).await {
        out.settle().await;
        return Err(failure);
    }
    let mut written = out.close().await?;
    indexes.write(place, kind, &mut written).await?;
    Ok(written)
}

/// Puts all blocks of a directory into its data files.
async fn fill(
    ctx: &TaskCtx,
    reading: &Reading,
    plan: DirPlan,
    out: &mut DirWriter<'_>,
    indexes: &mut DirIndexes,
) -> Result<(), Failure> {
    let place = out.place;
    let mut ahead = pin!(read_ahead(reading.clone(), plan.blocks));
    while let Some(read) = ahead.next().await {
        let read = read?;
        let bytes = read.planned.block.bytes;
        let entry = match (&read.planned.known, &read.encoded) {
            (Some(known), _) => known.clone(),
            (None, None) => continue,
            (None, Some(encoded)) => {
                share().admit(&reading.tenant, &*ctx.engine, encoded.block.bytes.len() as u64).await;
                let at = out.block(&encoded.block, Some(content(&read.planned, encoded))).await?;
                macro_entry(place, plan.kind, &read.planned, encoded, at)
            }
        };
        indexes.macroblock(&entry)?;
        ctx.progress.add_done(bytes);
    }
    for PlannedMeta { tablet, payload } in plan.metas {
        let at = out.block(&BlockBuffer::of(&payload).frame_plain(BlockType::TabletMeta), None).await?;
        indexes.meta(tablet, place.physical(plan.kind, at))?;
    }
    Ok(())
}

fn content(planned: &PlannedBlock, encoded: &EncodedBlock) -> BlockContent {
    BlockContent {
        logical: planned.logical,
        plain_bytes: planned.block.bytes,
        checksum: encoded.checksum,
        unique_id: planned.block.unique_id.to_vec(),
        storage: encoded.storage,
    }
}

fn macro_entry(
    place: &LsPlace,
    kind: DataKind,
    planned: &PlannedBlock,
    encoded: &EncodedBlock,
    at: Placement,
) -> MacroIndexEntry {
    MacroIndexEntry {
        logical: planned.logical,
        physical: place.physical(kind, at),
        file_name: planned.block.file_name.clone(),
        level: planned.block.level,
        plain_bytes: planned.block.bytes,
        checksum: encoded.checksum,
        unique_id: planned.block.unique_id.to_vec(),
        storage: encoded.storage,
    }
}

/// The three indexes of a directory; entries come in rising order.
#[derive(Debug, Default)]
pub(super) struct DirIndexes {
    blocks: IndexWriter<MacroIndexEntry>,
    metas: IndexWriter<MetaIndexEntry>,
    mapping: IndexWriter<SecMetaIndexEntry>,
}

impl DirIndexes {
    pub(super) fn macroblock(&mut self, entry: &MacroIndexEntry) -> Result<(), Failure> {
        push(&mut self.blocks, entry)?;
        push(&mut self.mapping, &SecMetaIndexEntry { logical: entry.logical, physical: entry.physical })
    }

    pub(super) fn meta(&mut self, tablet_id: TabletId, physical: PhysicalId) -> Result<(), Failure> {
        push(&mut self.metas, &MetaIndexEntry { tablet_id, meta_type: MetaType::Tablet, physical })
    }

    pub(super) async fn write(self, place: &LsPlace, kind: DataKind, written: &mut Written) -> Result<(), Failure> {
        write_index(place, kind, IndexKind::MacroRange, self.blocks, written).await?;
        write_index(place, kind, IndexKind::Meta, self.metas, written).await?;
        write_index(place, kind, IndexKind::SecMeta, self.mapping, written).await
    }
}

fn push<E: IndexEntry>(index: &mut IndexWriter<E>, entry: &E) -> Result<(), Failure> {
    index.push(entry).map_err(unwritable)
}

async fn write_index<E: IndexEntry>(
    place: &LsPlace,
    kind: DataKind,
    index: IndexKind,
    writer: IndexWriter<E>,
    written: &mut Written,
) -> Result<(), Failure> {
    let LsPlace { set, ls, turn, retry, .. } = *place;
    let path = BackupPath::LsIndex { set, ls, kind, turn, retry, index }.path();
    let file = writer.finish().map_err(|e| e.into_failure(&path))?;
    place.put(&path, file, written).await
}

fn unwritable(error: FormatError) -> Failure {
    error.into_failure("index of a backup set")
}

/// The data files of a directory, one after the other. While one is written those before it become durable, which can
/// take longer than the writing where the medium puts an object together from its parts; they count when the task fails
/// later.
pub(super) struct DirWriter<'a> {
    place: &'a LsPlace,
    kind: DataKind,
    packer: Packer,
    file: FileId,
    open: Option<OpenFile>,
    /// The files before, at most [`FILES_FINISHING_MAX`]; given up when this is dropped.
    finishing: JoinSet<Result<u64, MediaError>>,
    written: Written,
}

/// A data file that is being written.
struct OpenFile {
    format: DataFileWriter,
    out: Box<dyn ObjectWriter>,
}

impl<'a> DirWriter<'a> {
    pub(super) async fn open(place: &'a LsPlace, kind: DataKind) -> Result<Self, Failure> {
        Self::open_at(place, kind, FileId(0)).await
    }

    /// Begins with a data file of this number: those below it are somebody else's.
    pub(super) async fn open_at(place: &'a LsPlace, kind: DataKind, file: FileId) -> Result<Self, Failure> {
        let open = Some(open_file(place, kind, file).await?);
        let packer = Packer::starting_at(file, place.file_bytes);
        Ok(Self { place, kind, packer, file, open, finishing: JoinSet::new(), written: Written::default() })
    }

    /// Writes one block where the packer says.
    pub(super) async fn block(
        &mut self,
        block: &FramedBlock,
        content: Option<BlockContent>,
    ) -> Result<Placement, Failure> {
        let at = self.packer.place(block.bytes.len() as u64);
        if at.file != self.file {
            self.finish_file().await?;
            self.file = at.file;
        }
        let open = match &mut self.open {
            Some(open) => open,
            none => none.insert(open_file(self.place, self.kind, self.file).await?),
        };
        let offset = open.format.push(block, content);
        debug_assert_eq!(offset, at.offset, "the packer and the file count alike");
        open.out.write(block.bytes.clone()).await?;
        Ok(Placement { offset, ..at })
    }

    async fn finish_file(&mut self) -> Result<(), Failure> {
        if let Some(OpenFile { format, mut out }) = self.open.take() {
            out.write(BlockBuffer::aligned(&format.finish().map_err(unwritable)?)).await?;
            self.finished(FILES_FINISHING_MAX - 1).await?;
            self.finishing.spawn(out.finish());
        }
        Ok(())
    }

    /// Waits until all files before but so many are durable.
    async fn finished(&mut self, but: usize) -> Result<(), Failure> {
        while self.finishing.len() > but {
            let Some(done) = self.finishing.join_next().await else { break };
            let bytes = done.map_err(|e| {
                let object = format!("data files of log stream {} in {}", self.place.ls, self.place.set);
                Failure::new(
                    ErrorClass::Transient,
                    format!("a file was not finished: {e}"),
                    object,
                    "it is tried again",
                )
            })?;
            self.written.add(bytes?);
        }
        Ok(())
    }

    /// The task has failed: what is nearly finished is finished, for the next retry.
    pub(super) async fn settle(mut self) {
        if let Err(failure) = self.finished(0).await {
            tracing::debug!(%failure, "a file of a failed task was not finished; its blocks are copied again");
        }
    }

    pub(super) async fn close(mut self) -> Result<Written, Failure> {
        self.finish_file().await?;
        self.finished(0).await?;
        Ok(self.written)
    }
}

async fn open_file(place: &LsPlace, kind: DataKind, file: FileId) -> Result<OpenFile, Failure> {
    let mut format = DataFileWriter::new(FileKind::Data);
    let mut out = place.medium.open_writer(&place.data_path(kind, file)).await?;
    out.write(BlockBuffer::aligned(&format.header())).await?;
    Ok(OpenFile { format, out })
}
