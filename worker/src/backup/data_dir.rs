//! Writes one directory of a set: the data files of one kind of one log stream, then its three indexes.
//!
//! Follows the plan exactly: a block that would land elsewhere than the plan says is an error of ours and ends the
//! task. Each payload is checksummed while it is framed, written once, and never read back. A directory without blocks
//! still gets data file 0 and its indexes. The indexes come last: they name only blocks that are durable.

use super::block_reader::{BlockBudget, read_ahead};
use crate::source::{Checkpoint, LogStream};
use crate::task_ctx::TaskCtx;
use bytes::Bytes;
use futures::stream::StreamExt;
use std::pin::pin;
use std::sync::Arc;
use strandline_format::FormatError;
use strandline_format::blocks::{BlockFrame, BlockType, DataFileWriter, FileKind};
use strandline_format::header::CommonHeader;
use strandline_format::index::{
    IndexEntry, IndexWriter, MacroIndexEntry, MetaIndexEntry, MetaType, PhysicalId, SecMetaIndexEntry,
};
use strandline_format::paths::{BackupPath, IndexKind, SetName};
use strandline_media::{Medium, ObjectWriter};
use strandline_types::{DataKind, ErrorClass, Failure, FileId, LsId, RetryId, TurnId};
use strandline_worker_core::backup_plan::{DirPlan, PlannedBlock, PlannedMeta};
use strandline_worker_core::packer::Placement;

/// Where one log stream's files of one task go.
#[derive(Clone, Debug)]
pub(super) struct LsPlace {
    pub(super) medium: Arc<dyn Medium>,
    pub(super) set: SetName,
    pub(super) ls: LsId,
    pub(super) turn: TurnId,
    pub(super) retry: RetryId,
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

impl LsPlace {
    /// Writes a write-once object and counts it.
    pub(super) async fn put(&self, path: &str, data: Vec<u8>, written: &mut Written) -> Result<(), Failure> {
        let bytes = data.len() as u64;
        self.medium.put(path, Bytes::from(data)).await?;
        written.add(bytes);
        Ok(())
    }

    fn physical(&self, kind: DataKind, place: Placement) -> PhysicalId {
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
    source: &Arc<dyn LogStream>,
    point: &Checkpoint,
    plan: DirPlan,
    budget: &BlockBudget,
) -> Result<Written, Failure> {
    let kind = plan.kind;
    let mut out = DirWriter::open(place, kind).await?;
    let (mut blocks, mut mapping) = (IndexWriter::new(), IndexWriter::new());
    let mut ahead = pin!(read_ahead(Arc::clone(source), point.dir.clone(), plan.blocks, budget.clone()));
    while let Some(read) = ahead.next().await {
        let read = read?;
        let checksum = out.block(BlockType::MacroData, read.content.clone(), read.planned.place).await?;
        let entry = macro_entry(place, kind, &read.planned, checksum);
        let pair = SecMetaIndexEntry { logical: entry.logical, physical: entry.physical };
        push(&mut blocks, &entry)?;
        push(&mut mapping, &pair)?;
        ctx.progress.add_done(read.planned.block.bytes);
    }
    let mut metas = IndexWriter::new();
    for PlannedMeta { tablet, payload, place: at } in plan.metas {
        out.block(BlockType::TabletMeta, Bytes::from(payload), at).await?;
        let physical = place.physical(kind, at);
        push(&mut metas, &MetaIndexEntry { tablet_id: tablet, meta_type: MetaType::Tablet, physical })?;
    }
    let mut written = out.close().await?;
    write_index(place, kind, IndexKind::MacroRange, blocks, &mut written).await?;
    write_index(place, kind, IndexKind::Meta, metas, &mut written).await?;
    write_index(place, kind, IndexKind::SecMeta, mapping, &mut written).await?;
    Ok(written)
}

fn macro_entry(place: &LsPlace, kind: DataKind, planned: &PlannedBlock, checksum: u32) -> MacroIndexEntry {
    MacroIndexEntry {
        logical: planned.logical,
        physical: place.physical(kind, planned.place),
        file_name: planned.block.file_name.clone(),
        level: planned.block.level,
        plain_bytes: planned.block.bytes,
        checksum,
        unique_id: planned.block.unique_id.to_vec(),
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

/// The data files of a directory, one after the other.
struct DirWriter<'a> {
    place: &'a LsPlace,
    kind: DataKind,
    file: FileId,
    format: DataFileWriter,
    out: Box<dyn ObjectWriter>,
    written: Written,
}

impl<'a> DirWriter<'a> {
    async fn open(place: &'a LsPlace, kind: DataKind) -> Result<Self, Failure> {
        let file = FileId(0);
        let (format, out) = open_file(place, kind, file).await?;
        Ok(Self { place, kind, file, format, out, written: Written::default() })
    }

    /// Writes one block where the plan says and gives the checksum of its payload.
    async fn block(&mut self, block_type: BlockType, payload: Bytes, at: Placement) -> Result<u32, Failure> {
        if at.file != self.file {
            self.next_file(at.file).await?;
        }
        let frame = self.format.frame(block_type, &payload);
        if (frame.offset, frame.length) != (at.offset, at.length) {
            return Err(self.off_plan(&frame, at));
        }
        let header = CommonHeader::decode(&frame.header).map_err(unwritable)?;
        self.out.write(Bytes::copy_from_slice(&frame.header)).await?;
        self.out.write(payload).await?;
        self.out.write(Bytes::from_static(frame.padding)).await?;
        Ok(header.data_checksum)
    }

    async fn next_file(&mut self, file: FileId) -> Result<(), Failure> {
        let (format, out) = open_file(self.place, self.kind, file).await?;
        let format = std::mem::replace(&mut self.format, format);
        let out = std::mem::replace(&mut self.out, out);
        self.written.add(close_file(format, out).await?);
        self.file = file;
        Ok(())
    }

    async fn close(mut self) -> Result<Written, Failure> {
        self.written.add(close_file(self.format, self.out).await?);
        Ok(self.written)
    }

    fn off_plan(&self, frame: &BlockFrame, at: Placement) -> Failure {
        let BlockFrame { offset, length, .. } = frame;
        let what = format!("a block came out at {offset}+{length}, planned at {}+{}", at.offset, at.length);
        Failure::new(ErrorClass::Invalid, what, self.place.data_path(self.kind, self.file), "report this as a defect")
    }
}

async fn open_file(
    place: &LsPlace,
    kind: DataKind,
    file: FileId,
) -> Result<(DataFileWriter, Box<dyn ObjectWriter>), Failure> {
    let mut format = DataFileWriter::new(FileKind::Data);
    let mut out = place.medium.open_writer(&place.data_path(kind, file)).await?;
    out.write(Bytes::copy_from_slice(&format.header())).await?;
    Ok((format, out))
}

async fn close_file(format: DataFileWriter, mut out: Box<dyn ObjectWriter>) -> Result<u64, Failure> {
    let end = format.finish().map_err(unwritable)?;
    out.write(Bytes::from(end)).await?;
    Ok(out.finish().await?)
}
