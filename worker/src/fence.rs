//! Which scheduler group this worker obeys, and the highest term of it that was ever obeyed, on disk.
//!
//! Orders of a lower term come from a leader that does not know yet that it was replaced. Orders of another State come
//! from a scheduler group that lost its disks, or from another cluster; its terms begin anew and say nothing. Obeying
//! either would remove replicas that somebody needs (docs/protocols.md, section 1).

use crate::disk;
use parking_lot::Mutex;
use std::io;
use std::path::{Path, PathBuf};
use strandline_types::{ErrorClass, Failure, Term};

/// What is to become of orders.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// They are to be obeyed.
    Obey,
    /// A newer leader was obeyed before.
    OldTerm,
    /// They come from another State than the one that was obeyed before.
    OtherState,
}

/// The newest scheduler that was obeyed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Obeyed {
    term: u64,
    /// When its State began; 0 = not known.
    born_ms: u64,
}

/// Remembers who was obeyed.
#[derive(Debug)]
pub struct Fence {
    file: PathBuf,
    obeyed: Mutex<Obeyed>,
}

impl Fence {
    /// Reads what an earlier process remembered in `dir`.
    ///
    /// # Errors
    /// The file cannot be read, or does not hold what it must.
    pub fn open(dir: &Path) -> Result<Self, Failure> {
        let file = dir.join("scheduler_term");
        let obeyed = match std::fs::read_to_string(&file) {
            Ok(text) => parse(&text).ok_or_else(|| damaged(&file))?,
            Err(e) if e.kind() == io::ErrorKind::NotFound => Obeyed::default(),
            Err(e) => return Err(disk::io_failure("read", &file, &e)),
        };
        Ok(Self { file, obeyed: Mutex::new(obeyed) })
    }

    /// Judges orders of the State that began at `born_ms` (0 = it has not begun), from its leader of `term`. What is
    /// newer than ever is remembered durably first.
    ///
    /// # Errors
    /// The disk's: the orders must not be obeyed then.
    pub fn admit(&self, born_ms: u64, term: Term) -> Result<Verdict, Failure> {
        let mut obeyed = self.obeyed.lock();
        if obeyed.born_ms != 0 && obeyed.born_ms != born_ms {
            return Ok(Verdict::OtherState);
        }
        if term.0 < obeyed.term {
            return Ok(Verdict::OldTerm);
        }
        let newer = Obeyed { term: term.0, born_ms };
        if newer != *obeyed {
            self.store(newer)?;
            *obeyed = newer;
        }
        Ok(Verdict::Obey)
    }

    fn store(&self, obeyed: Obeyed) -> Result<(), Failure> {
        let new = self.file.with_extension("new");
        disk::write_durable(&new, format!("{} {}", obeyed.term, obeyed.born_ms).as_bytes())?;
        std::fs::rename(&new, &self.file).map_err(|e| disk::io_failure("rename", &new, &e))?;
        self.file.parent().map_or(Ok(()), disk::sync_dir)
    }
}

/// `<term> <when the State began>`; the first versions wrote the term alone.
fn parse(text: &str) -> Option<Obeyed> {
    let (term, born_ms) = text.trim().split_once(' ').unwrap_or((text.trim(), "0"));
    Some(Obeyed { term: term.parse().ok()?, born_ms: born_ms.parse().ok()? })
}

fn damaged(file: &Path) -> Failure {
    let todo = "bring the file back from a copy of this disk, or give the worker a new id and an empty disk";
    let what = "the file does not tell which scheduler was obeyed";
    Failure::new(ErrorClass::Corrupt, what, file.display().to_string(), todo)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_lower_term_is_refused_even_after_a_restart() {
        let dir = tempfile::tempdir().unwrap();
        let fence = Fence::open(dir.path()).unwrap();
        assert_eq!(fence.admit(70, Term(3)).unwrap(), Verdict::Obey);
        assert_eq!(fence.admit(70, Term(3)).unwrap(), Verdict::Obey);
        assert_eq!(fence.admit(70, Term(2)).unwrap(), Verdict::OldTerm);
        let again = Fence::open(dir.path()).unwrap();
        assert_eq!(again.admit(70, Term(2)).unwrap(), Verdict::OldTerm);
        assert_eq!(again.admit(70, Term(4)).unwrap(), Verdict::Obey);
    }

    #[test]
    fn a_scheduler_group_that_lost_its_state_is_refused_in_any_term() {
        let dir = tempfile::tempdir().unwrap();
        let fence = Fence::open(dir.path()).unwrap();
        assert_eq!(fence.admit(0, Term(0)).unwrap(), Verdict::Obey, "a fresh worker has nothing to lose");
        assert_eq!(fence.admit(70, Term(1)).unwrap(), Verdict::Obey);
        let again = Fence::open(dir.path()).unwrap();
        for (born_ms, term) in [(80, 1), (80, 9), (0, 1), (0, 9)] {
            assert_eq!(again.admit(born_ms, Term(term)).unwrap(), Verdict::OtherState, "{born_ms} {term}");
        }
        assert_eq!(again.admit(70, Term(1)).unwrap(), Verdict::Obey);
    }
}
