//! What a scan makes of one object that is missing, damaged or of somebody else: it is named, no more is promised than
//! before, and everything that does not depend on the object is found as before.

use crate::support::archive::{Archive, Round, TENANT, at, key, log_path};
use crate::support::look::{scan_of, wrong_cases};
use crate::support::tree::{Change, Tree, changes};
use std::sync::Arc;
use strandline_catalogue::PieceEntry;
use strandline_format::paths::ArchivePath;
use strandline_format::{DataType, pb};
use strandline_reader::Scan;
use strandline_types::{ErrorClass, FileStatus, PieceKey, Scn};

/// Three rounds' worth of pieces: frozen ones, a stopped round, one that grows.
fn sound() -> Tree {
    Archive::of([Round::stopped(1, 1, 0, 24), Round::open(2, 4, 24, 51)]).tree()
}

/// The piece whose file a path is, placeholders included.
fn piece_of(path: &str) -> Option<PieceKey> {
    let name = path.strip_prefix("pieces/").unwrap_or(path);
    let ids = name.strip_prefix("piece_")?.split(['_', '/']).next()?;
    let numbers: Vec<u64> = ids.split(['d', 'r', 'p']).filter_map(|n| n.parse().ok()).collect();
    Some(key(numbers[1], numbers[2]))
}

fn promised(piece: &PieceEntry) -> Option<Scn> {
    piece.is_readable().then_some(piece.checkpoint_scn)
}

/// True when the end of `piece` is proved by an object: log of the last piece of its round, which follows it.
fn is_proved_by(before: &Scan, piece: &PieceEntry, path: &str) -> bool {
    let next = PieceKey { piece_id: piece.key.piece_id.next(), ..piece.key };
    let is_last = !before.catalogue.pieces.iter().any(|p| p.key.round_id == next.round_id && p.key > next);
    path.contains("/log/") && piece_of(path) == Some(next) && is_last
}

/// What is wrong with a scan of an archive with one changed object, if anything.
fn judged(before: &Scan, after: &Scan, path: &str) -> Result<(), String> {
    let own = piece_of(path);
    let mut may_be_blamed: Vec<String> = own.iter().map(ToString::to_string).collect();
    for piece in &before.catalogue.pieces {
        let now = after.catalogue.pieces.iter().find(|p| p.key == piece.key);
        let Some(now) = now else { return Err(format!("piece {} is not found", piece.key)) };
        if promised(now) > promised(piece) {
            return Err(format!("piece {} promises more than before", piece.key));
        }
        let is_proved = is_proved_by(before, piece, path);
        if is_proved {
            may_be_blamed.push(piece.key.to_string());
        } else if Some(piece.key) != own && now != piece {
            return Err(format!("piece {} depends on it: {now:?}", piece.key));
        }
        let is_worse = promised(now) < promised(piece);
        let says_why = |object: &str| is_proved || object.contains(&format!("piece_{}", piece.key));
        if is_worse && !after.problems.iter().any(|p| says_why(&p.object)) {
            return Err(format!("piece {} is worse and nobody says why", piece.key));
        }
    }
    let is_of = |object: &str| may_be_blamed.iter().any(|key| object.contains(&format!("_{key}")));
    let of_other = after.problems.iter().find(|p| own.is_some() && !is_of(&p.object));
    of_other.map_or(Ok(()), |p| Err(format!("another piece is blamed: {p:?}")))
}

#[tokio::test]
async fn a_changed_object_takes_away_no_more_than_its_own_piece() {
    let tree = Arc::new(sound());
    let before = Arc::new(scan_of(&tree).await);
    assert_eq!(before.problems, []);
    let mut cases = Vec::new();
    for (path, bytes) in tree.0.iter().filter(|(path, _)| *path != "format.obbak") {
        cases.extend(changes(bytes, 3).into_iter().map(|change| (path.clone(), change)));
    }
    assert!(cases.len() > 500, "{}", cases.len());
    let wrong = wrong_cases(cases, |(path, change)| {
        let (tree, before) = (Arc::clone(&tree), Arc::clone(&before));
        async move {
            let after = scan_of(&tree.changed(&path, change)).await;
            judged(&before, &after, &path).map_err(|what| format!("{path} {change:?}: {what}; {:?}", after.problems))
        }
    });
    let wrong = wrong.await;
    assert!(wrong.is_empty(), "{}: {wrong:#?}", wrong.len());
}

#[tokio::test]
async fn each_byte_of_a_file_that_a_promise_rests_on_counts() {
    let tree = Arc::new(sound());
    let files = [
        ArchivePath::<Scn>::TenantArchivePieceInfos { key: key(2, 6) }.path(),
        ArchivePath::<Scn>::RoundStart { dest: 1001.into(), round: 2.into() }.path(),
        ArchivePath::<Scn>::RoundEnd { dest: 1001.into(), round: 1.into() }.path(),
        ArchivePath::<Scn>::PieceFileInfo { key: key(1, 3) }.path(),
    ];
    let cases = files.iter().flat_map(|path| (0..tree.bytes(path).len()).map(move |at| (path.clone(), at)));
    let wrong = wrong_cases(cases, |(path, at)| {
        let tree = Arc::clone(&tree);
        async move {
            let scan = scan_of(&tree.changed(&path, Change::Flipped(at))).await;
            let is_named = scan.problems.iter().any(|p| p.object.ends_with(&path) && p.class == ErrorClass::Corrupt);
            if is_named { Ok(()) } else { Err(format!("{path}, byte {at}: {:?}", scan.problems)) }
        }
    });
    let wrong = wrong.await;
    assert!(wrong.is_empty(), "{wrong:#?}");
}

/// The newest piece of the newest round after a change: what is promised of it, and the objects that are blamed.
async fn newest(tree: &Tree) -> (FileStatus, Scn, Vec<String>) {
    let scan = scan_of(tree).await;
    let piece = scan.catalogue.pieces.iter().find(|p| p.key == key(2, 6)).unwrap();
    let blamed = scan.problems.iter().map(|p| p.object.trim_start_matches("mem://tree/").to_owned());
    (piece.file_status, piece.checkpoint_scn, blamed.collect())
}

#[tokio::test]
async fn the_checkpoint_of_the_piece_that_grows_is_the_largest_name_that_its_log_bears_out() {
    use FileStatus::{Available, Broken};
    let tree = sound();
    let own = key(2, 6);
    let name = |second| ArchivePath::<Scn>::Checkpoint { key: own, scn: at(second) }.path();
    let infos = ArchivePath::<Scn>::TenantArchivePieceInfos { key: own }.path();
    let info = ArchivePath::<Scn>::CheckpointInfo { key: own }.path();
    let dir = format!("piece_{own}/checkpoint");
    let older = tree.with(&name(48), Vec::new());
    let only_older = older.without(&name(51));
    assert_eq!(newest(&older).await, (Available, at(51), vec![]), "the largest one");
    assert_eq!(newest(&only_older).await, (Available, at(48), vec![]));
    assert_eq!(newest(&tree.without(&name(51))).await, (Broken, at(44), vec![dir]));
    let unentered = tree.without(&name(51)).without(&info);
    assert_eq!(newest(&unentered).await, (Available, at(44), vec![]), "the checkpoint has not entered it");
    assert_eq!(newest(&tree.without(&infos)).await, (Broken, at(44), vec![infos]), "a checkpoint is there without it");
    let foreign = tree.with(&name(54), Vec::new());
    assert_eq!(newest(&foreign).await, (Available, at(51), vec![name(54)]), "the piece ends before it");
}

#[tokio::test]
async fn log_that_is_torn_inside_of_a_group_is_promised_up_to_the_checkpoint_before() {
    let tree = sound();
    let own = key(2, 6);
    let earlier = ArchivePath::<Scn>::Checkpoint { key: own, scn: at(48) }.path();
    let path = tree.paths(&format!("piece_{own}/logstream_1001/log/")).pop().unwrap();
    for by in [1, 40, 150] {
        let torn = tree.changed(&path, Change::Cut(by));
        let (status, checkpoint, blamed) = newest(&torn).await;
        assert_eq!((status, checkpoint), (FileStatus::Available, at(50).prev()), "cut by {by}");
        assert_eq!(blamed, [path.as_str()], "cut by {by}");
        assert_eq!(newest(&torn.with(&earlier, Vec::new())).await.1, at(48), "an earlier checkpoint holds");
        let scan = scan_of(&torn).await;
        let short: Vec<(PieceKey, Scn)> = scan.catalogue.short.iter().map(|s| (s.key, s.published_scn)).collect();
        assert_eq!(short, [(own, at(51))], "what was published is remembered");
    }
}

#[tokio::test]
async fn without_its_directory_in_the_listing_a_piece_is_known_from_the_history_of_the_next_one() {
    let tree = sound().without_all("piece_d1001r1p2/");
    let scan = scan_of(&tree).await;
    let lost = scan.catalogue.pieces.iter().find(|p| p.key == key(1, 2)).unwrap();
    let slice = (lost.start_scn, lost.end_scn, lost.checkpoint_scn);
    assert_eq!(slice, (at(10), at(20), at(20).prev()));
    assert_eq!(lost.file_status, FileStatus::Broken);
}

#[tokio::test]
async fn a_frozen_piece_that_is_being_deleted_is_told_from_a_damaged_one() {
    let tree = sound();
    let end = tree.path("p1_end_");
    let log = log_path(key(1, 1), 1001.into(), 2);
    let status = |tree: Tree| async move {
        let scan = scan_of(&tree).await;
        scan.catalogue.pieces.iter().find(|p| p.key == key(1, 1)).map(|p| p.file_status)
    };
    assert_eq!(status(tree.without(&end)).await, Some(FileStatus::Available), "all of its log is there");
    assert_eq!(status(tree.without(&end).without(&log)).await, Some(FileStatus::Deleting));
    assert_eq!(status(tree.without(&end).changed(&log, Change::Cut(1))).await, Some(FileStatus::Deleting));
    assert_eq!(status(tree.without_all("piece_d1001r1p1")).await, None, "it is gone");
}

#[tokio::test]
async fn a_file_that_says_another_piece_or_range_than_its_place_is_not_believed() {
    let tree = sound();
    let single = ArchivePath::<Scn>::SinglePieceInfo { key: key(1, 3) }.path();
    // Of the last piece of a round only its own file tells: nobody's history of the same destination is older.
    let alone = Archive::of([Round::stopped(1, 1, 0, 24)]).tree();
    let moved = alone.edited(&single, DataType::SinglePieceInfo, |s: &mut pb::SinglePieceInfo| {
        s.piece.as_mut().unwrap().piece_id = 2;
    });
    let scan = scan_of(&moved).await;
    let piece = scan.catalogue.pieces.iter().find(|p| p.key == key(1, 3)).unwrap();
    assert_eq!((piece.file_status, scan.problems[0].what.as_str()), (FileStatus::Broken, "it is of piece d1001r1p2"));
    let wrong_kind = tree.with(&single, tree.bytes("format.obbak").clone());
    let alone = wrong_kind.without_all("r2");
    let scan = scan_of(&alone).await;
    assert!(scan.problems.iter().any(|p| p.object.ends_with(&single)), "{:?}", scan.problems);
    assert_eq!(scan.catalogue.places[0].owner.tenant_id.0, TENANT);
}
