//! Every object of a destination as a value: builders make it, tests change it, and a medium takes it in.

use bytes::Bytes;
use std::collections::BTreeMap;
use std::sync::Arc;
use strandline_format::DataType;
use strandline_format::small::{read_small, write_small};
use strandline_media::{Medium, MemoryMedium};

/// Objects by their paths.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tree(pub BTreeMap<String, Bytes>);

/// One way in which an object is not what was written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    Removed,
    Emptied,
    /// The last bytes are missing.
    Cut(usize),
    /// One bit of this byte is another one.
    Flipped(usize),
}

impl Tree {
    /// Adds an object, which must not be there.
    pub fn put(&mut self, path: impl Into<String>, bytes: impl Into<Bytes>) {
        let path = path.into();
        assert!(self.0.insert(path.clone(), bytes.into()).is_none(), "two objects are called {path}");
    }

    /// Adds a small file.
    pub fn small<M: prost::Message>(&mut self, path: impl Into<String>, kind: DataType, message: &M) {
        self.put(path, write_small(kind, message));
    }

    /// Adds everything of another tree below a directory.
    pub fn add(&mut self, dir: &str, other: &Self) {
        for (path, bytes) in &other.0 {
            self.put(format!("{dir}/{path}"), bytes.clone());
        }
    }

    pub fn bytes(&self, path: &str) -> &Bytes {
        self.0.get(path).unwrap_or_else(|| panic!("there is no {path}"))
    }

    pub fn message<M: prost::Message + Default>(&self, path: &str, kind: DataType) -> M {
        read_small(kind, self.bytes(path)).unwrap()
    }

    /// The same with another object of this name.
    pub fn with(&self, path: &str, bytes: impl Into<Bytes>) -> Self {
        let mut tree = self.clone();
        tree.0.insert(path.to_owned(), bytes.into());
        tree
    }

    pub fn without(&self, path: &str) -> Self {
        let mut tree = self.clone();
        assert!(tree.0.remove(path).is_some(), "there is no {path}");
        tree
    }

    /// The same without everything whose path holds this text.
    pub fn without_all(&self, part: &str) -> Self {
        Self(self.0.iter().filter(|(path, _)| !path.contains(part)).map(|(p, b)| (p.clone(), b.clone())).collect())
    }

    /// The same with a small file that is whole and says something else.
    pub fn edited<M: prost::Message + Default>(&self, path: &str, kind: DataType, edit: impl FnOnce(&mut M)) -> Self {
        let mut message = self.message(path, kind);
        edit(&mut message);
        self.with(path, write_small(kind, &message))
    }

    pub fn changed(&self, path: &str, change: Change) -> Self {
        let bytes = self.bytes(path);
        match change {
            Change::Removed => self.without(path),
            Change::Emptied => self.with(path, Bytes::new()),
            Change::Cut(by) => self.with(path, bytes.slice(..bytes.len() - by)),
            Change::Flipped(at) => {
                let mut other = bytes.to_vec();
                other[at] ^= 1 << (at % 8);
                self.with(path, other)
            }
        }
    }

    /// The same with the bytes of two objects exchanged.
    pub fn swapped(&self, a: &str, b: &str) -> Self {
        let (of_a, of_b) = (self.bytes(a).clone(), self.bytes(b).clone());
        assert_ne!(of_a, of_b, "{a} and {b} are equal");
        self.with(a, of_b).with(b, of_a)
    }

    /// Paths that hold this text.
    pub fn paths(&self, part: &str) -> Vec<String> {
        self.0.keys().filter(|path| path.contains(part)).cloned().collect()
    }

    /// The only path that holds this text.
    pub fn path(&self, part: &str) -> String {
        let mut found = self.paths(part);
        assert_eq!(found.len(), 1, "paths with {part}: {found:?}");
        found.remove(0)
    }

    pub async fn memory(&self, name: &str) -> Arc<MemoryMedium> {
        let medium = Arc::new(MemoryMedium::new(name));
        for (path, bytes) in &self.0 {
            medium.put_if_absent(path, bytes.clone()).await.unwrap();
        }
        medium
    }

    pub async fn medium(&self) -> Arc<dyn Medium> {
        self.memory("tree").await
    }
}

/// Removed, emptied, cut, and so many of its bytes flipped, spread over the whole object.
pub fn changes(bytes: &Bytes, flips: usize) -> Vec<Change> {
    let mut all = vec![Change::Removed];
    if bytes.is_empty() {
        return all;
    }
    all.extend([Change::Emptied, Change::Cut(1), Change::Cut(bytes.len().div_ceil(2))]);
    let step = bytes.len().div_ceil(flips.max(1)).max(1);
    all.extend((0..bytes.len()).step_by(step).map(Change::Flipped));
    all.push(Change::Flipped(bytes.len() - 1));
    all.dedup();
    all
}
