//! A small file system in memory: a disk that can be full.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Command;

/// A mounted file system; dropping it unmounts it.
pub struct Tmpfs(PathBuf);

impl Tmpfs {
    /// Mounts one; `None`, with a printed reason, where that is not permitted.
    pub fn mount(at: &Path, megabytes: u64) -> Option<Self> {
        fs::create_dir_all(at).unwrap();
        let size = format!("size={megabytes}m");
        let mounted = Command::new("mount").args(["-t", "tmpfs", "-o", &size, "strandline-test"]).arg(at).output();
        match mounted {
            Ok(out) if out.status.success() => Some(Self(at.to_owned())),
            Ok(out) => {
                println!("skipped: no tmpfs can be mounted here: {}", String::from_utf8_lossy(&out.stderr).trim());
                None
            }
            Err(e) => {
                println!("skipped: no tmpfs can be mounted here: {e}");
                None
            }
        }
    }

    /// Leaves no room.
    pub fn fill(&self) {
        let mut file = fs::OpenOptions::new().create(true).append(true).open(self.filler()).unwrap();
        for bytes in [1 << 20, 4096, 1] {
            let block = vec![7; bytes];
            while file.write_all(&block).is_ok() {}
        }
    }

    /// Makes room again.
    pub fn free(&self) {
        fs::remove_file(self.filler()).unwrap();
    }

    fn filler(&self) -> PathBuf {
        self.0.join("filler")
    }
}

impl Drop for Tmpfs {
    fn drop(&mut self) {
        // A lazy one: a store that is being closed may still have its files open.
        let _ = Command::new("umount").arg("-l").arg(&self.0).status();
    }
}
