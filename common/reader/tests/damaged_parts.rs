//! A frozen piece whose log files lie in parts (raw, compressed, sealed): every damage of every object is found.
#![allow(clippy::unwrap_used)]

mod support;

use std::sync::Arc;
use strandline_format::checksum::crc32c_raw;
use strandline_format::compress::Compressor;
use strandline_format::part::PartForm;
use strandline_format::paths::{ArchivePath, LogPart};
use strandline_format::small::write_small;
use strandline_format::{DataType, pb};
use strandline_media::{Looks, Medium, MemoryMedium};
use strandline_reader::verify::{self, Level, Options, Report};
use strandline_types::{FileStatus, PieceStatus, Scn};
use support::{LS, PIECE, files, keys, memory, packed, put_parts, sealed};

const ROUND_START: u64 = 5;
const PIECE_END: u64 = 10_005;
const STEP: usize = 400_000;

async fn small<M: prost::Message>(medium: &dyn Medium, path: ArchivePath, kind: DataType, message: &M) {
    medium.put(&path.path(), write_small(kind, message).into()).await.unwrap();
}

/// A whole archive destination with one frozen piece.
async fn archive(name: &str, form: &PartForm) -> Arc<MemoryMedium> {
    let medium = memory(name);
    let m: &dyn Medium = medium.as_ref();
    put_parts(m, form, STEP, 0).await;
    for (id, bytes) in files() {
        let ends =
            (0..).map(|n| (n * STEP, bytes.len().min((n + 1) * STEP))).take_while(|(start, _)| *start < bytes.len());
        let seal = pb::SealMeta {
            size_bytes: bytes.len() as u64,
            parts: ends.map(|(start, end)| pb::AppendPart { start: start as u64, end: end as u64 }).collect(),
            digest: crc32c_raw(0, &bytes).to_be_bytes().to_vec().into(),
        };
        let path = ArchivePath::LogPart { key: PIECE, ls: LS, file_id: id.into(), part: LogPart::SealMeta };
        small(m, path, DataType::SealMeta, &seal).await;
    }
    let (dest_id, round_id, piece_id) = (PIECE.dest_id.0, PIECE.round_id.0, PIECE.piece_id.0);
    let format = pb::PathFormat { tenant_id: 1002, dest_id, dest_type: "archive_log".to_owned(), ..Default::default() };
    small(m, ArchivePath::Format, DataType::Format, &format).await;
    let (dest, round) = (PIECE.dest_id, PIECE.round_id);
    let start = pb::RoundStart {
        dest_id,
        round_id,
        start_scn: ROUND_START,
        base_piece_id: piece_id,
        piece_switch_interval_us: 10,
    };
    small(m, ArchivePath::RoundStart { dest, round }, DataType::RoundStart, &start).await;
    let (key, start_scn, checkpoint_scn) = (PIECE, Scn(ROUND_START), Scn(PIECE_END - 1));
    let start = pb::PieceStart { dest_id, round_id, piece_id, start_scn: ROUND_START };
    small(m, ArchivePath::PieceStart { key, time_scn: start_scn }, DataType::PieceStart, &start).await;
    let end = pb::PieceEnd { dest_id, round_id, piece_id, end_scn: checkpoint_scn.0 };
    small(m, ArchivePath::PieceEnd { key, time_scn: checkpoint_scn }, DataType::PieceEnd, &end).await;
    let inner =
        pb::PieceInner { dest_id, round_id, piece_id, start_scn: ROUND_START, checkpoint_scn: checkpoint_scn.0 };
    small(m, ArchivePath::PieceInner { key, start_scn, checkpoint_scn }, DataType::PieceInner, &inner).await;
    lists(m).await;
    medium
}

async fn lists(m: &dyn Medium) {
    let (dest_id, round_id, piece_id) = (PIECE.dest_id.0, PIECE.round_id.0, PIECE.piece_id.0);
    let logs = files().into_iter().map(|(file_id, b)| pb::LogFile { file_id, size_bytes: b.len() as u64 });
    let list =
        pb::SingleLsFileList { dest_id, round_id, piece_id, ls_id: LS.0, files: logs.collect(), ..Default::default() };
    small(m, ArchivePath::LsFileInfo { key: PIECE, ls: LS }, DataType::SingleLsFileList, &list).await;
    let all = pb::PieceFileList { dest_id, round_id, piece_id, log_streams: vec![list] };
    small(m, ArchivePath::PieceFileInfo { key: PIECE }, DataType::PieceFileList, &all).await;
    let infos = pb::TenantArchivePieceInfos {
        tenant_id: 1002,
        dest_id,
        round_id,
        piece_id,
        start_scn: ROUND_START,
        end_scn: PIECE_END,
        ..Default::default()
    };
    small(m, ArchivePath::TenantArchivePieceInfos { key: PIECE }, DataType::TenantArchivePieceInfos, &infos).await;
    let attr = pb::PieceAttr {
        tenant_id: 1002,
        dest_id,
        round_id,
        piece_id,
        file_count: 2,
        start_scn: ROUND_START,
        checkpoint_scn: PIECE_END - 1,
        end_scn: PIECE_END,
        status: PieceStatus::Frozen.to_string(),
        file_status: FileStatus::Available.to_string(),
        ..Default::default()
    };
    let single = pb::SinglePieceInfo { piece: Some(attr) };
    small(m, ArchivePath::SinglePieceInfo { key: PIECE }, DataType::SinglePieceInfo, &single).await;
}

async fn verify(medium: &Arc<MemoryMedium>, level: Level) -> Report {
    let medium: Arc<dyn Medium> = medium.clone();
    let options = Options { keys: keys(), looks: Looks::at_once(), ..Options::new(level) };
    verify::destination(&medium, &options).await.unwrap()
}

async fn replace(medium: &MemoryMedium, path: &str, bytes: Option<Vec<u8>>) {
    medium.delete(path).await.unwrap();
    if let Some(bytes) = bytes {
        medium.put(path, bytes.into()).await.unwrap();
    }
}

#[tokio::test]
async fn every_damage_of_a_piece_in_parts_is_found() {
    let (mut tried, mut missed) = (0, Vec::new());
    for (name, form) in [("raw", PartForm::RAW), ("lz4", packed(Compressor::Lz4)), ("sealed", sealed())] {
        let medium = archive(name, &form).await;
        for level in [Level::Basic, Level::Physical] {
            let report = verify(&medium, level).await;
            assert!(report.is_sound(), "{name}, undamaged: {:?}", report.damages);
        }
        for object in medium.list("").await.unwrap() {
            let path = object.path;
            let good = medium.get(&path).await.unwrap().to_vec();
            let mut damages: Vec<(String, Level, Option<Vec<u8>>)> = Vec::new();
            for level in [Level::Basic, Level::Physical] {
                damages.push(("removed".to_owned(), level, None));
                damages.push(("cut".to_owned(), level, Some(good[..good.len() - 1].to_vec())));
                damages.push(("emptied".to_owned(), level, Some(Vec::new())));
            }
            for at in [0, 47 % good.len(), good.len() / 2, good.len() - 1] {
                let mut bad = good.clone();
                bad[at] ^= 4;
                damages.push((format!("flipped at {at}"), Level::Physical, Some(bad)));
            }
            for (what, level, bytes) in damages {
                replace(&medium, &path, bytes).await;
                tried += 1;
                if verify(&medium, level).await.is_sound() {
                    missed.push(format!("{name} {level:?} {path} {what}"));
                }
            }
            replace(&medium, &path, Some(good)).await;
        }
    }
    println!("{} of {tried} damages found", tried - missed.len());
    assert!(missed.is_empty(), "{missed:#?}");
}

#[tokio::test]
async fn parts_that_were_swapped_are_found() {
    for (name, form) in [("raw swap", PartForm::RAW), ("sealed swap", sealed())] {
        let medium = archive(name, &form).await;
        let parts: Vec<String> = medium
            .list("")
            .await
            .unwrap()
            .into_iter()
            .map(|o| o.path)
            .filter(|p| matches!(ArchivePath::parse(p), Some(ArchivePath::LogPart { part: LogPart::Data { .. }, .. })))
            .collect();
        let (a, b) = (medium.get(&parts[1]).await.unwrap(), medium.get(&parts[2]).await.unwrap());
        replace(&medium, &parts[1], Some(b.to_vec())).await;
        replace(&medium, &parts[2], Some(a.to_vec())).await;
        assert!(!verify(&medium, Level::Physical).await.is_sound(), "{name}");
    }
}
