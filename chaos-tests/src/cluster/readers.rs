//! The second, independent readers of what a run left behind. They lie outside this repository, in
//! `../shared/conformance` beside the checkout or where `STRANDLINE_CONFORMANCE` says (as in
//! `scripts/second-readers.sh`). Their absence is printed, and is a failure in CI.

use std::path::{Path, PathBuf};
use std::process::Command;

const ARCHIVE: &str = "archive_conformance.py";
const DATA: &str = "backup_conformance.py";

/// Has them read `run/archive` and `run/data`.
///
/// # Errors
/// What they found.
pub fn check(run: &Path) -> Result<(), String> {
    check_archive(&run.join("archive"))?;
    check_data(&run.join("data"))
}

/// Has the reader of archives read one.
///
/// # Errors
/// What it found.
pub fn check_archive(destination: &Path) -> Result<(), String> {
    read(ARCHIVE, destination)
}

/// Has the reader of backup sets read a destination of them.
///
/// # Errors
/// What it found.
pub fn check_data(destination: &Path) -> Result<(), String> {
    read(DATA, destination)
}

fn read(reader: &str, destination: &Path) -> Result<(), String> {
    let beside = || Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/conformance");
    let readers = std::env::var_os("STRANDLINE_CONFORMANCE").map_or_else(beside, PathBuf::from);
    let reader = readers.join(reader);
    if !reader.is_file() {
        eprintln!("second readers: none in {}: NOT RUN", readers.display());
        return match std::env::var_os("CI") {
            Some(_) => Err("the second readers have to run in CI".to_owned()),
            None => Ok(()),
        };
    }
    let mut command = Command::new(python());
    command.arg(&reader).arg(destination).env("PYTHONDONTWRITEBYTECODE", "1");
    let out = command.output().map_err(|e| format!("{}: cannot run: {e}", reader.display()))?;
    let output = String::from_utf8_lossy(&out.stdout);
    let name = destination.file_name().unwrap_or_default().to_string_lossy();
    eprintln!("second reader, {name}: {}", output.trim());
    match out.status.success() {
        true => Ok(()),
        false => Err(format!("{}: {output}{}", destination.display(), String::from_utf8_lossy(&out.stderr))),
    }
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
