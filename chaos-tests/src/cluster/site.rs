//! The directory of one run: destinations, disks and logs of the servers.
//!
//! It is removed at a good end only: [`Site::done`] says so. Otherwise it stays, and its path is printed.

use crate::cluster::{Links, Outcome, program};
use std::path::{Path, PathBuf};
use strandline_cli::cluster::Cluster;
use strandline_cli::cluster::config::Identity;
use strandline_cli::cluster::places::Places;
use strandline_types::{ErrorClass, Failure};
use tempfile::TempDir;

/// One run.
#[derive(Debug)]
pub struct Site {
    dir: Option<TempDir>,
    path: PathBuf,
    program: PathBuf,
}

impl Site {
    /// An empty directory, and the binary that will run in it.
    ///
    /// # Errors
    /// One of them is not to be had.
    pub fn new() -> Outcome<Self> {
        let program = program::find()?;
        let io = |e: std::io::Error| no_room(&std::env::temp_dir(), &e);
        let dir = tempfile::Builder::new().prefix("strandline-chaos-").tempdir().map_err(io)?;
        let path = dir.path().to_owned();
        for destination in ["archive", "data"] {
            std::fs::create_dir(path.join(destination)).map_err(io)?;
        }
        Ok(Self { dir: Some(dir), path, program })
    }

    /// Of everything.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The archive destination.
    #[must_use]
    pub fn archive(&self) -> PathBuf {
        self.path.join("archive")
    }

    /// The data backup destination.
    #[must_use]
    pub fn data(&self) -> PathBuf {
        self.path.join("data")
    }

    /// The `strandline` that runs here.
    #[must_use]
    pub fn program(&self) -> &Path {
        &self.program
    }

    /// Starts a cluster with its files below `name`.
    ///
    /// # Errors
    /// It did not come up.
    pub async fn cluster(&self, id: u64, name: &str, schedulers: usize, workers: usize) -> Outcome<Cluster> {
        self.start(self.program.clone(), id, name, Places::free(schedulers, workers)?).await
    }

    /// The same with links between the workers that can be cut.
    ///
    /// # Errors
    /// It did not come up.
    pub async fn linked(&self, id: u64, name: &str, schedulers: usize, workers: usize) -> Outcome<(Cluster, Links)> {
        self.linked_with(self.program.clone(), id, name, schedulers, workers).await
    }

    /// The same with servers of another program.
    ///
    /// # Errors
    /// It did not come up.
    pub async fn linked_with(
        &self,
        program: PathBuf,
        id: u64,
        name: &str,
        schedulers: usize,
        workers: usize,
    ) -> Outcome<(Cluster, Links)> {
        let mut places = Places::free(schedulers, workers)?;
        let links = Links::before(&mut places).await?;
        Ok((self.start(program, id, name, places).await?, links))
    }

    async fn start(&self, program: PathBuf, id: u64, name: &str, places: Places) -> Outcome<Cluster> {
        let dir = self.directory(name)?;
        let identity = Identity { id, name: format!("chaos-{name}") };
        Cluster::start_at(program, identity, &dir, places).await
    }

    /// A directory of the run.
    ///
    /// # Errors
    /// It cannot be made.
    pub fn directory(&self, name: &str) -> Outcome<PathBuf> {
        let dir = self.path.join(name);
        std::fs::create_dir_all(&dir).map_err(|e| no_room(&dir, &e))?;
        Ok(dir)
    }

    /// Everything was as it has to be: nothing is kept.
    pub fn done(mut self) {
        drop(self.dir.take());
    }
}

/// A directory that cannot be made.
fn no_room(at: &Path, e: &std::io::Error) -> Failure {
    let what = format!("cannot make a directory: {e}");
    Failure::new(ErrorClass::Exhausted, what, at.display().to_string(), "make room there")
}

impl Drop for Site {
    fn drop(&mut self) {
        if let Some(dir) = self.dir.take() {
            eprintln!("chaos: everything of this run is kept in {}", dir.keep().display());
        }
    }
}
