//! A destination in memory with the medium's contract (docs/format-reference.md) and faults of its own: it fails before
//! or after the effect, and tears appends.

use super::rng::Rng;
use crate::invariants::Tree;
use std::collections::{BTreeMap, BTreeSet};
use strandline_types::{DestId, ErrorClass, Failure};

/// How it behaves at the moment, in cases of a thousand.
#[derive(Clone, Copy, Debug, Default)]
pub struct MediumFaults {
    /// Nothing works.
    pub is_down: bool,
    /// Nothing works in the archive of this destination.
    pub away: Option<DestId>,
    /// The operation fails and had no effect.
    pub fails: u64,
    /// The operation took effect and says that it failed.
    pub loses_reply: u64,
    /// An append takes effect in part and says that it failed.
    pub tears: u64,
}

/// The destination.
#[derive(Debug, Default)]
pub struct Medium {
    objects: BTreeMap<String, Vec<u8>>,
    changed: BTreeSet<String>,
    /// Objects that were there again after they had been deleted.
    back: BTreeSet<String>,
    deleted: BTreeSet<String>,
    /// How it behaves at the moment.
    pub faults: MediumFaults,
}

/// The archive destination that a path belongs to: several lie in one tree here, their names keep them apart.
fn dest_of(path: &str) -> Option<DestId> {
    let id = |part: &str| part.strip_prefix('d')?.split_once('r')?.0.parse().ok();
    path.split(['/', '_']).find_map(id).map(DestId)
}

fn failed(what: &str, path: &str) -> Failure {
    Failure::new(ErrorClass::Transient, what, path, "try again")
}

fn fenced(path: &str) -> Failure {
    Failure::new(ErrorClass::Fenced, "other bytes are there", path, "")
}

impl Medium {
    /// Writes a whole object once.
    ///
    /// # Errors
    /// An injected fault, or `Fenced` when other bytes are there.
    pub fn put_if_absent(&mut self, rng: &mut Rng, path: &str, bytes: &[u8]) -> Result<(), Failure> {
        self.begin(rng, path)?;
        match self.objects.get(path) {
            Some(there) if there != bytes => return Err(fenced(path)),
            Some(_) => {}
            None => {
                self.is_new(path);
                self.objects.insert(path.to_owned(), bytes.to_vec());
                self.changed.insert(path.to_owned());
            }
        }
        self.end(rng, path)
    }

    /// Appends at an expected offset: equal bytes that are there already count as written.
    ///
    /// # Errors
    /// An injected fault, `Fenced` for other bytes, `Invalid` for a hole.
    pub fn append(&mut self, rng: &mut Rng, path: &str, at: u64, bytes: &[u8]) -> Result<(), Failure> {
        self.begin(rng, path)?;
        let is_torn = rng.chance(self.faults.tears);
        let written = if is_torn { rng.between(0, bytes.len() as u64) as usize } else { bytes.len() };
        if !self.objects.contains_key(path) {
            self.is_new(path);
        }
        let object = self.objects.entry(path.to_owned()).or_default();
        let at = at as usize;
        if at > object.len() {
            return Err(Failure::new(ErrorClass::Invalid, "the append would leave a hole", path, ""));
        }
        let there = (object.len() - at).min(bytes.len());
        if object[at..at + there] != bytes[..there] {
            return Err(fenced(path));
        }
        if written > there {
            object.extend_from_slice(&bytes[there..written]);
        }
        self.changed.insert(path.to_owned());
        if is_torn { Err(failed("the append was torn", path)) } else { self.end(rng, path) }
    }

    /// Removes an object; a missing one is gone already.
    ///
    /// # Errors
    /// An injected fault.
    pub fn delete(&mut self, rng: &mut Rng, path: &str) -> Result<(), Failure> {
        self.begin(rng, path)?;
        if self.objects.remove(path).is_some() {
            self.changed.insert(path.to_owned());
            self.deleted.insert(path.to_owned());
        }
        self.end(rng, path)
    }

    /// A part of an object.
    ///
    /// # Errors
    /// An injected fault, or `NotFound`.
    pub fn read(&mut self, rng: &mut Rng, path: &str, (start, end): (u64, u64)) -> Result<Vec<u8>, Failure> {
        self.begin(rng, path)?;
        let missing = || Failure::new(ErrorClass::NotFound, "no such part of an object", path, "");
        self.objects.get(path).and_then(|o| o.get(start as usize..end as usize)).map(<[u8]>::to_vec).ok_or_else(missing)
    }

    /// Paths that begin with `prefix`, with lengths.
    ///
    /// # Errors
    /// An injected fault.
    pub fn list(&mut self, rng: &mut Rng, prefix: &str) -> Result<Vec<(String, u64)>, Failure> {
        self.begin(rng, prefix)?;
        Ok(self.paths(prefix).map(|p| (p.to_owned(), self.bytes(p).map_or(0, |b| b.len() as u64))).collect())
    }

    /// What was changed since the last call.
    pub fn take_changed(&mut self) -> Vec<String> {
        std::mem::take(&mut self.changed).into_iter().collect()
    }

    fn is_new(&mut self, path: &str) {
        if self.deleted.contains(path) {
            self.back.insert(path.to_owned());
        }
    }

    /// True for an object that somebody wrote again after it had been deleted.
    #[must_use]
    pub fn came_back(&self, path: &str) -> bool {
        self.back.contains(path)
    }

    fn begin(&self, rng: &mut Rng, path: &str) -> Result<(), Failure> {
        if self.faults.is_down || (self.faults.away.is_some() && self.faults.away == dest_of(path)) {
            return Err(failed("the medium is away", path));
        }
        if rng.chance(self.faults.fails) { Err(failed("the medium hiccuped", path)) } else { Ok(()) }
    }

    fn end(&self, rng: &mut Rng, path: &str) -> Result<(), Failure> {
        if rng.chance(self.faults.loses_reply) { Err(failed("the reply was lost", path)) } else { Ok(()) }
    }
}

impl Tree for Medium {
    fn bytes(&self, path: &str) -> Option<&[u8]> {
        self.objects.get(path).map(Vec::as_slice)
    }

    fn paths<'a>(&'a self, prefix: &'a str) -> Box<dyn Iterator<Item = &'a str> + 'a> {
        let from = self.objects.range(prefix.to_owned()..).map(|(p, _)| p.as_str());
        Box::new(from.take_while(move |p| p.starts_with(prefix)))
    }
}
