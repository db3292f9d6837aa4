//! A destination that lives in this process: `mem://name`. The same name is the same destination everywhere in the
//! process, as two mounts of one NFS are. `mem://name?log_form=parts` is one that cannot append, as S3 cannot.

use crate::objects::Objects;
use crate::{Listed, LogForm, MediaError, Medium, ObjectWriter, Op, PutOutcome, Survey, Unfinished, no_append};
use async_trait::async_trait;
use bytes::{Bytes, BytesMut};
use object_store::PutMode;
use object_store::memory::InMemory;
use parking_lot::Mutex;
use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::{Arc, LazyLock};
use strandline_types::ErrorClass;

static NAMED: LazyLock<Mutex<BTreeMap<String, Arc<MemoryMedium>>>> = LazyLock::new(Mutex::default);

/// A destination in memory.
#[derive(Clone, Debug)]
pub struct MemoryMedium {
    objects: Objects,
    log_form: LogForm,
    /// Read, compare and write of one append are one step.
    writing: Arc<tokio::sync::Mutex<()>>,
}

impl MemoryMedium {
    /// A destination of its own, not reachable by name.
    #[must_use]
    pub fn new(name: &str) -> Self {
        let objects = Objects::new(Arc::new(InMemory::new()), format!("mem://{name}"));
        Self { objects, log_form: LogForm::Plain, writing: Arc::default() }
    }

    /// The same objects, with log files in parts.
    #[must_use]
    pub fn in_parts(&self) -> Self {
        Self { log_form: LogForm::Parts, ..self.clone() }
    }

    /// The destination of this name; made when it is asked for first.
    #[must_use]
    pub fn named(name: &str) -> Arc<Self> {
        let mut named = NAMED.lock();
        Arc::clone(named.entry(name.to_owned()).or_insert_with(|| Arc::new(Self::new(name))))
    }

    async fn found(&self, path: &str) -> Result<Option<Bytes>, MediaError> {
        match self.objects.get(path).await {
            Ok(bytes) => Ok(Some(bytes)),
            Err(e) if e.is_not_found() => Ok(None),
            Err(e) => Err(e),
        }
    }

    async fn store(&self, op: Op, path: &str, data: Bytes) -> Result<(), MediaError> {
        let at = self.objects.locate(op, path)?;
        let put = self.objects.store.put_opts(&at, data.into(), PutMode::Overwrite.into()).await;
        put.map(|_| ()).map_err(|e| MediaError::from_store(op, &self.objects.uri, path, &e))
    }

    async fn put_once(&self, op: Op, path: &str, data: Bytes, fill_empty: bool) -> Result<PutOutcome, MediaError> {
        self.objects.locate(op, path)?;
        let _one_step = self.writing.lock().await;
        match self.found(path).await? {
            Some(there) if there == data => Ok(PutOutcome::AlreadyEqual),
            Some(there) if !(fill_empty && there.is_empty()) => {
                Err(self.fenced(op, path, "an object with other bytes is there"))
            }
            _ => self.store(op, path, data).await.map(|()| PutOutcome::Created),
        }
    }

    fn fenced(&self, op: Op, path: &str, reason: &str) -> MediaError {
        MediaError::new(ErrorClass::Fenced, op, &self.objects.uri, path, reason)
    }
}

#[async_trait]
impl Medium for MemoryMedium {
    fn log_form(&self) -> LogForm {
        self.log_form
    }

    async fn put(&self, path: &str, data: Bytes) -> Result<(), MediaError> {
        self.put_once(Op::Put, path, data, true).await.map(|_| ())
    }

    async fn put_if_absent(&self, path: &str, data: Bytes) -> Result<PutOutcome, MediaError> {
        self.put_once(Op::Put, path, data, false).await
    }

    async fn get(&self, path: &str) -> Result<Bytes, MediaError> {
        self.objects.get(path).await
    }

    async fn get_range(&self, path: &str, range: Range<u64>) -> Result<Bytes, MediaError> {
        self.objects.get_range(path, range).await
    }

    async fn head(&self, path: &str) -> Result<u64, MediaError> {
        self.objects.head(path).await
    }

    async fn list(&self, dir: &str) -> Result<Vec<Listed>, MediaError> {
        self.objects.list(dir).await
    }

    async fn survey(&self, dir: &str) -> Result<Survey, MediaError> {
        self.list(dir).await.map(Survey::from)
    }

    async fn list_dirs(&self, dir: &str) -> Result<Vec<String>, MediaError> {
        self.objects.list_dirs(dir).await
    }

    async fn delete(&self, path: &str) -> Result<(), MediaError> {
        self.objects.delete(path).await
    }

    async fn append(&self, path: &str, at: u64, data: Bytes) -> Result<u64, MediaError> {
        self.objects.locate(Op::Append, path)?;
        if self.log_form == LogForm::Parts {
            return Err(no_append(&self.objects.uri, path));
        }
        let _one_step = self.writing.lock().await;
        let there = self.found(path).await?.unwrap_or_default();
        let Some(beyond) = usize::try_from(at).ok().and_then(|at| there.get(at..)) else {
            let reason = format!("holds {} bytes, an append at {at} would leave a hole", there.len());
            return Err(MediaError::new(ErrorClass::Invalid, Op::Append, &self.objects.uri, path, reason));
        };
        if let Some(i) = beyond.iter().zip(&data).position(|(a, b)| a != b) {
            return Err(self.fenced(Op::Append, path, &format!("other bytes are there at offset {}", at + i as u64)));
        }
        let missing = data.slice(beyond.len().min(data.len())..);
        let mut grown = BytesMut::with_capacity(there.len() + missing.len());
        grown.extend_from_slice(&there);
        grown.extend_from_slice(&missing);
        let len = grown.len() as u64;
        self.store(Op::Append, path, grown.freeze()).await?;
        Ok(len)
    }

    async fn open_writer(&self, path: &str) -> Result<Box<dyn ObjectWriter>, MediaError> {
        self.objects.locate(Op::Write, path)?;
        Ok(Box::new(MemoryWriter { medium: self.clone(), path: path.to_owned(), data: BytesMut::new() }))
    }

    async fn unfinished(&self) -> Result<Vec<Unfinished>, MediaError> {
        Ok(Vec::new())
    }

    async fn abort(&self, _unfinished: &Unfinished) -> Result<(), MediaError> {
        Ok(())
    }

    fn uri(&self) -> String {
        self.objects.uri.clone()
    }
}

#[derive(Debug)]
struct MemoryWriter {
    medium: MemoryMedium,
    path: String,
    data: BytesMut,
}

#[async_trait]
impl ObjectWriter for MemoryWriter {
    async fn write(&mut self, data: Bytes) -> Result<(), MediaError> {
        self.data.extend_from_slice(&data);
        Ok(())
    }

    async fn finish(self: Box<Self>) -> Result<u64, MediaError> {
        let data = self.data.freeze();
        let len = data.len() as u64;
        self.medium.put_once(Op::Write, &self.path, data, false).await?;
        Ok(len)
    }
}
