//! The sources of the workspace, for tests that hold their rules.

#![allow(clippy::unwrap_used)]

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

/// The directory of the workspace.
///
/// # Panics
/// It is gone.
#[must_use]
pub fn root() -> PathBuf {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/..")).canonicalize().unwrap()
}

/// Every source file below a directory of the workspace: its path from the root, and its text.
///
/// # Panics
/// There is none, or one cannot be read.
#[must_use]
pub fn sources(dir: &str) -> BTreeMap<String, String> {
    let root = root();
    let (mut found, mut open) = (BTreeMap::new(), vec![root.join(dir)]);
    while let Some(path) = open.pop() {
        if path.is_dir() {
            open.extend(fs::read_dir(path).unwrap().map(|entry| -> PathBuf { entry.unwrap().path() }));
        } else if path.extension().is_some_and(|e| e == "rs" || e == "proto") {
            let name = path.strip_prefix(&root).unwrap().to_str().unwrap().to_owned();
            found.insert(name, fs::read_to_string(&path).unwrap());
        }
    }
    assert!(!found.is_empty(), "no sources in {dir}");
    found
}
