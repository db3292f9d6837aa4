//! Verification of backup sets: chains of every coding are sound, and every change of every object is found, under the
//! object's name and as what it is, while nothing else is called damaged.

use crate::support::archive::at;
use crate::support::backup::{Backup, Set};
use crate::support::look::{LEVELS, judge, key_of_test, named, options, try_verify, verify_of, with_key, wrong_cases};
use crate::support::tree::{Change, Tree, changes};
use std::sync::Arc;
use strandline_format::DataType;
use strandline_format::blocks::Coding;
use strandline_format::cipher::Key;
use strandline_format::compress::Compressor;
use strandline_format::paths::BackupPath;
use strandline_format::pb;
use strandline_reader::verify::{self, DamageKind, Level};
use strandline_reader::{Keys, Only, Source};
use strandline_types::BACKUP_COMPATIBLE;

fn codings() -> [(&'static str, Coding); 4] {
    let key = Some(key_of_test());
    [
        ("plain", Coding::default()),
        ("lz4", Coding { compressor: Compressor::Lz4, key: None }),
        ("sealed", Coding { compressor: Compressor::None, key: key.clone() }),
        ("zstd, sealed", Coding { compressor: Compressor::Zstd, key }),
    ]
}

fn chain_of(coding: &Coding) -> Backup {
    let mut chain = Backup::chain();
    chain.sets.iter_mut().for_each(|set| set.coding = coding.clone());
    chain
}

/// True when damage of `object` may be told under `name`.
fn may_be_called(object: &str, name: &str) -> bool {
    name == object || name.strip_suffix('…').is_some_and(|start| object.starts_with(start))
}

fn kinds(change: Change) -> &'static [DamageKind] {
    use DamageKind::{Corrupt, Missing, Truncated};
    match change {
        Change::Removed => &[Missing],
        Change::Emptied | Change::Cut(_) => &[Truncated],
        Change::Flipped(_) => &[Corrupt],
    }
}

async fn judged(tree: &Tree, level: Level, path: &str, change: Change) -> Result<(), String> {
    judge(tree, level, (path, change), kinds(change), |name| may_be_called(path, name)).await
}

#[tokio::test]
async fn a_sound_chain_of_any_coding_is_sound_at_both_levels() {
    for (name, coding) in codings() {
        let tree = chain_of(&coding).tree();
        for level in LEVELS {
            let report = verify_of(&tree, level).await;
            assert_eq!(named(&report), [], "{name}, {level:?}");
            assert!(report.foreign.is_empty() && report.unreadable.is_empty(), "{report:?}");
            assert!(report.notes.is_empty(), "{name}: {:?}", report.notes);
        }
        let blocks = verify_of(&tree, Level::Physical).await.blocks;
        assert_eq!(blocks, (3 + 1 + 1) + 3 + 3 * 2, "major blocks, minor ones, and those of two inner tablets a set");
    }
}

#[tokio::test]
async fn every_change_of_every_object_is_found_under_its_name_and_nothing_else_is_called_damaged() {
    let mut cases = Vec::new();
    for (name, coding) in codings() {
        let tree = Arc::new(chain_of(&coding).tree());
        // Only data files are other ones under another coding.
        let is_other = |path: &str| name == "plain" || path.contains("macro_block_data");
        for (path, bytes) in tree.0.iter().filter(|(path, _)| *path != "format.obbak" && is_other(path)) {
            cases.extend(changes(bytes, 4).into_iter().map(|change| (Arc::clone(&tree), path.clone(), change)));
        }
    }
    assert!(cases.len() > 1500, "{}", cases.len());
    let wrong =
        wrong_cases(cases, |(tree, path, change)| async move { judged(&tree, Level::Physical, &path, change).await });
    let wrong = wrong.await;
    assert!(wrong.is_empty(), "{}: {wrong:#?}", wrong.len());
}

#[tokio::test]
async fn a_look_at_lengths_and_small_files_finds_what_is_missing_or_short() {
    let tree = Backup::chain().tree();
    let mut cases = Vec::new();
    for path in tree.0.keys().filter(|path| *path != "format.obbak") {
        cases.extend([Change::Removed, Change::Emptied, Change::Cut(1)].map(|change| (path.clone(), change)));
    }
    let tree = &tree;
    let wrong = wrong_cases(cases, |(path, change)| async move { judged(tree, Level::Basic, &path, change).await });
    let wrong = wrong.await;
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[tokio::test]
async fn without_its_key_a_sealed_set_is_checked_as_it_is_stored() {
    let tree = chain_of(&codings()[3].1).tree();
    let data = tree.paths("logstream_1001/major_data_turn_1_retry_0/macro_block_data.0").remove(0);
    for keys in [Arc::<Keys>::default(), with_key(Key::from_bytes([9; 32]))] {
        let report = try_verify(&tree, Level::Physical, &keys).await.unwrap();
        assert!(report.is_sound(), "{:?}", report.damages);
        assert!(report.notes.iter().any(|note| note.contains("key was not given")), "{:?}", report.notes);
        let changed = tree.changed(&data, Change::Flipped(4096 + 200));
        let report = try_verify(&changed, Level::Physical, &keys).await.unwrap();
        assert_eq!(named(&report)[0], (DamageKind::Corrupt, data.as_str()), "{:?}", report.damages);
    }
}

#[tokio::test]
async fn objects_in_each_others_place_are_both_found() {
    let tree = Backup::chain().tree();
    let (one, two) = ("backup_set_1_full", "backup_set_2_inc");
    let pairs = [
        (format!("{one}/single_backup_set_info.obbak"), format!("{two}/single_backup_set_info.obbak")),
        (format!("backup_sets/{one}_start.obbak"), format!("backup_sets/{two}_start.obbak")),
        (format!("{one}/infos/locality_info.obbak"), format!("{two}/infos/locality_info.obbak")),
        (format!("{one}/infos/diagnose_info.obbak"), format!("{two}/infos/diagnose_info.obbak")),
        (
            format!("{one}/logstream_1/meta_info_turn_1_retry_0/ls_meta_info.obbak"),
            format!("{one}/logstream_1001/meta_info_turn_1_retry_0/ls_meta_info.obbak"),
        ),
        (
            format!("{one}/logstream_1001/major_data_turn_1_retry_0/macro_block_data.0.obbak"),
            format!("{one}/logstream_1001/minor_data_turn_1_retry_0/macro_block_data.0.obbak"),
        ),
        (
            format!("{one}/logstream_1001/major_data_turn_1_retry_0/macro_range_index.obbak"),
            format!("{two}/logstream_1001/major_data_turn_1_retry_0/macro_range_index.obbak"),
        ),
        (
            format!("{one}/infos/major_data_info_turn_1/tenant_major_data_meta_index.0.obbak"),
            format!("{one}/infos/major_data_info_turn_1/tenant_major_data_sec_meta_index.0.obbak"),
        ),
    ];
    for (a, b) in pairs {
        let report = verify_of(&tree.swapped(&a, &b), Level::Physical).await;
        for path in [&a, &b] {
            assert!(named(&report).iter().any(|(_, name)| name == path), "{path}: {:?}", named(&report));
        }
    }
}

#[tokio::test]
async fn a_file_that_the_list_does_not_know_is_foreign_and_one_of_no_layout_is_shown() {
    let tree = Backup::chain().tree();
    let extra = "backup_set_2_inc/logstream_1001/major_data_turn_1_retry_0/macro_block_data.1.obbak";
    let bytes = tree.bytes(&extra.replace("data.1", "data.0")).clone();
    let report = verify_of(&tree.with(extra, bytes), Level::Basic).await;
    assert_eq!(named(&report), [(DamageKind::Foreign, extra)]);
    let report = verify_of(&tree.with("backup_set_2_inc/notes.txt", vec![1]), Level::Physical).await;
    assert_eq!((report.is_sound(), report.foreign[0].path.as_str()), (true, "backup_set_2_inc/notes.txt"));
}

#[tokio::test]
async fn sets_that_are_not_finished_failed_or_newer_are_noted_and_no_damage() {
    let tree = Backup::chain().tree();
    let info = "backup_set_3_inc/single_backup_set_info.obbak";
    let end = tree.path("backup_sets/backup_set_3_inc_end_success");
    let failed = end.replace("success", "failed");
    let cases = [
        ("not finished", tree.without(&end).without(info)),
        ("without success", tree.without(&end).with(&failed, tree.bytes(&end).clone())),
        (
            "newer version",
            tree.edited(info, DataType::BackupSetInfo, |i: &mut pb::BackupSetInfo| {
                i.backup_compatible = BACKUP_COMPATIBLE + 1;
            }),
        ),
    ];
    for (what, tree) in cases {
        let report = verify_of(&tree, Level::Physical).await;
        assert_eq!(named(&report), [], "{what}");
        assert!(report.notes.iter().any(|n| n.contains("backup_set_3_inc") && n.contains(what)), "{:?}", report.notes);
    }
}

#[tokio::test]
async fn an_increment_is_checked_with_the_blocks_that_it_takes_over() {
    let tree = Backup::chain().tree();
    let alone = |tree: &Tree| {
        let tree = tree.clone();
        async move {
            let name = Backup::chain().sets[2].name();
            let source = Source { medium: tree.medium().await, only: vec![Only::Set(name)] };
            verify::source(&source, &options(Level::Physical, &Arc::default())).await.unwrap()
        }
    };
    assert_eq!(named(&alone(&tree).await), []);
    let base = "backup_set_1_full/logstream_1001/major_data_turn_1_retry_0/macro_block_data.0.obbak";
    let in_first_block = 4096 + 100;
    let report = alone(&tree.changed(base, Change::Flipped(in_first_block))).await;
    assert_eq!(named(&report), [], "the oldest block is taken over by nobody");
    let in_last_block = tree.bytes(base).len() - 4 * 4096 + 100;
    let report = alone(&tree.changed(base, Change::Flipped(in_last_block))).await;
    assert_eq!(named(&report), [(DamageKind::Corrupt, base)]);
    let report = alone(&tree.without(base)).await;
    assert_eq!(named(&report), [(DamageKind::Missing, base)]);
    let report = alone(&tree.without_all("backup_set_1_full")).await;
    let index = "backup_set_3_inc/logstream_1001/major_data_turn_1_retry_0/macro_range_index.obbak";
    assert_eq!(named(&report), [(DamageKind::Missing, index)]);
    assert!(report.damages[0].detail.contains("backup set 1"), "{:?}", report.damages);
}

#[tokio::test]
async fn one_set_or_one_log_stream_of_it_tells_only_of_itself() {
    let tree = Backup::chain().tree();
    let of_user = tree.path("backup_set_2_inc/logstream_1001/minor_data_turn_1_retry_0/macro_block_data");
    let small = "backup_set_2_inc/infos/locality_info.obbak";
    let other = tree.path("backup_set_1_full/logstream_1/sys_data_turn_1_retry_0/macro_block_data");
    let bad = tree.without(small).changed(&of_user, Change::Flipped(5000)).without(&other);
    let medium = bad.medium().await;
    let set = Backup::chain().sets[1].name();
    for (only, expected) in [
        (None, vec![small, of_user.as_str()]),
        (Some(0), vec![small]),
        (Some(1), vec![]),
        (Some(1001), vec![of_user.as_str()]),
    ] {
        let options = options(Level::Physical, &Arc::default());
        let report = verify::set(&medium, set, only.map(Into::into), &options).await.unwrap();
        let mut found: Vec<&str> = report.damages.iter().map(|d| d.path.as_str()).collect();
        found.dedup();
        assert_eq!(found, expected, "{only:?}: {:?}", report.damages);
    }
}

#[tokio::test]
async fn a_set_of_which_nothing_is_there_is_missing() {
    let medium = Backup::chain().tree().medium().await;
    let gone = Set::full(9, 0, 1).name();
    let report = verify::set(&medium, gone, None, &options(Level::Basic, &Arc::default())).await.unwrap();
    assert_eq!(named(&report), [(DamageKind::Missing, "backup_set_9_full")]);
}

#[tokio::test]
async fn the_log_that_a_set_carries_is_checked_like_an_archive() {
    let tree = Backup::of([Set { has_log: true, ..Set::full(1, 2, 14) }, Set::full(2, 2, 14)]).tree();
    for level in LEVELS {
        assert_eq!(named(&verify_of(&tree, level).await), [], "{level:?}");
    }
    let log = tree.path("complement_log/piece_d1001r1p1/logstream_1001/log/1.obarc");
    let cases = [
        (tree.changed(&log, Change::Flipped(4500)), DamageKind::Corrupt, log.as_str()),
        (tree.without(&log), DamageKind::Missing, log.as_str()),
        (tree.without_all("complement_log"), DamageKind::Missing, "backup_set_1_full/complement_log"),
    ];
    for (bad, kind, path) in cases {
        let report = verify_of(&bad, Level::Physical).await;
        assert!(named(&report).contains(&(kind, path)), "{path}: {:?}", report.damages);
        assert!(report.damages.iter().all(|d| d.path.starts_with("backup_set_1_full/")), "{:?}", report.damages);
    }
}

#[tokio::test]
async fn a_second_placeholder_of_a_set_is_foreign() {
    let tree = Backup::chain().tree();
    let set = Backup::chain().sets[1].name();
    let end = |success, second| BackupPath::SetEnd { set, success, time_scn: at(second) };
    let inner = BackupPath::SetInner { set, start: at(7), end: at(9) };
    let ends = "backup_sets/backup_set_2_inc_end_";
    for (second, first) in [
        (end(true, 30), ends),
        (end(true, 5), ends),
        (end(false, 9), ends),
        (inner, "backup_set_2_inc/backup_set_2_inc_"),
    ] {
        let second = second.path();
        let report = verify_of(&tree.with(&second, tree.bytes(&tree.path(first)).clone()), Level::Basic).await;
        assert_eq!(named(&report), [(DamageKind::Foreign, second.as_str())], "{:?}", report.notes);
    }
}
