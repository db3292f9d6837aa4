//! What happens to the files after the backup: some are overwritten, some deleted, some added. The choice is a pure
//! function of the tree and a number, so that the expected files of a moment are known without looking at the cluster.

use super::tree::{Content, Tree};
use crate::Outcome;
use crate::kv::files::Record;
use std::path::PathBuf;
use tokio::sync::mpsc;

/// Every so-manieth file is overwritten.
const OVERWRITE_EVERY: usize = 9;
/// Every so-manieth file is deleted.
const DELETE_EVERY: usize = 31;
/// Size of an added file: three chunks of the table.
const ADDED_BYTES: u64 = 600 << 10;
/// Files of one round of steady writing.
const FEW: usize = 8;
/// Largest size of a file in steady writing.
const STEADY_BYTES_MAX: u64 = 64 << 10;
/// Smallest size of an overwritten file.
const OVERWRITTEN_BYTES_MIN: u64 = 64;

/// One change.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// Which file.
    pub path: PathBuf,
    /// What was there.
    pub old: Option<Content>,
    /// What is there then.
    pub new: Option<Content>,
}

/// The changes of round `round`, with `added` new files; every path at most once.
pub fn choose(tree: &Tree, round: u64, added: u64) -> Vec<Change> {
    let shift = usize::try_from(round).unwrap_or(0);
    let mut changes = Vec::new();
    for (i, (path, old)) in tree.iter().enumerate() {
        let seed = round << 40 | i as u64;
        if (i + shift) % DELETE_EVERY == 0 {
            changes.push(Change { path: path.clone(), old: Some(old.clone()), new: None });
        } else if (i + shift) % OVERWRITE_EVERY == 0 {
            // Longer and shorter than before, so that files grow and lose chunks.
            let bytes = if seed.is_multiple_of(2) { old.head.bytes / 2 } else { old.head.bytes + old.head.bytes / 4 };
            let new = Content::made(seed, bytes.max(OVERWRITTEN_BYTES_MIN));
            changes.push(Change { path: path.clone(), old: Some(old.clone()), new: Some(new) });
        }
    }
    changes.extend((0..added).map(|n| {
        let path = PathBuf::from(format!("strandline-demo-added/round-{round}/file-{n:05}.bin"));
        Change { path, old: None, new: Some(Content::made(round << 40 | 1 << 39 | n, ADDED_BYTES)) }
    }));
    changes
}

/// A few overwritten files: one round of steady writing.
pub fn choose_few(tree: &Tree, round: u64) -> Vec<Change> {
    let first = usize::try_from(round).unwrap_or(0).wrapping_mul(FEW) % tree.len().max(1);
    let few = tree.iter().skip(first).take(FEW).enumerate();
    few.map(|(i, (path, old))| {
        let seed = 1 << 62 | round << 20 | i as u64;
        let new = Content::made(seed, old.head.bytes.clamp(OVERWRITTEN_BYTES_MIN, STEADY_BYTES_MAX));
        Change { path: path.clone(), old: Some(old.clone()), new: Some(new) }
    })
    .collect()
}

/// The tree after the changes.
pub fn apply(tree: &mut Tree, changes: &[Change]) {
    for change in changes {
        match &change.new {
            Some(new) => tree.insert(change.path.clone(), new.clone()),
            None => tree.remove(&change.path),
        };
    }
}

/// Bytes that the changes write.
pub fn bytes(changes: &[Change]) -> u64 {
    changes.iter().filter_map(|c| c.new.as_ref()).map(|c| c.head.bytes).sum()
}

/// Sends the records of the changes: each file's new chunks, and the deletion of those it no longer has.
pub fn send(changes: &[Change], to: &mpsc::Sender<Record>) -> Outcome<()> {
    for change in changes {
        if let Some(new) = &change.new {
            new.send(&change.path, to)?;
        }
        if let Some(old) = &change.old {
            let kept = change.new.as_ref().map_or(0, |new| new.head.chunks());
            old.send_deletion(&change.path, kept, to);
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    fn tree() -> Tree {
        (0..100).map(|n| (PathBuf::from(format!("f{n:03}")), Content::made(n, 1000 + n))).collect()
    }

    #[test]
    fn a_round_overwrites_deletes_and_adds_and_touches_no_path_twice() {
        let changes = choose(&tree(), 1, 3);
        let paths: BTreeSet<_> = changes.iter().map(|c| &c.path).collect();
        assert_eq!(paths.len(), changes.len());
        assert_eq!(changes.iter().filter(|c| c.old.is_none()).count(), 3);
        assert!(changes.iter().any(|c| c.new.is_none()));
        assert!(changes.iter().any(|c| c.old.is_some() && c.new.is_some()));
    }

    #[test]
    fn rounds_of_steady_writing_go_through_the_tree_and_keep_its_names() {
        let mut after = tree();
        for round in 0..30 {
            let changes = choose_few(&after, round);
            assert!(!changes.is_empty() && changes.len() <= FEW);
            apply(&mut after, &changes);
        }
        assert!(after.keys().eq(tree().keys()));
        assert_ne!(after, tree());
    }

    #[test]
    fn the_same_round_on_the_same_tree_is_the_same_and_another_round_is_not() {
        assert_eq!(choose(&tree(), 1, 3), choose(&tree(), 1, 3));
        assert_ne!(choose(&tree(), 1, 3), choose(&tree(), 2, 3));
    }

    #[test]
    fn applied_changes_are_the_tree_that_is_expected() {
        let mut after = tree();
        let changes = choose(&after, 1, 2);
        apply(&mut after, &changes);
        for change in &changes {
            assert_eq!(after.get(&change.path), change.new.as_ref());
        }
    }
}
