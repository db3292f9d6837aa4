//! Invariant 3: `checkpoint_scn` never goes back and never runs ahead of log that is durable on the medium.
//!
//! The checkpoint of a round is what a reader of the medium sees: the largest of the names under its pieces. Every
//! group that carries a write with an SCN up to it must be whole on the medium, and none may come after. A frozen piece
//! that is deleted takes its name along: that is no going back.

use super::{ArchiveIsOneLog, Broken, StreamKey, Tree};
use std::collections::BTreeMap;
use strandline_format::paths::archive::ArchivePath;
use strandline_types::{DestId, LsId, Lsn, RoundId, Scn};

/// One committed group that carries an SCN of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Group {
    /// End of it.
    pub end: Lsn,
    /// Its SCN.
    pub scn: Scn,
}

/// The checker.
#[derive(Debug, Default)]
pub struct CheckpointIsDurable {
    published: BTreeMap<(DestId, RoundId), Scn>,
}

impl CheckpointIsDurable {
    /// Looks at every changed checkpoint. `streams` gives the committed groups of each log stream, in order.
    ///
    /// # Errors
    /// What is broken, where.
    pub fn check(
        &mut self,
        tree: &dyn Tree,
        changed: &[String],
        archive: &ArchiveIsOneLog,
        streams: &BTreeMap<LsId, &[Group]>,
    ) -> Result<(), Broken> {
        for path in changed {
            let Some(ArchivePath::Checkpoint { key, .. }) = ArchivePath::parse(path) else { continue };
            let is_frozen = tree.bytes(&ArchivePath::<Scn>::SinglePieceInfo { key }.path()).is_some();
            if is_frozen && tree.bytes(path).is_none() {
                continue;
            }
            let round = (key.dest_id, key.round_id);
            let before = self.published.get(&round).copied().unwrap_or_default();
            let now = visible(tree, round);
            if now < before {
                return Err(format!(
                    "{path}: the checkpoint of round {} went back from {before} to {now}",
                    key.round_id
                ));
            }
            if now > before {
                self.published.insert(round, now);
                covered(round, now, archive, streams)?;
            }
        }
        Ok(())
    }

    /// A write was acknowledged now.
    ///
    /// # Errors
    /// It lies below a checkpoint that says that everything up to there is safe.
    pub fn acknowledged(&self, ls: LsId, scn: Scn) -> Result<(), Broken> {
        match self.published.iter().find(|(_, checkpoint)| **checkpoint >= scn) {
            None => Ok(()),
            Some(((_, round), checkpoint)) => Err(format!(
                "log stream {ls} acknowledged SCN {scn} after round {round} published checkpoint {checkpoint}"
            )),
        }
    }

    /// The newest checkpoint of a round.
    #[must_use]
    pub fn published(&self, dest: DestId, round: RoundId) -> Option<Scn> {
        self.published.get(&(dest, round)).copied()
    }
}

/// What a reader sees: the largest name.
fn visible(tree: &dyn Tree, (dest, round): (DestId, RoundId)) -> Scn {
    let prefix = format!("piece_d{dest}r{round}p");
    let all = tree.paths(&prefix).filter_map(|p| match ArchivePath::parse(p) {
        Some(ArchivePath::Checkpoint { scn, .. }) => Some(scn),
        _ => None,
    });
    all.max().unwrap_or_default()
}

fn covered(
    (dest_id, round_id): (DestId, RoundId),
    checkpoint: Scn,
    archive: &ArchiveIsOneLog,
    streams: &BTreeMap<LsId, &[Group]>,
) -> Result<(), Broken> {
    for (&ls_id, groups) in streams {
        let durable = archive.durable(StreamKey { dest_id, round_id, ls_id }).unwrap_or_default();
        // SCNs and ends rise together: the first group that is not durable is the least of them.
        let first = groups.partition_point(|g| g.end <= durable);
        if let Some(group) = groups.get(first).filter(|g| g.scn <= checkpoint) {
            return Err(format!(
                "round {round_id}: checkpoint {checkpoint} covers SCN {} of log stream {ls_id}, its archive ends at {durable}",
                group.scn
            ));
        }
    }
    Ok(())
}
