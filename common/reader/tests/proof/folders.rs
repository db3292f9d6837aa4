//! A folder of a destination as a destination of its own: it shows what lies below it and nothing else, and writes nothing.

use crate::support::archive::{Archive, Round, at, key};
use crate::support::backup::{Backup, Set};
use crate::support::look::refusing;
use crate::support::tree::Tree;
use std::sync::Arc;
use strandline_media::{FileMedium, Listed, LogForm, MediaError, Medium, MemoryMedium, Op, Unfinished};
use strandline_reader::{Folder, Source, scan};
use strandline_types::ErrorClass;

fn tree() -> Tree {
    let mut tree = Tree::default();
    for path in ["a/b/one", "a/b/c/two", "a/b/c/three", "a/bc/four", "a/five", "b/six"] {
        tree.put(path, path.as_bytes().to_vec());
    }
    tree
}

/// The same folder in memory and in a directory of files.
async fn folders(dir: &tempfile::TempDir) -> [Folder; 2] {
    let files = FileMedium::new(dir.path().to_str().unwrap());
    for (path, bytes) in &tree().0 {
        files.put(path, bytes.clone()).await.unwrap();
    }
    [Folder::new(tree().medium().await, "a/b"), Folder::new(Arc::new(files), "a/b")]
}

fn paths(listed: &[Listed]) -> Vec<(&str, u64)> {
    listed.iter().map(|o| (o.path.as_str(), o.bytes)).collect()
}

#[tokio::test]
async fn a_folder_shows_what_lies_below_it_under_local_names() {
    let dir = tempfile::tempdir().unwrap();
    for folder in folders(&dir).await {
        let all = [("c/three", 11), ("c/two", 9), ("one", 7)];
        assert_eq!(paths(&folder.list("").await.unwrap()), all, "a/bc is a neighbour and not below");
        let survey = folder.survey("").await.unwrap();
        assert_eq!((paths(&survey.objects), survey.strays.len()), (all.to_vec(), 0));
        assert_eq!(paths(&folder.list("c").await.unwrap()), all[..2]);
        assert_eq!(folder.list_dirs("").await.unwrap(), ["c"]);
        assert_eq!(folder.list("nothing").await.unwrap(), []);
        assert_eq!(folder.get("c/two").await.unwrap(), "a/b/c/two".as_bytes());
        assert_eq!(folder.get_range("one", 2..5).await.unwrap(), "b/o".as_bytes());
        assert_eq!(folder.head("c/three").await.unwrap(), 11);
        assert_eq!(folder.unfinished().await.unwrap(), []);
    }
}

#[tokio::test]
async fn what_is_not_there_or_too_short_is_told_as_below_the_whole_destination() {
    let dir = tempfile::tempdir().unwrap();
    for folder in folders(&dir).await {
        for missing in [folder.get("five").await.map(|_| ()), folder.head("../five").await.map(|_| ())] {
            assert!(matches!(missing.unwrap_err().class, ErrorClass::NotFound | ErrorClass::Invalid));
        }
        assert_eq!(folder.get_range("one", 0..8).await.unwrap_err().class, ErrorClass::Corrupt);
    }
}

#[tokio::test]
async fn every_call_that_writes_is_refused_and_changes_nothing() {
    let medium = tree().medium().await;
    let folder = Folder::new(medium.clone(), "a/b");
    let bytes = || vec![1].into();
    let unfinished = Unfinished { path: "one".to_owned(), id: "x".to_owned(), started_ms: 0 };
    let refused: [Result<(), MediaError>; 8] = [
        folder.put("new", bytes()).await,
        folder.put_if_absent("new", bytes()).await.map(|_| ()),
        folder.delete("one").await,
        folder.append("one", 7, bytes()).await.map(|_| ()),
        folder.open_writer("new").await.map(|_| ()),
        folder.abort(&unfinished).await,
        folder.copy("one", "new").await,
        folder.tag("one").await,
    ];
    for outcome in refused {
        let e = outcome.unwrap_err();
        assert_eq!((e.class, e.uri.as_str()), (ErrorClass::Invalid, "mem://tree/a/b"), "{e}");
    }
    assert_eq!(medium.list("").await.unwrap().len(), tree().0.len());
}

#[tokio::test]
async fn it_grows_logs_as_its_destination_does_and_passes_its_errors_on() {
    let parts = Arc::new(MemoryMedium::new("parts").in_parts());
    assert_eq!(Folder::new(parts, "x").log_form(), LogForm::Parts);
    let medium = tree().medium().await;
    assert_eq!(Folder::new(medium.clone(), "a").log_form(), medium.log_form());
    let dead = Folder::new(refusing(medium, Op::Get, "one", ErrorClass::Transient), "a/b");
    assert_eq!(dead.get("one").await.unwrap_err().class, ErrorClass::Transient);
}

#[tokio::test]
async fn a_directory_that_cannot_be_read_hides_only_itself_and_is_named_locally() {
    let dir = tempfile::tempdir().unwrap();
    let [_, folder] = folders(&dir).await;
    std::os::unix::fs::symlink("nowhere", dir.path().join("a/b/link")).unwrap();
    let survey = folder.survey("").await.unwrap();
    assert_eq!(survey.objects.len(), 3);
    assert_eq!(survey.strays[0].path, "link", "{:?}", survey.strays);
}

#[tokio::test]
async fn an_archive_below_a_folder_reads_like_one_at_the_root() {
    let mut below = Tree::default();
    below.add("copies/of/archive", &Archive::of([Round::open(1, 1, 0, 25)]).tree());
    let folder: Arc<dyn Medium> = Arc::new(Folder::new(below.medium().await, "copies/of/archive"));
    let found = scan(&Source::whole(folder)).await.unwrap();
    assert_eq!(found.problems, []);
    assert_eq!(found.catalogue.pieces.last().map(|p| (p.key, p.checkpoint_scn)), Some((key(1, 3), at(25))));
    assert_eq!(found.catalogue.places[0].uri, "mem://tree/copies/of/archive");
    let carried = Backup::of([Set { has_log: true, ..Set::full(1, 2, 14) }]).tree();
    let log = Folder::new(carried.medium().await, "backup_set_1_full/complement_log");
    assert_eq!(log.list_dirs("").await.unwrap(), ["piece_d1001r1p1", "piece_d1001r1p2", "pieces", "rounds"]);
}
