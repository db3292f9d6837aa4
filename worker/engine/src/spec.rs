//! What a replica is, on disk: so that a restarted worker serves before any scheduler has spoken.

use crate::dirs::ReplicaDir;
use crate::error::{EngineError, Result, corrupt};
use crate::files;
use crate::{Access, ReplicaSpec, RestoredPoint};
use serde::{Deserialize, Serialize};
use std::io;

/// The stored form.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct StoredSpec {
    pub(crate) spec: ReplicaSpec,
    /// What clients may do.
    pub(crate) access: Access,
}

impl StoredSpec {
    /// A replica that is new here. Those of a restored tenant stay closed until the scheduler opens them.
    pub(crate) fn new(spec: ReplicaSpec) -> Self {
        let access = Access::of(spec.restore.is_none(), false);
        Self { spec, access }
    }

    pub(crate) fn load(dir: &ReplicaDir) -> Result<Option<Self>> {
        load(&dir.spec()).map_err(|e| EngineError::io("reading a replica's spec", &dir.spec(), e))
    }

    pub(crate) fn store(&self, dir: &ReplicaDir) -> Result<()> {
        let path = dir.spec();
        files::create_dir(dir.root())
            .and_then(|()| store(&path, self))
            .map_err(|e| EngineError::io("writing a replica's spec", &path, e))
    }
}

/// The restore whose data was rebuilt in `dir`, once that is finished.
pub(crate) fn restored(dir: &ReplicaDir) -> Result<Option<RestoredPoint>> {
    load(&dir.restored()).map_err(|e| EngineError::io("reading the mark of a restore", &dir.restored(), e))
}

/// Marks the data in `dir` as rebuilt.
pub(crate) fn set_restored(dir: &ReplicaDir, point: &RestoredPoint) -> io::Result<()> {
    store(&dir.restored(), point)
}

fn load<T: serde::de::DeserializeOwned>(path: &std::path::Path) -> io::Result<Option<T>> {
    let Some(bytes) = files::read_checked(path)? else { return Ok(None) };
    postcard::from_bytes(&bytes).map(Some).map_err(|e| corrupt(e.to_string()))
}

fn store<T: Serialize>(path: &std::path::Path, value: &T) -> io::Result<()> {
    files::replace_checked(path, &postcard::to_stdvec(value).map_err(io::Error::other)?)
}
