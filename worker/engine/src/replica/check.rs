//! What a client may ask: every bound of the key-value service, with a refusal that says what to do.

use crate::tablet::{InnerState, TabletStore};
use crate::{EngineError, KvWrite, Result};
use std::collections::BTreeSet;
use strandline_proto::bounds;
use strandline_types::limits::TABLETS_PER_LOG_STREAM_MAX;
use strandline_types::{ErrorClass, Failure, TabletId};

fn invalid(what: String, object: String, todo: &str) -> Failure {
    Failure::new(ErrorClass::Invalid, what, object, todo)
}

/// Inner tablets are not for clients.
pub(super) fn tablet(tablet: TabletId) -> Result<()> {
    if tablet >= TabletId::FIRST_USER {
        return Ok(());
    }
    let what = "this is no tablet of a table".to_owned();
    Err(invalid(what, format!("tablet {tablet}"), "take the tablet from the dictionary").into())
}

/// The table of a dropped tablet is gone.
pub(super) fn not_dropped(tablet: TabletId, inner: &InnerState) -> Result<()> {
    if inner.is_dropped(tablet) { Err(EngineError::Dropped { tablet }) } else { Ok(()) }
}

pub(super) fn key(key: &[u8]) -> Result<()> {
    Ok(bounds::key(key)?)
}

/// Every write of a batch, and the tablets that it would create.
pub(super) fn writes(writes: &[KvWrite], store: &TabletStore, inner: &InnerState) -> Result<()> {
    if writes.is_empty() {
        return Err(invalid("a batch without writes".to_owned(), "batch".to_owned(), "write something").into());
    }
    let mut tablets = BTreeSet::new();
    for w in writes {
        tablet(w.tablet)?;
        not_dropped(w.tablet, inner)?;
        key(&w.key)?;
        bounds::value(w.value.as_deref().unwrap_or_default())?;
        tablets.insert(w.tablet);
    }
    let new = tablets.into_iter().filter(|t| !store.has_tablet(*t)).count();
    if new > 0 && store.tablet_count() + new > TABLETS_PER_LOG_STREAM_MAX {
        let what = format!("the log stream has {TABLETS_PER_LOG_STREAM_MAX} tablets already");
        let todo = "create tables with fewer tablets, or a tenant with more log streams";
        return Err(Failure::new(ErrorClass::Exhausted, what, "log stream", todo).into());
    }
    Ok(())
}

/// The batch as it goes into the log.
pub(super) fn batch_bytes(bytes: usize) -> Result<()> {
    Ok(bounds::batch(bytes)?)
}
