//! Invariant 5: a frozen piece never grows.
//!
//! A piece counts as frozen from the first file list on: from then on its log files are what the lists say.

use super::{Broken, Tree};
use std::collections::BTreeMap;
use strandline_format::paths::archive::ArchivePath;
use strandline_types::PieceKey;

type Files = BTreeMap<String, usize>;

/// The checker.
#[derive(Debug, Default)]
pub struct FrozenPiecesStand {
    frozen: BTreeMap<PieceKey, Files>,
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
                }
                Some(ArchivePath::Log { key, .. }) => {
                    let Some(files) = self.frozen.get(&key) else { continue };
                    let now = tree.bytes(path).map_or(0, <[u8]>::len);
                    if files.get(path.as_str()) != Some(&now) {
                        return Err(format!("{path}: changed to {now} bytes after piece {key} was frozen"));
                    }
                }
                _ => {}
            }
        }
        Ok(())
    }
}

fn log_files(tree: &dyn Tree, key: PieceKey) -> Files {
    let prefix = format!("piece_{key}/logstream_");
    let logs = tree.paths(&prefix).filter(|p| matches!(ArchivePath::parse(p), Some(ArchivePath::Log { .. })));
    logs.map(|p| (p.to_owned(), tree.bytes(p).map_or(0, <[u8]>::len))).collect()
}
