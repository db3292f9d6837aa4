//! Reading objects of an `object_store`.
//!
//! Writing is not here: `object_store` has no append, and its plain put overwrites.

use crate::{Listed, MediaError, Op, check_path};
use bytes::Bytes;
use futures::TryStreamExt;
use object_store::path::Path;
use object_store::{ObjectStore, ObjectStoreExt};
use std::ops::Range;
use std::sync::Arc;
use strandline_types::ErrorClass;

/// Objects of a store.
#[derive(Clone, Debug)]
pub(crate) struct Objects {
    pub(crate) store: Arc<dyn ObjectStore>,
    pub(crate) uri: String,
}

impl Objects {
    pub(crate) fn new(store: Arc<dyn ObjectStore>, uri: String) -> Self {
        Self { store, uri }
    }

    /// The store's name of an object. `Path::parse` takes the text as it is: nothing in a name is percent-encoded.
    pub(crate) fn locate(&self, op: Op, path: &str) -> Result<Path, MediaError> {
        check_path(op, &self.uri, path)?;
        Path::parse(path).map_err(|e| MediaError::new(ErrorClass::Invalid, op, &self.uri, path, e.to_string()))
    }

    pub(crate) async fn get(&self, path: &str) -> Result<Bytes, MediaError> {
        let at = self.locate(Op::Get, path)?;
        let found = self.store.get(&at).await.map_err(|e| self.error(Op::Get, path, &e))?;
        found.bytes().await.map_err(|e| self.error(Op::Get, path, &e))
    }

    pub(crate) async fn get_range(&self, path: &str, range: Range<u64>) -> Result<Bytes, MediaError> {
        let at = self.locate(Op::Get, path)?;
        if range.start >= range.end {
            return Ok(Bytes::new());
        }
        let got = self.store.get_range(&at, range.clone()).await;
        match got {
            Ok(bytes) if bytes.len() as u64 == range.end - range.start => return Ok(bytes),
            Err(e @ (object_store::Error::NotFound { .. } | object_store::Error::PermissionDenied { .. })) => {
                return Err(self.error(Op::Get, path, &e));
            }
            // Stores answer a range beyond the end in different ways: the length decides.
            _ => {}
        }
        let len = self.head(path).await?;
        if len < range.end {
            let reason = format!("holds {len} bytes, bytes {}..{} are needed", range.start, range.end);
            return Err(MediaError::new(ErrorClass::Corrupt, Op::Get, &self.uri, path, reason));
        }
        match got {
            Err(e) => Err(self.error(Op::Get, path, &e)),
            Ok(_) => Err(MediaError::new(ErrorClass::Transient, Op::Get, &self.uri, path, "short read")),
        }
    }

    pub(crate) async fn head(&self, path: &str) -> Result<u64, MediaError> {
        let at = self.locate(Op::Head, path)?;
        self.store.head(&at).await.map(|meta| meta.size).map_err(|e| self.error(Op::Head, path, &e))
    }

    pub(crate) async fn list(&self, dir: &str) -> Result<Vec<Listed>, MediaError> {
        let at = self.locate(Op::List, dir)?;
        let metas: Vec<_> =
            self.store.list(Some(&at)).try_collect().await.map_err(|e| self.error(Op::List, dir, &e))?;
        let mut found: Vec<Listed> =
            metas.into_iter().map(|m| Listed { path: m.location.to_string(), bytes: m.size }).collect();
        found.sort();
        Ok(found)
    }

    pub(crate) async fn list_dirs(&self, dir: &str) -> Result<Vec<String>, MediaError> {
        let at = self.locate(Op::List, dir)?;
        let found = self.store.list_with_delimiter(Some(&at)).await.map_err(|e| self.error(Op::List, dir, &e))?;
        let mut dirs: Vec<String> = found.common_prefixes.iter().map(ToString::to_string).collect();
        dirs.sort();
        Ok(dirs)
    }

    pub(crate) async fn delete(&self, path: &str) -> Result<(), MediaError> {
        let at = self.locate(Op::Delete, path)?;
        match self.store.delete(&at).await {
            Ok(()) | Err(object_store::Error::NotFound { .. }) => Ok(()),
            Err(e) => Err(self.error(Op::Delete, path, &e)),
        }
    }

    fn error(&self, op: Op, path: &str, error: &object_store::Error) -> MediaError {
        MediaError::from_store(op, &self.uri, path, error)
    }
}
