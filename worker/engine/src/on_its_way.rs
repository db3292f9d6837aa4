//! Requests of clients that are in the log and not answered yet: one that comes again meanwhile waits for the same answer.

use crate::proposer::Waiting;
use crate::sessions::WriteId;
use parking_lot::Mutex;
use std::collections::HashMap;
use std::collections::hash_map::Entry;

/// Who waits for which request beside those who sent it first.
#[derive(Debug, Default)]
pub(crate) struct OnItsWay {
    requests: Mutex<HashMap<WriteId, Vec<Waiting>>>,
}

impl OnItsWay {
    /// Joins a request that is on its way; gives the waiting back when there is none.
    pub(crate) fn join(&self, id: WriteId, waiting: Waiting) -> Option<Waiting> {
        match self.requests().entry(id) {
            Entry::Occupied(mut on_its_way) => {
                on_its_way.get_mut().push(waiting);
                None
            }
            Entry::Vacant(_) => Some(waiting),
        }
    }

    /// A request goes into the log.
    pub(crate) fn begin(&self, id: WriteId) {
        self.requests().entry(id).or_default();
    }

    /// Requests have their answer: gives those who waited for it as well. After the answer is in the applied state, so
    /// that a later caller finds it there.
    pub(crate) fn end(&self, ids: &[WriteId]) -> Vec<Waiting> {
        let mut requests = self.requests();
        ids.iter().filter_map(|id| requests.remove(id)).flatten().collect()
    }

    fn requests(&self) -> parking_lot::MutexGuard<'_, HashMap<WriteId, Vec<Waiting>>> {
        self.requests.lock()
    }
}
