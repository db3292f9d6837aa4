//! What a scan finds in data backup destinations: which sets there are, what they are worth, and the log that they carry.

use crate::support::archive::{CLUSTER, TENANT, at};
use crate::support::backup::{Backup, RETRY, Set, TURN};
use crate::support::look::{key_of_test, refusing, scan_of, wrong_cases};
use crate::support::tree::{Change, Tree, changes};
use std::sync::Arc;
use strandline_catalogue::{PlaceId, Role, SetEntry};
use strandline_format::blocks::Coding;
use strandline_format::compress::Compressor;
use strandline_format::paths::BackupPath;
use strandline_format::{DataType, pb};
use strandline_media::Op;
use strandline_reader::{Only, Scan, Source, scan};
use strandline_types::{
    BACKUP_COMPATIBLE, BackupSetId, BackupSetKind, BackupSetStatus, DestId, ErrorClass, FileStatus, Scn,
};

const INFO: &str = "backup_set_2_inc/single_backup_set_info.obbak";
const METAS: &str = "backup_set_2_inc/infos/meta_info/ls_meta_infos.obbak";

fn set(scan: &Scan, id: u64) -> &SetEntry {
    scan.catalogue.sets.iter().find(|s| s.set_id == BackupSetId(id)).unwrap()
}

fn ids(scan: &Scan) -> Vec<u64> {
    scan.catalogue.sets.iter().map(|s| s.set_id.0).collect()
}

#[tokio::test]
async fn a_chain_is_found_with_everything_that_a_restore_chooses_by() {
    let scan = scan_of(&Backup::chain().tree()).await;
    assert_eq!((ids(&scan), scan.problems.len()), (vec![1, 2, 3], 0));
    let full = SetEntry {
        data_turn: TURN,
        index_retry: RETRY,
        end_ms: at(4).as_ms(),
        ..SetEntry::full(BackupSetId(1), at(2), at(4))
    };
    assert_eq!(*set(&scan, 1), full);
    let inc = set(&scan, 3);
    assert_eq!((inc.kind, inc.prev_full, inc.prev_inc), (BackupSetKind::Inc, BackupSetId(1), BackupSetId(2)));
    assert_eq!((inc.start_replay_scn, inc.min_restore_scn), (at(14), at(16)));
    let place = &scan.catalogue.places[0];
    let owner = (place.owner.cluster_id.0, place.owner.tenant_id.0);
    assert_eq!((place.role, owner, place.dest_id), (Role::Backup, (CLUSTER, TENANT), DestId(1002)));
}

#[tokio::test]
async fn the_infos_of_every_readable_set_are_kept_with_its_name() {
    let backup = Backup::chain();
    let tree = backup.tree();
    let scan = scan_of(&tree.without(INFO)).await;
    let kept: Vec<u64> = scan.infos.keys().map(|(_, id)| id.0).collect();
    assert_eq!(kept, [1, 3]);
    let (name, info) = &scan.infos[&(PlaceId(0), BackupSetId(3))];
    assert_eq!((*name, info), (backup.sets[2].name(), &backup.info(&backup.sets[2])));
}

#[tokio::test]
async fn without_its_end_placeholder_a_set_does_not_exist() {
    let tree = Backup::chain().tree();
    let end = tree.path("backup_set_2_inc_end_success");
    assert_eq!(ids(&scan_of(&tree.without(&end)).await), [1, 3]);
    let failed = end.replace("success", "failed");
    let scan = scan_of(&tree.without(&end).with(&failed, tree.bytes(&end).clone())).await;
    assert_eq!((set(&scan, 2).status, scan.problems.len()), (BackupSetStatus::Failed, 0));
}

#[tokio::test]
async fn without_what_a_restore_needs_of_it_a_set_is_broken_and_still_says_where_it_would_begin() {
    let tree = Arc::new(Backup::chain().tree());
    let mut cases = Vec::new();
    for path in [INFO, METAS] {
        cases.extend(changes(tree.bytes(path), 1000).into_iter().map(|change| (path, change)));
    }
    assert!(cases.len() > 200, "each byte of both files");
    let wrong = wrong_cases(cases, |(path, change)| {
        let tree = Arc::clone(&tree);
        async move {
            let scan = scan_of(&tree.changed(path, change)).await;
            let (broken, one, three) = (set(&scan, 2), set(&scan, 1), set(&scan, 3));
            let is_named = scan.problems.len() == 1 && scan.problems[0].object.ends_with(path);
            let is_right = broken.file_status == FileStatus::Broken
                && (broken.start_replay_scn, broken.min_restore_scn) == (at(8), at(9))
                && [one, three].iter().all(|s| s.file_status == FileStatus::Available);
            if is_named && is_right {
                Ok(())
            } else {
                Err(format!("{path} {change:?}: {broken:?}, {:?}", scan.problems))
            }
        }
    });
    let wrong = wrong.await;
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[tokio::test]
async fn what_no_restore_needs_changes_nothing_of_the_catalogue() {
    let tree = Arc::new(Backup::chain().tree());
    let before = Arc::new(scan_of(&tree).await.catalogue);
    let is_needed = |path: &str| {
        path == "format.obbak" || path.contains("_end_") || path.contains("single_") || path.contains("ls_meta_infos")
    };
    let paths: Vec<String> = tree.0.keys().filter(|path| !is_needed(path)).cloned().collect();
    let wrong = wrong_cases(paths, |path| {
        let (tree, before) = (Arc::clone(&tree), Arc::clone(&before));
        async move {
            let scan = scan_of(&tree.changed(&path, Change::Removed)).await;
            let is_same = scan.catalogue == *before && scan.problems.is_empty();
            if is_same { Ok(()) } else { Err(format!("{path}: {:?}", scan.problems)) }
        }
    });
    let wrong = wrong.await;
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[tokio::test]
async fn a_set_of_a_newer_version_is_left_out_and_named() {
    let tree = Backup::chain().tree();
    let newer = tree.edited(INFO, DataType::BackupSetInfo, |info: &mut pb::BackupSetInfo| {
        info.backup_compatible = BACKUP_COMPATIBLE + 1;
        info.cluster_version = "9.9".to_owned();
    });
    let scan = scan_of(&newer).await;
    assert_eq!(ids(&scan), [1, 3]);
    let problem = &scan.problems[0];
    assert_eq!(problem.class, ErrorClass::Invalid);
    assert!(problem.what.contains("newer version 9.9") && problem.what.contains("use that version"), "{problem:?}");
}

#[tokio::test]
async fn what_the_infos_say_of_status_and_files_counts() {
    let tree = Backup::chain().tree();
    let edited = |edit: fn(&mut pb::BackupSetInfo)| tree.edited(INFO, DataType::BackupSetInfo, edit);
    for (tree, status, file_status) in [
        (edited(|i| i.status = "FAILED".to_owned()), BackupSetStatus::Failed, FileStatus::Available),
        (edited(|i| i.file_status = "DELETING".to_owned()), BackupSetStatus::Success, FileStatus::Deleting),
        (edited(|i| i.file_status = "EXPIRED".to_owned()), BackupSetStatus::Success, FileStatus::Expired),
        (edited(|i| i.file_status = "no such word".to_owned()), BackupSetStatus::Success, FileStatus::Broken),
    ] {
        let scan = scan_of(&tree).await;
        assert_eq!((set(&scan, 2).status, set(&scan, 2).file_status), (status, file_status));
    }
}

#[tokio::test]
async fn only_the_sets_that_were_named_count() {
    let backup = Backup::chain();
    let medium = backup.tree().medium().await;
    let only = vec![Only::Set(backup.sets[0].name()), Only::Set(backup.sets[2].name())];
    let scan = scan(&Source { medium, only }).await.unwrap();
    assert_eq!(ids(&scan), [1, 3]);
}

#[tokio::test]
async fn encryption_is_told_and_needs_no_key() {
    let coding = Coding { compressor: Compressor::Zstd, key: Some(key_of_test()) };
    let sets = [Set { coding, ..Set::full(1, 2, 4) }, Set::full(2, 2, 4)];
    let scan = scan_of(&Backup::of(sets).tree()).await;
    assert_eq!([set(&scan, 1).is_encrypted(), set(&scan, 2).is_encrypted()], [true, false]);
    assert_eq!(scan.problems, []);
}

/// A set that carries its log from second 2 to second 14.
fn carrying() -> Tree {
    Backup::of([Set { has_log: true, ..Set::full(1, 2, 14) }]).tree()
}

#[tokio::test]
async fn the_log_that_a_set_carries_is_a_place_of_its_own() {
    let scan = scan_of(&carrying()).await;
    assert_eq!(scan.problems, []);
    let place = &scan.catalogue.places[1];
    assert_eq!((place.role, place.of_set), (Role::ComplementLog, Some(BackupSetId(1))));
    assert_eq!(place.uri, "mem://tree/backup_set_1_full/complement_log");
    let ends: Vec<(u32, Scn)> = scan.catalogue.pieces.iter().map(|p| (p.place.0, p.checkpoint_scn)).collect();
    assert_eq!(ends, [(1, at(11).prev()), (1, at(14))]);
    assert!(scan.catalogue.pieces.iter().all(|p| scan.catalogue.is_carried(p)));
    let medium = scan.medium(PlaceId(1)).unwrap();
    assert!(medium.list("rounds").await.unwrap().iter().all(|o| o.path.starts_with("rounds/")));
}

#[tokio::test]
async fn a_set_that_lost_the_log_it_carried_says_so_by_not_carrying_any() {
    let scan = scan_of(&carrying().without_all("complement_log")).await;
    assert!(!set(&scan, 1).plus_archivelog && scan.catalogue.pieces.is_empty());
    let infos = carrying().paths("tenant_archive_piece_infos").pop().unwrap();
    let scan = scan_of(&carrying().changed(&infos, Change::Flipped(90))).await;
    let statuses: Vec<FileStatus> = scan.catalogue.pieces.iter().map(|p| p.file_status).collect();
    assert_eq!(statuses, [FileStatus::Available, FileStatus::Broken]);
    assert!(scan.problems[0].object.ends_with(&infos), "{:?}", scan.problems);
}

#[tokio::test]
async fn what_may_not_be_read_is_named_with_that_meaning_and_the_rest_is_found() {
    let medium = Backup::chain().tree().medium().await;
    for (part, status) in [(INFO, FileStatus::Broken), (METAS, FileStatus::Broken)] {
        let medium = refusing(medium.clone(), Op::Get, part, ErrorClass::Permission);
        let scan = scan(&Source::whole(medium)).await.unwrap();
        assert_eq!((ids(&scan), set(&scan, 2).file_status), (vec![1, 2, 3], status), "{part}");
        assert_eq!((scan.problems.len(), scan.problems[0].class), (1, ErrorClass::Permission), "{part}");
    }
    for (op, part) in [(Op::List, "backup_sets"), (Op::Get, INFO), (Op::List, "complement_log")] {
        let medium = refusing(medium.clone(), op, part, ErrorClass::Transient);
        let refused = scan(&Source::whole(medium)).await.unwrap_err();
        assert_eq!(refused.class, ErrorClass::Transient, "{op} {part}");
    }
}

#[tokio::test]
async fn a_set_counts_once_however_often_its_end_is_told() {
    let tree = Backup::chain().tree();
    let before = scan_of(&tree).await.catalogue;
    let name = Backup::chain().sets[1].name();
    let end = tree.path("backup_set_2_inc_end_success");
    for (success, second) in [(true, 5), (true, 30), (false, 9), (false, 30)] {
        let again = BackupPath::SetEnd { set: name, success, time_scn: at(second) }.path();
        let scan = scan_of(&tree.with(&again, tree.bytes(&end).clone())).await;
        assert_eq!(scan.catalogue, before, "{again}");
    }
}

#[tokio::test]
async fn infos_of_another_set_are_not_believed() {
    let tree = Backup::chain().tree();
    let other = "backup_set_3_inc/single_backup_set_info.obbak";
    let scan = scan_of(&tree.with(INFO, tree.bytes(other).clone())).await;
    let broken = set(&scan, 2);
    assert_eq!((broken.file_status, broken.start_replay_scn), (FileStatus::Broken, at(8)));
    assert_eq!(scan.problems.len(), 1);
    assert!(scan.problems[0].object.ends_with(INFO) && scan.problems[0].what.contains("backup set 3"));
    let full =
        tree.edited(INFO, DataType::BackupSetInfo, |i: &mut pb::BackupSetInfo| i.backup_type = "full".to_owned());
    assert_eq!(set(&scan_of(&full).await, 2).file_status, FileStatus::Broken, "of another kind");
}
