//! Runs the independent readers over a destination, where they exist.

use std::path::{Path, PathBuf};
use std::process::Command;

/// Panics with the problems that a reader finds; says so when the reader is not there.
pub fn check(reader: &str, dest: &Path) {
    let beside = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../shared/conformance");
    let dir = std::env::var_os("STRANDLINE_CONFORMANCE").map_or(beside, PathBuf::from);
    let script = dir.join(reader);
    let python = python();
    let has_modules = || Command::new(&python).args(["-c", "import crc32c, xxhash"]).output();
    if !script.is_file() || !has_modules().is_ok_and(|o| o.status.success()) {
        assert!(std::env::var_os("CI").is_none(), "in CI the second reader {reader} must run");
        println!("skipped: the second reader {reader} or its modules are not here");
        return;
    }
    let output = Command::new(&python).arg(&script).arg(dest).output().unwrap();
    let text = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    println!("{reader}: {text}");
    assert!(output.status.success(), "{reader} over {}: {text}", dest.display());
}

/// The Python that `scripts/` set up, else the system's.
fn python() -> PathBuf {
    let own = std::env::var_os("STRANDLINE_CACHE").map(|c| PathBuf::from(c).join("python/bin/python"));
    own.filter(|p| p.is_file()).unwrap_or_else(|| "python3".into())
}
