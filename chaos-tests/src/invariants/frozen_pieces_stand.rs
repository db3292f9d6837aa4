//! Invariant 5: a frozen piece never grows.
//!
//! A piece counts as frozen from the first file list on: from then on its log files are what the lists say. It goes as a
//! whole, after its end placeholder.

use super::{Broken, Tree};
use std::collections::{BTreeMap, BTreeSet};
use strandline_format::paths::archive::{ArchivePath, PIECES_DIR};
use strandline_types::{PieceKey, Scn};

/// Log files and their lengths.
type Files = BTreeMap<String, usize>;

/// The checker.
#[derive(Debug, Default)]
pub struct FrozenPiecesStand {
    frozen: BTreeMap<PieceKey, Files>,
    /// Pieces whose own list was there.
    listed: BTreeSet<PieceKey>,
    /// Pieces of which something was deleted.
    cleaned: BTreeSet<PieceKey>,
}

impl FrozenPiecesStand {
    /// Looks at every piece that was changed.
    ///
    /// # Errors
    /// What grew.
    pub fn check(&mut self, tree: &dyn Tree, changed: &[String]) -> Result<(), Broken> {
        for path in changed {
            match ArchivePath::parse(path) {
                Some(ArchivePath::LsFileInfo { key, .. } | ArchivePath::PieceFileInfo { key }) => {
                    self.frozen.entry(key).or_insert_with(|| log_files(tree, key));
                    if tree.bytes(&ArchivePath::<Scn>::PieceFileInfo { key }.path()).is_some() {
                        self.listed.insert(key);
                    }
                }
                Some(ArchivePath::Log { key, .. }) => {
                    let Some(files) = self.frozen.get(&key) else { continue };
                    let is_ended = has_end(tree, key);
                    let Some(now) = tree.bytes(path).map(<[u8]>::len) else {
                        if is_ended {
                            return Err(format!("{path}: is gone before the end placeholder of piece {key}"));
                        }
                        self.cleaned.insert(key);
                        continue;
                    };
                    if self.cleaned.contains(&key) {
                        // Somebody late left something in a piece that is deleted; sweeping is for that.
                        continue;
                    }
                    if files.get(path.as_str()) != Some(&now) {
                        return Err(format!("{path}: changed to {now} bytes after piece {key} was frozen"));
                    }
                }
                _ => {}
            }
        }
        Ok(())
    }

    /// True when all log that ever came into a piece is there: a frozen one has its list and every file of it.
    #[must_use]
    pub fn is_whole(&self, tree: &dyn Tree, key: PieceKey) -> bool {
        let list = ArchivePath::<Scn>::PieceFileInfo { key }.path();
        let is_listed = |files: &Files| files.keys().all(|path| tree.bytes(path).is_some());
        match self.frozen.get(&key) {
            // The list of the piece comes after those of its log streams.
            Some(files) => is_listed(files) && (tree.bytes(&list).is_some() || !self.listed.contains(&key)),
            None => true,
        }
    }
}

fn has_end(tree: &dyn Tree, wanted: PieceKey) -> bool {
    let prefix = format!("{PIECES_DIR}/");
    let is_end = |p: &str| matches!(ArchivePath::parse(p), Some(ArchivePath::PieceEnd { key, .. }) if key == wanted);
    tree.paths(&prefix).any(is_end)
}

fn log_files(tree: &dyn Tree, key: PieceKey) -> Files {
    let prefix = format!("piece_{key}/logstream_");
    let logs = tree.paths(&prefix).filter(|p| matches!(ArchivePath::parse(p), Some(ArchivePath::Log { .. })));
    logs.map(|p| (p.to_owned(), tree.bytes(p).map_or(0, <[u8]>::len))).collect()
}
