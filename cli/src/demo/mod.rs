//! `strandline demo`: the whole way once, on real files and real processes, and the proof at its end.
//!
//! This file owns the directories and the printing; `journey.rs` is the order of steps, every other file one part of it. The
//! servers are always stopped; on failure their logs stay and the failure says where.

use crate::Outcome;
use crate::args::{ClientArgs, DemoArgs};
use crate::output::{self, io_failure};
use serde_json::json;
use std::path::{Path, PathBuf};
use strandline_types::{ErrorClass, Failure};

mod changes;
mod compare;
pub mod jobs;
mod journey;
mod kill_worst;
pub mod lag;
mod probe;
mod report;
mod sources;
pub mod stages;
mod tree;

/// Name of the directory into which the restored files go.
const EXPORT: &str = "export";

/// Directories of one run.
#[derive(Clone, Debug)]
struct Dirs {
    /// Of all the others.
    top: PathBuf,
    /// Disks, configurations and logs of the servers, and the export.
    work: PathBuf,
    /// Archive destination.
    archive: PathBuf,
    /// Data backup destination.
    data: PathBuf,
}

/// Runs the demo and prints its figures.
pub async fn run(client: &ClientArgs, args: DemoArgs) -> Outcome<()> {
    let json = client.wants_json();
    let dirs = Dirs::make(args.keep.as_deref())?;
    let ran = tokio::select! {
        ran = journey::run(&args, &dirs) => ran,
        stopped = crate::server::until_stopped(false) => stopped.and(Err(interrupted())),
    };
    let (report, differences) = match ran {
        Ok(done) => done,
        Err(failure) => return Err(with_logs(failure, &dirs.work)),
    };
    match json {
        true => {
            output::print_json(&serde_json::to_value(&report).unwrap_or_else(|e| json!({ "error": e.to_string() })))?
        }
        false => report.print_table()?,
    }
    for example in &differences.examples {
        eprintln!("strandline: difference: {example}");
    }
    if !report.ok {
        let what = format!("{} files are not as they were at SCN {}", report.differences, report.restored_scn);
        let object = dirs.work.display().to_string();
        let failure = Failure::new(ErrorClass::Corrupt, what, object, "the export and the logs are kept there");
        return Err(failure);
    }
    // What is left behind is untidy but no failure of the demo.
    let _ = match args.keep {
        Some(_) => std::fs::remove_dir_all(dirs.work.join(EXPORT)),
        None => std::fs::remove_dir_all(&dirs.top),
    };
    Ok(())
}

impl Dirs {
    fn make(keep: Option<&Path>) -> Outcome<Self> {
        let made =
            |dir: &Path| std::fs::create_dir_all(dir).map_err(|e| io_failure("cannot make the directory", dir, &e));
        let top = match keep {
            Some(dir) => std::path::absolute(dir).map_err(|e| io_failure("cannot resolve", dir, &e))?,
            None => std::env::temp_dir().join(format!("strandline-demo-{}", std::process::id())),
        };
        let dirs = Self { work: top.join("run"), archive: top.join("archive"), data: top.join("data"), top };
        for dir in [&dirs.work, &dirs.archive, &dirs.data] {
            made(dir)?;
        }
        for dir in [&dirs.work, &dirs.archive, &dirs.data] {
            let mut inside = std::fs::read_dir(dir).map_err(|e| io_failure("cannot list the directory", dir, &e))?;
            if inside.next().is_some() {
                let todo = "name another --keep DIR, or remove it";
                let object = dir.display().to_string();
                return Err(Failure::new(ErrorClass::Invalid, "the directory is not empty", object, todo));
            }
        }
        Ok(dirs)
    }
}

fn interrupted() -> Failure {
    Failure::new(ErrorClass::Invalid, "stopped by a signal", "demo", "")
}

fn with_logs(mut failure: Failure, work: &Path) -> Failure {
    let logs = format!("the logs of the servers are in {}", work.display());
    failure.todo = if failure.todo.is_empty() { logs } else { format!("{}; {logs}", failure.todo) };
    failure
}
