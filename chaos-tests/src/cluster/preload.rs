//! A small library in C, compiled by the C compiler that the build needs anyway, and a program that preloads it into the
//! servers of a test. Nothing in the product knows of it.

use super::{Outcome, Site};
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use strandline_types::{ErrorClass, Failure};

/// Compiles `source` in a directory of the run that has this name; gives the directory and the library.
pub(super) fn compile(site: &Site, name: &str, source: &str) -> Outcome<(PathBuf, PathBuf)> {
    let dir = site.directory(name)?;
    let (file, library) = (dir.join("preload.c"), dir.join("preload.so"));
    put(&file, source.as_bytes())?;
    let compiler = std::env::var_os("CC").unwrap_or_else(|| "cc".into());
    let built = Command::new(&compiler).args(["-shared", "-fPIC", "-O1", "-o"]).arg(&library).arg(&file).output();
    let built = built.map_err(|e| failed("cannot run the C compiler", Path::new(&compiler), &e.to_string()))?;
    if !built.status.success() {
        return Err(failed("cannot compile", &file, &String::from_utf8_lossy(&built.stderr)));
    }
    Ok((dir, library))
}

/// Makes a program of the lines of a shell script. Another process writes it: a file that this process has open for
/// writing is also open in every process that another thread starts at that moment, and cannot be run ("text file busy").
pub(super) fn program(dir: &Path, script: &str) -> Outcome<PathBuf> {
    let (text, program) = (dir.join("strandline.sh"), dir.join("strandline"));
    put(&text, script.as_bytes())?;
    let copied = Command::new("cp").args([&text, &program]).output();
    let copied = copied.map_err(|e| failed("cannot run cp for", &program, &e.to_string()))?;
    if !copied.status.success() {
        return Err(failed("cannot write", &program, &String::from_utf8_lossy(&copied.stderr)));
    }
    let runnable = fs::Permissions::from_mode(0o755);
    fs::set_permissions(&program, runnable).map_err(|e| failed("cannot set", &program, &e.to_string()))?;
    Ok(program)
}

pub(super) fn put(path: &Path, bytes: &[u8]) -> Outcome<()> {
    fs::write(path, bytes).map_err(|e| failed("cannot write", path, &e.to_string()))
}

pub(super) fn failed(what: &str, path: &Path, why: &str) -> Failure {
    let what = format!("{what}: {why}");
    Failure::new(ErrorClass::Exhausted, what, path.display().to_string(), "a C compiler and room for the test")
}
