//! The data directory belongs to one worker: a second id on the same disk would break the promises of the first.

use crate::disk::{io_failure, sync_dir, write_durable};
use std::fs;
use std::io;
use std::path::Path;
use strandline_types::{ErrorClass, Failure, NodeId};

const OWNER_FILE: &str = "worker_id";

/// Creates the directory, or checks that it is this worker's.
///
/// # Errors
/// `Invalid` when it belongs to another worker; what the disk says.
pub(crate) fn claim(dir: &Path, worker: NodeId) -> Result<(), Failure> {
    fs::create_dir_all(dir).map_err(|e| io_failure("make the data directory", dir, &e))?;
    let file = dir.join(OWNER_FILE);
    match fs::read_to_string(&file) {
        Ok(owner) if owner.trim() == worker.to_string() => Ok(()),
        // An empty file is a claim that was cut short.
        Ok(owner) if !owner.trim().is_empty() => {
            let what = format!("the data directory belongs to worker {}, not to {worker}", owner.trim());
            let todo = "give every worker a data directory and a node_id of its own";
            Err(Failure::new(ErrorClass::Invalid, what, dir.display().to_string(), todo))
        }
        Err(e) if e.kind() != io::ErrorKind::NotFound => Err(io_failure("read", &file, &e)),
        _ => {
            write_durable(&file, worker.to_string().as_bytes())?;
            sync_dir(dir)
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used)]
    use super::*;

    #[test]
    fn a_data_directory_has_one_owner() {
        let dir = tempfile::tempdir().unwrap();
        let data = dir.path().join("new");
        claim(&data, NodeId(101)).unwrap();
        claim(&data, NodeId(101)).unwrap();
        assert_eq!(claim(&data, NodeId(102)).unwrap_err().class, ErrorClass::Invalid);
        fs::write(data.join(OWNER_FILE), "").unwrap();
        claim(&data, NodeId(102)).unwrap();
    }
}
