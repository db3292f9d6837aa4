//! What this process and the programs that it starts use: CPU, memory, and the runs of other backup programs.
//!
//! From `/proc`, so it is Linux that is measured; elsewhere the figures are 0.

use crate::Outcome;
use crate::output::io_failure;
use std::ffi::OsStr;
use std::fs::File;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};
use strandline_types::{ErrorClass, Failure};

/// Unit of the times in `/proc`.
const TICKS_PER_S: f64 = 100.0;
const LOOK_EVERY: Duration = Duration::from_millis(20);

/// CPU seconds of this process so far.
pub fn own_cpu_s() -> f64 {
    stat_ticks([13, 14])
}

/// CPU seconds of the programs that this process has started and that have ended.
pub fn children_cpu_s() -> f64 {
    stat_ticks([15, 16])
}

fn stat_ticks(fields: [usize; 2]) -> f64 {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    // The name in parentheses may hold spaces: fields are counted behind it, from 2.
    let rest: Vec<&str> = stat.rsplit_once(')').map(|(_, rest)| rest.split_whitespace().collect()).unwrap_or_default();
    let ticks = |n: usize| rest.get(n - 2).and_then(|t| t.parse::<f64>().ok()).unwrap_or(0.0);
    fields.into_iter().map(ticks).sum::<f64>() / TICKS_PER_S
}

/// Watches how much memory this process takes.
#[derive(Debug)]
pub struct Peak {
    before: u64,
    peak: Arc<AtomicU64>,
    stop: Arc<AtomicBool>,
    thread: JoinHandle<()>,
}

impl Peak {
    /// Begins to watch.
    pub fn watch() -> Self {
        let (peak, stop) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicBool::new(false)));
        let (seen, stopped) = (Arc::clone(&peak), Arc::clone(&stop));
        let thread = std::thread::spawn(move || {
            while !stopped.load(Ordering::Relaxed) {
                seen.fetch_max(resident_bytes(), Ordering::Relaxed);
                std::thread::sleep(LOOK_EVERY);
            }
        });
        Self { before: resident_bytes(), peak, stop, thread }
    }

    /// Ends it; gives by how many bytes the process grew at most.
    pub fn end(self) -> u64 {
        self.stop.store(true, Ordering::Relaxed);
        // The thread only reads numbers.
        let _ = self.thread.join();
        self.peak.load(Ordering::Relaxed).saturating_sub(self.before)
    }
}

fn resident_bytes() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|l| l.strip_prefix("VmRSS:"));
    line.and_then(|l| l.split_whitespace().next()?.parse::<u64>().ok()).unwrap_or(0) * 1024
}

/// True when a program is on the search path.
pub fn is_there(program: &str) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path).any(|dir| dir.join(program).is_file())
}

/// The load of the machine: processes that wanted to run over the last 1, 5 and 15 minutes.
pub fn load() -> String {
    let message = std::fs::read_to_string("/proc/loadavg").unwrap_or_default();
    message.split_whitespace().take(3).collect::<Vec<_>>().join(" ")
}

/// Runs a program to its end; it prints nothing.
pub fn run(program: &str, args: &[&OsStr], env: &[(String, String)]) -> Outcome<()> {
    let mut command = Command::new(program);
    command.args(args).envs(env.iter().cloned()).stdin(Stdio::null()).stdout(Stdio::null());
    // Some versions of rclone refuse to run when it is set; nothing here goes over TLS.
    command.env_remove("AWS_CA_BUNDLE");
    let out = command.output().map_err(|e| io_failure("cannot run", Path::new(program), &e))?;
    if out.status.success() {
        return Ok(());
    }
    let message = String::from_utf8_lossy(&out.stderr);
    let what = format!("{program} failed: {}", message.lines().last().unwrap_or("it says nothing"));
    Err(Failure::new(ErrorClass::Invalid, what, program, "run it by hand"))
}

/// Makes every file below `dir` durable.
pub fn sync_files(dir: &Path) -> Outcome<()> {
    for file in super::backup::files_below(dir)? {
        File::open(&file).and_then(|f| f.sync_all()).map_err(|e| io_failure("cannot sync", &file, &e))?;
    }
    Ok(())
}

/// `restic backup` into a fresh repository: seconds and CPU seconds.
pub fn restic(files: &Path, repository: &Path) -> Outcome<(f64, f64)> {
    let env = [("RESTIC_PASSWORD".to_owned(), "bench".to_owned())];
    let with = |more: &[&OsStr]| {
        let mut args: Vec<&OsStr> = vec!["-q".as_ref(), "-r".as_ref(), repository.as_ref()];
        args.extend(more);
        run("restic", &args, &env)
    };
    with(&["init".as_ref()])?;
    let (began, cpu) = (Instant::now(), children_cpu_s());
    with(&["backup".as_ref(), files.as_ref()])?;
    sync_files(repository)?;
    Ok((began.elapsed().as_secs_f64(), children_cpu_s() - cpu))
}

/// `pgbackrest backup` of a PostgreSQL cluster at rest into whose directory the files were put, without compression, with
/// as many processes as there are cores: seconds and CPU seconds.
pub fn pgbackrest(files: &Path, dir: &Path) -> Outcome<(f64, f64)> {
    let (data, repository) = (dir.join("data"), dir.join("repository"));
    std::fs::create_dir_all(&repository).map_err(|e| io_failure("cannot make", &repository, &e))?;
    init_postgres(&data)?;
    let inside = data.join("bench");
    run("cp", &["-rl".as_ref(), files.as_ref(), inside.as_ref()], &[])?;
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let option = |name: &str, value: &Path| format!("--{name}={}", value.display());
    let options = [
        "--stanza=bench".to_owned(),
        "--no-online".to_owned(),
        "--log-level-console=error".to_owned(),
        option("pg1-path", &data),
        option("repo1-path", &repository),
        option("lock-path", &dir.join("lock")),
        option("log-path", &dir.join("log")),
    ];
    let with = |command: &[&str]| {
        let args: Vec<&OsStr> = options.iter().map(OsStr::new).chain(command.iter().map(OsStr::new)).collect();
        run("pgbackrest", &args, &[])
    };
    with(&["stanza-create"])?;
    let (began, cpu) = (Instant::now(), children_cpu_s());
    let processes = format!("--process-max={cores}");
    with(&["--type=full", "--compress-type=none", "--repo1-retention-full=1", &processes, "backup"])?;
    sync_files(&repository)?;
    Ok((began.elapsed().as_secs_f64(), children_cpu_s() - cpu))
}

/// An empty PostgreSQL cluster; `initdb` does not run as root, so the account of the package makes it.
fn init_postgres(data: &Path) -> Outcome<()> {
    let versions = std::fs::read_dir("/usr/lib/postgresql");
    let programs = versions.into_iter().flatten().flatten().map(|v| v.path().join("bin/initdb"));
    let missing = || Failure::new(ErrorClass::NotFound, "PostgreSQL is not installed", "initdb", "install postgresql");
    let initdb = programs.filter(|p| p.is_file()).max().ok_or_else(missing)?;
    std::fs::create_dir_all(data).map_err(|e| io_failure("cannot make", data, &e))?;
    run("chown", &["-R".as_ref(), "postgres".as_ref(), data.as_ref()], &[])?;
    let mut args: Vec<&OsStr> = ["-u", "postgres", "--"].iter().map(OsStr::new).collect();
    args.extend::<[&OsStr; 3]>([initdb.as_ref(), "-D".as_ref(), data.as_ref()]);
    run("runuser", &args, &[])
}
