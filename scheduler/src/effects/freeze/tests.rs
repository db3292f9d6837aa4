//! A piece freezes the same whatever form its log files have on the medium.
#![allow(clippy::unwrap_used, clippy::expect_used)]
use super::super::samples::{dest, key};
use super::*;
use bytes::Bytes;
use std::sync::Arc;
use strandline_format::cipher::derive_key;
use strandline_format::header::Compressor;
use strandline_format::part::{PartForm, encode_part};
use strandline_media::{Fault, FaultPlan, FaultRule, Faulty, MemoryMedium, Op};
use strandline_scheduler_core::state::PieceRow;
use strandline_types::{FileStatus, Lsn, PieceStatus, Scn};

const LS: LsId = LsId(1001);
/// Where the log of the piece begins, inside of the first block.
const START: u64 = 5_000;
/// Log in the piece.
const LOG_BYTES: usize = 3_000;

fn row(piece: u64) -> PieceRow {
    let start = piece * 100;
    PieceRow {
        key: key(piece),
        status: PieceStatus::Frozen,
        file_status: FileStatus::Available,
        start_scn: Scn(start),
        end_scn: Scn(start + 100),
        checkpoint_scn: Scn(start + 99),
        max_scn: Scn(start + 99),
        input_bytes: 1,
        output_bytes: 1,
        sealed: true,
    }
}

fn step() -> FreezePiece {
    let start_lsns = BTreeMap::from([(LS, Lsn(START))]);
    FreezePiece { dest: dest(), piece: row(2), log_streams: vec![LS], start_lsns, frozen: vec![row(1)] }
}

fn file() -> Bytes {
    let mut bytes = ArchiveFileHeader { start_lsn: Lsn(START) }.encode().to_vec();
    bytes.extend(std::iter::repeat_n(7, LOG_BYTES));
    Bytes::from(bytes)
}

/// The file in two parts that overlap, as a second writer may leave them.
async fn put_parts(medium: &dyn Medium, form: &PartForm) {
    let file = file();
    for (start, end) in [(0, file.len() - 500), (1_000, file.len())] {
        let place = PartPlace { piece: key(2), ls: LS, file_id: FileId(1), start: start as u64, end: end as u64 };
        let part = encode_part(&place, &file.slice(start..end), form).unwrap();
        medium.put_if_absent(&place.path(), part).await.unwrap();
    }
}

async fn frozen_list(medium: &dyn Medium) -> pb::SingleLsFileList {
    freeze(medium, &step()).await.unwrap();
    put::read(medium, &ArchivePath::LsFileInfo { key: key(2), ls: LS }.path(), DataType::SingleLsFileList)
        .await
        .unwrap()
}

fn sealed() -> PartForm {
    PartForm { compressor: Compressor::None, key: Some(derive_key("secret", &[3; 16])) }
}

fn expected() -> (u64, u64, Vec<(u64, u64)>) {
    let size = (ARCHIVE_FILE_HEADER_BYTES as usize + LOG_BYTES) as u64;
    (START, START + LOG_BYTES as u64, vec![(1, size)])
}

fn told(list: &pb::SingleLsFileList) -> (u64, u64, Vec<(u64, u64)>) {
    (list.min_lsn, list.max_lsn, list.files.iter().map(|f| (f.file_id, f.size_bytes)).collect())
}

#[tokio::test]
async fn plain_files_and_all_kinds_of_parts_give_the_same_list() {
    let plain = MemoryMedium::new("x");
    let path = ArchivePath::Log { key: key(2), ls: LS, file_id: FileId(1) }.path();
    plain.put_if_absent(&path, file()).await.unwrap();
    assert_eq!(told(&frozen_list(&plain).await), expected());
    let lz4 = PartForm { compressor: Compressor::Lz4, key: None };
    for form in [PartForm::RAW, lz4, sealed()] {
        let medium = MemoryMedium::new("x");
        put_parts(&medium, &form).await;
        assert_eq!(told(&frozen_list(&medium).await), expected(), "{form:?}");
    }
}

#[tokio::test]
async fn a_sealed_file_begins_where_the_piece_before_it_ends() {
    let medium = MemoryMedium::new("x");
    put_parts(&medium, &sealed()).await;
    let before = pb::SingleLsFileList {
        ls_id: LS.0,
        max_lsn: 9_000,
        files: vec![pb::LogFile { file_id: 1, size_bytes: 10 }],
        ..pb::SingleLsFileList::default()
    };
    let path = ArchivePath::LsFileInfo { key: key(1), ls: LS }.path();
    put::once(&medium, &path, DataType::SingleLsFileList, &before).await.unwrap();
    assert_eq!(frozen_list(&medium).await.min_lsn, 9_000);
}

#[tokio::test]
async fn a_listing_that_lacks_archived_log_freezes_nothing() {
    let inner: Arc<dyn Medium> = Arc::new(MemoryMedium::new("x"));
    put_parts(inner.as_ref(), &PartForm::RAW).await;
    let plan = FaultPlan::new(1);
    let medium = Faulty::new(Arc::clone(&inner), plan.clone());
    let row = PieceRow { input_bytes: LOG_BYTES as u64, ..row(2) };
    let step = FreezePiece { piece: row, ..step() };
    // The infos of the piece come last in a listing, the newest part before them.
    for lacks in [2, usize::MAX] {
        let fault = Fault::Short(lacks);
        plan.add(FaultRule { op: Some(Op::List), path_part: "piece_".into(), skip: 0, times: u32::MAX, fault });
        let refused = freeze(&medium, &step).await.unwrap_err();
        assert_eq!(refused.class, ErrorClass::NotFound, "{refused}");
        plan.heal();
    }
    let list = ArchivePath::PieceFileInfo { key: key(2) }.path();
    assert!(inner.head(&list).await.is_err(), "nothing says what the piece has");
    // One listing that lags is asked again.
    let fault = Fault::Short(2);
    plan.add(FaultRule { op: Some(Op::List), path_part: "piece_".into(), skip: 0, times: 1, fault });
    freeze(&medium, &step).await.unwrap();
    let list = ArchivePath::LsFileInfo { key: key(2), ls: LS }.path();
    let list = put::read(inner.as_ref(), &list, DataType::SingleLsFileList).await.unwrap();
    assert_eq!(told(&list), expected());
}

#[tokio::test]
async fn a_file_whose_beginning_is_missing_is_damaged() {
    let medium = MemoryMedium::new("x");
    let place = PartPlace { piece: key(2), ls: LS, file_id: FileId(1), start: 4_096, end: 4_196 };
    let part = encode_part(&place, &Bytes::from(vec![1; 100]), &PartForm::RAW).unwrap();
    medium.put_if_absent(&place.path(), part).await.unwrap();
    assert_eq!(freeze(&medium, &step()).await.unwrap_err().class, ErrorClass::Corrupt);
}
