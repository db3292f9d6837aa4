//! Values of this engine in terms of the border, and back.

use crate::{Access, EngineError, ReplayBatch, ReplayItem, Replayed, ReplicaSpec, RestoreStart};
use strandline_consensus::CaughtUp;
use strandline_engine_api::{self as api, ClientAccess, SourceError};
use strandline_types::{ErrorClass, Failure};

impl From<EngineError> for SourceError {
    fn from(error: EngineError) -> Self {
        match error {
            EngineError::NotHere { tenant, ls } => Self::NotHere { tenant, ls },
            EngineError::NotLeader { .. } => Self::NotLeader,
            EngineError::Recycled { from, log_start } => Self::Recycled { from, log_start },
            other => Self::Engine(other.into()),
        }
    }
}

impl From<Replayed> for api::Replayed {
    fn from(at: Replayed) -> Self {
        Self { lsn: at.lsn, scn: at.scn }
    }
}

impl TryFrom<api::ReplayBatch> for ReplayBatch {
    type Error = Failure;

    /// `Corrupt` for an entry without a kind byte.
    fn try_from(batch: api::ReplayBatch) -> Result<Self, Failure> {
        let items = batch.items.into_iter().map(|item| {
            let kind = *item.entry.first()?;
            Some(ReplayItem { scn: item.scn, kind, body: item.entry.slice(1..) })
        });
        let Some(items) = items.collect::<Option<Vec<_>>>() else {
            let object = format!("source log up to lsn {}", batch.end);
            return Err(Failure::new(ErrorClass::Corrupt, "an empty entry in replayed log", object, ""));
        };
        Ok(Self { start: batch.start, end: batch.end, scn: batch.scn, items })
    }
}

impl From<api::ReplicaSpec> for ReplicaSpec {
    fn from(spec: api::ReplicaSpec) -> Self {
        let restore = spec.restore.map(|r| RestoreStart { job: r.job, base: r.base.into(), start: r.start });
        Self { tenant: spec.tenant, ls: spec.ls, members: spec.members, bootstrap: spec.bootstrap, restore }
    }
}

impl From<ClientAccess> for Access {
    fn from(access: ClientAccess) -> Self {
        match access {
            ClientAccess::Closed => Self::Closed,
            ClientAccess::ReadWrite => Self::Open,
            ClientAccess::ReadOnly => Self::ReadOnly,
        }
    }
}

impl From<Access> for ClientAccess {
    fn from(access: Access) -> Self {
        match access {
            Access::Closed => Self::Closed,
            Access::Open => Self::ReadWrite,
            Access::ReadOnly => Self::ReadOnly,
        }
    }
}

/// How far a group has come, in terms of the border.
pub(super) const fn caught_up(at: CaughtUp) -> api::CaughtUp {
    match at {
        CaughtUp::Unknown => api::CaughtUp::Unknown,
        CaughtUp::Behind { applied, goal } => api::CaughtUp::Behind { applied, goal },
        CaughtUp::Done => api::CaughtUp::Done,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use bytes::Bytes;
    use strandline_types::{Lsn, Scn};

    #[test]
    fn a_replayed_entry_is_its_kind_and_the_rest() {
        let batch = |entry: &'static [u8]| api::ReplayBatch {
            start: Lsn(1),
            end: Lsn(9),
            scn: Scn(5),
            items: vec![api::ReplayItem { scn: Scn(5), entry: Bytes::from_static(entry) }],
        };
        let item = ReplayItem { scn: Scn(5), kind: 2, body: Bytes::from_static(b"row") };
        let whole = ReplayBatch { start: Lsn(1), end: Lsn(9), scn: Scn(5), items: vec![item] };
        assert_eq!(ReplayBatch::try_from(batch(b"\x02row")), Ok(whole));
        assert_eq!(ReplayBatch::try_from(batch(b"")).map_err(|f| f.class), Err(ErrorClass::Corrupt));
    }
}
