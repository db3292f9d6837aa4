//! One log, and the forms in which an archive can hold it.
#![allow(clippy::unwrap_used, dead_code, missing_docs)]

use bytes::Bytes;
use std::sync::Arc;
use strandline_format::DataType;
use strandline_format::cipher::SALT_BYTES;
use strandline_format::compress::Compressor;
use strandline_format::palf::{ArchiveFileHeader, Framer};
use strandline_format::part::{PartForm, PartPlace, encode_part};
use strandline_format::paths::{ArchivePath, LogPart};
use strandline_format::secret::{KeyRing, KeySecret, format_meta};
use strandline_format::small::write_small;
use strandline_media::{Medium, MemoryMedium};
use strandline_reader::Keys;
use strandline_types::limits::BLOCK_BODY_BYTES;
use strandline_types::{DestId, LsId, Lsn, PalfBase, PieceId, PieceKey, RoundId, Scn, Term};

pub const LS: LsId = LsId(1001);
pub const PIECE: PieceKey = PieceKey { dest_id: DestId(1001), round_id: RoundId(1), piece_id: PieceId(1) };
pub const START: Lsn = Lsn(BLOCK_BODY_BYTES - (1 << 20));
pub const BASE: PalfBase = PalfBase { lsn: START, prev_log_id: 41, prev_accumulated_checksum: 77, prev_scn: Scn(5) };
pub const PASSPHRASE: &str = "correct horse";
pub const SALT: [u8; SALT_BYTES] = [5; SALT_BYTES];
pub const WHOLE: usize = usize::MAX / 2;

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
