//! A consistent point for a backup: pause apply, flush, hard links, note where the log is, resume.

use super::Machine;
use crate::TabletCheckpoint;
use crate::tablet::{AppliedRecord, engine_files, list_blocks};
use std::io;
use std::path::Path;
use strandline_proto::v1::Dictionary;

impl Machine {
    /// A consistent point into `dir`, which must not exist.
    pub(crate) fn checkpoint(&self, dir: &Path) -> io::Result<TabletCheckpoint> {
        if let Some(parent) = dir.parent() {
            std::fs::create_dir_all(parent)?;
        }
        // Most of the flushing happens before the pause.
        self.flush()?;
        let (applied, dictionary) = self.link_point(dir)?;
        // The task that gives the point up removes it meanwhile: what is wrong with the copy says nothing of the replica.
        let of_copy = |e: io::Error| io::Error::other(format!("the consistent point cannot be read: {e}"));
        let blocks = list_blocks(dir, &self.memory).map_err(of_copy)?;
        Ok(TabletCheckpoint {
            dir: dir.to_owned(),
            index: applied.pos.index,
            term: strandline_types::Term(applied.pos.term),
            base: applied.base,
            scn: applied.base.prev_scn,
            blocks,
            engine_files: engine_files(dir).map_err(of_copy)?,
            dictionary,
        })
    }

    /// Makes the links and tells where the log was then, and what the dictionary held.
    fn link_point(&self, dir: &Path) -> io::Result<(AppliedRecord, Option<Dictionary>)> {
        let _apply_state = self.apply_state();
        let inner = self.inner();
        let Some(applied) = inner.applied else {
            return Err(io::Error::new(io::ErrorKind::NotFound, "nothing was applied here yet"));
        };
        self.store().checkpoint(dir)?;
        Ok((applied, inner.dictionary.clone()))
    }
}
