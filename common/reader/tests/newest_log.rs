//! The newest piece of an archive promises only the log that is there: names, lengths and small files alone are not
//! believed, and what is wrong with one file hides nothing else.
#![allow(clippy::unwrap_used)]

mod support;

use std::sync::Arc;
use strandline_format::compress::Compressor;
use strandline_format::palf::{ArchiveFileHeader, Framer};
use strandline_format::part::PartForm;
use strandline_format::paths::ArchivePath;
use strandline_format::{DataType, pb};
use strandline_media::{Fault, FaultPlan, FaultRule, Faulty, Medium, MemoryMedium, Op};
use strandline_reader::{Only, Scan, Source, scan};
use strandline_types::limits::{ARCHIVE_FILE_HEADER_BYTES, BLOCK_BODY_BYTES};
use strandline_types::{ErrorClass, FileStatus, Lsn, PalfBase, PieceKey, PieceStatus, Scn, Term};
use support::{BASE, LAST, LS, PIECE, PIECE_END, files, growing_archive, packed, sealed, small};

async fn scanned(medium: &Arc<MemoryMedium>) -> Scan {
    let medium: Arc<dyn Medium> = medium.clone();
    scan(&Source::whole(medium)).await.unwrap()
}

/// The checkpoint that is believed, and whether more was published.
fn promise(scan: &Scan) -> (Scn, bool) {
    let piece = scan.catalogue.pieces.iter().find(|p| p.key == PIECE).unwrap();
    (piece.checkpoint_scn, !scan.catalogue.short.is_empty())
}

async fn checkpoint(medium: &MemoryMedium, scn: u64) {
    let name = ArchivePath::<Scn>::Checkpoint { key: PIECE, scn: Scn(scn) }.path();
    medium.put(&name, Vec::new().into()).await.unwrap();
}

/// The parts of the last log file, in their order.
async fn last_parts(medium: &MemoryMedium) -> Vec<String> {
    let number = |p: &str| p.split(['@', '-', '.']).filter_map(|n| n.parse::<u64>().ok()).next_back().unwrap_or(0);
    let listed = medium.list("").await.unwrap().into_iter().map(|o| o.path);
    let mut parts: Vec<String> = listed.filter(|p| p.contains("/log/2.obarc") && !p.contains("META")).collect();
    parts.sort_by_key(|p| number(p));
    parts
}

/// The archive of one plain log stream.
async fn plain(checkpoint: u64) -> Arc<MemoryMedium> {
    let medium = growing_archive(&PartForm::RAW, checkpoint).await;
    for object in medium.list("").await.unwrap().into_iter().filter(|o| o.path.contains("/log/")) {
        medium.delete(&object.path).await.unwrap();
    }
    for (id, bytes) in files() {
        let path = ArchivePath::<Scn>::Log { key: PIECE, ls: LS, file_id: id.into() }.path();
        medium.put(&path, bytes.into()).await.unwrap();
    }
    medium
}

#[tokio::test]
async fn sound_log_in_any_form_is_promised_up_to_its_checkpoint() {
    for form in [PartForm::RAW, packed(Compressor::Lz4), packed(Compressor::Zstd), sealed()] {
        let scan = scanned(&growing_archive(&form, LAST).await).await;
        assert_eq!((promise(&scan), scan.problems), ((Scn(LAST), false), vec![]));
    }
    let scan = scanned(&plain(LAST).await).await;
    assert_eq!((promise(&scan), scan.problems), ((Scn(LAST), false), vec![]));
}

#[tokio::test]
async fn a_checkpoint_that_the_log_does_not_reach_is_named_and_an_earlier_one_holds() {
    for medium in [plain(2000).await, growing_archive(&packed(Compressor::Zstd), 2000).await] {
        checkpoint(&medium, PIECE_END - 1).await;
        let scan = scanned(&medium).await;
        assert_eq!(promise(&scan), (Scn(2000), true));
        assert!(scan.problems[0].what.contains("the log ends at SCN 3000"), "{:?}", scan.problems);
    }
}

#[tokio::test]
async fn a_name_beyond_the_end_of_the_piece_is_no_checkpoint_of_it() {
    let medium = plain(LAST).await;
    checkpoint(&medium, PIECE_END + 7).await;
    let scan = scanned(&medium).await;
    assert_eq!(promise(&scan), (Scn(LAST), false), "nothing that was archived is lost");
    assert!(scan.problems[0].what.contains("no checkpoint of it"), "{:?}", scan.problems);
}

#[tokio::test]
async fn log_that_is_cut_or_damaged_at_its_end_is_promised_up_to_where_it_is_whole() {
    let path = ArchivePath::<Scn>::Log { key: PIECE, ls: LS, file_id: 2.into() }.path();
    for (what, change) in [
        ("cut inside of the last group", (|b: &mut Vec<u8>| b.truncate(b.len() - 1)) as fn(&mut Vec<u8>)),
        ("the last group changed", |b| {
            let at = b.len() - 100;
            b[at] ^= 1;
        }),
    ] {
        let medium = plain(LAST).await;
        let mut bytes = medium.get(&path).await.unwrap().to_vec();
        change(&mut bytes);
        medium.delete(&path).await.unwrap();
        medium.put(&path, bytes.into()).await.unwrap();
        let scan = scanned(&medium).await;
        assert_eq!(promise(&scan), (Scn(LAST - 10).prev(), true), "{what}");
        assert!(scan.problems[0].object.contains("2.obarc"), "{what}: {:?}", scan.problems);
    }
    let medium = growing_archive(&packed(Compressor::Lz4), LAST).await;
    medium.delete(last_parts(&medium).await.last().unwrap()).await.unwrap();
    let (reach, is_short) = promise(&scanned(&medium).await);
    assert!(is_short && Scn(500) < reach && reach < Scn(LAST), "{reach}");
}

#[tokio::test]
async fn without_the_file_that_says_what_the_newest_piece_is_it_is_broken_and_named() {
    type Change = fn(&str) -> Option<Vec<u8>>;
    let infos = ArchivePath::<Scn>::TenantArchivePieceInfos { key: PIECE }.path();
    let name = ArchivePath::<Scn>::Checkpoint { key: PIECE, scn: Scn(LAST) }.path();
    let missing_part = "/log/1.obarc/@APD_PART@0-";
    let cases: [(&str, &str, Change); 4] = [
        (&infos, "tenant_archive_piece_infos", |_| None),
        (&infos, "tenant_archive_piece_infos", |_| Some(Vec::new())),
        (&name, "checkpoint", |_| None),
        (missing_part, "1.obarc", |_| None),
    ];
    for (path, named, change) in cases {
        let medium = growing_archive(&PartForm::RAW, LAST).await;
        let listed = medium.list("").await.unwrap();
        let path = &listed.iter().find(|o| o.path.contains(path)).unwrap().path;
        medium.delete(path).await.unwrap();
        if let Some(bytes) = change(path) {
            medium.put(path, bytes.into()).await.unwrap();
        }
        let scan = scanned(&medium).await;
        let piece = scan.catalogue.pieces.iter().find(|p| p.key == PIECE).unwrap();
        assert_eq!(piece.file_status, FileStatus::Broken, "{path}");
        assert!(scan.problems.iter().any(|p| p.object.contains(named)), "{path}: {:?}", scan.problems);
    }
}

#[tokio::test]
async fn a_file_that_may_not_be_read_is_named_and_the_rest_is_found() {
    for part in ["rounds/", "piece_infos", "checkpoint_info", "/log/2.obarc"] {
        let plan = FaultPlan::new(1);
        let (op, fault) = (Some(Op::Get), Fault::Refuse(ErrorClass::Permission));
        plan.add(FaultRule { op, path_part: part.to_owned(), skip: 0, times: u32::MAX, fault });
        let medium: Arc<dyn Medium> = Arc::new(Faulty::new(plain(LAST).await, plan));
        let scan = scan(&Source::whole(medium)).await.unwrap();
        assert!(scan.catalogue.pieces.iter().any(|p| p.key == PIECE), "{part}");
        let is_needed = part != "checkpoint_info";
        assert_eq!(scan.problems.iter().any(|p| p.object.contains(part)), is_needed, "{part}: {:?}", scan.problems);
    }
}

/// Freezes the piece of [`plain`]; the next group lies in the next piece.
async fn frozen() -> Arc<MemoryMedium> {
    let medium = plain(LAST).await;
    let files = files();
    let list = pb::SingleLsFileList {
        ls_id: LS.0,
        files: files.iter().map(|(id, b)| pb::LogFile { file_id: *id, size_bytes: b.len() as u64 }).collect(),
        ..Default::default()
    };
    let list = pb::PieceFileList { log_streams: vec![list], ..Default::default() };
    small(medium.as_ref(), ArchivePath::PieceFileInfo { key: PIECE }, DataType::PieceFileList, &list).await;
    let piece = pb::PieceAttr {
        dest_id: PIECE.dest_id.0,
        round_id: PIECE.round_id.0,
        piece_id: PIECE.piece_id.0,
        start_scn: 5,
        end_scn: PIECE_END,
        checkpoint_scn: PIECE_END - 1,
        output_bytes: 1,
        status: PieceStatus::Frozen.to_string(),
        file_status: FileStatus::Available.to_string(),
        ..Default::default()
    };
    let single = pb::SinglePieceInfo { piece: Some(piece) };
    small(medium.as_ref(), ArchivePath::SinglePieceInfo { key: PIECE }, DataType::SinglePieceInfo, &single).await;
    let end = ArchivePath::PieceEnd { key: PIECE, time_scn: Scn(PIECE_END) }.path();
    medium.put(&end, Vec::new().into()).await.unwrap();
    let base = PalfBase { lsn: Lsn(2 * BLOCK_BODY_BYTES), ..BASE };
    let mut bytes = ArchiveFileHeader { start_lsn: base.lsn }.encode().to_vec();
    bytes.extend(Framer::new(base).frame(Term(3), Scn(PIECE_END + 5), true, &[2; 40]).bytes);
    medium.put(&next_piece(), bytes.into()).await.unwrap();
    medium
}

/// A log file in the piece after the only one.
fn next_piece() -> String {
    let key = PieceKey { piece_id: PIECE.piece_id.next(), ..PIECE };
    ArchivePath::<Scn>::Log { key, ls: LS, file_id: 3.into() }.path()
}

#[tokio::test]
async fn a_frozen_piece_is_promised_whole_while_what_comes_next_is_there_and_else_up_to_its_last_groups() {
    let medium = frozen().await;
    let scan = scanned(&medium).await;
    assert_eq!((promise(&scan), scan.problems), ((Scn(PIECE_END - 1), false), vec![]));
    // An entry of the next group, which cannot be read, may be as old as the piece's last SCN.
    medium.delete(&next_piece()).await.unwrap();
    assert_eq!(promise(&scanned(&medium).await), (Scn(LAST).prev(), true));
}

#[tokio::test]
async fn a_piece_that_is_named_alone_is_proved_by_the_log_behind_it() {
    let medium: Arc<dyn Medium> = frozen().await;
    let scan = scan(&Source { medium, only: vec![Only::Piece(PIECE)] }).await.unwrap();
    assert_eq!((promise(&scan), scan.problems), ((Scn(PIECE_END - 1), false), vec![]));
}

#[tokio::test]
async fn an_append_that_was_cut_off_at_once_hides_nothing_of_the_file_before_it() {
    let path = |id: u64| ArchivePath::<Scn>::Log { key: PIECE, ls: LS, file_id: id.into() }.path();
    let bytes = plain(LAST).await.get(&path(2)).await.unwrap();
    for torn in [bytes.slice(..ARCHIVE_FILE_HEADER_BYTES as usize + 10), vec![0; 5000].into()] {
        // Everything up to 500 lies in the first file; only the second one is torn.
        let medium = plain(500).await;
        medium.delete(&path(2)).await.unwrap();
        medium.put(&path(2), torn).await.unwrap();
        assert_eq!(promise(&scanned(&medium).await), (Scn(500), false));
    }
}

#[tokio::test]
async fn where_nothing_of_the_newest_piece_is_good_the_one_before_it_promises_its_last_groups() {
    let medium = frozen().await;
    let bytes = medium.get(&next_piece()).await.unwrap();
    medium.delete(&next_piece()).await.unwrap();
    medium.put(&next_piece(), bytes.slice(..bytes.len() - 1)).await.unwrap();
    assert_eq!(promise(&scanned(&medium).await), (Scn(LAST).prev(), true));
}

#[tokio::test]
async fn a_refusal_that_passes_is_no_verdict() {
    for part in ["tenant_archive_piece_infos", "round_d1001r1_start"] {
        let plan = FaultPlan::new(1);
        let (op, fault) = (Some(Op::Get), Fault::Refuse(ErrorClass::Permission));
        plan.add(FaultRule { op, path_part: part.to_owned(), skip: 0, times: 1, fault });
        let medium: Arc<dyn Medium> = Arc::new(Faulty::new(plain(LAST).await, plan.clone()));
        let scan = scan(&Source::whole(medium)).await.unwrap();
        assert_eq!((plan.injected(), promise(&scan), scan.problems), (1, (Scn(LAST), false), vec![]), "{part}");
    }
}

#[tokio::test]
async fn a_frozen_piece_with_a_cut_or_missing_last_file_is_promised_up_to_the_last_whole_group_that_is_there() {
    let path = |id: u64| ArchivePath::<Scn>::Log { key: PIECE, ls: LS, file_id: id.into() }.path();
    let medium = frozen().await;
    let bytes = medium.get(&path(2)).await.unwrap();
    medium.delete(&path(2)).await.unwrap();
    let without = scanned(&medium).await;
    let (reach, is_short) = promise(&without);
    assert!(is_short && Scn(500) < reach && reach < Scn(LAST - 10), "{reach}");
    assert!(without.problems[0].object.contains("2.obarc"), "{:?}", without.problems);
    medium.put(&path(2), bytes.slice(..bytes.len() - 1)).await.unwrap();
    assert_eq!(promise(&scanned(&medium).await), (Scn(LAST - 10).prev(), true));
}
