//! For how long this worker had tasks of each kind to do: what of a job's time was work, and what was waiting.
//!
//! Time in which several tasks of a kind run counts once; time in which a task waits for its turn does not count.

use parking_lot::Mutex;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Instant;
use strandline_proto::v1::TaskKind;

/// Counter, by kind.
const BUSY_MS: &str = "strandline_task_busy_milliseconds_total";

/// How many tasks of each kind run, and since when any does.
#[derive(Debug, Default)]
pub(crate) struct Busy(Mutex<BTreeMap<i32, (usize, Option<Instant>)>>);

impl Busy {
    /// A task runs as long as the guard lives.
    pub(crate) fn begin(self: &Arc<Self>, kind: i32) -> Running {
        self.change(kind, |(running, since)| {
            *running += 1;
            since.get_or_insert_with(Instant::now);
        });
        Running { busy: Arc::clone(self), kind }
    }

    fn end(&self, kind: i32) {
        self.change(kind, |(running, since)| {
            *running = running.saturating_sub(1);
            if let (0, Some(began)) = (*running, *since) {
                *since = None;
                let ms = u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX);
                metrics::counter!(BUSY_MS, "kind" => name(kind)).increment(ms);
            }
        });
    }

    fn change(&self, kind: i32, change: impl FnOnce(&mut (usize, Option<Instant>))) {
        let mut kinds = self.0.lock();
        change(kinds.entry(kind).or_default());
    }
}

fn name(kind: i32) -> &'static str {
    TaskKind::try_from(kind).unwrap_or(TaskKind::Unspecified).as_str_name()
}

/// A running task.
#[derive(Debug)]
pub(crate) struct Running {
    busy: Arc<Busy>,
    kind: i32,
}

impl Drop for Running {
    fn drop(&mut self) {
        self.busy.end(self.kind);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_kind_is_busy_from_its_first_task_to_its_last_and_no_other_kind_is() {
        let busy = Arc::<Busy>::default();
        let is_busy = |kind| busy.0.lock().get(&kind).is_some_and(|k| k.1.is_some());
        let (first, second) = (busy.begin(1), busy.begin(1));
        drop(first);
        assert!(is_busy(1) && !is_busy(2));
        drop(second);
        assert!(!is_busy(1));
    }
}
