//! The time in which counters of the workers move, found by looking at them again and again.

use crate::scrape;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

const LOOK_EVERY: Duration = Duration::from_millis(10);

/// Bytes and the time in which they moved.
#[derive(Clone, Copy, Debug)]
pub struct Moved {
    pub bytes: f64,
    pub seconds: f64,
}

impl Moved {
    /// Its rate.
    pub fn mb_s(&self) -> f64 {
        self.bytes / 1e6 / self.seconds.max(0.001)
    }
}

/// Watches two counters of the workers: the work begins before the first moves, and ends when the second moves last.
#[derive(Debug)]
pub struct Span {
    stop: Arc<AtomicBool>,
    thread: JoinHandle<Moved>,
}

impl Span {
    /// Begins to watch; what the counters hold already counts nothing.
    pub fn watch(addresses: Vec<String>, begins: &'static str, moves: &'static str) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let until = Arc::clone(&stop);
        let first = scrape::sums(&addresses, [begins, moves]);
        let thread = std::thread::spawn(move || {
            let (mut from, mut has_begun) = (Instant::now(), false);
            let (mut to, mut last) = (from, first[1]);
            while !until.load(Ordering::Relaxed) {
                let asked = Instant::now();
                let now = scrape::sums(&addresses, [begins, moves]);
                has_begun |= now[0] > first[0];
                if !has_begun {
                    // Nothing had begun when this was asked.
                    from = asked;
                }
                if now[1] > last {
                    (last, to) = (now[1], Instant::now());
                }
                std::thread::sleep(LOOK_EVERY);
            }
            Moved { bytes: last - first[1], seconds: to.saturating_duration_since(from).as_secs_f64() }
        });
        Self { stop, thread }
    }

    /// Ends it.
    pub fn finish(self) -> Moved {
        // One more look after the end, so that the last bytes are counted.
        std::thread::sleep(LOOK_EVERY * 5);
        self.stop.store(true, Ordering::Relaxed);
        self.thread.join().unwrap_or(Moved { bytes: 0.0, seconds: 0.0 })
    }
}
