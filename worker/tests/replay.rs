//! Replay of an archive into a restored log stream, over real files of every form and a stand-in for the engine.

#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs)]

mod support;

use bytes::Bytes;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};
use strandline_format::palf::{ArchiveFileHeader, Framed, Framer};
use strandline_format::paths::{ArchivePath, LogPart};
use strandline_proto::v1::task_order::Spec;
use strandline_proto::v1::{ArchivedLog, RestoreLogResult, RestoreLogSpec, RestorePiece};
use strandline_reader::{LogReader, LogSource};
use strandline_types::limits::{BLOCK_BODY_BYTES, REPLAY_BATCHES_IN_FLIGHT_MAX};
use strandline_types::{
    DestId, ErrorClass, Failure, LsId, Lsn, PalfBase, PieceClock, PieceId, PieceKey, RoundId, Scn, Term,
};
use strandline_worker::restore::run_restore_log;
use strandline_worker::task_ctx::TaskCtx;
use support::{FakeEngine, FakeTarget, LS, RESTORED, task_ctx, task_key};
use tokio::sync::watch;

const SOURCE: LsId = LsId(1001);
const CLOCK: PieceClock = PieceClock { round_start: Scn(0), base_piece: PieceId(1), interval_ns: 1000 };

fn key(piece: u64) -> PieceKey {
    PieceKey { dest_id: DestId(1002), round_id: RoundId(1), piece_id: PieceId(piece) }
}

/// How the files of an archive lie on the medium.
#[derive(Clone, Copy, PartialEq)]
enum Form {
    Plain,
    Parts,
}

/// A source log that was archived as docs/format-reference.md says.
struct Archive {
    root: tempfile::TempDir,
    base: PalfBase,
    /// Entries in order: SCN, kind and body.
    entries: Vec<(u64, u8, Vec<u8>)>,
    end: Lsn,
}

impl Archive {
    /// Entries at SCN 10, 20, …; every fifth is a keep-alive, every seventh a blank. The log begins 1 MiB before the
    /// end of a block, so that it crosses into the next one.
    fn new(form: Form, entries: u64, body_bytes: usize) -> Self {
        let lsn = Lsn(BLOCK_BODY_BYTES - (1 << 20));
        let base = PalfBase { lsn, prev_log_id: 41, prev_accumulated_checksum: 77, prev_scn: Scn(5) };
        let mut framer = Framer::new(base);
        let root = tempfile::tempdir().unwrap();
        let mut this = Self { root, base, entries: Vec::new(), end: lsn };
        let mut files: Vec<(PieceKey, Lsn, Vec<u8>)> = Vec::new();
        for n in 1..=entries {
            let (kind, strict) = match n {
                n if n % 7 == 0 => (0, false),
                n if n % 5 == 0 => (3, true),
                _ => (2, true),
            };
            let mut body = vec![n as u8; body_bytes];
            body[0] = kind;
            let framed = framer.frame(Term(3), Scn(n * 10), strict, &body);
            this.entries.push((framed.scn.0, kind, body[1..].to_vec()));
            this.end = framed.end;
            for (piece, start, bytes) in pieces_of(&framed) {
                match files.last_mut() {
                    Some((k, s, b)) if *k == piece && s.file_id() == start.file_id() => b.extend(bytes),
                    _ => files.push((piece, start, bytes)),
                }
            }
        }
        for (piece, start, bytes) in files {
            this.write(form, piece, start, &bytes);
        }
        this
    }

    fn write(&self, form: Form, key: PieceKey, start: Lsn, log: &[u8]) {
        let file = [&ArchiveFileHeader { start_lsn: start }.encode()[..], log].concat();
        let (ls, file_id) = (SOURCE, start.file_id());
        let write = |path: String, bytes: &[u8]| {
            let path = self.root.path().join(path);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, bytes).unwrap();
        };
        if form == Form::Plain {
            return write(ArchivePath::Log { key, ls, file_id }.path(), &file);
        }
        write(ArchivePath::LogPart { key, ls, file_id, part: LogPart::FormatMeta }.path(), b"1");
        // Parts of uneven lengths, each beginning before its forerunner ends: retries of a lost reply look like this.
        let mut at = 0;
        while at < file.len() {
            let (start, end) = (at.saturating_sub(500), file.len().min(at + 70_001));
            let part = LogPart::Data { start: start as u64, end: end as u64 };
            write(ArchivePath::LogPart { key, ls, file_id, part }.path(), &file[start..end]);
            at = end;
        }
    }

    fn uri(&self) -> String {
        format!("file://{}", self.root.path().display())
    }

    fn spec(&self, target: u64) -> RestoreLogSpec {
        let pieces = (1..=9).map(|piece_id| RestorePiece { dest_id: 1002, round_id: 1, piece_id });
        RestoreLogSpec {
            archive_uri: self.uri(),
            pieces: pieces.collect(),
            source_ls_id: SOURCE.0,
            base: Some(self.base.into()),
            target_scn: target,
            ..Default::default()
        }
    }

    /// What a replay up to `target` has to apply.
    fn wanted(&self, target: u64) -> Vec<(u64, u8, Vec<u8>)> {
        self.entries.iter().filter(|(scn, kind, _)| *scn <= target && *kind == 2).cloned().collect()
    }

    fn file(&self, piece: u64, id: u64) -> PathBuf {
        self.root.path().join(format!("piece_{}/logstream_{SOURCE}/log/{id}.obarc", key(piece)))
    }

    fn target(&self) -> Arc<FakeTarget> {
        FakeTarget::new(self.root.path(), self.base.into())
    }

    async fn replay(&self, target: &Arc<FakeTarget>, scn: u64) -> Result<RestoreLogResult, Failure> {
        self.replay_spec(target, &self.spec(scn)).await
    }

    async fn replay_spec(&self, target: &Arc<FakeTarget>, spec: &RestoreLogSpec) -> Result<RestoreLogResult, Failure> {
        let engine = Arc::new(FakeEngine::default());
        engine.targets.lock().unwrap().insert((RESTORED, LS), Arc::clone(target));
        let ctx = task_ctx(&engine, self.root.path());
        run_restore_log(&ctx, spec, task_key(RESTORED, LS, 0)).await
    }
}

/// The bytes of one framed entry by piece and file: a padding group belongs to the piece of the SCN before it.
fn pieces_of(framed: &Framed) -> Vec<(PieceKey, Lsn, Vec<u8>)> {
    let piece = |scn| key(CLOCK.piece_of(scn).0);
    let group_bytes = (framed.end.0 - framed.lsn.0) as usize;
    let (padding, group) = framed.bytes.split_at(framed.bytes.len() - group_bytes);
    let mut parts = vec![(piece(framed.scn), framed.lsn, group.to_vec())];
    if framed.padded {
        let at = Lsn(framed.lsn.0 - padding.len() as u64);
        parts.insert(0, (piece(Scn(framed.scn.0 - 10)), at, padding.to_vec()));
    }
    parts
}

fn applied(target: &FakeTarget) -> Vec<(u64, u8, Vec<u8>)> {
    target.items.lock().unwrap().iter().map(|i| (i.scn.0, i.entry[0], i.entry[1..].to_vec())).collect()
}

#[tokio::test]
async fn exactly_the_groups_up_to_the_target_are_replayed_over_pieces_and_blocks() {
    for form in [Form::Plain, Form::Parts] {
        let archive = Archive::new(form, 300, 10_000);
        assert!(archive.end > Lsn(BLOCK_BODY_BYTES), "the log crosses a block end");
        for scn in [10, 11, 999, 1000, 1009, 2500, 2999, 3000] {
            let target = archive.target();
            let result = archive.replay(&target, scn).await.unwrap();
            let last = archive.entries.iter().map(|(scn, ..)| *scn).filter(|at| *at <= scn).max().unwrap();
            assert_eq!(result.replayed_scn, last, "the last group that there was");
            assert_eq!(applied(&target), archive.wanted(scn), "target {scn}");
            assert_eq!(target.replayed.lock().unwrap().lsn.0 - archive.base.lsn.0, result.replayed_bytes);
        }
    }
}

#[tokio::test]
async fn a_replay_goes_on_where_the_last_leader_stopped_and_applies_nothing_twice() {
    let archive = Archive::new(Form::Plain, 300, 60_000);
    let target = archive.target();
    for batches in [1, 1, 2, 0] {
        target.batches_left.store(batches, Ordering::SeqCst);
        let lost = archive.replay(&target, 2800).await.unwrap_err();
        assert_eq!(lost.class, ErrorClass::Transient, "{lost}");
    }
    target.batches_left.store(usize::MAX, Ordering::SeqCst);
    let result = archive.replay(&target, 2800).await.unwrap();
    assert_eq!(applied(&target), archive.wanted(2800));
    assert_eq!(archive.replay(&target, 2800).await.unwrap(), result, "a finished replay is finished");
    assert!(target.waiting_max.load(Ordering::SeqCst) <= REPLAY_BATCHES_IN_FLIGHT_MAX);
}

/// The first archive holds one piece, the second one the others; each is opened with what belongs to it alone.
#[tokio::test]
async fn log_in_two_archives_is_read_with_the_attributes_and_keys_of_each() {
    let archive = Archive::new(Form::Plain, 300, 1000);
    let other = tempfile::tempdir().unwrap();
    for piece in 2..=9 {
        let name = format!("piece_{}", key(piece));
        // A piece that has no log has no folder.
        let _ = std::fs::rename(archive.root.path().join(&name), other.path().join(&name));
    }
    let first = (format!("{}?max_iops=90000", archive.uri()), "access_id=a&access_key=first");
    let second = (format!("file://{}?max_bandwidth=4GB", other.path().display()), "access_id=b&access_key=second");
    let mut spec = archive.spec(2500);
    let rest = spec.pieces.split_off(1);
    (spec.archive_uri, spec.access) = (first.0.clone(), first.1.to_owned());
    spec.more = vec![ArchivedLog { archive_uri: second.0.clone(), access: second.1.to_owned(), pieces: rest }];

    let opened = Arc::new(std::sync::Mutex::new(Vec::new()));
    let seen = Arc::clone(&opened);
    let open = move |uri: &str, access: &str, _: strandline_media::Right| {
        seen.lock().unwrap().push((uri.to_owned(), access.to_owned()));
        Ok(strandline_media::open_with(uri, access)?)
    };
    let (engine, target) = (Arc::new(FakeEngine::default()), archive.target());
    engine.targets.lock().unwrap().insert((RESTORED, LS), Arc::clone(&target));
    let ctx = TaskCtx::new(engine, Arc::new(open), archive.root.path().to_owned());
    run_restore_log(&ctx, &spec, task_key(RESTORED, LS, 0)).await.unwrap();
    assert_eq!(applied(&target), archive.wanted(2500));
    let expected = [first, second].map(|(uri, access)| (uri, access.to_owned()));
    assert_eq!(*opened.lock().unwrap(), expected);
}

#[tokio::test]
async fn an_archive_that_ends_before_the_target_is_refused_with_the_nearest_scn() {
    let archive = Archive::new(Form::Plain, 100, 1000);
    let target = archive.target();
    let short = archive.replay(&target, 1001).await.unwrap_err();
    assert_eq!(short.class, ErrorClass::NotFound);
    assert!(short.what.contains("scn 1000") && short.todo.contains("1000"), "{short}");
    assert_eq!(applied(&target), archive.wanted(1000), "what is there is applied, a later attempt goes on");
}

#[tokio::test]
async fn a_stream_that_was_silent_over_the_chosen_pieces_is_proven_by_its_next_group_in_a_later_one() {
    let archive = Archive::new(Form::Plain, 300, 1000);
    let path = |piece: u64| archive.root.path().join(format!("piece_{}", key(piece)));
    for piece in [3, 4] {
        let _ = std::fs::remove_dir_all(path(piece));
    }
    // The groups after the target lie two pieces further than the chosen one.
    std::fs::rename(path(2), path(4)).unwrap();
    let mut spec = archive.spec(995);
    spec.pieces.truncate(1);
    let short = archive.replay_spec(&archive.target(), &spec).await.unwrap_err();
    assert_eq!(short.class, ErrorClass::NotFound, "no later piece is known: {short}");

    std::fs::create_dir(archive.root.path().join("pieces")).unwrap();
    for piece in 1..=4 {
        let began = ArchivePath::PieceStart { key: key(piece), time_scn: Scn(1) }.path();
        std::fs::write(archive.root.path().join(began), b"").unwrap();
    }
    let target = archive.target();
    assert_eq!(archive.replay_spec(&target, &spec).await.unwrap().replayed_scn, 990);
    assert_eq!(applied(&target), archive.wanted(995), "nothing beyond the target");
}

#[tokio::test]
async fn a_missing_file_is_a_hole_with_its_bounds() {
    let archive = Archive::new(Form::Plain, 300, 10_000);
    std::fs::remove_file(archive.file(2, 2)).unwrap();
    let hole = archive.replay(&archive.target(), 2500).await.unwrap_err();
    assert_eq!(hole.class, ErrorClass::NotFound);
    assert!(hole.what.contains("has no log [") && hole.object.contains("p3"), "{hole}");
}

#[tokio::test]
async fn a_damaged_group_a_damaged_header_and_a_fork_are_corrupt_and_named() {
    let archive = Archive::new(Form::Plain, 300, 10_000);
    let file = archive.file(2, 2);
    let good = std::fs::read(&file).unwrap();
    for at in [0, 20, 4096, 4100, 4096 + 56 + 32 + 17, good.len() - 1] {
        let mut bad = good.clone();
        bad[at] ^= 4;
        std::fs::write(&file, &bad).unwrap();
        let failure = archive.replay(&archive.target(), 2500).await.unwrap_err();
        assert_eq!(failure.class, ErrorClass::Corrupt, "byte {at}: {failure}");
        assert!(failure.object.ends_with("piece_d1002r1p2/logstream_1001/log/2.obarc"), "{failure}");
    }
    std::fs::write(&file, &good).unwrap();
    let mut spec = archive.spec(2500);
    spec.base = spec.base.map(|b| strandline_proto::v1::PalfBase { prev_accumulated_checksum: 78, ..b });
    let engine = Arc::new(FakeEngine::default());
    engine.targets.lock().unwrap().insert((RESTORED, LS), archive.target());
    let ctx = task_ctx(&engine, archive.root.path());
    let fork = run_restore_log(&ctx, &spec, task_key(RESTORED, LS, 0)).await.unwrap_err();
    assert!(fork.class == ErrorClass::Corrupt && fork.what.contains("forked"), "{fork}");
}

#[tokio::test]
async fn parts_with_a_hole_or_with_other_bytes_in_their_overlap_are_refused() {
    let archive = Archive::new(Form::Parts, 50, 10_000);
    let dir = archive.file(1, 1);
    let part = |start: u64, end: u64| dir.join(format!("@APD_PART@{start}-{end}.obarc"));
    let second = part(70_001 - 500, 140_002);
    let good = std::fs::read(&second).unwrap();
    let mut other = good.clone();
    other[10] ^= 1;
    std::fs::write(&second, &other).unwrap();
    let disagree = archive.replay(&archive.target(), 400).await.unwrap_err();
    assert_eq!(disagree.class, ErrorClass::Corrupt);
    assert!(disagree.what.contains("do not agree"), "{disagree}");
    std::fs::remove_file(&second).unwrap();
    let hole = archive.replay(&archive.target(), 400).await.unwrap_err();
    assert_eq!(hole.class, ErrorClass::NotFound);
    assert!(hole.what.contains("[70001, 139502)"), "{hole}");
}

#[tokio::test]
async fn a_torn_tail_is_the_end_of_the_log_and_an_open_tenant_is_left_alone() {
    let archive = Archive::new(Form::Plain, 60, 1000);
    let file = archive.file(1, 1);
    let good = std::fs::read(&file).unwrap();
    std::fs::write(&file, &good[..good.len() - 7]).unwrap();
    let source = LogSource { medium: strandline_media::open(&archive.uri()).unwrap(), piece: key(1) };
    let mut reader =
        LogReader::open(vec![source], SOURCE, archive.base.lsn, Some(archive.base), Arc::default()).await.unwrap();
    let mut groups = 0;
    while let Some(more) = reader.next_groups().await.unwrap() {
        groups += more.len();
    }
    assert_eq!(groups, 59);
    assert!(reader.position() < reader.end());

    let target = archive.target();
    target.open.store(true, Ordering::SeqCst);
    assert_eq!(archive.replay(&target, 500).await.unwrap_err().class, ErrorClass::Invalid);
    assert!(applied(&target).is_empty());
}

#[tokio::test]
async fn a_header_that_is_not_whole_yet_is_no_file() {
    let archive = Archive::new(Form::Plain, 60, 1000);
    let torn = archive.file(2, 1);
    std::fs::create_dir_all(torn.parent().unwrap()).unwrap();
    std::fs::write(&torn, Bytes::from_static(&[0; 100])).unwrap();
    assert_eq!(archive.replay(&archive.target(), 500).await.unwrap().replayed_scn, 500);
}

#[tokio::test]
async fn a_standby_follows_targets_pieces_and_outages_until_its_order_says_that_it_ends() {
    let archive = Archive::new(Form::Plain, 300, 1000);
    let (target, away) = (archive.target(), archive.root.path().join("away"));
    let engine = Arc::new(FakeEngine::default());
    engine.targets.lock().unwrap().insert((RESTORED, LS), Arc::clone(&target));
    let (orders, changes) = watch::channel(None);
    let ctx = TaskCtx { changes, ..task_ctx(&engine, archive.root.path()) };
    let order = |pieces: usize, scn: u64, follow: bool| {
        let mut spec = archive.spec(scn);
        spec.pieces.truncate(pieces);
        RestoreLogSpec { follow, ..spec }
    };
    let replayed_to = async |scn: u64| {
        let deadline = Instant::now() + Duration::from_secs(20);
        while target.replayed.lock().unwrap().scn < Scn(scn) {
            assert!(Instant::now() < deadline, "stands at {}, not at {scn}", target.replayed.lock().unwrap().scn);
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        assert_eq!(target.replayed.lock().unwrap().scn, Scn(scn), "never past the target");
        assert_eq!(applied(&target), archive.wanted(scn));
    };
    let give = |spec| orders.send_replace(Some(Spec::RestoreLog(spec)));
    let begun_with = order(1, 500, true);
    let task = run_restore_log(&ctx, &begun_with, task_key(RESTORED, LS, 0));
    let scheduler = async {
        replayed_to(500).await;
        give(order(1, 1500, true));
        // The first piece ends at 990: the rest comes with the next order.
        replayed_to(990).await;
        give(order(2, 1500, true));
        replayed_to(1500).await;
        std::fs::rename(archive.root.path().join("piece_d1002r1p2"), &away).unwrap();
        give(order(3, 2500, true));
        tokio::task::yield_now().await;
        std::fs::rename(&away, archive.root.path().join("piece_d1002r1p2")).unwrap();
        replayed_to(2500).await;
        give(order(4, 2810, false));
    };
    let (done, ()) = tokio::join!(task, scheduler);
    assert_eq!(done.unwrap().replayed_scn, 2810);
    assert_eq!(applied(&target), archive.wanted(2810));
}
