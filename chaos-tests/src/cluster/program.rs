//! The `strandline` binary that a test starts.
//!
//! `STRANDLINE_BIN` names it. Else it is the one in the build tree that this very test came from: when it is as new as
//! every source that it was built from (`cargo test --workspace` has just built it), it is taken as it is; otherwise
//! cargo builds it there. A stale binary would prove nothing, and building it with other features than the tests beside
//! it takes minutes.

use crate::cluster::Outcome;
use std::path::{Path, PathBuf};
use std::process::Command;
use strandline_types::{ErrorClass, Failure};

/// Names the binary.
pub const VARIABLE: &str = "STRANDLINE_BIN";

/// Finds or builds it.
///
/// # Errors
/// It is not there and cannot be built.
pub fn find() -> Outcome<PathBuf> {
    if let Some(named) = std::env::var_os(VARIABLE) {
        return present(PathBuf::from(named));
    }
    // <target>/<profile>/deps/<this test>
    let this = std::env::current_exe().map_err(|e| failed(&format!("cannot find this test: {e}"), ""))?;
    let profile = this.parent().and_then(Path::parent).unwrap_or(Path::new("")).to_owned();
    let target = profile.parent().unwrap_or(Path::new("")).to_owned();
    let is_release = profile.file_name().is_some_and(|name| name == "release");
    let binary = profile.join(format!("strandline{}", std::env::consts::EXE_SUFFIX));
    if is_fresh(&binary) {
        return Ok(binary);
    }
    if let Some(cargo) = std::env::var_os("CARGO") {
        let mut build = Command::new(&cargo);
        build.args(["build", "--quiet", "-p", "strandline-chaos", "-p", "strandline-cli"]);
        // With a test of this crate beside it cargo chooses features as for this test: what it built is taken over.
        build.args(["--bin", "strandline", "--test", "workspace_edges", "--target-dir"]).arg(&target);
        build.args(is_release.then_some("--release")).current_dir(env!("CARGO_MANIFEST_DIR"));
        let built = build.status().map_err(|e| failed(&format!("cannot run cargo: {e}"), &cargo.to_string_lossy()))?;
        if !built.success() {
            return Err(failed(&format!("the build of strandline-cli ended with {built}"), &target.to_string_lossy()));
        }
    }
    present(binary)
}

/// No source of the binary is newer than it, by the list that cargo leaves beside it; nor is the choice of its
/// dependencies.
fn is_fresh(binary: &Path) -> bool {
    let changed = |path: &Path| std::fs::metadata(path).and_then(|m| m.modified()).ok();
    let Some(built) = changed(binary) else { return false };
    let Ok(list) = std::fs::read_to_string(binary.with_extension("d")) else { return false };
    let sources = sources(&list);
    let lock = Path::new(env!("CARGO_MANIFEST_DIR")).join("../Cargo.lock");
    let all = sources.iter().map(PathBuf::as_path).chain([lock.as_path()]);
    !sources.is_empty() && all.into_iter().all(|source| changed(source).is_some_and(|at| at <= built))
}

/// What stands behind the colon of a make rule; blanks in names are escaped.
fn sources(list: &str) -> Vec<PathBuf> {
    let Some((_, names)) = list.split_once(": ") else { return Vec::new() };
    let names = names.lines().next().unwrap_or_default().replace("\\ ", "\0");
    names.split_whitespace().map(|name| PathBuf::from(name.replace('\0', " "))).collect()
}

fn present(path: PathBuf) -> Outcome<PathBuf> {
    match path.is_file() {
        true => Ok(path),
        false => Err(failed("no such binary", &path.to_string_lossy())),
    }
}

fn failed(what: &str, object: &str) -> Failure {
    let todo = format!("build strandline-cli and name the binary in {VARIABLE}");
    Failure::new(ErrorClass::NotFound, what, object, todo)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use std::time::{Duration, SystemTime};

    #[test]
    fn a_binary_is_fresh_as_long_as_no_source_is_newer() {
        let dir = tempfile::tempdir().unwrap();
        let (binary, source) = (dir.path().join("strandline"), dir.path().join("a source.rs"));
        std::fs::write(&source, b"").unwrap();
        let past = SystemTime::now() - Duration::from_secs(60);
        std::fs::File::open(&source).unwrap().set_modified(past).unwrap();
        assert!(!is_fresh(&binary), "there is none");
        std::fs::write(&binary, b"").unwrap();
        assert!(!is_fresh(&binary), "its sources are not known");
        let rule = format!("{}: {}\n", binary.display(), source.display().to_string().replace(' ', "\\ "));
        std::fs::write(binary.with_extension("d"), rule).unwrap();
        let later = SystemTime::now() + Duration::from_secs(60);
        std::fs::File::open(&binary).unwrap().set_modified(later).unwrap();
        assert!(is_fresh(&binary));
        std::fs::File::open(&source).unwrap().set_modified(later + Duration::from_secs(60)).unwrap();
        assert!(!is_fresh(&binary), "it was edited");
        std::fs::remove_file(&source).unwrap();
        assert!(!is_fresh(&binary), "it is gone");
    }
}
