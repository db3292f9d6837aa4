//! The highest scheduler term that this worker has ever obeyed, on disk.
//!
//! Orders of a lower term come from a leader that does not know yet that it was replaced, or from a scheduler group
//! that lost its State: obeying either would remove replicas that somebody needs (protocols page, section 1).

use crate::disk;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use strandline_types::{ErrorClass, Failure, Term};

/// Remembers the highest term.
#[derive(Debug)]
pub struct Fence {
    file: PathBuf,
    highest: AtomicU64,
}

impl Fence {
    /// Reads what an earlier process remembered in `dir`.
    ///
    /// # Errors
    /// The file cannot be read, or holds no number.
    pub fn open(dir: &Path) -> Result<Self, Failure> {
        let file = dir.join("scheduler_term");
        let highest = match std::fs::read_to_string(&file) {
            Ok(text) => text.trim().parse().map_err(|_| damaged(&file))?,
            Err(e) if e.kind() == io::ErrorKind::NotFound => 0,
            Err(e) => return Err(disk::io_failure("read", &file, &e)),
        };
        Ok(Self { file, highest: AtomicU64::new(highest) })
    }

    /// True when orders of this term may be obeyed; a higher one than ever is remembered durably first.
    ///
    /// # Errors
    /// The disk's: the orders must not be obeyed then.
    pub fn admit(&self, term: Term) -> Result<bool, Failure> {
        let highest = self.highest.load(Ordering::Acquire);
        if term.0 > highest {
            self.store(term)?;
            self.highest.store(term.0, Ordering::Release);
        }
        Ok(term.0 >= highest)
    }

    fn store(&self, term: Term) -> Result<(), Failure> {
        let new = self.file.with_extension("new");
        disk::write_durable(&new, term.0.to_string().as_bytes())?;
        std::fs::rename(&new, &self.file).map_err(|e| disk::io_failure("rename", &new, &e))?;
        self.file.parent().map_or(Ok(()), disk::sync_dir)
    }
}

fn damaged(file: &Path) -> Failure {
    let todo = "write the current scheduler term into it (view CDB_OB_SERVERS), or give the worker a new id and disk";
    Failure::new(ErrorClass::Corrupt, "the file holds no term", file.display().to_string(), todo)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_lower_term_is_refused_even_after_a_restart() {
        let dir = tempfile::tempdir().unwrap();
        let fence = Fence::open(dir.path()).unwrap();
        assert!(fence.admit(Term(3)).unwrap());
        assert!(fence.admit(Term(3)).unwrap());
        assert!(!fence.admit(Term(2)).unwrap());
        let again = Fence::open(dir.path()).unwrap();
        assert!(!again.admit(Term(2)).unwrap());
        assert!(again.admit(Term(4)).unwrap());
    }
}
