//! What a client remembers: the data dictionary, and who answered last for each log stream.

use super::Inner;
use super::route::Answer;
use crate::{EngineError, Result};
use parking_lot::RwLock;
use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;
use strandline_proto::v1;
use strandline_proto::v1::{Dictionary, Table};
use strandline_types::{ErrorClass, Failure, LsId, TabletId};
use tokio::time::{Instant, sleep, timeout};

/// How long a table that was just created may take to be in the dictionary.
const NEW_TABLE_DEADLINE: Duration = Duration::from_secs(5);
const LOOK_AGAIN: Duration = Duration::from_millis(100);
const ASK_TIMEOUT: Duration = Duration::from_secs(2);

#[derive(Debug, Default)]
pub(super) struct DictionaryCache {
    known: RwLock<Known>,
    leaders: RwLock<HashMap<LsId, String>>,
}

#[derive(Debug, Default)]
struct Known {
    dictionary: Arc<Dictionary>,
    ls_of: HashMap<TabletId, LsId>,
}

impl DictionaryCache {
    fn dictionary(&self) -> Arc<Dictionary> {
        self.known.read().dictionary.clone()
    }

    fn ls_of(&self, tablet: TabletId) -> Option<LsId> {
        self.known.read().ls_of.get(&tablet).copied()
    }

    /// Keeps the newer one.
    fn learn(&self, dictionary: Dictionary) {
        let mut known = self.known.write();
        if dictionary.version > known.dictionary.version {
            let tablets = dictionary.tables.iter().flat_map(|t| &t.tablets);
            known.ls_of = tablets.map(|t| (TabletId(t.tablet_id), LsId(t.ls_id))).collect();
            known.dictionary = Arc::new(dictionary);
        }
    }

    pub(super) fn leader(&self, ls: LsId) -> Option<String> {
        self.leaders.read().get(&ls).cloned()
    }

    pub(super) fn set_leader(&self, ls: LsId, address: &str) {
        if self.leader(ls).as_deref() != Some(address) {
            self.leaders.write().insert(ls, address.to_owned());
        }
    }

    /// A worker is silent: it is asked first for no log stream, else each of them would wait for it anew.
    pub(super) fn forget_leader(&self, address: &str) {
        self.leaders.write().retain(|_, leader| leader != address);
    }
}

impl Inner {
    pub(super) async fn table(&self, name: &str) -> Result<Table> {
        let find = |d: &Dictionary| d.tables.iter().find(|t| t.name == name).cloned();
        let found = self.find_in_dictionary(find).await?;
        found.ok_or_else(|| no_such_table(name, &self.dictionary.dictionary()))
    }

    /// The table that has this name now, after the one of `before` was dropped.
    pub(super) async fn table_after(&self, before: &Table) -> Result<Table> {
        let newest = self.fetch_dictionary().await?;
        let found = newest.tables.iter().find(|t| t.name == before.name && t.table_id != before.table_id);
        found.cloned().ok_or_else(|| no_such_table(&before.name, &newest))
    }

    pub(super) async fn ls_of(&self, tablet: TabletId) -> Result<LsId> {
        if let Some(ls) = self.dictionary.ls_of(tablet) {
            return Ok(ls);
        }
        let found = self.find_in_dictionary(|_| self.dictionary.ls_of(tablet)).await?;
        found.ok_or_else(|| missing(format!("tablet {tablet}"), "no such tablet", "take it from the dictionary"))
    }

    /// Looks in what is known, then in newer dictionaries for a while.
    async fn find_in_dictionary<T>(&self, find: impl Fn(&Dictionary) -> Option<T>) -> Result<Option<T>> {
        if let Some(found) = find(&self.dictionary.dictionary()) {
            return Ok(Some(found));
        }
        let deadline = Instant::now() + NEW_TABLE_DEADLINE;
        loop {
            let newest = self.fetch_dictionary().await?;
            if let Some(found) = find(&newest) {
                return Ok(Some(found));
            }
            if Instant::now() + LOOK_AGAIN >= deadline {
                return Ok(None);
            }
            sleep(LOOK_AGAIN).await;
        }
    }

    /// Asks the replicas of the system log stream; an empty dictionary when none has one.
    pub(super) async fn fetch_dictionary(&self) -> Result<Arc<Dictionary>> {
        let mut members = self.topology.members(LsId::SYS);
        if members.is_empty() {
            self.topology.refresh().await;
            members = self.topology.members(LsId::SYS);
        }
        let mut last = None;
        let mut answered = false;
        let answers = futures::future::join_all(members.iter().map(|address| self.ask_dictionary(address))).await;
        for answer in answers {
            match answer {
                Ok(Answer { failure: None, value: Some(dictionary), .. }) => {
                    // What is written with this knowledge comes after it: a restore to an SCN between would have rows
                    // of a table that it does not know.
                    self.token.fetch_max(dictionary.scn, Ordering::AcqRel);
                    self.dictionary.learn(dictionary);
                    answered = true;
                }
                Ok(Answer { failure: Some(f), .. }) if Failure::from(f.clone()).class == ErrorClass::NotFound => {
                    answered = true;
                }
                Ok(answer) => last = answer.failure.map(|f| EngineError::from(Failure::from(f))),
                Err(e) => last = Some(e),
            }
        }
        match last {
            Some(error) if !answered => Err(error),
            _ => Ok(self.dictionary.dictionary()),
        }
    }

    async fn ask_dictionary(&self, address: &str) -> Result<Answer<Option<Dictionary>>> {
        let request = v1::DictionaryRequest { tenant_id: self.topology.tenant().0 };
        let transient = |what: &str| EngineError::Transient { what: what.to_owned(), object: address.to_owned() };
        match timeout(ASK_TIMEOUT, self.channels.kv(address)?.get_dictionary(request)).await {
            Ok(Ok(reply)) => {
                let reply = reply.into_inner();
                Ok(Answer { not_leader: None, failure: reply.failure, value: reply.dictionary })
            }
            Ok(Err(status)) => Err(transient(status.message())),
            Err(_) => Err(transient("a worker did not answer in time")),
        }
    }
}

fn no_such_table(name: &str, among: &Dictionary) -> EngineError {
    let what = if among.tables.is_empty() { "the tenant has no table" } else { "no such table" };
    missing(format!("table {name}"), what, "see CDB_OB_TABLES, or make it with CREATE TABLE")
}

fn missing(object: String, what: &str, todo: &str) -> EngineError {
    Failure::new(ErrorClass::NotFound, what, object, todo).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_silent_worker_is_asked_first_for_no_log_stream() {
        let cache = DictionaryCache::default();
        for (ls, address) in [(1, "a:1"), (1001, "b:1"), (1002, "a:1")] {
            cache.set_leader(LsId(ls), address);
        }
        cache.forget_leader("a:1");
        let leaders = [1, 1001, 1002].map(|ls| cache.leader(LsId(ls)));
        assert_eq!(leaders, [None, Some("b:1".to_owned()), None]);
    }
}
