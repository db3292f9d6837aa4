//! One log, and the forms in which an archive can hold it.
#![allow(clippy::unwrap_used, dead_code, missing_docs)]

pub mod archive;
pub mod backup;
pub mod look;
pub mod tree;

use bytes::Bytes;
use std::sync::Arc;
use strandline_format::cipher::SALT_BYTES;
use strandline_format::compress::Compressor;
use strandline_format::palf::{ArchiveFileHeader, Framer};
use strandline_format::part::{PartForm, PartPlace, encode_part};
use strandline_format::paths::{ArchivePath, LogPart};
use strandline_format::secret::{KeyRing, KeySecret, format_meta};
use strandline_format::small::write_small;
use strandline_format::{DataType, pb};
use strandline_media::{Medium, MemoryMedium};
use strandline_reader::Keys;
use strandline_types::limits::BLOCK_BODY_BYTES;
use strandline_types::{DestId, FileStatus, LsId, Lsn, PalfBase, PieceId, PieceKey, PieceStatus, RoundId, Scn, Term};

pub const LS: LsId = LsId(1001);
pub const PIECE: PieceKey = PieceKey { dest_id: DestId(1001), round_id: RoundId(1), piece_id: PieceId(1) };
pub const START: Lsn = Lsn(BLOCK_BODY_BYTES - (1 << 20));
pub const BASE: PalfBase = PalfBase { lsn: START, prev_log_id: 41, prev_accumulated_checksum: 77, prev_scn: Scn(5) };
pub const PASSPHRASE: &str = "correct horse";
pub const SALT: [u8; SALT_BYTES] = [5; SALT_BYTES];
pub const WHOLE: usize = usize::MAX / 2;
const ROUND_START: u64 = 5;
pub const PIECE_END: u64 = 10_005;
const STEP: usize = 400_000;
/// SCN of the last group of the log.
pub const LAST: u64 = 3000;

/// A log of about 3 MiB that crosses a block end, as files: number and bytes with their header.
pub fn files() -> Vec<(u64, Vec<u8>)> {
    let mut framer = Framer::new(BASE);
    let mut files: Vec<(u64, Vec<u8>)> = Vec::new();
    for n in 1..=300u64 {
        let mut body = format!("entry {n} ").repeat(1000).into_bytes();
        body[0] = 2;
        let framed = framer.frame(Term(3), Scn(n * 10), true, &body);
        let (mut out, mut at) = (framed.bytes.as_slice(), Lsn(framed.end.0 - framed.bytes.len() as u64));
        while !out.is_empty() {
            let take = (at.left_in_block() as usize).min(out.len());
            if files.last().is_none_or(|(id, _)| *id != at.file_id().0) {
                files.push((at.file_id().0, ArchiveFileHeader { start_lsn: at }.encode().to_vec()));
            }
            files.last_mut().unwrap().1.extend_from_slice(&out[..take]);
            (at, out) = (at.advance(take as u64), &out[take..]);
        }
    }
    files
}

pub fn place(file: u64, start: u64, end: u64) -> PartPlace {
    PartPlace { piece: PIECE, ls: LS, file_id: file.into(), start, end }
}

/// Puts the files in parts of `step` bytes, each beginning `overlap` bytes before its forerunner ends.
pub async fn put_parts(medium: &dyn Medium, form: &PartForm, step: usize, overlap: usize) {
    for (id, bytes) in files() {
        let sealed = form.key.as_ref().map(|key| (key, SALT));
        let meta = write_small(DataType::AppendFormatMeta, &format_meta(sealed));
        let part = LogPart::FormatMeta;
        let path = ArchivePath::LogPart { key: PIECE, ls: LS, file_id: id.into(), part }.path();
        medium.put(&path, meta.into()).await.unwrap();
        let mut at = 0;
        while at < bytes.len() {
            let (start, end) = (at.saturating_sub(overlap), bytes.len().min(at + step));
            let place = place(id, start as u64, end as u64);
            let part = encode_part(&place, &Bytes::copy_from_slice(&bytes[start..end]), form).unwrap();
            medium.put(&place.path(), part).await.unwrap();
            at = end;
        }
    }
}

pub fn sealed() -> PartForm {
    let key = KeyRing::new(KeySecret::Passphrase(PASSPHRASE.to_owned())).key(&SALT);
    PartForm { compressor: Compressor::Zstd, key: Some(key) }
}

pub fn packed(compressor: Compressor) -> PartForm {
    PartForm { compressor, key: None }
}

pub fn keys() -> Arc<Keys> {
    Arc::new(Keys::new([KeySecret::Passphrase(PASSPHRASE.to_owned())]))
}

pub fn memory(name: &str) -> Arc<MemoryMedium> {
    Arc::new(MemoryMedium::new(name))
}

/// Puts a small file.
pub async fn small<M: prost::Message>(medium: &dyn Medium, path: ArchivePath, kind: DataType, message: &M) {
    medium.put(&path.path(), write_small(kind, message).into()).await.unwrap();
}

/// An archive destination whose only piece grows and is safe up to `checkpoint`.
pub async fn growing_archive(form: &PartForm, checkpoint: u64) -> Arc<MemoryMedium> {
    let medium = memory("growing");
    let m: &dyn Medium = medium.as_ref();
    put_parts(m, form, STEP, 0).await;
    let (key, dest, round) = (PIECE, PIECE.dest_id, PIECE.round_id);
    let (dest_id, round_id, piece_id) = (dest.0, round.0, PIECE.piece_id.0);
    let format = pb::PathFormat { tenant_id: 1002, dest_id, dest_type: "archive_log".to_owned(), ..Default::default() };
    small(m, ArchivePath::Format, DataType::Format, &format).await;
    let (start_scn, end_scn) = (ROUND_START, PIECE_END);
    let (base_piece_id, piece_switch_interval_us) = (piece_id, 10);
    let start = pb::RoundStart { dest_id, round_id, start_scn, base_piece_id, piece_switch_interval_us };
    small(m, ArchivePath::RoundStart { dest, round }, DataType::RoundStart, &start).await;
    let start = pb::PieceStart { dest_id, round_id, piece_id, start_scn };
    small(m, ArchivePath::PieceStart { key, time_scn: Scn(start_scn) }, DataType::PieceStart, &start).await;
    let (tenant_id, log_streams) = (1002, vec![pb::PieceLogStream { ls_id: LS.0, start_lsn: START.0 }]);
    let infos = pb::TenantArchivePieceInfos {
        tenant_id,
        dest_id,
        round_id,
        piece_id,
        start_scn,
        end_scn,
        log_streams,
        ..Default::default()
    };
    small(m, ArchivePath::TenantArchivePieceInfos { key }, DataType::TenantArchivePieceInfos, &infos).await;
    let info = pb::CheckpointInfo { tenant_id, dest_id, round_id, piece_id, start_scn, end_scn, ..Default::default() };
    small(m, ArchivePath::CheckpointInfo { key }, DataType::CheckpointInfo, &info).await;
    let name = ArchivePath::<Scn>::Checkpoint { key, scn: Scn(checkpoint) }.path();
    medium.put(&name, Vec::new().into()).await.unwrap();
    medium
}

/// Log files of a frozen piece: number and bytes.
const FROZEN_LOG: [(u64, u64); 2] = [(1, 500), (2, 300)];

fn frozen_attr(file_status: FileStatus) -> pb::PieceAttr {
    pb::PieceAttr {
        tenant_id: 1002,
        dest_id: PIECE.dest_id.0,
        round_id: PIECE.round_id.0,
        piece_id: PIECE.piece_id.0,
        start_scn: 5,
        checkpoint_scn: 104,
        end_scn: 105,
        status: PieceStatus::Frozen.to_string(),
        file_status: file_status.to_string(),
        ..Default::default()
    }
}

/// A frozen piece, its log plain or in parts, and the piece after it whose history names it.
pub async fn frozen_archive(name: &str, in_parts: bool, told: FileStatus) -> Arc<MemoryMedium> {
    let medium = memory(name);
    let m: &dyn Medium = medium.as_ref();
    let (key, dest_id, round_id, piece_id) = (PIECE, PIECE.dest_id.0, PIECE.round_id.0, PIECE.piece_id.0);
    let format = pb::PathFormat { tenant_id: 1002, dest_id, dest_type: "archive_log".to_owned(), ..Default::default() };
    small(m, ArchivePath::Format, DataType::Format, &format).await;
    for (file_id, bytes) in FROZEN_LOG {
        let file_id = file_id.into();
        let part = |part| ArchivePath::<Scn>::LogPart { key, ls: LS, file_id, part }.path();
        let whole = vec![(ArchivePath::<Scn>::Log { key, ls: LS, file_id }.path(), bytes)];
        let data = |start, end| (part(LogPart::Data { start, end }), end - start);
        let objects =
            vec![(part(LogPart::FormatMeta), 10), data(0, 200), data(200, bytes), (part(LogPart::SealMeta), 9)];
        for (path, bytes) in if in_parts { objects } else { whole } {
            m.put(&path, vec![7; bytes as usize].into()).await.unwrap();
        }
    }
    let files =
        FROZEN_LOG.iter().map(|(file_id, size_bytes)| pb::LogFile { file_id: *file_id, size_bytes: *size_bytes });
    let list = pb::SingleLsFileList { ls_id: LS.0, files: files.collect(), ..Default::default() };
    let all = pb::PieceFileList { dest_id, round_id, piece_id, log_streams: vec![list.clone()] };
    small(m, ArchivePath::LsFileInfo { key, ls: LS }, DataType::SingleLsFileList, &list).await;
    small(m, ArchivePath::PieceFileInfo { key }, DataType::PieceFileList, &all).await;
    let single = pb::SinglePieceInfo { piece: Some(frozen_attr(FileStatus::Available)) };
    small(m, ArchivePath::SinglePieceInfo { key }, DataType::SinglePieceInfo, &single).await;
    let infos = |piece_id, history| {
        let (start_scn, end_scn) = (5, 105);
        pb::TenantArchivePieceInfos { dest_id, round_id, piece_id, start_scn, end_scn, history, ..Default::default() }
    };
    small(m, ArchivePath::TenantArchivePieceInfos { key }, DataType::TenantArchivePieceInfos, &infos(piece_id, vec![]))
        .await;
    let next = PieceKey { piece_id: PieceId(2), ..PIECE };
    let later = infos(next.piece_id.0, vec![frozen_attr(told)]);
    small(m, ArchivePath::TenantArchivePieceInfos { key: next }, DataType::TenantArchivePieceInfos, &later).await;
    let end = ArchivePath::PieceEnd { key, time_scn: Scn(104) };
    small(m, end, DataType::PieceEnd, &pb::PieceEnd::default()).await;
    medium
}
