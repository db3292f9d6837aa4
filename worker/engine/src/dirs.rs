//! Files of one replica, `<data dir>/t<tenant>/ls<ls>/`:
//!
//! ```text
//! spec                what the replica is (engine)
//! current             which generation is the real one
//! gen-<n>/log         block log          gen-<n>/db   tablets
//! snapshots/<pos>/    the last snapshot that was made here
//! restore-<job>/db    tablets of a restored tenant, as they are laid down
//! restored            they are a whole store
//! ```
//!
//! Log and tablets are replaced together: a new generation is complete and durable before `current` names it, every
//! other generation is deleted on the next open.

use crate::error::corrupt;
use crate::files;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use strandline_types::JobId;

/// Places of one replica's files.
#[derive(Clone, Debug)]
pub(crate) struct ReplicaDir {
    root: PathBuf,
}

/// One generation of log and tablets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Generation {
    pub(crate) number: u64,
    path: PathBuf,
}

impl Generation {
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    pub(crate) fn log(&self) -> PathBuf {
        self.path.join("log")
    }

    pub(crate) fn db(&self) -> PathBuf {
        self.path.join("db")
    }
}

impl ReplicaDir {
    pub(crate) fn new(root: PathBuf) -> Self {
        Self { root }
    }

    pub(crate) fn root(&self) -> &Path {
        &self.root
    }

    pub(crate) fn spec(&self) -> PathBuf {
        self.root.join("spec")
    }

    pub(crate) fn restored(&self) -> PathBuf {
        self.root.join("restored")
    }

    pub(crate) fn restore(&self, job: JobId) -> PathBuf {
        self.root.join(format!("restore-{job}"))
    }

    pub(crate) fn snapshots(&self) -> PathBuf {
        self.root.join("snapshots")
    }

    fn generation(&self, number: u64) -> Generation {
        Generation { number, path: self.root.join(format!("gen-{number}")) }
    }

    /// The generation that is in force; a fresh replica begins with number 0. Left-overs of others are deleted.
    pub(crate) fn open(&self) -> io::Result<Generation> {
        files::create_dir(&self.root)?;
        let number = match files::read_checked(&self.root.join("current"))? {
            Some(bytes) => number(&bytes)?,
            None => {
                self.fresh(0)?;
                self.switch(&self.generation(0))?;
                0
            }
        };
        let current = self.generation(number);
        for entry in fs::read_dir(&self.root)? {
            let path = entry?.path();
            let is_generation = path.file_name().and_then(|n| n.to_str()).is_some_and(|n| n.starts_with("gen-"));
            if is_generation && path != current.path {
                fs::remove_dir_all(path)?;
            }
        }
        Ok(current)
    }

    /// An empty generation after `current`, not in force.
    pub(crate) fn next(&self, current: &Generation) -> io::Result<Generation> {
        self.fresh(current.number + 1)
    }

    fn fresh(&self, number: u64) -> io::Result<Generation> {
        let generation = self.generation(number);
        files::remove_tree_if_there(&generation.path)?;
        files::create_dir(&generation.path)?;
        files::create_dir(&generation.log())?;
        files::create_dir(&generation.db())?;
        Ok(generation)
    }

    /// Puts a complete generation in force.
    pub(crate) fn switch(&self, to: &Generation) -> io::Result<()> {
        files::replace_checked(&self.root.join("current"), to.number.to_string().as_bytes())
    }
}

fn number(bytes: &[u8]) -> io::Result<u64> {
    std::str::from_utf8(bytes)
        .ok()
        .and_then(|s| s.parse().ok())
        .ok_or_else(|| corrupt("the name of the current generation cannot be read"))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_generation_that_was_never_put_in_force_is_gone_after_the_next_open() {
        let tmp = tempfile::tempdir().unwrap();
        let dir = ReplicaDir::new(tmp.path().join("ls1"));
        let first = dir.open().unwrap();
        assert_eq!(first.number, 0);
        let second = dir.next(&first).unwrap();
        fs::write(second.path().join("half"), b"x").unwrap();
        assert_eq!(dir.open().unwrap(), first);
        assert!(!second.path().exists());
        let second = dir.next(&first).unwrap();
        dir.switch(&second).unwrap();
        assert_eq!(dir.open().unwrap(), second);
        assert!(!first.path().exists());
    }
}
