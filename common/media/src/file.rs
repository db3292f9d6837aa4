//! A destination in a directory: local disk or NFS.
//!
//! Reading goes through [`Tree`], which waits for no pipe and is stopped by no strange name; writing through [`Disk`], which
//! never replaces an object and syncs files and directories in the order of docs/format-reference.md. File names on disk are exactly
//! those given.

use crate::disk::Disk;
use crate::staging::Staged;
use crate::tree::Tree;
use crate::{Listed, LogForm, MediaError, Medium, ObjectWriter, Op, PutOutcome, Survey, Unfinished, check_path};
use async_trait::async_trait;
use bytes::Bytes;
use std::ops::Range;
use std::path::PathBuf;
use std::sync::Arc;
use strandline_types::ErrorClass;

/// A directory as a destination.
#[derive(Debug)]
pub struct FileMedium {
    uri: String,
    tree: Arc<Tree>,
    disk: Arc<Disk>,
}

impl FileMedium {
    /// The destination at an absolute path. Nothing is touched.
    #[must_use]
    pub fn new(root: &str) -> Self {
        let uri = format!("file://{root}");
        let tree = Arc::new(Tree::new(PathBuf::from(root), uri.clone()));
        Self { tree, disk: Arc::new(Disk::new(PathBuf::from(root), uri.clone())), uri }
    }

    /// Does a blocking piece of work beside the runtime.
    async fn blocking<T: Send + 'static>(
        &self,
        op: Op,
        path: &str,
        work: impl FnOnce(&Disk, &str) -> Result<T, MediaError> + Send + 'static,
    ) -> Result<T, MediaError> {
        check_path(op, &self.uri, path)?;
        blocking(&self.disk, &self.uri, op, path, work).await
    }

    /// The same for a read.
    async fn reading<T: Send + 'static>(
        &self,
        op: Op,
        path: &str,
        work: impl FnOnce(&Tree, &str) -> Result<T, MediaError> + Send + 'static,
    ) -> Result<T, MediaError> {
        check_path(op, &self.uri, path)?;
        blocking(&self.tree, &self.uri, op, path, work).await
    }
}

async fn blocking<D: Send + Sync + 'static, T: Send + 'static>(
    on: &Arc<D>,
    uri: &str,
    op: Op,
    path: &str,
    work: impl FnOnce(&D, &str) -> Result<T, MediaError> + Send + 'static,
) -> Result<T, MediaError> {
    let (on, name) = (Arc::clone(on), path.to_owned());
    tokio::task::spawn_blocking(move || work(&on, &name))
        .await
        .unwrap_or_else(|e| Err(MediaError::new(ErrorClass::Transient, op, uri, path, e.to_string())))
}

#[async_trait]
impl Medium for FileMedium {
    fn log_form(&self) -> LogForm {
        LogForm::Plain
    }

    async fn put(&self, path: &str, data: Bytes) -> Result<(), MediaError> {
        self.blocking(Op::Put, path, move |disk, name| disk.put(name, &data, true)).await.map(|_| ())
    }

    async fn put_if_absent(&self, path: &str, data: Bytes) -> Result<PutOutcome, MediaError> {
        self.blocking(Op::Put, path, move |disk, name| disk.put(name, &data, false)).await
    }

    async fn get(&self, path: &str) -> Result<Bytes, MediaError> {
        self.reading(Op::Get, path, Tree::get).await.map(Bytes::from)
    }

    async fn get_range(&self, path: &str, range: Range<u64>) -> Result<Bytes, MediaError> {
        if range.start >= range.end {
            return check_path(Op::Get, &self.uri, path).map(|()| Bytes::new());
        }
        self.reading(Op::Get, path, move |tree, name| tree.get_range(name, &range)).await.map(Bytes::from)
    }

    async fn head(&self, path: &str) -> Result<u64, MediaError> {
        self.reading(Op::Head, path, Tree::head).await
    }

    async fn list(&self, dir: &str) -> Result<Vec<Listed>, MediaError> {
        let found = self.survey(dir).await?;
        // What cannot be read must not be listed as absent.
        match found.strays.into_iter().find(|stray| stray.hides) {
            Some(stray) => Err(MediaError::new(ErrorClass::Permission, Op::List, &self.uri, &stray.path, stray.what)),
            None => Ok(found.objects),
        }
    }

    async fn survey(&self, dir: &str) -> Result<Survey, MediaError> {
        self.reading(Op::List, dir, Tree::survey).await
    }

    async fn list_dirs(&self, dir: &str) -> Result<Vec<String>, MediaError> {
        self.reading(Op::List, dir, Tree::dirs).await
    }

    async fn delete(&self, path: &str) -> Result<(), MediaError> {
        self.reading(Op::Delete, path, Tree::delete).await?;
        if path.starts_with("check_file/") {
            self.blocking(Op::Delete, path, |disk, name| {
                disk.tidy_probes(name);
                Ok(())
            })
            .await?;
        }
        Ok(())
    }

    async fn prune(&self, dir: &str) -> Result<(), MediaError> {
        self.blocking(Op::Delete, dir, |disk, name| disk.prune(name)).await
    }

    async fn append(&self, path: &str, at: u64, data: Bytes) -> Result<u64, MediaError> {
        self.blocking(Op::Append, path, move |disk, name| disk.append(name, at, &data)).await
    }

    async fn open_writer(&self, path: &str) -> Result<Box<dyn ObjectWriter>, MediaError> {
        let staged = self.blocking(Op::Write, path, |disk, name| disk.stage(Op::Write, name)).await?;
        Ok(Box::new(FileWriter {
            disk: Arc::clone(&self.disk),
            uri: self.uri.clone(),
            path: path.to_owned(),
            staged: Some(staged),
            bytes: 0,
        }))
    }

    async fn unfinished(&self) -> Result<Vec<Unfinished>, MediaError> {
        blocking(&self.disk, &self.uri, Op::List, "", |disk, _| disk.unfinished()).await
    }

    async fn abort(&self, unfinished: &Unfinished) -> Result<(), MediaError> {
        let id = unfinished.id.clone();
        self.blocking(Op::Abort, &unfinished.path, move |disk, name| disk.abort(name, &id)).await
    }

    fn uri(&self) -> String {
        self.uri.clone()
    }
}

#[derive(Debug)]
struct FileWriter {
    disk: Arc<Disk>,
    uri: String,
    path: String,
    /// Gone after the first error: a file with a hole must never be published.
    staged: Option<Staged>,
    bytes: u64,
}

impl FileWriter {
    fn take(&mut self) -> Result<Staged, MediaError> {
        self.staged.take().ok_or_else(|| {
            MediaError::new(ErrorClass::Invalid, Op::Write, &self.uri, &self.path, "an earlier write failed")
        })
    }
}

#[async_trait]
impl ObjectWriter for FileWriter {
    async fn write(&mut self, data: Bytes) -> Result<(), MediaError> {
        let mut staged = self.take()?;
        let (uri, len) = (self.uri.clone(), data.len() as u64);
        let work = move |_: &Disk, name: &str| match staged.write(&data) {
            Ok(()) => Ok(staged),
            Err(e) => Err(MediaError::from_io(Op::Write, &uri, name, &e)),
        };
        self.staged = Some(blocking(&self.disk, &self.uri, Op::Write, &self.path, work).await?);
        self.bytes += len;
        Ok(())
    }

    async fn finish(mut self: Box<Self>) -> Result<u64, MediaError> {
        let staged = self.take()?;
        let work = move |disk: &Disk, name: &str| disk.publish(name, &staged);
        blocking(&self.disk, &self.uri, Op::Write, &self.path, work).await?;
        Ok(self.bytes)
    }
}
