//! A server that dies before the n-th step that it takes on its files, as by `kill -9`: every instant of a creation can be
//! tried, one after the other, with the program as it is.
//!
//! The steps are counted by a small library that is preloaded into the server (`kill_step.c`).

use super::preload::{compile, failed, program, put};
use super::{Outcome, Site};
use std::fs;
use std::io;
use std::path::PathBuf;

const SOURCE: &str = include_str!("kill_step.c");

/// A program to start servers with, and the word that says which of them dies when.
#[derive(Debug)]
pub struct KillStep {
    program: PathBuf,
    order: PathBuf,
}

impl KillStep {
    /// Compiles the library, and makes the program that preloads it.
    ///
    /// # Errors
    /// There is no C compiler, or no room.
    pub fn new(site: &Site) -> Outcome<Self> {
        let (dir, library) = compile(site, "kill-step", SOURCE)?;
        let order = dir.join("order");
        let script = format!(
            "#!/bin/sh\nif [ -f '{order}' ] && read -r kind at path < '{order}' && [ \"$kind\" = \"$1\" ]; then\n  \
             export KILL_STEP=\"$at\" KILL_STEP_PATH=\"$path\" LD_PRELOAD='{library}'\nfi\nexec '{program}' \"$@\"\n",
            order = order.display(),
            library = library.display(),
            program = site.program().display(),
        );
        let program = program(&dir, &script)?;
        Ok(Self { program, order })
    }

    /// What a cluster is started with.
    #[must_use]
    pub fn program(&self) -> PathBuf {
        self.program.clone()
    }

    /// Every server of this kind that is started from now on dies before step `at` on paths that hold `within`.
    ///
    /// # Errors
    /// No room.
    pub fn arm(&self, kind: &str, at: usize, within: &str) -> Outcome<()> {
        put(&self.order, format!("{kind} {at} {within}\n").as_bytes())
    }

    /// Servers that are started from now on live.
    ///
    /// # Errors
    /// The order cannot be removed.
    pub fn disarm(&self) -> Outcome<()> {
        match fs::remove_file(&self.order) {
            Err(e) if e.kind() != io::ErrorKind::NotFound => Err(failed("cannot remove", &self.order, &e.to_string())),
            _ => Ok(()),
        }
    }
}
