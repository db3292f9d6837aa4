//! Local files of tasks: errors as a user reads them, and writes that are durable when they return.

use std::fs::File;
use std::io::{self, Write};
use std::path::Path;
use strandline_types::{ErrorClass, Failure};

/// Runs blocking work on the runtime's threads for it.
///
/// # Errors
/// What the work says; `Transient` when the runtime is shutting down.
pub async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, Failure> + Send + 'static,
) -> Result<T, Failure> {
    match tokio::task::spawn_blocking(work).await {
        Ok(done) => done,
        Err(error) => Err(Failure::new(ErrorClass::Transient, error.to_string(), "blocking work", "")),
    }
}

/// An I/O error of a local file.
#[must_use]
pub fn io_failure(op: &str, path: &Path, error: &io::Error) -> Failure {
    let (class, todo) = match error.kind() {
        io::ErrorKind::NotFound => (ErrorClass::NotFound, ""),
        io::ErrorKind::PermissionDenied => (ErrorClass::Permission, "let the worker's user read and write there"),
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
            (ErrorClass::Exhausted, "free space on the disk of this worker, then try again")
        }
        _ => (ErrorClass::Transient, "look at the disk of this worker if it lasts"),
    };
    Failure::new(class, format!("cannot {op}: {error}"), path.display().to_string(), todo)
}

/// Writes a file; its bytes are durable on return, its name once [`sync_dir`] was called.
///
/// # Errors
/// What the disk says.
pub fn write_durable(path: &Path, bytes: &[u8]) -> Result<(), Failure> {
    let write = || {
        let mut file = File::create(path)?;
        file.write_all(bytes)?;
        file.sync_data()
    };
    write().map_err(|e| io_failure("write", path, &e))
}

/// Makes the names in a directory durable.
///
/// # Errors
/// What the disk says.
pub fn sync_dir(dir: &Path) -> Result<(), Failure> {
    File::open(dir).and_then(|d| d.sync_all()).map_err(|e| io_failure("sync", dir, &e))
}

/// Bytes that this user may still write on the disk of a directory; `None` when the disk does not say.
#[must_use]
pub fn free_bytes(dir: &Path) -> Option<u64> {
    let disk = rustix::fs::statvfs(dir).ok()?;
    Some(disk.f_bavail.saturating_mul(disk.f_frsize))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn a_full_disk_is_exhausted_and_says_what_to_do() {
        let full = write_durable(Path::new("/dev/full"), b"x").unwrap_err();
        assert_eq!((full.class, full.object.as_str()), (ErrorClass::Exhausted, "/dev/full"));
        assert!(full.todo.contains("free space"), "{full}");
        let gone = write_durable(Path::new("/no/such/dir/file"), b"x").unwrap_err();
        assert_eq!(gone.class, ErrorClass::NotFound);
    }

    #[tokio::test]
    async fn work_that_panics_is_a_failure_and_not_the_end_of_the_worker() {
        let failure = blocking::<()>(|| panic!("a defect")).await.unwrap_err();
        assert_eq!(failure.class, ErrorClass::Transient);
    }
}
