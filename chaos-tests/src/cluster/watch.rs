//! Looks at an archive destination all the while that others write to it.
//!
//! Invariants 2, 4 and 5 are checked at every look. Invariant 3 needs the log itself: every look notes which checkpoint
//! was visible and how far each log stream was whole then, and [`Sightings::check`] compares that with the log as it
//! lies on the medium in the end.

use crate::cluster::MediumTree;
use crate::invariants::{ArchiveIsOneLog, Broken, CheckpointIsDurable, FrozenPiecesStand, StreamKey};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;
use strandline_types::{Lsn, Scn};

const LOOK_EVERY: Duration = Duration::from_millis(100);

/// The looks at one destination.
#[derive(Debug, Default)]
struct Looks {
    tree: MediumTree,
    log: ArchiveIsOneLog,
    frozen: FrozenPiecesStand,
    checkpoints: CheckpointIsDurable,
    sightings: Sightings,
}

/// What was seen over a run.
#[derive(Debug, Default)]
pub struct Sightings {
    seen: Vec<(Scn, BTreeMap<StreamKey, Lsn>)>,
}

/// A thread that looks; dropping it ends it.
#[derive(Debug)]
pub struct Watch {
    stop: Arc<AtomicBool>,
    checkpoint: Arc<AtomicU64>,
    thread: Option<JoinHandle<Result<Looks, Broken>>>,
}

impl Watch {
    /// Starts it. It must see the round begin.
    #[must_use]
    pub fn start(destination: PathBuf) -> Self {
        let (stop, checkpoint) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
        let (stopped, seen) = (Arc::clone(&stop), Arc::clone(&checkpoint));
        let thread = std::thread::spawn(move || {
            let mut looks = Looks::default();
            loop {
                let is_last = stopped.load(Ordering::Acquire);
                looks.look(&destination)?;
                seen.store(looks.tree.checkpoint().0, Ordering::Release);
                if is_last {
                    return Ok(looks);
                }
                std::thread::sleep(LOOK_EVERY);
            }
        });
        Self { stop, checkpoint, thread: Some(thread) }
    }

    /// The newest checkpoint that was seen; every write that is sent after this must get a larger SCN.
    #[must_use]
    pub fn checkpoint(&self) -> Scn {
        Scn(self.checkpoint.load(Ordering::Acquire))
    }

    /// Where others read it.
    pub(super) fn shared_checkpoint(&self) -> Arc<AtomicU64> {
        Arc::clone(&self.checkpoint)
    }

    /// True when a look found something broken: [`Watch::finish`] says what.
    #[must_use]
    pub fn has_ended(&self) -> bool {
        self.thread.as_ref().is_none_or(JoinHandle::is_finished)
    }

    /// Looks a last time and gives the destination and what was seen.
    ///
    /// # Errors
    /// What was broken.
    pub fn finish(mut self) -> Result<(MediumTree, Sightings), Broken> {
        self.stop.store(true, Ordering::Release);
        let ended = self.thread.take().map(JoinHandle::join);
        match ended {
            Some(Ok(looks)) => looks.map(|l| (l.tree, l.sightings)),
            _ => Err("the watch died".to_owned()),
        }
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Release);
    }
}

impl Looks {
    fn look(&mut self, destination: &Path) -> Result<(), Broken> {
        let tree = MediumTree::read(destination).map_err(|e| format!("{}: {e}", destination.display()))?;
        let changed = tree.since(&self.tree)?;
        self.log.check(&tree, &changed, |dest, round| tree.clock(dest, round), |_, _, _| None)?;
        self.checkpoints.check(&tree, &changed, &self.log, &BTreeMap::new())?;
        self.frozen.check(&tree, &changed)?;
        let streams = tree.streams();
        let durable = streams.into_iter().filter_map(|stream| Some((stream, self.log.durable(stream)?))).collect();
        self.sightings.seen.push((tree.checkpoint(), durable));
        self.tree = tree;
        Ok(())
    }
}

impl Sightings {
    /// Invariant 3: whenever a checkpoint was visible, all log up to it was whole on the medium. `end` is the
    /// destination as it is now.
    ///
    /// # Errors
    /// The checkpoint that ran ahead.
    pub fn check(&self, end: &MediumTree) -> Result<(), Broken> {
        for (stream, groups) in end.groups()? {
            for (checkpoint, durable) in &self.seen {
                let durable = durable.get(&stream).copied().unwrap_or_default();
                let first = groups.partition_point(|g| g.end <= durable);
                if let Some(group) = groups.get(first).filter(|g| *checkpoint > Scn::MIN && g.scn <= *checkpoint) {
                    return Err(format!(
                        "checkpoint {checkpoint} was visible while log stream {} was whole up to {durable} only: SCN {} lay beyond it",
                        stream.ls_id, group.scn
                    ));
                }
            }
        }
        Ok(())
    }

    /// Different checkpoints that were seen.
    #[must_use]
    pub fn checkpoints(&self) -> usize {
        let mut all: Vec<Scn> = self.seen.iter().map(|(checkpoint, _)| *checkpoint).collect();
        all.dedup();
        all.len()
    }
}
