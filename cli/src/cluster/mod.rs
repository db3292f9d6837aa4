//! A local cluster of processes: how it is laid out, started, killed and stopped.
//!
//! Order rule: the directory of a server is made before its process and removed only after it.

pub mod config;
pub mod places;
pub mod ports;
pub mod process;

use crate::Outcome;
use crate::admin::Admin;
use crate::output::io_failure;
use config::Identity;
use places::Places;
use process::Server;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};
use strandline_types::{ErrorClass, Failure};

/// A cluster is ready within this or not at all.
const START_PATIENCE: Duration = Duration::from_secs(60);
const LOOK_EVERY: Duration = Duration::from_millis(50);

/// Running servers, each a process of its own; dropping it kills them all.
#[derive(Debug)]
pub struct Cluster {
    program: PathBuf,
    identity: Identity,
    places: Places,
    dir: PathBuf,
    schedulers: Vec<Option<Server>>,
    workers: Vec<Option<Server>>,
}

impl Cluster {
    /// Starts `schedulers` and `workers` servers of this very program with their files below `dir`, and waits until
    /// every worker is known.
    pub async fn start(identity: Identity, dir: &Path, schedulers: usize, workers: usize) -> Outcome<Self> {
        let exe = std::env::current_exe().map_err(|e| io_failure("cannot find", Path::new("this executable"), &e))?;
        Self::start_program(exe, identity, dir, schedulers, workers).await
    }

    /// The same with servers of `program`.
    pub async fn start_program(
        program: PathBuf,
        identity: Identity,
        dir: &Path,
        schedulers: usize,
        workers: usize,
    ) -> Outcome<Self> {
        Self::start_at(program, identity, dir, Places::free(schedulers, workers)?).await
    }

    /// The same with a server at every one of `places`.
    pub async fn start_at(program: PathBuf, identity: Identity, dir: &Path, places: Places) -> Outcome<Self> {
        let (schedulers, workers) = (places.schedulers.len(), places.workers.len());
        let dir = dir.to_owned();
        let mut cluster = Self { program, identity, places, dir, schedulers: Vec::new(), workers: Vec::new() };
        for i in 0..schedulers {
            let server = cluster.spawn_scheduler(i)?;
            cluster.schedulers.push(Some(server));
        }
        for i in 0..workers {
            let server = cluster.spawn_worker(i)?;
            cluster.workers.push(Some(server));
        }
        cluster.wait_for_workers(workers).await?;
        Ok(cluster)
    }

    /// gRPC addresses of the schedulers.
    pub fn endpoints(&self) -> Vec<String> {
        self.places.endpoints()
    }

    /// HTTP addresses of the workers: health and metrics.
    pub fn worker_http(&self) -> Vec<String> {
        self.places.workers.iter().map(|w| w.http.clone()).collect()
    }

    /// HTTP address of the scheduler with this node id.
    pub fn scheduler_http(&self, node: u64) -> Option<String> {
        Some(self.places.schedulers.get(scheduler_at(node)?)?.http.clone())
    }

    /// Starts the scheduler with this node id again, on what is left of its files.
    pub fn start_scheduler(&mut self, node: u64) -> Outcome<()> {
        if let Some(i) = scheduler_at(node).filter(|i| self.schedulers.get(*i).is_some_and(Option::is_none)) {
            self.schedulers[i] = Some(self.spawn_scheduler(i)?);
        }
        Ok(())
    }

    /// The files of a killed scheduler are gone.
    pub fn wipe_scheduler(&self, node: u64) -> Outcome<()> {
        let disk = self.disk(&format!("scheduler-{node}"))?;
        std::fs::remove_dir_all(&disk).map_err(|e| io_failure("cannot remove the disk", &disk, &e))
    }

    /// A client of the schedulers.
    pub fn admin(&self) -> Outcome<Admin> {
        Admin::new(&self.endpoints())
    }

    /// `kill -9` of the scheduler with this node id.
    pub fn kill_scheduler(&mut self, node: u64) {
        drop(scheduler_at(node).and_then(|n| self.schedulers.get_mut(n)).and_then(Option::take));
    }

    /// `kill -9` of the worker with this node id.
    pub fn kill_worker(&mut self, node: u64) {
        drop(worker_at(node).and_then(|n| self.workers.get_mut(n)).and_then(Option::take));
    }

    /// Node ids of the workers.
    pub fn worker_ids(&self) -> impl Iterator<Item = u64> + use<> {
        (0..self.workers.len() as u64).map(|n| config::FIRST_WORKER + n)
    }

    /// Process id of the worker with this node id; `None` when it was killed.
    pub fn worker_pid(&self, node: u64) -> Option<u32> {
        self.workers.get(worker_at(node)?)?.as_ref().map(Server::pid)
    }

    /// Starts every killed server again, on its old files.
    pub fn restart_killed(&mut self) -> Outcome<()> {
        for i in 0..self.schedulers.len() {
            if self.schedulers[i].is_none() {
                self.schedulers[i] = Some(self.spawn_scheduler(i)?);
            }
        }
        for i in 0..self.workers.len() {
            if self.workers[i].is_none() {
                self.workers[i] = Some(self.spawn_worker(i)?);
            }
        }
        Ok(())
    }

    /// An error when a server ended by itself.
    pub fn check_alive(&mut self) -> Outcome<()> {
        self.schedulers.iter_mut().chain(&mut self.workers).flatten().try_for_each(Server::check_alive)
    }

    /// Largest resident memory of any running worker so far, in bytes.
    pub fn worker_resident_peak(&self) -> u64 {
        self.workers.iter().flatten().filter_map(Server::resident_peak).max().unwrap_or(0)
    }

    /// Kills every server and removes their disks; the logs stay.
    pub fn destroy(mut self) -> Outcome<()> {
        self.schedulers.clear();
        self.workers.clear();
        let disks = self.dir.join("disks");
        std::fs::remove_dir_all(&disks).map_err(|e| io_failure("cannot remove the disks", &disks, &e))
    }

    async fn wait_for_workers(&mut self, count: usize) -> Outcome<()> {
        let deadline = Instant::now() + START_PATIENCE;
        let mut admin = self.admin()?.patient(Duration::ZERO).with_call_timeout(Duration::from_secs(2));
        loop {
            self.check_alive()?;
            let seen = admin.topology("").await;
            if seen.as_ref().is_ok_and(|t| t.leader_scheduler != 0 && t.workers.len() >= count) {
                return Ok(());
            }
            if Instant::now() >= deadline {
                let why = seen.err().map_or_else(|| "workers are missing".to_owned(), |f| f.to_string());
                let todo = "read the logs of the servers there";
                let what = format!("the cluster was not ready within {START_PATIENCE:?} ({why})");
                return Err(Failure::new(ErrorClass::Transient, what, self.dir.display().to_string(), todo));
            }
            tokio::time::sleep(LOOK_EVERY).await;
        }
    }

    fn spawn_scheduler(&self, i: usize) -> Outcome<Server> {
        let name = format!("scheduler-{}", i + 1);
        let disk = self.disk(&name)?;
        self.spawn(&name, "scheduler", &config::scheduler(&self.identity, &self.places, i, &disk))
    }

    fn spawn_worker(&self, i: usize) -> Outcome<Server> {
        let name = format!("worker-{}", config::FIRST_WORKER + i as u64);
        let disk = self.disk(&name)?;
        self.spawn(&name, "worker", &config::worker(&self.places, i, &disk))
    }

    fn disk(&self, name: &str) -> Outcome<PathBuf> {
        let disk = self.dir.join("disks").join(name);
        std::fs::create_dir_all(&disk).map_err(|e| io_failure("cannot make the directory", &disk, &e))?;
        Ok(disk)
    }

    fn spawn(&self, name: &str, kind: &str, config: &str) -> Outcome<Server> {
        let (file, log) = (self.dir.join(format!("{name}.toml")), self.dir.join(format!("{name}.log")));
        std::fs::write(&file, config).map_err(|e| io_failure("cannot write the configuration", &file, &e))?;
        Server::spawn(&self.program, name, kind, &file, &log)
    }
}

/// Place of a scheduler among the schedulers.
fn scheduler_at(node: u64) -> Option<usize> {
    usize::try_from(node).ok()?.checked_sub(1)
}

/// Place of a worker among the workers.
fn worker_at(node: u64) -> Option<usize> {
    node.checked_sub(config::FIRST_WORKER).and_then(|n| usize::try_from(n).ok())
}
