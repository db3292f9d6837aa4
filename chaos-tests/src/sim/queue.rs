//! What will happen, in order of time; among equals the one that was added first.

use std::collections::BTreeMap;

/// Events to come.
#[derive(Debug)]
pub struct Queue<E> {
    events: BTreeMap<(u64, u64), E>,
    added: u64,
}

impl<E> Default for Queue<E> {
    fn default() -> Self {
        Self { events: BTreeMap::new(), added: 0 }
    }
}

impl<E> Queue<E> {
    /// Something will happen at a time.
    pub fn at(&mut self, ms: u64, event: E) {
        self.added += 1;
        self.events.insert((ms, self.added), event);
    }

    /// The next event and its time.
    pub fn next(&mut self) -> Option<(u64, E)> {
        self.events.pop_first().map(|((ms, _), event)| (ms, event))
    }
}
