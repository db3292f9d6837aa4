//! The file that says to which cluster a data directory belongs: its id is given once, and stands in every destination.

use std::fs;
use std::io::{self, Write};
use std::path::Path;
use strandline_types::{ErrorClass, Failure};

const FILE: &str = "cluster_id";

/// Refuses to start with another cluster id than the one that the directory belongs to.
///
/// # Errors
/// `Invalid` for another id; the disk's.
pub fn check(dir: &Path, configured: u64) -> Result<(), Failure> {
    match fs::read_to_string(dir.join(FILE)) {
        Ok(text) => match text.trim().parse::<u64>() {
            Ok(own) if own != configured => Err(other_cluster(dir, configured, own)),
            // What is torn is written again by `claim`.
            _ => Ok(()),
        },
        Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(e) => Err(failed(dir, "read", &e)),
    }
}

/// Notes durably that the directory belongs to cluster `id`. Idempotent.
///
/// # Errors
/// The disk's.
pub fn claim(dir: &Path, id: u64) -> Result<(), Failure> {
    let (file, new) = (dir.join(FILE), dir.join("cluster_id.new"));
    if fs::read_to_string(&file).is_ok_and(|text| text.trim() == id.to_string()) {
        return Ok(());
    }
    let write = || {
        let mut out = fs::File::create(&new)?;
        out.write_all(format!("{id}\n").as_bytes())?;
        out.sync_all()?;
        fs::rename(&new, &file)?;
        fs::File::open(dir)?.sync_all()
    };
    write().map_err(|e| failed(dir, "write", &e))
}

fn other_cluster(dir: &Path, configured: u64, own: u64) -> Failure {
    let what = format!("the configuration says cluster_id {configured}, the data directory belongs to cluster {own}");
    let todo = format!("write cluster_id = {own}: an id is given once, and stands in every destination");
    Failure::new(ErrorClass::Invalid, what, dir.display().to_string(), todo)
}

fn failed(dir: &Path, op: &str, error: &io::Error) -> Failure {
    let what = format!("cannot {op} the file that names the cluster: {error}");
    let todo = "check the directory, its disk and its owner";
    Failure::new(ErrorClass::Transient, what, dir.join(FILE).display().to_string(), todo)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_directory_belongs_to_one_cluster() {
        let dir = tempfile::tempdir().unwrap();
        check(dir.path(), 7).unwrap();
        claim(dir.path(), 7).unwrap();
        claim(dir.path(), 7).unwrap();
        check(dir.path(), 7).unwrap();
        let refused = check(dir.path(), 8).unwrap_err();
        assert!(refused.what.contains("cluster_id 8") && refused.todo.contains("cluster_id = 7"), "{refused}");
        fs::write(dir.path().join(FILE), "").unwrap();
        check(dir.path(), 8).unwrap();
    }
}
