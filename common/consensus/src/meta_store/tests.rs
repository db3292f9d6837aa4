//! The vote store: its two databases, what each lost, and one hiccup of the disk.
#![allow(clippy::unwrap_used)]

use super::*;
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::atomic::Ordering;

fn vote(term: u64) -> Vote {
    Vote::new(term, 1)
}

#[test]
fn one_error_of_the_disk_is_survived_by_the_call_and_a_longer_one_by_the_store() {
    let dir = tempfile::tempdir().unwrap();
    let store = MetaStore::open(dir.path()).unwrap();
    store.save_vote("g", &vote(1)).unwrap();
    for (db, term) in [(&store.main, 10), (&store.copy, 20)] {
        db.breaks.store(1, Ordering::Release);
        store.save_vote("g", &vote(term)).unwrap();
        assert_eq!(store.vote("g").unwrap(), Some(vote(term)));
        db.breaks.store(2, Ordering::Release);
        assert!(store.save_vote("g", &vote(term + 1)).is_err(), "it must not count as saved");
        assert!(store.vote("g").unwrap() >= Some(vote(term)), "what was saved is there");
        store.save_vote("g", &vote(term + 2)).unwrap();
        assert_eq!(store.vote("g").unwrap(), Some(vote(term + 2)));
    }
}

#[test]
fn a_directory_of_a_formed_group_says_so_until_the_replica_is_removed() {
    let dir = tempfile::tempdir().unwrap();
    let store = MetaStore::open(dir.path()).unwrap();
    store.set_caught_up("g").unwrap();
    assert!(!store.is_formed("g").unwrap());
    store.set_formed("g").unwrap();
    drop(store);
    let store = MetaStore::open(dir.path()).unwrap();
    assert!(store.is_formed("g").unwrap() && !store.is_formed("h").unwrap());
    store.log_was_lost("g", "a flipped bit").unwrap();
    assert!(store.is_formed("g").unwrap() && !store.is_caught_up("g").unwrap());
    drop(store);
    let store = MetaStore::open(dir.path()).unwrap();
    assert!(store.is_formed("g").unwrap() && !store.is_caught_up("g").unwrap());
    assert_eq!(store.loss("g").unwrap().as_deref(), Some("a flipped bit"));
    store.set_caught_up("g").unwrap();
    assert_eq!(store.loss("g").unwrap(), None);
    store.forget("g").unwrap();
    assert!(!store.is_formed("g").unwrap());
}

#[test]
fn a_full_member_of_an_earlier_version_counts_as_one_of_a_formed_group() {
    let dir = tempfile::tempdir().unwrap();
    let store = MetaStore::open(dir.path()).unwrap();
    store.write(vec![(key(CAUGHT_UP, "g"), Some(Vec::new()))]).unwrap();
    assert!(store.is_caught_up("g").unwrap() && store.is_formed("g").unwrap());
    store.save_vote("g", &vote(4)).unwrap();
    drop(store);
    fs::remove_dir_all(dir.path().join(COPY)).unwrap();
    let store = MetaStore::open(dir.path()).unwrap();
    assert!(store.is_caught_up("g").unwrap() && store.vote("g").unwrap() == Some(vote(4)));
}

type Files = BTreeMap<PathBuf, Vec<u8>>;

fn files(root: &Path) -> Files {
    let dirs = [MAIN, COPY].map(|dir| root.join(dir));
    let entries = dirs.iter().flat_map(|dir| fs::read_dir(dir).unwrap());
    let paths = entries.map(|entry| entry.unwrap().path()).filter(|path| path.is_file());
    paths.map(|path| (path.clone(), fs::read(&path).unwrap())).collect()
}

fn put_back(root: &Path, files: &Files) {
    for dir in fs::read_dir(root).unwrap() {
        fs::remove_dir_all(dir.unwrap().path()).unwrap();
    }
    for (path, bytes) in files {
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, bytes).unwrap();
    }
}

/// Three votes, the first of which lies in an SST by now.
fn voted(root: &Path) -> Files {
    let store = MetaStore::open(root).unwrap();
    store.save_vote("a", &vote(1)).unwrap();
    drop(store);
    let store = MetaStore::open(root).unwrap();
    for (group, term) in [("b", 2), ("c", 3), ("a", 4)] {
        store.set_caught_up(group).unwrap();
        store.save_vote(group, &vote(term)).unwrap();
    }
    drop(store);
    files(root)
}

#[test]
fn no_vote_is_forgotten_with_one_bad_bit_or_one_cut_file() {
    let dir = tempfile::tempdir().unwrap();
    let good = voted(dir.path());
    let (mut tried, mut refused) = (0, 0);
    for (path, bytes) in good.iter().filter(|(_, bytes)| !bytes.is_empty()) {
        for n in 0..8 {
            put_back(dir.path(), &good);
            let mut bad = bytes.clone();
            match n {
                0..=4 => bad[(bytes.len() - 1) * n / 4] ^= 0x10,
                _ => bad.truncate(bytes.len() * (n - 5) / 3),
            }
            fs::write(path, bad).unwrap();
            tried += 1;
            // An error is reported and stops the node; a vote that is not there does not.
            let Ok(store) = MetaStore::open(dir.path()) else {
                refused += 1;
                continue;
            };
            for (group, term) in [("a", 4), ("b", 2), ("c", 3)] {
                assert_eq!(store.vote(group).unwrap(), Some(vote(term)), "{} {n}: {group}", path.display());
            }
        }
    }
    println!("{tried} damages of {} files, {refused} of them refused", good.len());
    assert!(refused < tried);
}

#[test]
fn a_store_that_is_gone_is_made_anew_from_the_other() {
    let dir = tempfile::tempdir().unwrap();
    let good = voted(dir.path());
    for gone in [MAIN, COPY] {
        put_back(dir.path(), &good);
        fs::remove_dir_all(dir.path().join(gone)).unwrap();
        let store = MetaStore::open(dir.path()).unwrap();
        assert_eq!(store.vote("c").unwrap(), Some(vote(3)));
        assert!(store.is_caught_up("c").unwrap());
    }
}
