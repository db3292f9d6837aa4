//! A piece that is being deleted, object by object in the order of production: a reader takes it for readable exactly as
//! long as all of its log is there.
#![allow(clippy::unwrap_used)]

mod support;

use std::sync::Arc;
use strandline_format::paths::deletion::{Stored, rank};
use strandline_format::paths::{ArchivePath, LogPart};
use strandline_format::small::write_small;
use strandline_format::{DataType, pb};
use strandline_media::{Medium, MemoryMedium};
use strandline_reader::{Source, scan};
use strandline_types::{FileStatus, PieceId, PieceKey, PieceStatus, Scn};
use support::{LS, PIECE, memory};

const LOG: [(u64, u64); 2] = [(1, 500), (2, 300)];

async fn small<M: prost::Message>(medium: &dyn Medium, path: ArchivePath, kind: DataType, message: &M) {
    medium.put(&path.path(), write_small(kind, message).into()).await.unwrap();
}

fn attr(file_status: FileStatus) -> pb::PieceAttr {
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
async fn archive(name: &str, in_parts: bool, told: FileStatus) -> Arc<MemoryMedium> {
    let medium = memory(name);
    let m: &dyn Medium = medium.as_ref();
    let (key, dest_id, round_id, piece_id) = (PIECE, PIECE.dest_id.0, PIECE.round_id.0, PIECE.piece_id.0);
    let format = pb::PathFormat { tenant_id: 1002, dest_id, dest_type: "archive_log".to_owned(), ..Default::default() };
    small(m, ArchivePath::Format, DataType::Format, &format).await;
    for (file_id, bytes) in LOG {
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
    let files = LOG.iter().map(|(file_id, size_bytes)| pb::LogFile { file_id: *file_id, size_bytes: *size_bytes });
    let list = pb::SingleLsFileList { ls_id: LS.0, files: files.collect(), ..Default::default() };
    let all = pb::PieceFileList { dest_id, round_id, piece_id, log_streams: vec![list.clone()] };
    small(m, ArchivePath::LsFileInfo { key, ls: LS }, DataType::SingleLsFileList, &list).await;
    small(m, ArchivePath::PieceFileInfo { key }, DataType::PieceFileList, &all).await;
    let single = pb::SinglePieceInfo { piece: Some(attr(FileStatus::Available)) };
    small(m, ArchivePath::SinglePieceInfo { key }, DataType::SinglePieceInfo, &single).await;
    let infos = |piece_id, history| {
        let (start_scn, end_scn) = (5, 105);
        pb::TenantArchivePieceInfos { dest_id, round_id, piece_id, start_scn, end_scn, history, ..Default::default() }
    };
    small(m, ArchivePath::TenantArchivePieceInfos { key }, DataType::TenantArchivePieceInfos, &infos(piece_id, vec![]))
        .await;
    let next = PieceKey { piece_id: PieceId(2), ..PIECE };
    let later = infos(next.piece_id.0, vec![attr(told)]);
    small(m, ArchivePath::TenantArchivePieceInfos { key: next }, DataType::TenantArchivePieceInfos, &later).await;
    let end = ArchivePath::PieceEnd { key, time_scn: Scn(104) };
    small(m, end, DataType::PieceEnd, &pb::PieceEnd::default()).await;
    medium
}

/// What a reader makes of the piece; `None` when it lists none.
async fn found(medium: &Arc<MemoryMedium>) -> Option<FileStatus> {
    let medium: Arc<dyn Medium> = medium.clone();
    let scan = scan(&Source::whole(medium)).await.unwrap();
    scan.catalogue.pieces.iter().find(|p| p.key == PIECE).map(|p| p.file_status)
}

#[tokio::test]
async fn a_piece_is_readable_until_the_first_of_its_log_goes() {
    for in_parts in [false, true] {
        let medium = archive("half deleted", in_parts, FileStatus::Available).await;
        assert_eq!(found(&medium).await, Some(FileStatus::Available));
        let listed = medium.list("").await.unwrap();
        let end: Vec<String> =
            listed.iter().map(|o| o.path.clone()).filter(|p| Stored::Piece(PIECE).is_end(p)).collect();
        medium.delete(&end[0]).await.unwrap();
        assert_eq!(found(&medium).await, Some(FileStatus::Available), "all of its log is there");
        let mut paths: Vec<String> =
            medium.list(&format!("piece_{PIECE}")).await.unwrap().into_iter().map(|o| o.path).collect();
        paths.sort_by_key(|p| rank(p));
        let is_log = |p: &str| p.contains("/log/") && !p.contains("FORMAT") && !p.contains("SEAL");
        let mut has_lost_log = false;
        for path in paths {
            medium.delete(&path).await.unwrap();
            has_lost_log |= is_log(&path);
            let now = found(&medium).await;
            assert!(!has_lost_log || matches!(now, None | Some(FileStatus::Deleting)), "{path}: {now:?}");
        }
        assert_eq!(found(&medium).await, None, "nothing is left of it");
    }
}

#[tokio::test]
async fn a_deletion_that_was_called_back_takes_nothing_away() {
    for told in [FileStatus::Deleting, FileStatus::Deleted] {
        let medium = archive("called back", false, told).await;
        assert_eq!(found(&medium).await, Some(FileStatus::Available), "the later history says {told}");
    }
}

#[tokio::test]
async fn a_piece_that_a_validation_found_broken_stays_so() {
    let medium = archive("broken", false, FileStatus::Broken).await;
    assert_eq!(found(&medium).await, Some(FileStatus::Broken));
}
