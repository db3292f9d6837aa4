//! Invariant 7: a restore to S gives what the oracle held at S, for every S in a restorable window; outside the windows
//! it is refused with the nearest restorable bounds.
//!
//! The catalogue is read as a reader of the medium would (`scan`); choice, windows, chains and replay are those of
//! production. What is restorable is found a second time without them (`expected_state`).

use super::content::Content;
use super::settings::START_MS;
use super::world::{Event, World};
use crate::invariants::{Broken, Tree};
use bytes::Bytes;
use std::collections::BTreeSet;
use strandline_catalogue::{Catalogue, Choice, Refusal, Target, choose};
use strandline_engine_api::PALF;
use strandline_format::palf::{ArchiveFileHeader, GroupWalker};
use strandline_format::paths::archive::{ArchivePath, ls_log_dir};
use strandline_types::limits::ARCHIVE_FILE_HEADER_BYTES;
use strandline_types::{LsId, LsnRange, PalfBase, PieceKey, Scn};
use strandline_worker_core::replay::{Fed, ReplayBatch, ReplayCore, SourceGroup};

/// SCNs that are tried each time.
const TARGETS: u64 = 3;

impl World {
    /// Tries some SCNs: any, and those at the borders of what can be restored.
    pub(super) fn try_restores(&mut self) -> Result<(), Broken> {
        let next = self.rng.between(2_000, 6_000);
        self.after(next, Event::Restore);
        let catalogue = self.catalogue();
        let expected = self.restorable(&catalogue);
        let mut targets = BTreeSet::new();
        for _ in 0..TARGETS {
            if let Some((from, to)) = self.rng.pick(&expected) {
                targets.extend([from.prev(), from, to, to.next()]);
            }
            targets.insert(Scn::from_ms(self.rng.between(START_MS, self.now_ms + 1000)));
            if let Some((from, to)) = self.rng.pick(&expected) {
                targets.insert(Scn(self.rng.between(from.0, to.0 + 1)));
            }
        }
        self.try_targets(&catalogue, &expected, targets)
    }

    /// Restores to each of some SCNs, or is refused.
    pub(super) fn try_targets(
        &mut self,
        catalogue: &Catalogue,
        expected: &[(Scn, Scn)],
        targets: impl IntoIterator<Item = Scn>,
    ) -> Result<(), Broken> {
        targets.into_iter().try_for_each(|target| self.try_restore(catalogue, expected, target))
    }

    fn try_restore(&mut self, catalogue: &Catalogue, expected: &[(Scn, Scn)], target: Scn) -> Result<(), Broken> {
        let can_be = expected.iter().any(|(from, to)| *from <= target && target <= *to);
        match choose(catalogue, Target::Scn(target)) {
            Ok(choice) if can_be => self.restore(&choice).map_err(|e| format!("restore to {target}: {e}")),
            Ok(_) => Err(format!("a restore to {target} was not refused, restorable is {expected:?}")),
            Err(refusal) if can_be => {
                Err(format!("a restore to {target} was refused ({refusal:?}), restorable is {expected:?}"))
            }
            Err(refusal) => {
                self.restores.refused += 1;
                nearest(expected, target, &refusal)
            }
        }
    }

    /// Restores every log stream of the chosen set and compares it with the oracle.
    fn restore(&mut self, choice: &Choice) -> Result<(), Broken> {
        // Log stream 1 comes first: its dictionary says which tablets there are.
        let mut named = BTreeSet::new();
        for (ls, base, content) in self.base_of(choice)? {
            let content = self.replayed(ls, base, content, choice).map_err(|e| format!("log stream {ls}: {e}"))?;
            let stream = self.streams.get(&ls).ok_or("a set of a log stream that never was")?;
            if let Some(what) = content.differs_from(&stream.content_at(choice.target_scn)?) {
                let sets: Vec<_> = choice.sets.iter().map(|s| s.set_id).collect();
                return Err(format!("log stream {ls}, sets {sets:?}: {what}"));
            }
            if ls.is_sys() {
                named = content.records().1.clone();
            }
            // No drop may have taken a row of a table that is there.
            let here = named.iter().filter(|(_, home)| *home == ls.0).map(|(tablet, _)| *tablet).collect();
            if let Some(what) = content.differs_in(&stream.written_at(choice.target_scn)?, &here) {
                return Err(format!("log stream {ls}: {what}, of a table that the dictionary names"));
            }
            self.restores.streams += 1;
            self.restores.after_drops += usize::from(content.records().2.is_some());
            self.restores.rows += content.rows();
            self.restores.of_chains += usize::from(choice.sets.len() > 1);
            self.restores.after_deletions += usize::from(self.cleaned.pieces + self.cleaned.sets > 0);
        }
        Ok(())
    }

    /// A log stream at the target: what the set holds of it, and the archive's log after that.
    fn replayed(&self, ls: LsId, base: PalfBase, mut content: Content, choice: &Choice) -> Result<Content, Broken> {
        let mut core = ReplayCore::new(&PALF, base.lsn, base.prev_scn, choice.target_scn);
        for piece in &choice.pieces {
            for path in self.log_files(piece.key, ls) {
                if !core.has_reached_target() {
                    self.replay_file(&path, &mut core)?;
                    while let Some(batch) = core.take_rest() {
                        apply(Some(batch), &mut content)?;
                    }
                }
            }
        }
        Ok(content)
    }

    fn log_files(&self, key: PieceKey, ls: LsId) -> Vec<String> {
        let dir = format!("{}/", ls_log_dir(key, ls));
        let mut files: Vec<_> = self
            .medium
            .paths(&dir)
            .filter_map(|path| match ArchivePath::parse(path)? {
                ArchivePath::Log { file_id, .. } => Some((file_id, path.to_owned())),
                _ => None,
            })
            .collect();
        files.sort_unstable();
        files.into_iter().map(|(_, path)| path).collect()
    }

    fn replay_file(&self, path: &str, core: &mut ReplayCore) -> Result<(), Broken> {
        let bytes = self.medium.bytes(path).unwrap_or_default();
        if (bytes.len() as u64) < ARCHIVE_FILE_HEADER_BYTES {
            return Ok(());
        }
        let header = ArchiveFileHeader::decode(bytes).map_err(|e| format!("{path}: {e}"))?;
        let log = &bytes[ARCHIVE_FILE_HEADER_BYTES as usize..];
        let mut walker = GroupWalker::new(log, header.start_lsn, None);
        while let Some(group) = walker.next_group().map_err(|e| format!("{path}: {e}"))? {
            let entries = if group.is_padding {
                Vec::new()
            } else {
                group.entries().map(|e| (e.scn, Bytes::copy_from_slice(e.body))).collect()
            };
            let range = LsnRange { start: group.lsn, end: group.end };
            let fed = core
                .feed(&SourceGroup { range, scn: group.header.max_scn, entries })
                .map_err(|e| format!("{path}: {e}"))?;
            if fed == Fed::Beyond {
                break;
            }
        }
        Ok(())
    }
}

fn apply(batch: Option<ReplayBatch>, content: &mut Content) -> Result<(), Broken> {
    for item in batch.into_iter().flat_map(|b| b.items) {
        content.apply(item.entry)?;
    }
    Ok(())
}

/// A refusal names the nearest bounds below and above.
fn nearest(expected: &[(Scn, Scn)], target: Scn, refusal: &Refusal) -> Result<(), Broken> {
    let below = expected.iter().map(|(_, to)| *to).filter(|to| *to < target).max();
    let above = expected.iter().map(|(from, _)| *from).filter(|from| *from > target).min();
    match refusal {
        Refusal::NoSet { .. } if expected.is_empty() => Ok(()),
        Refusal::OutOfReach { below: b, above: a, .. } if (*b, *a) == (below, above) => Ok(()),
        other => {
            Err(format!("a restore to {target} was refused with {other:?}, the bounds are {below:?} and {above:?}"))
        }
    }
}
