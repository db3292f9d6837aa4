//! Verification of an archive: what is sound is sound in every form, and every change of every object is found, under the
//! object's name and as what it is, while nothing else is called damaged.

use crate::support::archive::{Archive, Round, SYS, Shape, USER, at, key, log_path};
use crate::support::look::{LEVELS, judge, key_of_test, named, try_verify, verify_of, with_key, wrong_cases};
use crate::support::packed;
use crate::support::tree::{Change, Tree, changes};
use std::sync::Arc;
use strandline_format::cipher::Key;
use strandline_format::compress::Compressor;
use strandline_format::part::PartForm;
use strandline_format::paths::ArchivePath;
use strandline_format::{DataType, pb};
use strandline_reader::verify::{DamageKind, Level};
use strandline_types::{ErrorClass, Scn};

fn shapes() -> [(&'static str, Shape); 5] {
    let sealed = PartForm { compressor: Compressor::Zstd, key: Some(key_of_test()) };
    [
        ("plain", Shape::Plain),
        ("raw parts", Shape::Parts(PartForm::RAW, 900)),
        ("lz4 parts", Shape::Parts(packed(Compressor::Lz4), 2000)),
        ("zstd, one part", Shape::Parts(packed(Compressor::Zstd), 1 << 20)),
        ("sealed parts", Shape::Parts(sealed, 1500)),
    ]
}

fn is_log(path: &str) -> bool {
    path.contains("/log/")
}

/// The log directory of a log stream without its piece: what is missing in one piece is missed in the next one, too.
fn stream_of(path: &str) -> Option<&str> {
    path.split('/').find(|part| part.starts_with("logstream_")).filter(|_| path.contains("/log"))
}

/// True when damage of `object` may be told under `name`.
fn may_be_called(object: &str, name: &str) -> bool {
    let placeholder = name.strip_suffix('…');
    let dir = object.rsplit_once('/').map(|(dir, _)| dir);
    name == object
        || placeholder.is_some_and(|start| object.starts_with(start))
        || (object.contains("/checkpoint.") && Some(name) == dir)
        || (is_log(object) && stream_of(name) == stream_of(object))
}

/// What a change of an object may be called.
fn kinds(object: &str, change: Change) -> &'static [DamageKind] {
    use DamageKind::{Corrupt, Foreign, Gap, Missing, Truncated};
    match (change, is_log(object)) {
        (Change::Removed, false) => &[Missing],
        (Change::Removed, true) => &[Missing, Gap, Truncated],
        (Change::Emptied | Change::Cut(_), false) => &[Truncated],
        (Change::Emptied | Change::Cut(_), true) => &[Truncated, Missing, Gap, Corrupt],
        (Change::Flipped(_), false) => &[Corrupt],
        (Change::Flipped(_), true) => &[Corrupt, Foreign, Gap],
    }
}

async fn judged(tree: &Tree, level: Level, path: &str, change: Change) -> Result<(), String> {
    judge(tree, level, (path, change), kinds(path, change), |name| may_be_called(path, name)).await
}

#[tokio::test]
async fn a_sound_archive_of_any_shape_is_sound_at_both_levels() {
    let rounds: [(&str, Vec<Round>); 5] = [
        ("two frozen pieces and a growing one", vec![Round::open(1, 1, 0, 25)]),
        ("stopped inside of a piece", vec![Round::stopped(1, 1, 0, 25)]),
        ("the checkpoint has just entered the second piece", vec![Round::open(1, 1, 0, 10)]),
        ("one second", vec![Round::open(1, 1, 0, 1)]),
        ("two rounds that overlap", vec![Round::stopped(1, 1, 0, 14), Round::open(2, 3, 12, 31)]),
    ];
    for (name, shape) in shapes() {
        for (what, rounds) in &rounds {
            let tree = Archive::of(rounds.clone()).shaped(shape.clone()).tree();
            for level in LEVELS {
                let report = verify_of(&tree, level).await;
                assert_eq!(named(&report), [], "{name}, {what}, {level:?}");
                assert!(report.foreign.is_empty() && report.unreadable.is_empty() && report.notes.is_empty());
            }
        }
    }
}

#[tokio::test]
async fn every_change_of_every_object_is_found_under_its_name_and_nothing_else_is_called_damaged() {
    let mut cases = Vec::new();
    let rounds = [Round::stopped(1, 1, 0, 14), Round::open(2, 3, 14, 36)];
    for (name, shape) in shapes() {
        let tree = Arc::new(Archive::of(rounds).shaped(shape).tree());
        // Only log files are other ones in another shape.
        let is_other = |path: &str| name == "plain" || is_log(path);
        for (path, bytes) in tree.0.iter().filter(|(path, _)| *path != "format.obbak" && is_other(path)) {
            cases.extend(
                changes(bytes, if name == "plain" { 8 } else { 2 })
                    .into_iter()
                    .map(|change| (Arc::clone(&tree), path.clone(), change)),
            );
        }
    }
    // A dictionary snapshot of a piece that grows is named by no list yet; what is there has to be whole.
    let growing = format!("piece_{}", key(2, 5));
    cases.retain(|(_, path, change)| {
        *change != Change::Removed || !(path.starts_with(&growing) && path.contains("schema_meta"))
    });
    assert!(cases.len() > 1500, "{}", cases.len());
    let wrong =
        wrong_cases(cases, |(tree, path, change)| async move { judged(&tree, Level::Physical, &path, change).await });
    let wrong = wrong.await;
    assert!(wrong.is_empty(), "{}: {wrong:#?}", wrong.len());
}

#[tokio::test]
async fn a_look_at_lengths_and_small_files_finds_what_is_missing_or_short() {
    let tree = Archive::usual().tree();
    let mut cases = Vec::new();
    for path in tree.0.keys().filter(|path| *path != "format.obbak" && !path.contains("schema_meta")) {
        let is_empty = tree.bytes(path).is_empty();
        cases.push((path.clone(), Change::Removed));
        cases.extend([Change::Emptied, Change::Cut(1)].into_iter().filter(|_| !is_empty).map(|c| (path.clone(), c)));
    }
    let tree = &tree;
    let wrong = wrong_cases(cases, |(path, change)| async move { judged(tree, Level::Basic, &path, change).await });
    let wrong = wrong.await;
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[tokio::test]
async fn objects_in_each_others_place_are_both_found() {
    let tree = Archive::of([Round::open(1, 1, 0, 45)]).tree();
    let of = |piece, part: &str| tree.path(&format!("piece_{}/{part}", key(1, piece)));
    let of_log = |piece, ls, file| log_path(key(1, piece), ls, file);
    let pairs = [
        (of(1, "single_piece_info"), of(2, "single_piece_info")),
        (of(1, "tenant_archive_piece_infos"), of(3, "tenant_archive_piece_infos")),
        (of(1, "file_info"), of(2, "file_info")),
        (of(2, "checkpoint/checkpoint_info"), of(3, "checkpoint/checkpoint_info")),
        (of(2, "logstream_1/file_info"), of(2, "logstream_1001/file_info")),
        (tree.path("p1_start_"), tree.path("p2_start_")),
        (tree.path("p1_end_"), tree.path("p2_end_")),
        (of_log(2, SYS, 2), of_log(3, SYS, 2)),
        (of_log(1, USER, 1), of_log(1, USER, 2)),
    ];
    for (a, b) in pairs {
        let report = verify_of(&tree.swapped(&a, &b), Level::Physical).await;
        for path in [&a, &b] {
            let is_named =
                |(kind, name): &(DamageKind, &str)| *kind != DamageKind::Missing && may_be_called(path, name);
            assert!(named(&report).iter().any(is_named), "{path}: {:?}", named(&report));
        }
    }
}

#[tokio::test]
async fn a_whole_file_of_somebody_else_is_foreign() {
    let tree = Archive::usual().tree();
    let other = Archive { tenant: 1005, ..Archive::usual() }.tree();
    for part in ["checkpoint_info", "tenant_archive_piece_infos", "single_piece_info", "schema_meta"] {
        let path = tree.paths(&format!("piece_{}", key(1, 1))).into_iter().find(|p| p.contains(part)).unwrap();
        let report = verify_of(&tree.with(&path, other.bytes(&path).clone()), Level::Basic).await;
        assert_eq!(named(&report), [(DamageKind::Foreign, path.as_str())], "{part}");
        assert!(report.damages[0].detail.contains("tenant"), "{:?}", report.damages);
    }
    let other = Archive { dest: 1009, ..Archive::usual() }.tree();
    let path = "rounds/round_d1001r1_start.obarc";
    let report =
        verify_of(&tree.with(path, other.bytes("rounds/round_d1009r1_start.obarc").clone()), Level::Basic).await;
    assert!(named(&report).contains(&(DamageKind::Foreign, path)), "{:?}", report.damages);
}

#[tokio::test]
async fn pieces_go_from_the_oldest_on_and_a_hole_between_two_is_named() {
    let tree = Archive::of([Round::open(1, 1, 0, 45)]).tree();
    let without = |tree: &Tree, piece| tree.without_all(&format!("piece_{}", key(1, piece)));
    let cleaned = without(&without(&tree, 1), 2);
    for level in LEVELS {
        assert_eq!(named(&verify_of(&cleaned, level).await), [], "cleaned, {level:?}");
    }
    let report = verify_of(&without(&tree, 3), Level::Basic).await;
    let dir = format!("piece_{}", key(1, 3));
    assert!(named(&report).contains(&(DamageKind::Missing, dir.as_str())), "{:?}", report.damages);
}

#[tokio::test]
async fn a_round_that_was_stopped_early_needs_its_end() {
    let tree = Archive::of([Round::stopped(1, 1, 0, 25)]).tree();
    let end = tree.path("rounds/round_d1001r1_end");
    let report = verify_of(&tree.without(&end), Level::Basic).await;
    assert_eq!(named(&report), [(DamageKind::Missing, end.as_str())]);
    let full = Archive::of([Round::open(1, 1, 0, 30)]).tree();
    assert!(full.paths("_end.obarc").is_empty() && verify_of(&full, Level::Basic).await.is_sound());
}

#[tokio::test]
async fn a_checkpoint_that_the_log_does_not_reach_is_a_gap_of_every_log_stream() {
    let tree = Archive::usual().tree();
    let ahead = ArchivePath::<Scn>::Checkpoint { key: key(1, 3), scn: at(28) }.path();
    let report = verify_of(&tree.with(&ahead, Vec::new()), Level::Physical).await;
    let dirs = [SYS, USER].map(|ls| format!("piece_{}/logstream_{ls}/log", key(1, 3)));
    assert_eq!(named(&report), [(DamageKind::Gap, dirs[0].as_str()), (DamageKind::Gap, dirs[1].as_str())]);
}

#[tokio::test]
async fn a_list_that_names_other_files_than_are_there_is_told_from_damage_of_the_files() {
    let tree = Archive::usual().tree();
    let extra = log_path(key(1, 2), USER, 9);
    let report = verify_of(&tree.with(&extra, tree.bytes(&log_path(key(1, 2), USER, 2)).clone()), Level::Basic).await;
    assert!(named(&report).contains(&(DamageKind::Foreign, extra.as_str())), "{:?}", report.damages);
    let path = format!("piece_{}/logstream_1001/file_info.obarc", key(1, 1));
    let forgetful = |list: &mut pb::SingleLsFileList| list.files.truncate(1);
    let report = verify_of(&tree.edited(&path, DataType::SingleLsFileList, forgetful), Level::Basic).await;
    assert_eq!(named(&report), [(DamageKind::Foreign, path.as_str())], "it disagrees with the list of the piece");
}

#[tokio::test]
async fn what_is_of_no_layout_is_shown_and_is_no_damage() {
    let tree = Archive::usual().tree();
    let strange = ["notes.txt", "lost+found/x", "rounds/readme", "piece_d1001r1p1/.DS_Store"];
    let with_all = strange.iter().fold(tree, |tree, path| tree.with(path, vec![1]));
    let report = verify_of(&with_all, Level::Physical).await;
    let shown: Vec<&str> = report.foreign.iter().map(|r| r.path.as_str()).collect();
    let mut expected = strange.to_vec();
    expected.sort_unstable();
    assert_eq!((named(&report), shown), (vec![], expected));
}

#[tokio::test]
async fn sealed_log_needs_its_key_for_every_group_and_not_for_lengths() {
    let sealed = PartForm { compressor: Compressor::Lz4, key: Some(key_of_test()) };
    let tree = Archive::usual().shaped(Shape::Parts(sealed, 1500)).tree();
    for keys in [Arc::default(), with_key(Key::from_bytes([8; 32]))] {
        let refused = try_verify(&tree, Level::Physical, &keys).await.unwrap_err();
        assert_eq!((refused.class, refused.code), (ErrorClass::Permission, -9057), "{refused}");
        let report = try_verify(&tree, Level::Basic, &keys).await.unwrap();
        assert!(report.is_sound() && !report.notes.is_empty(), "{report:?}");
    }
}

#[tokio::test]
async fn a_second_placeholder_of_another_time_is_foreign() {
    let tree = Archive::usual().tree();
    let key = key(1, 1);
    let started = ArchivePath::PieceStart { key, time_scn: at(2) };
    let ended = ArchivePath::PieceEnd { key, time_scn: at(12) };
    let inner = ArchivePath::PieceInner { key, start_scn: at(0), checkpoint_scn: at(12) };
    for (second, first) in [(started, "p1_start_"), (ended, "p1_end_"), (inner, "piece_d1001r1p1/piece_")] {
        let second = second.path();
        let report = verify_of(&tree.with(&second, tree.bytes(&tree.path(first)).clone()), Level::Basic).await;
        assert_eq!(named(&report), [(DamageKind::Foreign, second.as_str())]);
    }
}
