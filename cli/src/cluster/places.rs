//! Where the servers of a local cluster listen, and how that is remembered.

use crate::Outcome;
use crate::output::io_failure;
use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};
use strandline_types::{ErrorClass, Failure};

/// Addresses of every server; a development cluster keeps the same ones over every start.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Places {
    /// The scheduler nodes.
    pub schedulers: Vec<SchedulerPlace>,
    /// The workers.
    pub workers: Vec<WorkerPlace>,
}

/// Addresses of one scheduler node.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SchedulerPlace {
    /// Address of the gRPC server.
    pub grpc: String,
    /// Address of the MySQL server.
    pub mysql: String,
    /// Address of the HTTP server.
    pub http: String,
}

/// Addresses of one worker.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct WorkerPlace {
    /// Address of the gRPC server.
    pub grpc: String,
    /// Address of the HTTP server.
    pub http: String,
    /// Where others reach the gRPC server, when a proxy stands before it; absent = at its own address.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub advertise: Option<String>,
}

/// The file in a development cluster's directory.
pub fn places_file(dir: &Path) -> PathBuf {
    dir.join("cluster.toml")
}

impl Places {
    /// Free ports on loopback for so many servers.
    pub fn free(schedulers: usize, workers: usize) -> Outcome<Self> {
        let mut ports = super::ports::free(schedulers * 3 + workers * 2)?.into_iter();
        let mut next = || format!("127.0.0.1:{}", ports.next().unwrap_or_default());
        Ok(Self {
            schedulers: (0..schedulers).map(|_| SchedulerPlace { grpc: next(), mysql: next(), http: next() }).collect(),
            workers: (0..workers).map(|_| WorkerPlace { grpc: next(), http: next(), advertise: None }).collect(),
        })
    }

    /// gRPC addresses of the schedulers.
    pub fn endpoints(&self) -> Vec<String> {
        self.schedulers.iter().map(|s| s.grpc.clone()).collect()
    }

    /// Reads what is remembered in `dir`; `None` when nothing is.
    pub fn load(dir: &Path) -> Outcome<Option<Self>> {
        let file = places_file(dir);
        let text = match std::fs::read_to_string(&file) {
            Ok(text) => text,
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            Err(e) => return Err(io_failure("cannot read", &file, &e)),
        };
        toml::from_str(&text).map(Some).map_err(|e| {
            let todo = "remove it, or start `strandline dev --fresh`";
            Failure::new(ErrorClass::Invalid, format!("not a cluster file: {e}"), file.display().to_string(), todo)
        })
    }

    /// Writes them into `dir`.
    pub fn save(&self, dir: &Path) -> Outcome<()> {
        let file = places_file(dir);
        let text = toml::to_string(self)
            .map_err(|e| Failure::new(ErrorClass::Invalid, e.to_string(), file.display().to_string(), ""))?;
        std::fs::write(&file, text).map_err(|e| io_failure("cannot write", &file, &e))
    }
}
