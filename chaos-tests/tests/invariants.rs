//! The checkers themselves: each sees the fault that it is there for.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::collections::BTreeMap;
use strandline_chaos::invariants::{
    ArchiveIsOneLog, CheckpointIsDurable, CleaningKeepsTheWindow, FrozenPiecesStand, Group, Promise, ReplicasAgree,
    StreamKey, Tree,
};
use strandline_format::palf::{ArchiveFileHeader, Framer};
use strandline_format::paths::archive::ArchivePath;
use strandline_types::*;

#[derive(Default)]
struct Files(BTreeMap<String, Vec<u8>>);

impl Tree for Files {
    fn bytes(&self, path: &str) -> Option<&[u8]> {
        self.0.get(path).map(Vec::as_slice)
    }

    fn paths<'a>(&'a self, prefix: &'a str) -> Box<dyn Iterator<Item = &'a str> + 'a> {
        Box::new(self.0.keys().map(String::as_str).filter(move |p| p.starts_with(prefix)))
    }
}

const CLOCK: PieceClock = PieceClock { round_start: Scn(100), base_piece: PieceId(1), interval_ns: 100 };
const LS: LsId = LsId(1001);
const STREAM: StreamKey = StreamKey { dest_id: DestId(1001), round_id: RoundId(1), ls_id: LS };

fn key(piece: u64) -> PieceKey {
    PieceKey { dest_id: STREAM.dest_id, round_id: STREAM.round_id, piece_id: PieceId(piece) }
}

fn log_path(piece: u64) -> String {
    ArchivePath::<Scn>::Log { key: key(piece), ls: LS, file_id: FileId(1) }.path()
}

/// A log with one group per SCN.
struct Log {
    framer: Framer,
    groups: Vec<(Lsn, Vec<u8>, Group)>,
}

impl Log {
    fn of(scns: &[u64]) -> Self {
        let mut log = Self { framer: Framer::new(PalfBase::default()), groups: Vec::new() };
        for &scn in scns {
            let framed = log.framer.frame(Term(1), Scn(scn), true, b"x");
            log.groups.push((framed.lsn, framed.bytes, Group { end: framed.end, scn: framed.scn }));
        }
        log
    }

    fn bytes(&self) -> Vec<u8> {
        self.groups.iter().flat_map(|g| g.1.clone()).collect()
    }

    /// A file that holds some of the groups.
    fn file(&self, which: std::ops::Range<usize>) -> Vec<u8> {
        let mut file = ArchiveFileHeader { start_lsn: self.groups[which.start].0 }.encode().to_vec();
        self.groups[which].iter().for_each(|g| file.extend_from_slice(&g.1));
        file
    }
}

fn check(archive: &mut ArchiveIsOneLog, files: &Files, log: &Log, changed: &[&str]) -> Result<(), String> {
    let expected = log.bytes();
    let changed: Vec<String> = changed.iter().map(|c| (*c).to_owned()).collect();
    let slice = |_, at: Lsn, n: usize| expected.get(at.0 as usize..at.0 as usize + n);
    archive.check(files, &changed, |_, _| Some(CLOCK), slice)
}

/// Checks a destination with these log files, in this order.
fn whole(log: &Log, pieces: &[(u64, Vec<u8>)]) -> Result<Lsn, String> {
    let (mut files, mut archive) = (Files::default(), ArchiveIsOneLog::default());
    for (piece, bytes) in pieces {
        files.0.insert(log_path(*piece), bytes.clone());
        check(&mut archive, &files, log, &[&log_path(*piece)])?;
    }
    Ok(archive.durable(STREAM).unwrap_or_default())
}

#[test]
fn a_log_over_three_pieces_is_one_log() {
    let log = Log::of(&[110, 150, 210, 320]);
    let end = whole(&log, &[(1, log.file(0..2)), (2, log.file(2..3)), (3, log.file(3..4))]);
    assert_eq!(end, Ok(log.groups[3].2.end));
}

#[test]
fn a_gap_between_files_is_seen() {
    let log = Log::of(&[110, 150, 210, 320]);
    let broken = whole(&log, &[(1, log.file(0..2)), (3, log.file(3..4))]).unwrap_err();
    assert!(broken.contains("begins at") || broken.contains("the log ends at"), "{broken}");
}

#[test]
fn a_group_in_the_wrong_piece_is_seen() {
    let log = Log::of(&[110, 150, 210]);
    let broken = whole(&log, &[(1, log.file(0..3))]).unwrap_err();
    assert!(broken.contains("belongs to piece 2"), "{broken}");
}

#[test]
fn another_history_is_seen() {
    let (log, other) = (Log::of(&[110, 150]), Log::of(&[110, 160]));
    let broken = whole(&log, &[(1, other.file(0..2))]).unwrap_err();
    assert!(broken.contains("not those of the log stream"), "{broken}");
}

#[test]
fn a_flipped_byte_is_seen() {
    let log = Log::of(&[110, 150]);
    let mut file = log.file(0..2);
    let last = file.len() - 1;
    file[last] ^= 1;
    assert!(whole(&log, &[(1, file)]).is_err());
}

#[test]
fn a_torn_append_is_no_fault_until_the_log_goes_on_elsewhere() {
    let log = Log::of(&[110, 150, 210]);
    let mut torn = log.file(0..2);
    torn.truncate(torn.len() - 3);
    assert_eq!(whole(&log, &[(1, torn.clone())]), Ok(log.groups[0].2.end));
    assert!(whole(&log, &[(1, torn), (2, log.file(2..3))]).is_err());
}

#[test]
fn a_file_that_the_log_has_left_must_not_grow() {
    let log = Log::of(&[110, 150, 210]);
    let (mut files, mut archive) = (Files::default(), ArchiveIsOneLog::default());
    for (piece, which) in [(1, 0..2), (2, 2..3)] {
        files.0.insert(log_path(piece), log.file(which));
        check(&mut archive, &files, &log, &[&log_path(piece)]).unwrap();
    }
    files.0.get_mut(&log_path(1)).unwrap().push(0);
    let broken = check(&mut archive, &files, &log, &[&log_path(1)]).unwrap_err();
    assert!(broken.contains("after the log went on elsewhere"), "{broken}");
}

fn publish(files: &mut Files, scn: u64) -> String {
    let path = ArchivePath::<Scn>::Checkpoint { key: key(1), scn: Scn(scn) }.path();
    files.0.insert(path.clone(), Vec::new());
    path
}

#[test]
fn a_checkpoint_must_not_run_ahead_nor_go_back() {
    let log = Log::of(&[110, 150, 170]);
    let groups: Vec<Group> = log.groups.iter().map(|g| g.2).collect();
    let streams = BTreeMap::from([(LS, groups.as_slice())]);
    let (mut files, mut archive, mut checker) =
        (Files::default(), ArchiveIsOneLog::default(), CheckpointIsDurable::default());
    files.0.insert(log_path(1), log.file(0..2));
    check(&mut archive, &files, &log, &[&log_path(1)]).unwrap();
    let first = publish(&mut files, 150);
    assert_eq!(checker.check(&files, &[first], &archive, &streams), Ok(()));
    // SCN 170 is committed and not on the medium.
    let ahead = publish(&mut files, 170);
    let broken = checker.check(&files, std::slice::from_ref(&ahead), &archive, &streams).unwrap_err();
    assert!(broken.contains("covers SCN 170"), "{broken}");
    files.0.remove(&ahead);
    let broken = checker.check(&files, &[ahead], &archive, &streams).unwrap_err();
    assert!(broken.contains("went back from 170 to 150"), "{broken}");
    assert!(checker.acknowledged(LS, Scn(171)).is_ok());
    assert!(checker.acknowledged(LS, Scn(150)).unwrap_err().contains("after round 1 published"));
}

#[test]
fn a_frozen_piece_must_not_grow() {
    let log = Log::of(&[110, 150]);
    let (mut files, mut checker) = (Files::default(), FrozenPiecesStand::default());
    files.0.insert(log_path(1), log.file(0..1));
    let list = ArchivePath::<Scn>::PieceFileInfo { key: key(1) }.path();
    files.0.insert(list.clone(), Vec::new());
    assert_eq!(checker.check(&files, &[log_path(1), list]), Ok(()));
    assert_eq!(checker.check(&files, &[log_path(1)]), Ok(()), "the same bytes again are no growth");
    files.0.insert(log_path(1), log.file(0..2));
    assert!(checker.check(&files, &[log_path(1)]).unwrap_err().contains("after piece"));
}

#[test]
fn replicas_that_differ_are_seen() {
    let mut checker = ReplicasAgree::default();
    assert_eq!(checker.applied("a", 1, 7), Ok(()));
    assert_eq!(checker.applied("b", 1, 7), Ok(()));
    assert!(checker.applied("c", 1, 8).unwrap_err().starts_with('c'));
}

#[test]
fn an_scn_that_a_cleaning_takes_out_of_the_window_is_seen() {
    let promise = |intervals: &[(u64, u64)], fulls| Promise {
        intervals: intervals.iter().map(|(from, to)| (Scn(*from), Scn(*to))).collect(),
        fulls,
        newest: None,
    };
    let mut checker = CleaningKeepsTheWindow::default();
    let mut ended = |left: &Promise| {
        checker.decided(JobId(1), promise(&[(10, 20), (15, 40)], 2));
        checker.ended(JobId(1), left)
    };
    assert_eq!(ended(&promise(&[(5, 25), (26, 60)], 2)).unwrap(), promise(&[(10, 20), (15, 40)], 2));
    assert!(ended(&promise(&[(5, 25), (27, 60)], 2)).unwrap_err().contains("SCN 26"));
    assert!(ended(&promise(&[(5, 60)], 1)).unwrap_err().contains("1 full sets of 2"));
    assert!(checker.open().is_empty());
}

#[test]
fn a_newest_moment_that_a_cleaning_takes_away_or_makes_costlier_is_seen() {
    let by = |scn, set| Promise {
        intervals: Vec::new(),
        fulls: 0,
        newest: Some((Scn(scn), (Scn(u64::from(set as u32) * 10), BackupSetId(set)))),
    };
    let ended = |left: Promise| {
        let mut checker = CleaningKeepsTheWindow::default();
        checker.decided(JobId(1), by(40, 3));
        checker.ended(JobId(1), &left).map(|_| ())
    };
    assert_eq!(ended(by(40, 3)), Ok(()));
    assert_eq!(ended(by(41, 2)), Ok(()), "log that came since may be another set's");
    assert!(ended(by(39, 3)).unwrap_err().contains("the newest SCN was 40"));
    assert!(ended(by(40, 2)).is_err(), "the shortest way went");
    assert!(ended(Promise::default()).is_err(), "nothing can be restored any more");
}
