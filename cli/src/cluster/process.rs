//! One server as a process of its own: started from a given executable, killed by its own process id.
//!
//! A server never outlives the process that started it: it stops when its standard input closes, which also happens when this
//! process is killed hard.

use crate::Outcome;
use crate::output::io_failure;
use std::fs::OpenOptions;
use std::io::{Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use strandline_types::{ErrorClass, Failure};

/// A running server.
#[derive(Debug)]
pub struct Server {
    name: String,
    log: PathBuf,
    child: Child,
}

impl Server {
    /// Starts `<program> <kind> --config <config>`; everything it prints goes to `log`.
    pub fn spawn(program: &Path, name: &str, kind: &str, config: &Path, log: &Path) -> Outcome<Self> {
        let out = OpenOptions::new().create(true).append(true).open(log);
        let out = out.map_err(|e| io_failure("cannot open the log file", log, &e))?;
        let errors = out.try_clone().map_err(|e| io_failure("cannot open the log file", log, &e))?;
        let child = Command::new(program)
            .args([kind, "--stop-with-stdin", "--config"])
            .arg(config)
            .stdin(Stdio::piped())
            .stdout(out)
            .stderr(errors)
            .spawn()
            .map_err(|e| io_failure("cannot start", program, &e))?;
        Ok(Self { name: name.to_owned(), log: log.to_owned(), child })
    }

    /// An error with the end of its log when the process has ended by itself.
    pub fn check_alive(&mut self) -> Outcome<()> {
        match self.child.try_wait() {
            Ok(Some(status)) => {
                let what = format!("{} ended ({status}): {}", self.name, last_lines(&self.log));
                let todo = "read its log";
                Err(Failure::new(ErrorClass::Exhausted, what, self.log.display().to_string(), todo))
            }
            Ok(None) => Ok(()),
            Err(e) => Err(io_failure("cannot look at the process", Path::new(&self.name), &e)),
        }
    }

    /// Its process id, as long as it was not killed here.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// `kill -9`, and waits until the process is gone.
    pub fn kill(&mut self) {
        // Fails only when the process is gone already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }

    /// Largest resident memory so far, in bytes; `None` when the system does not tell.
    pub fn resident_peak(&self) -> Option<u64> {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.pid())).ok()?;
        let line = status.lines().find_map(|l| l.strip_prefix("VmHWM:"))?;
        let kib: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
        Some(kib * 1024)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.kill();
    }
}

/// The end of a log, in one line.
fn last_lines(log: &Path) -> String {
    const SHOWN: u64 = 600;
    let read = || -> std::io::Result<String> {
        let mut file = std::fs::File::open(log)?;
        let from = file.metadata()?.len().saturating_sub(SHOWN);
        file.seek(SeekFrom::Start(from))?;
        let mut end = Vec::new();
        file.read_to_end(&mut end)?;
        Ok(String::from_utf8_lossy(&end).trim().replace('\n', " | "))
    };
    read().unwrap_or_default()
}
