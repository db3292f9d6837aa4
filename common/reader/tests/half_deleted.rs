//! A piece that is being deleted, object by object in the order of production: a reader takes it for readable exactly as
//! long as all of its log is there.
#![allow(clippy::unwrap_used)]

mod support;

use std::sync::Arc;
use strandline_format::paths::deletion::{Stored, rank};
use strandline_media::{Medium, MemoryMedium};
use strandline_reader::{Source, scan};
use strandline_types::FileStatus;
use support::{PIECE, frozen_archive};

/// What a reader makes of the piece; `None` when it lists none.
async fn found(medium: &Arc<MemoryMedium>) -> Option<FileStatus> {
    let medium: Arc<dyn Medium> = medium.clone();
    let scan = scan(&Source::whole(medium)).await.unwrap();
    scan.catalogue.pieces.iter().find(|p| p.key == PIECE).map(|p| p.file_status)
}

#[tokio::test]
async fn a_piece_is_readable_until_the_first_of_its_log_goes() {
    for in_parts in [false, true] {
        let medium = frozen_archive("half deleted", in_parts, FileStatus::Available).await;
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
        let medium = frozen_archive("called back", false, told).await;
        assert_eq!(found(&medium).await, Some(FileStatus::Available), "the later history says {told}");
    }
}

#[tokio::test]
async fn a_piece_that_a_validation_found_broken_stays_so() {
    let medium = frozen_archive("broken", false, FileStatus::Broken).await;
    assert_eq!(found(&medium).await, Some(FileStatus::Broken));
}
