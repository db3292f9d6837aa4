//! The second, independent readers of what a run left behind. They lie outside this repository, in
//! `../shared/conformance` beside the checkout or where `STRANDLINE_CONFORMANCE` says (as in
//! `scripts/second-readers.sh`). Their absence is printed, and is a failure in CI.

use std::path::{Path, PathBuf};
use std::process::Command;

const READERS: [(&str, &str); 2] = [("archive_conformance.py", "archive"), ("backup_conformance.py", "data")];

/// Has them read `run/archive` and `run/data`.
///
/// # Errors
/// What they found.
pub fn check(run: &Path) -> Result<(), String> {
    READERS.iter().try_for_each(|(reader, destination)| check_one(reader, &run.join(destination)))
}

/// Has one of them read one destination.
///
/// # Errors
/// What it found.
pub fn check_one(reader: &str, destination: &Path) -> Result<(), String> {
    let beside = || Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/conformance");
    let readers = std::env::var_os("STRANDLINE_CONFORMANCE").map_or_else(beside, PathBuf::from);
    if !readers.join(reader).is_file() {
        eprintln!("second readers: none in {}: NOT RUN", readers.display());
        return match std::env::var_os("CI") {
            Some(_) => Err("the second readers have to run in CI".to_owned()),
            None => Ok(()),
        };
    }
    let mut command = Command::new(python());
    command.arg(readers.join(reader)).arg(destination).env("PYTHONDONTWRITEBYTECODE", "1");
    let out = command.output().map_err(|e| format!("{reader}: cannot run: {e}"))?;
    let said = String::from_utf8_lossy(&out.stdout);
    eprintln!("second reader, {}: {}", destination.display(), said.trim());
    if !out.status.success() {
        return Err(format!("{reader}: {said}{}", String::from_utf8_lossy(&out.stderr)));
    }
    Ok(())
}

/// The one that the setup made, else the system's.
fn python() -> PathBuf {
    let cache = std::env::var_os("STRANDLINE_CACHE").map(PathBuf::from);
    let of_user = || {
        let xdg = std::env::var_os("XDG_CACHE_HOME").map(PathBuf::from);
        let home = || std::env::var_os("HOME").map(|home| Path::new(&home).join(".cache"));
        xdg.or_else(home).map(|dir| dir.join("strandline"))
    };
    let made = cache.or_else(of_user).map(|dir| dir.join("python/bin/python"));
    made.filter(|python| python.is_file()).unwrap_or_else(|| PathBuf::from("python3"))
}
