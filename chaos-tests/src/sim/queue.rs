//! What will happen, in order of time; what was said first comes first among equals.

use std::collections::BTreeMap;

/// Events to come.
#[derive(Debug)]
pub struct Queue<E> {
    events: BTreeMap<(u64, u64), E>,
    said: u64,
}

impl<E> Default for Queue<E> {
    fn default() -> Self {
        Self { events: BTreeMap::new(), said: 0 }
    }
}

impl<E> Queue<E> {
    /// Something will happen at a time.
    pub fn at(&mut self, ms: u64, event: E) {
        self.said += 1;
        self.events.insert((ms, self.said), event);
    }

    /// The next event and its time.
    pub fn next(&mut self) -> Option<(u64, E)> {
        self.events.pop_first().map(|((ms, _), event)| (ms, event))
    }
}
