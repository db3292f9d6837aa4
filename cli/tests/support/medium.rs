//! What can happen to a destination: damage, a disk that is full or read-only. And the second readers.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Every file below a directory with its bytes.
pub fn tree(root: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let (mut files, mut open) = (BTreeMap::new(), vec![root.to_owned()]);
    while let Some(dir) = open.pop() {
        for entry in std::fs::read_dir(dir).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                open.push(path);
            } else {
                files.insert(path.strip_prefix(root).unwrap().to_owned(), std::fs::read(&path).unwrap());
            }
        }
    }
    files
}

/// Copies a directory tree.
pub fn copy(from: &Path, to: &Path) {
    for (name, bytes) in tree(from) {
        let path = to.join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, bytes).unwrap();
    }
}

/// The largest file whose path has all these parts: the one with the tenant's own data.
pub fn largest(root: &Path, parts: &[&str]) -> PathBuf {
    let has_all = |path: &Path| parts.iter().all(|part| path.to_str().unwrap().contains(part));
    let found = tree(root).into_iter().filter(|(path, _)| has_all(path)).max_by_key(|(_, bytes)| bytes.len());
    root.join(found.unwrap_or_else(|| panic!("no {parts:?} below {}", root.display())).0)
}

/// Changes one byte.
pub fn flip(file: &Path, at: usize) {
    let mut bytes = std::fs::read(file).unwrap();
    bytes[at] ^= 0x10;
    std::fs::write(file, bytes).unwrap();
}

/// Cuts a file off.
pub fn truncate(file: &Path, bytes: u64) {
    std::fs::OpenOptions::new().write(true).open(file).unwrap().set_len(bytes).unwrap();
}

/// A file system of its own, in memory, with a bound.
pub struct SmallDisk {
    pub dir: PathBuf,
}

impl SmallDisk {
    /// Mounts it; `None`, with the reason printed, where this user cannot mount.
    pub fn mount(dir: PathBuf, size: &str) -> Option<Self> {
        match mount(&["-t", "tmpfs", "-o", &format!("size={size}"), "tmpfs"], &dir) {
            Ok(()) => Some(Self { dir }),
            Err(why) => {
                println!("NOT RUN: no small disk can be mounted here: {why}");
                None
            }
        }
    }

    /// Changes how it is mounted.
    pub fn remount(&self, options: &str) {
        mount(&["-o", &format!("remount,{options}")], &self.dir).unwrap();
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("--lazy").arg(&self.dir).status();
    }
}

fn mount(args: &[&str], dir: &Path) -> Result<(), String> {
    let output = Command::new("mount").args(args).arg(dir).output().map_err(|e| e.to_string())?;
    if output.status.success() { Ok(()) } else { Err(String::from_utf8_lossy(&output.stderr).into_owned()) }
}

/// Runs a second reader (outside this repository) over a destination; its absence is printed.
pub fn second_reader(program: &str, dest: &Path) {
    let top = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let env = |name: &str| std::env::var(name).ok().filter(|v| !v.is_empty()).map(PathBuf::from);
    let readers = env("STRANDLINE_CONFORMANCE").unwrap_or_else(|| top.join("../shared/conformance"));
    let home = || env("HOME").unwrap_or_default().join(".cache");
    let cache =
        env("STRANDLINE_CACHE").unwrap_or_else(|| env("XDG_CACHE_HOME").unwrap_or_else(home).join("strandline"));
    let (reader, python) = (readers.join(program), cache.join("python/bin/python"));
    if !reader.is_file() || !python.is_file() {
        println!("NOT RUN: second reader {}, with {}", reader.display(), python.display());
        assert!(env("CI").is_none(), "the second readers are part of CI");
        return;
    }
    let output = Command::new(python).arg(reader).arg(dest).env("PYTHONDONTWRITEBYTECODE", "1").output().unwrap();
    let message = String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && message.contains("problems=0"), "{}: {message}", dest.display());
}
