//! `BACKUP_LOG` (PLUS ARCHIVELOG): copies the archived log of one log stream into the set, so that the set can be
//! restored without the archive it came from.
//!
//! Every group is verified while it passes (headers, data checksums, the unbroken accumulated checksum) and lands in a
//! file of the same piece and number, as plain objects whatever form they had. The copy ends with the first group that
//! reaches the SCN, so a repetition writes the same bytes. The files around the log (round, pieces, checkpoint) are the
//! scheduler's.

use super::ls::set_name;
use super::share::{TenantShare, share};
use crate::restore::archive_keys;
use crate::task_ctx::{TaskCtx, cancelled};
use bytes::{Bytes, BytesMut};
use std::sync::Arc;
use strandline_format::palf::ArchiveFileHeader;
use strandline_format::paths::{ArchivePath, BackupPath, SetName};
use strandline_media::{Looks, Medium, ObjectWriter};
use strandline_proto::TaskKey;
use strandline_proto::v1::{BackupLogResult, BackupLogSpec};
use strandline_reader::log::LogFiles;
use strandline_reader::log::chain::{Segment, chain};
use strandline_reader::{LogGroup, LogReader, LogSource};
use strandline_types::limits::ARCHIVE_READ_BYTES_MAX;
use strandline_types::{DestId, ErrorClass, Failure, FileId, LsId, Lsn, PieceId, PieceKey, RoundId, Scn};

/// Runs the task.
///
/// # Errors
/// `NotFound` with the missing range for log that is not archived; `Corrupt` for log that is not right; what either
/// medium says.
pub async fn run_backup_log(ctx: &TaskCtx, spec: &BackupLogSpec, id: TaskKey) -> Result<BackupLogResult, Failure> {
    tokio::select! {
        done = copy(ctx, spec, id) => done,
        () = ctx.cancel.cancelled() => Err(cancelled()),
    }
}

async fn copy(ctx: &TaskCtx, spec: &BackupLogSpec, id: TaskKey) -> Result<BackupLogResult, Failure> {
    let (ls, start) = (LsId(spec.source_ls_id), Lsn(spec.start_lsn));
    let sources = sources(ctx, spec)?;
    let keys = Arc::new(archive_keys(&spec.archive_key_source).await?);
    let mut reader = LogReader::open(sources.clone(), ls, start, None, Arc::clone(&keys)).await?;
    // Listed after the reader: whatever it gives lies in one of these.
    let look = || async {
        let files = LogFiles::list(sources.clone(), ls, start, Arc::clone(&keys)).await?;
        let segments = chain(files.files(), start).map_err(|e| files.chain_failure(&e))?.segments;
        Ok::<_, Failure>((files, segments))
    };
    let (files, segments) = Looks::default().sure(look).await?;
    ctx.progress.set_total(reader.end().0.saturating_sub(start.0));
    let mut out = Copy {
        ctx,
        tenant: share().tenant(id.tenant_id, 0, 0),
        medium: ctx.medium_to_write(&spec.dest_uri, &spec.dest_access, spec.owner)?,
        set: set_name(spec.backup_set_id, spec.incremental),
        ls,
        open: None,
        result: BackupLogResult { start_lsn: start.0, end_lsn: start.0, ..BackupLogResult::default() },
    };
    while let Some(groups) = reader.next_groups().await? {
        for group in groups {
            let place = place_of(&files, &segments, group.range.start).ok_or_else(|| ended(&reader, spec))?;
            let reached = group.header.max_scn >= Scn(spec.end_scn);
            out.group(place, &group).await?;
            if reached {
                return out.close().await;
            }
        }
    }
    Err(ended(&reader, spec))
}

fn sources(ctx: &TaskCtx, spec: &BackupLogSpec) -> Result<Vec<LogSource>, Failure> {
    let source = |p: &strandline_proto::v1::RestorePiece| {
        let piece =
            PieceKey { dest_id: DestId(p.dest_id), round_id: RoundId(p.round_id), piece_id: PieceId(p.piece_id) };
        Ok(LogSource { medium: ctx.medium_with(&spec.archive_uri, &spec.archive_access)?, piece })
    };
    spec.pieces.iter().map(source).collect()
}

/// The file in which the log at `lsn` lies.
fn place_of(files: &LogFiles, segments: &[Segment], lsn: Lsn) -> Option<(PieceKey, FileId)> {
    let segment = segments.iter().find(|s| s.range.start <= lsn && lsn < s.range.end)?;
    let (file, _) = files.files().get(segment.file)?;
    Some((file.piece, file.file_id))
}

fn ended(reader: &LogReader, spec: &BackupLogSpec) -> Failure {
    Failure::new(
        ErrorClass::NotFound,
        format!("the archived log ends at lsn {} before it reaches scn {}", reader.position(), spec.end_scn),
        reader.last_object(),
        "the copy is tried again; look why the log stream is not archived if it lasts",
    )
}

/// The copy under way.
struct Copy<'a> {
    ctx: &'a TaskCtx,
    tenant: Arc<TenantShare>,
    medium: Arc<dyn Medium>,
    set: SetName,
    ls: LsId,
    open: Option<OpenFile>,
    result: BackupLogResult,
}

/// One file being written.
struct OpenFile {
    place: (PieceKey, FileId),
    out: Box<dyn ObjectWriter>,
    pending: BytesMut,
}

impl Copy<'_> {
    async fn group(&mut self, place: (PieceKey, FileId), group: &LogGroup) -> Result<(), Failure> {
        if self.open.as_ref().is_none_or(|open| open.place != place) {
            self.finish_file().await?;
            self.open = Some(self.begin_file(place, group.range.start).await?);
        }
        if let Some(open) = &mut self.open {
            open.pending.extend_from_slice(&group.bytes);
            if open.pending.len() >= ARCHIVE_READ_BYTES_MAX {
                let data = open.pending.split().freeze();
                share().admit(&self.tenant, &*self.ctx.engine, data.len() as u64).await;
                open.out.write(data).await?;
            }
        }
        self.ctx.progress.add_done(group.bytes.len() as u64);
        self.result.end_lsn = group.range.end.0;
        self.result.end_scn = group.header.max_scn.0;
        Ok(())
    }

    async fn begin_file(&mut self, place: (PieceKey, FileId), start_lsn: Lsn) -> Result<OpenFile, Failure> {
        let inner = ArchivePath::Log { key: place.0, ls: self.ls, file_id: place.1 };
        let path = BackupPath::ComplementLog { set: self.set, inner }.path();
        let mut out = self.medium.open_writer(&path).await?;
        out.write(Bytes::copy_from_slice(&ArchiveFileHeader { start_lsn }.encode())).await?;
        Ok(OpenFile { place, out, pending: BytesMut::with_capacity(ARCHIVE_READ_BYTES_MAX) })
    }

    async fn finish_file(&mut self) -> Result<(), Failure> {
        let Some(OpenFile { mut out, pending, .. }) = self.open.take() else { return Ok(()) };
        out.write(pending.freeze()).await?;
        self.result.output_bytes += out.finish().await?;
        self.result.file_count += 1;
        Ok(())
    }

    async fn close(mut self) -> Result<BackupLogResult, Failure> {
        self.finish_file().await?;
        Ok(self.result)
    }
}
