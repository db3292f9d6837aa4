//! The `strandline` binary that a test starts.
//!
//! `STRANDLINE_BIN` names it; else cargo builds it (a moment when it is fresh: a stale binary would prove nothing)
//! into the build tree that this very test came from.

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
    if let Some(cargo) = std::env::var_os("CARGO") {
        let mut build = Command::new(&cargo);
        build.args(["build", "--quiet", "-p", "strandline-cli", "--target-dir"]).arg(&target);
        build.args(is_release.then_some("--release")).current_dir(env!("CARGO_MANIFEST_DIR"));
        let built = build.status().map_err(|e| failed(&format!("cannot run cargo: {e}"), &cargo.to_string_lossy()))?;
        if !built.success() {
            return Err(failed(&format!("the build of strandline-cli ended with {built}"), &target.to_string_lossy()));
        }
    }
    present(profile.join(format!("strandline{}", std::env::consts::EXE_SUFFIX)))
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
