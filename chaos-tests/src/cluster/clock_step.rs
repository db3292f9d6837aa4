//! Servers whose wall clock is wrong: one of them is ahead or behind from one moment to the next, and right again later.
//!
//! The clock is moved by a small library that is preloaded into every server (`clock_step.c`).

use super::preload::{compile, failed, program, put};
use super::{Outcome, Site};
use std::path::PathBuf;

const SOURCE: &str = include_str!("clock_step.c");

/// A program to start servers with, and the file that names whose clock is wrong.
#[derive(Debug)]
pub struct ClockStep {
    program: PathBuf,
    steps: PathBuf,
}

impl ClockStep {
    /// Compiles the library, and makes the program that preloads it.
    ///
    /// # Errors
    /// There is no C compiler, or no room.
    pub fn new(site: &Site) -> Outcome<Self> {
        let (dir, library) = compile(site, "clock-step", SOURCE)?;
        let steps = site.directory("clock-step/steps")?;
        let script = format!(
            "#!/bin/sh\nexport CLOCK_STEPS='{steps}' LD_PRELOAD='{library}'\nexec '{program}' \"$@\"\n",
            steps = steps.display(),
            library = library.display(),
            program = site.program().display(),
        );
        let program = program(&dir, &script)?;
        Ok(Self { program, steps })
    }

    /// What a cluster is started with.
    #[must_use]
    pub fn program(&self) -> PathBuf {
        self.program.clone()
    }

    /// From now on the clock of this process is off by so many milliseconds; 0 = it is right.
    ///
    /// # Errors
    /// No room.
    pub fn set(&self, pid: u32, off_ms: i64) -> Outcome<()> {
        // Whole or not there: a server may read it at any moment.
        let (new, file) = (self.steps.join("new"), self.steps.join(pid.to_string()));
        put(&new, off_ms.to_string().as_bytes())?;
        std::fs::rename(&new, &file).map_err(|e| failed("cannot set", &file, &e.to_string()))
    }
}
