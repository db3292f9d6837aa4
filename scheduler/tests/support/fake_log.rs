//! One log stream's log: framed by the real framer, archived by hand.

use bytes::Bytes;
use strandline_format::entry::EntryKind;
use strandline_format::palf::{ArchiveFileHeader, Framer};
use strandline_format::paths::ArchivePath;
use strandline_media::{MediaError, Medium};
use strandline_proto::v1;
use strandline_types::{FileId, LsId, Lsn, PalfBase, PieceClock, PieceId, PieceKey, Scn, Term};

struct Group {
    lsn: Lsn,
    end: Lsn,
    scn: Scn,
    bytes: Vec<u8>,
}

pub struct FakeLog {
    framer: Framer,
    groups: Vec<Group>,
}

/// How far one round has archived a log.
pub struct FakeArchive {
    next: usize,
    piece: PieceId,
    path: String,
    offset: u64,
    pub archived: Lsn,
    pub checkpoint: Scn,
    pieces: Vec<v1::ArchivedPiece>,
}

impl FakeLog {
    pub fn new() -> Self {
        Self { framer: Framer::new(PalfBase::default()), groups: Vec::new() }
    }

    pub fn base(&self) -> PalfBase {
        self.framer.base()
    }

    /// Appends one group whose SCN is at least `scn`.
    pub fn append(&mut self, scn: Scn) {
        let body = [EntryKind::KeepAlive.number(); 64];
        let framed = self.framer.frame(Term(1), scn, true, &body);
        assert!(!framed.padded, "a test log stays inside one block");
        self.groups.push(Group { lsn: framed.lsn, end: framed.end, scn: framed.scn, bytes: framed.bytes });
    }
}

impl FakeArchive {
    pub fn new() -> Self {
        Self {
            next: 0,
            piece: PieceId(0),
            path: String::new(),
            offset: 0,
            archived: Lsn(0),
            checkpoint: Scn(0),
            pieces: Vec::new(),
        }
    }

    /// Archives everything that the log holds. What fails is tried again with the next call.
    pub async fn write(
        &mut self,
        log: &FakeLog,
        ls: LsId,
        order: &v1::RoundOrder,
        medium: &dyn Medium,
    ) -> Result<(), MediaError> {
        let clock = PieceClock {
            round_start: Scn(order.start_scn),
            base_piece: PieceId(order.base_piece_id),
            interval_ns: order.piece_interval_ns,
        };
        while let Some(group) = log.groups.get(self.next) {
            let piece = clock.piece_of(group.scn);
            if piece != self.piece {
                let key = PieceKey { dest_id: order.dest_id.into(), round_id: order.round_id.into(), piece_id: piece };
                self.path = ArchivePath::Log { key, ls, file_id: FileId(1) }.path();
                let header = ArchiveFileHeader { start_lsn: group.lsn }.encode();
                self.offset = medium.append(&self.path, 0, Bytes::copy_from_slice(&header)).await?;
                self.piece = piece;
            }
            self.offset = medium.append(&self.path, self.offset, Bytes::copy_from_slice(&group.bytes)).await?;
            if self.pieces.last().is_none_or(|p| p.piece_id != piece.0) {
                self.pieces.push(v1::ArchivedPiece { piece_id: piece.0, start_lsn: group.lsn.0, ..Default::default() });
            }
            if let Some(row) = self.pieces.last_mut() {
                (row.end_lsn, row.checkpoint_scn, row.output_bytes) = (group.end.0, group.scn.0, self.offset);
            }
            (self.archived, self.checkpoint) = (group.end, group.scn);
            self.next += 1;
        }
        Ok(())
    }

    /// As a worker reports it.
    pub fn progress(&self, tenant: u64, ls: u64, order: &v1::RoundOrder) -> v1::ArchiveProgress {
        v1::ArchiveProgress {
            tenant_id: tenant,
            ls_id: ls,
            dest_id: order.dest_id,
            round_id: order.round_id,
            term: 1,
            state: match order.work() {
                v1::RoundWork::Stop => v1::ArchiveState::Stopped,
                v1::RoundWork::Suspend => v1::ArchiveState::Suspended,
                v1::RoundWork::Write | v1::RoundWork::Unspecified => v1::ArchiveState::Doing,
            }
            .into(),
            piece_id: self.piece.0,
            start_scn: order.start_scn,
            start_lsn: 0,
            archived_lsn: self.archived.0,
            checkpoint_scn: self.checkpoint.0,
            pieces: self.pieces.clone(),
            trouble: None,
            trouble_since_ms: 0,
            ..Default::default()
        }
    }
}
