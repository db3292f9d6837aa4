//! What a worker leaves of a backup: empty but well-formed files.

use bytes::Bytes;
use prost::Message;
use strandline_format::blocks::{DataFileWriter, FileKind};
use strandline_format::index::{MacroIndexEntry, MetaIndexEntry, SecMetaIndexEntry, write_index};
use strandline_format::palf::ArchiveFileHeader;
use strandline_format::paths::{ArchivePath, BackupPath, IndexKind, InfoKind, SetName};
use strandline_format::small::write_small;
use strandline_format::{DataType, pb};
use strandline_media::Medium;
use strandline_proto::v1;
use strandline_types::{BackupSetKind, DataKind, FileId, LsId, Lsn, PieceKey, RetryId, TurnId};

fn set_of(id: u64, incremental: bool) -> SetName {
    SetName { id: id.into(), kind: if incremental { BackupSetKind::Inc } else { BackupSetKind::Full } }
}

fn index(kind: IndexKind) -> Vec<u8> {
    match kind {
        IndexKind::MacroRange => write_index::<MacroIndexEntry>(&[]),
        IndexKind::Meta => write_index::<MetaIndexEntry>(&[]),
        IndexKind::SecMeta => write_index::<SecMetaIndexEntry>(&[]),
    }
    .unwrap()
}

async fn put(medium: &dyn Medium, path: String, bytes: Vec<u8>) {
    medium.put_if_absent(&path, Bytes::from(bytes)).await.unwrap();
}

/// Meta and data of one log stream; gives the payload of its `ls_meta_info`.
pub async fn log_stream(
    medium: &dyn Medium,
    id: &v1::TaskId,
    spec: &v1::BackupLsSpec,
    base: v1::PalfBase,
    checkpoint_scn: u64,
) -> Vec<u8> {
    let (set, ls) = (set_of(spec.backup_set_id, spec.incremental), LsId(id.ls_id));
    let (turn, retry) = (TurnId(id.turn), RetryId(id.retry));
    for kind in DataKind::ALL {
        let mut file = DataFileWriter::new(FileKind::Data);
        let mut bytes = file.header().to_vec();
        bytes.extend(file.finish().unwrap());
        put(medium, BackupPath::MacroBlockData { set, ls, kind, turn, retry, n: 0 }.path(), bytes).await;
        for i in IndexKind::ALL {
            put(medium, BackupPath::LsIndex { set, ls, kind, turn, retry, index: i }.path(), index(i)).await;
        }
    }
    let meta = pb::LsMetaInfo {
        tenant_id: id.tenant_id,
        ls_id: id.ls_id,
        base: Some(pb::PalfBaseInfo {
            lsn: base.lsn,
            prev_log_id: base.prev_log_id,
            prev_accumulated_checksum: base.prev_accumulated_checksum,
            prev_scn: base.prev_scn,
        }),
        checkpoint_scn,
        turn: id.turn,
        retry: id.retry,
        ..Default::default()
    };
    let path = BackupPath::LsMetaInfo { set, ls, turn, retry }.path();
    put(medium, path, write_small(DataType::LsMetaInfo, &meta)).await;
    let tablets = pb::TabletInfo { ls_id: id.ls_id, file_no: 1, tablets: Vec::new() };
    let path = BackupPath::TabletInfo { set, ls, turn, retry, n: 1 }.path();
    put(medium, path, write_small(DataType::TabletInfo, &tablets)).await;
    meta.encode_to_vec()
}

/// The tenant-level index.
pub async fn tenant_index(medium: &dyn Medium, id: &v1::TaskId, spec: &v1::BackupIndexSpec) {
    let (set, turn, retry) = (set_of(spec.backup_set_id, spec.incremental), TurnId(id.turn), RetryId(id.retry));
    for kind in InfoKind::ALL {
        for i in IndexKind::ALL {
            put(medium, BackupPath::TenantIndex { set, kind, turn, index: i, retry }.path(), index(i)).await;
        }
        let info = pb::TabletLogStreamInfo { tenant_id: id.tenant_id, turn: id.turn, log_streams: Vec::new() };
        let path = BackupPath::TabletLsInfo { set, kind, turn }.path();
        put(medium, path, write_small(DataType::TabletLogStreamInfo, &info)).await;
    }
}

/// PLUS ARCHIVELOG: the groups of one log stream from the archive into the set, up to the first that reaches the end.
pub async fn copy_log(spec: &v1::BackupLogSpec) -> v1::BackupLogResult {
    let archive = strandline_media::open(&spec.archive_uri).unwrap();
    let dest = strandline_media::open(&spec.dest_uri).unwrap();
    let (set, ls) = (set_of(spec.backup_set_id, spec.incremental), LsId(spec.source_ls_id));
    let mut result = v1::BackupLogResult { start_lsn: spec.start_lsn, ..Default::default() };
    for piece in &spec.pieces {
        let key = PieceKey {
            dest_id: piece.dest_id.into(),
            round_id: piece.round_id.into(),
            piece_id: piece.piece_id.into(),
        };
        let inner = ArchivePath::Log { key, ls, file_id: FileId(1) };
        let Ok(file) = archive.get(&inner.path()).await else { continue };
        let (copied, start, end_lsn, end_scn) = cut(&file, spec.start_lsn, spec.end_scn);
        if copied.is_empty() {
            continue;
        }
        let mut bytes = ArchiveFileHeader { start_lsn: Lsn(start) }.encode().to_vec();
        bytes.extend(copied);
        result.file_count += 1;
        result.output_bytes += bytes.len() as u64;
        (result.end_lsn, result.end_scn) = (end_lsn, end_scn);
        put(dest.as_ref(), BackupPath::ComplementLog { set, inner }.path(), bytes).await;
        if end_scn >= spec.end_scn {
            return result;
        }
    }
    panic!("the archive ends before SCN {}", spec.end_scn);
}

/// The groups of a log file from an LSN to the first that reaches an SCN: bytes, first and last LSN, last SCN.
fn cut(file: &[u8], from_lsn: u64, end_scn: u64) -> (Vec<u8>, u64, u64, u64) {
    const HEADER: usize = 4096;
    let word = |at: usize| u64::from_be_bytes(file[at..at + 8].try_into().unwrap());
    let (mut at, mut lsn) = (HEADER, word(16));
    let (mut out, mut start, mut scn) = (Vec::new(), 0, 0);
    while at + 56 <= file.len() && scn < end_scn {
        let size = 56 + u32::from_be_bytes(file[at + 4..at + 8].try_into().unwrap()) as usize;
        if lsn >= from_lsn {
            start = if out.is_empty() { lsn } else { start };
            out.extend_from_slice(&file[at..at + size]);
            scn = word(at + 24);
        }
        at += size;
        lsn += size as u64;
    }
    (out, start, lsn, scn)
}
