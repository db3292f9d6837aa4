//! Archive lag as protocols define it: the age of the oldest acknowledged write that the published checkpoint does not
//! cover. A tenant with nothing outstanding has no lag, so such moments are no samples.
//!
//! The checkpoint is read where it counts: from the names on the medium.

use parking_lot::Mutex;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};
use strandline_format::paths::ArchivePath;
use strandline_types::Scn;

const SAMPLE_EVERY: Duration = Duration::from_millis(50);

/// Acknowledged writes that are not covered yet, by SCN.
#[derive(Debug, Default)]
pub struct Outstanding {
    acked: Mutex<BTreeMap<Scn, Instant>>,
}

impl Outstanding {
    /// Notes an acknowledgement.
    pub fn acknowledged(&self, scn: Scn, at: Instant) {
        self.lock().insert(scn, at);
    }

    /// Forgets what `checkpoint` covers and gives the age of the oldest that is left.
    pub fn age(&self, checkpoint: Scn, now: Instant) -> Option<Duration> {
        let mut acked = self.lock();
        *acked = acked.split_off(&checkpoint.next());
        acked.values().min().map(|oldest| now.saturating_duration_since(*oldest))
    }

    fn lock(&self) -> parking_lot::MutexGuard<'_, BTreeMap<Scn, Instant>> {
        self.acked.lock()
    }
}

/// The highest checkpoint that the names below an archive destination say; [`Scn::MIN`] when there is none.
pub fn published(destination: &Path) -> Scn {
    let names = |dir: &Path| -> Vec<String> {
        let Ok(inside) = std::fs::read_dir(dir) else { return Vec::new() };
        inside.flatten().filter_map(|e| e.file_name().into_string().ok()).collect()
    };
    let checkpoint = |piece: &String, file: String| match ArchivePath::parse(&format!("{piece}/checkpoint/{file}")) {
        Some(ArchivePath::Checkpoint { scn, .. }) => Some(scn),
        _ => None,
    };
    let pieces = names(destination).into_iter().filter(|n| n.starts_with("piece_d"));
    pieces
        .flat_map(|piece| {
            let files = names(&destination.join(&piece).join("checkpoint"));
            files.into_iter().filter_map(|file| checkpoint(&piece, file)).collect::<Vec<_>>()
        })
        .max()
        .unwrap_or(Scn::MIN)
}

/// Samples the lag on a thread of its own until it is stopped.
#[derive(Debug)]
pub struct Sampler {
    stop: Arc<AtomicBool>,
    thread: JoinHandle<Vec<Duration>>,
}

impl Sampler {
    /// Starts it.
    pub fn start(destination: PathBuf, outstanding: Arc<Outstanding>) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = Arc::clone(&stop);
        let thread = std::thread::spawn(move || {
            let mut samples = Vec::new();
            while !stopped.load(Ordering::Relaxed) {
                samples.extend(outstanding.age(published(&destination), Instant::now()));
                std::thread::sleep(SAMPLE_EVERY);
            }
            samples
        });
        Self { stop, thread }
    }

    /// Ends it and gives the figures.
    pub fn finish(self) -> Lag {
        self.stop.store(true, Ordering::Relaxed);
        Lag::of(self.thread.join().unwrap_or_default())
    }
}

/// Lag over a run, in milliseconds.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Lag {
    /// Half of the samples are at most this.
    pub p50_ms: f64,
    /// 99 of 100 samples are at most this.
    pub p99_ms: f64,
    /// No sample is more.
    pub max_ms: f64,
}

impl Lag {
    fn of(mut samples: Vec<Duration>) -> Self {
        samples.sort_unstable();
        let at = |percent: usize| {
            let rank = (samples.len() * percent).div_ceil(100).saturating_sub(1);
            samples.get(rank).map_or(0.0, |d| d.as_secs_f64() * 1000.0)
        };
        Self { p50_ms: at(50), p99_ms: at(99), max_ms: at(100) }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn the_lag_is_the_age_of_the_oldest_uncovered_write_and_none_when_all_are_covered() {
        let outstanding = Outstanding::default();
        let now = Instant::now();
        outstanding.acknowledged(Scn(10), now);
        outstanding.acknowledged(Scn(20), now + Duration::from_secs(1));
        let later = now + Duration::from_secs(3);
        assert_eq!(outstanding.age(Scn(9), later), Some(Duration::from_secs(3)));
        assert_eq!(outstanding.age(Scn(10), later), Some(Duration::from_secs(2)), "a checkpoint is inclusive");
        assert_eq!(outstanding.age(Scn(20), later), None);
    }

    #[test]
    fn percentiles_are_samples() {
        let lag = Lag::of((1..=100).map(Duration::from_millis).collect());
        assert_eq!((lag.p50_ms, lag.p99_ms, lag.max_ms), (50.0, 99.0, 100.0));
        assert_eq!(Lag::of(Vec::new()), Lag::default());
    }

    #[test]
    fn the_published_checkpoint_is_the_largest_name() {
        let dir = tempfile::tempdir().unwrap();
        assert_eq!(published(dir.path()), Scn::MIN);
        for (piece, scn) in [("piece_d1001r1p1", 5), ("piece_d1001r1p2", 17), ("piece_d1001r1p2", 9)] {
            let checkpoints = dir.path().join(piece).join("checkpoint");
            std::fs::create_dir_all(&checkpoints).unwrap();
            std::fs::write(checkpoints.join(format!("checkpoint.{scn}.obarc")), b"").unwrap();
        }
        assert_eq!(published(dir.path()), Scn(17));
    }
}
