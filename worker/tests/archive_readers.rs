//! A reader of an archive that is being written, merged and frozen meanwhile never fails for that: restores' readers,
//! verification of the whole and of one piece, and the scan behind `window`.

#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs)]

mod archive_bed;

use archive_bed::*;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;
use strandline_format::part::PartPlace;
use strandline_format::paths::ArchivePath;
use strandline_format::paths::archive::{ls_log_dir, parse_piece_dir};
use strandline_format::{DataType, pb, small};
use strandline_media::{Fault, FaultPlan, FaultRule, Faulty, Medium};
use strandline_proto::v1;
use strandline_reader::verify::{self, Level, Options, Report};
use strandline_reader::{LogReader, LogSource, Source, scan};
use strandline_types::{ErrorClass, FileStatus, LsId, Lsn, PieceId, PieceKey, PieceStatus, Scn};

const LS: LsId = LsId(1001);
const PLAIN: i32 = v1::Compression::None as i32;
const ZSTD: i32 = v1::Compression::Zstd as i32;
/// Groups of log; some forty of them make a piece.
const GROUPS: u64 = 480;

/// What the scheduler writes around the log, in its order.
struct Books {
    medium: Arc<dyn Medium>,
    checkpoint: Option<(PieceKey, Scn)>,
}

fn key(piece: PieceId) -> PieceKey {
    PieceKey { dest_id: DEST, round_id: ROUND, piece_id: piece }
}

impl Books {
    async fn put<M: prost::Message>(&self, path: ArchivePath, kind: DataType, message: &M) {
        self.medium.put_if_absent(&path.path(), small::write_small(kind, message).into()).await.unwrap();
    }

    async fn begin(medium: Arc<dyn Medium>) -> Self {
        let books = Self { medium, checkpoint: None };
        let start = pb::RoundStart {
            dest_id: DEST.0,
            round_id: ROUND.0,
            start_scn: CLOCK.round_start.0,
            base_piece_id: CLOCK.base_piece.0,
            piece_switch_interval_us: CLOCK.interval_ns / 1000,
        };
        books.put(ArchivePath::RoundStart { dest: DEST, round: ROUND }, DataType::RoundStart, &start).await;
        books.begin_piece(CLOCK.base_piece).await;
        books
    }

    async fn begin_piece(&self, piece: PieceId) {
        let start_scn = CLOCK.range(piece).start;
        let start = pb::PieceStart { dest_id: DEST.0, round_id: ROUND.0, piece_id: piece.0, start_scn: start_scn.0 };
        let path = ArchivePath::PieceStart { key: key(piece), time_scn: start_scn };
        self.put(path, DataType::PieceStart, &start).await;
    }

    /// The checkpoint moves on; pieces that it leaves are frozen, one that it enters gets its infos.
    async fn publish(&mut self, scn: Scn) {
        let piece = CLOCK.piece_of(scn);
        let entered = self.checkpoint.is_none_or(|(key, _)| key.piece_id != piece);
        if let Some((old, last)) = self.checkpoint.filter(|_| entered) {
            self.freeze(old, last).await;
        }
        let (key, range) = (key(piece), CLOCK.range(piece));
        if entered {
            self.begin_piece(piece.next()).await;
            let infos = pb::TenantArchivePieceInfos {
                tenant_id: TENANT.0,
                dest_id: DEST.0,
                round_id: ROUND.0,
                piece_id: piece.0,
                start_scn: range.start.0,
                end_scn: range.end.0,
                ..Default::default()
            };
            self.put(ArchivePath::TenantArchivePieceInfos { key }, DataType::TenantArchivePieceInfos, &infos).await;
            let info = pb::CheckpointInfo {
                tenant_id: TENANT.0,
                dest_id: DEST.0,
                round_id: ROUND.0,
                piece_id: piece.0,
                start_scn: range.start.0,
                end_scn: range.end.0,
                ..Default::default()
            };
            self.put(ArchivePath::CheckpointInfo { key }, DataType::CheckpointInfo, &info).await;
        }
        let name = |key, scn| ArchivePath::<Scn>::Checkpoint { key, scn }.path();
        self.medium.put_if_absent(&name(key, scn), Vec::new().into()).await.unwrap();
        if let Some((old, last)) = self.checkpoint.replace((key, scn)).filter(|(old, _)| *old == key) {
            self.medium.delete(&name(old, last)).await.unwrap();
        }
    }

    async fn freeze(&self, key: PieceKey, checkpoint_scn: Scn) {
        let (dest_id, round_id, piece_id) = (DEST.0, ROUND.0, key.piece_id.0);
        let range = CLOCK.range(key.piece_id);
        let mut files: BTreeMap<u64, u64> = BTreeMap::new();
        for object in self.medium.list(&ls_log_dir(key, LS)).await.unwrap() {
            if let Some(place) = PartPlace::parse(&object.path) {
                let bytes = files.entry(place.file_id.0).or_default();
                *bytes = (*bytes).max(place.end);
            }
        }
        let count = files.len() as u64;
        let files = files.into_iter().map(|(file_id, size_bytes)| pb::LogFile { file_id, size_bytes }).collect();
        let list = pb::SingleLsFileList { dest_id, round_id, piece_id, ls_id: LS.0, files, ..Default::default() };
        self.put(ArchivePath::LsFileInfo { key, ls: LS }, DataType::SingleLsFileList, &list).await;
        let all = pb::PieceFileList { dest_id, round_id, piece_id, log_streams: vec![list] };
        self.put(ArchivePath::PieceFileInfo { key }, DataType::PieceFileList, &all).await;
        let (start_scn, checkpoint) = (range.start, checkpoint_scn);
        let inner =
            pb::PieceInner { dest_id, round_id, piece_id, start_scn: start_scn.0, checkpoint_scn: checkpoint.0 };
        let path = ArchivePath::PieceInner { key, start_scn, checkpoint_scn };
        self.put(path, DataType::PieceInner, &inner).await;
        let attr = pb::PieceAttr {
            tenant_id: TENANT.0,
            dest_id,
            round_id,
            piece_id,
            file_count: count,
            start_scn: start_scn.0,
            checkpoint_scn: checkpoint.0,
            end_scn: range.end.0,
            status: PieceStatus::Frozen.to_string(),
            file_status: FileStatus::Available.to_string(),
            ..Default::default()
        };
        let single = pb::SinglePieceInfo { piece: Some(attr) };
        self.put(ArchivePath::SinglePieceInfo { key }, DataType::SinglePieceInfo, &single).await;
        let end = pb::PieceEnd { dest_id, round_id, piece_id, end_scn: checkpoint.0 };
        self.put(ArchivePath::PieceEnd { key, time_scn: checkpoint }, DataType::PieceEnd, &end).await;
    }
}

async fn pieces(medium: &Arc<dyn Medium>) -> Vec<PieceKey> {
    let mut keys: Vec<PieceKey> =
        medium.list_dirs("").await.unwrap().iter().filter_map(|dir| parse_piece_dir(dir)).collect();
    keys.sort_unstable();
    keys
}

/// Everything that the archive holds of the log, as a restore reads it.
async fn read_all(medium: &Arc<dyn Medium>) -> Result<Vec<u8>, String> {
    let sources = pieces(medium).await.into_iter().map(|piece| LogSource { medium: Arc::clone(medium), piece });
    let opened = LogReader::open(sources.collect(), LS, Lsn::ZERO, None, Arc::default()).await;
    let mut reader = opened.map_err(|e| e.to_string())?;
    let mut log = Vec::new();
    while let Some(groups) = reader.next_groups().await.map_err(|e| e.to_string())? {
        groups.iter().for_each(|group| log.extend_from_slice(&group.bytes));
    }
    Ok(log)
}

fn sound(report: Result<Report, strandline_types::Failure>) -> Result<(), String> {
    let report = report.map_err(|e| e.to_string())?;
    if report.is_sound() { Ok(()) } else { Err(format!("{:#?}", report.damages)) }
}

/// One look of a kind at the archive; `log` is what it holds at least.
async fn look(kind: u64, medium: &Arc<dyn Medium>, log: &[u8], all: impl Fn() -> Vec<u8>) -> Result<(), String> {
    match kind {
        0 => {
            let read = read_all(medium).await?;
            let whole = all();
            if read.len() < log.len() || whole[..read.len()] != read {
                return Err(format!("{} bytes read, at least {} were archived", read.len(), log.len()));
            }
            Ok(())
        }
        1 => sound(verify::destination(medium, &Options::new(Level::Physical)).await),
        2 => sound(verify::destination(medium, &Options::new(Level::Basic)).await),
        3 => {
            let newest = pieces(medium).await;
            for key in newest.iter().rev().take(2) {
                sound(verify::piece(medium, *key, Some(LS), &Options::new(Level::Physical)).await)?;
                sound(verify::piece(medium, *key, Some(LsId(0)), &Options::new(Level::Physical)).await)?;
            }
            Ok(())
        }
        _ => {
            let found = scan(&Source::whole(Arc::clone(medium))).await.map_err(|e| e.to_string())?;
            let broken = found.catalogue.pieces.iter().filter(|p| p.file_status == FileStatus::Broken).count();
            if broken > 0 || !found.problems.is_empty() { Err(format!("{:?}", found.problems)) } else { Ok(()) }
        }
    }
}

/// Looks of every kind while the archive is written; gives how many there were of each. `faults` spoils answers.
async fn beside(name: &str, compression: i32, faults: impl Fn(&FaultPlan)) -> [u64; 5] {
    let bed = Arc::new(Bed::new(memory(name, true), &[LS.0]).await);
    let order = v1::RoundOrder { compression, ..bed.order(1) };
    bed.reconcile(std::slice::from_ref(&order));
    let is_over = Arc::new(AtomicBool::new(false));
    let counts: Arc<[AtomicU64; 5]> = Arc::default();
    // The first piece has its files before anybody looks.
    let mut books = Books::begin(Arc::clone(&bed.medium)).await;
    bed.log(LS.0).put(1001, &[0; 300]);
    bed.until_archived(LS.0).await;
    books.publish(Scn(1001)).await;
    let mut readers = Vec::new();
    for kind in 0..5_u64 {
        let (bed, is_over, counts) = (Arc::clone(&bed), Arc::clone(&is_over), Arc::clone(&counts));
        let plan = FaultPlan::new(kind);
        plan.set_delay(Duration::from_millis(2));
        faults(&plan);
        let medium: Arc<dyn Medium> = Arc::new(Faulty::new(Arc::clone(&bed.medium), plan));
        readers.push(tokio::spawn(async move {
            while !is_over.load(Ordering::Relaxed) {
                let archived = bed.reported(LS.0).map_or(0, |report| report.archived_lsn as usize);
                let at_least = bed.log(LS.0).bytes()[..archived].to_vec();
                look(kind, &medium, &at_least, || bed.log(LS.0).bytes())
                    .await
                    .map_err(|e| format!("look {kind}: {e}"))?;
                counts[kind as usize].fetch_add(1, Ordering::Relaxed);
            }
            Ok::<_, String>(())
        }));
    }
    for n in 1..GROUPS {
        let scn = 1001 + n * 25;
        bed.log(LS.0).put(scn, &[n as u8; 300]);
        bed.until_archived(LS.0).await;
        books.publish(Scn(scn)).await;
        if readers.iter().any(tokio::task::JoinHandle::is_finished) {
            break;
        }
    }
    is_over.store(true, Ordering::Relaxed);
    for reader in readers {
        reader.await.unwrap().unwrap();
    }
    std::array::from_fn(|kind| counts[kind].load(Ordering::Relaxed))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_reader_fails_beside_an_archive_that_is_merged_and_frozen() {
    for compression in [PLAIN, ZSTD] {
        let counts = beside(&format!("beside {compression}"), compression, |_| {}).await;
        println!("compression {compression}: looks [restore, verify, basic, piece, scan] {counts:?}, none failed");
        assert!(counts.iter().all(|count| *count > 0), "{counts:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_reader_fails_for_single_wrong_answers_beside_it() {
    let faults = |plan: &FaultPlan| {
        for fault in [Fault::Flip(4_321), Fault::Short(1), Fault::Refuse(ErrorClass::NotFound)] {
            for skip in (3..400).step_by(29) {
                let op = Some(strandline_media::Op::Get);
                plan.add(FaultRule { op, path_part: "piece_".into(), skip, times: 1, fault });
            }
        }
    };
    let counts = beside("wrong answers", ZSTD, faults).await;
    println!("looks [restore, verify, basic, piece, scan] {counts:?}, none failed");
    assert!(counts.iter().all(|count| *count > 0), "{counts:?}");
}
