//! Copies of destinations in folders, as `aws s3 sync` or `rclone copy` would make them: every object under its name,
//! and nothing else.

use super::Outcome;
use std::path::Path;
use std::process::Command;
use strandline_types::{ErrorClass, Failure};

/// Copies every object of `uri` into the directory `to`; gives their number.
///
/// # Errors
/// Either side says so.
pub async fn copy(uri: &str, to: &Path) -> Outcome<usize> {
    let from = strandline_media::open(uri)?;
    let objects = from.list("").await?;
    for object in &objects {
        let bytes = from.get(&object.path).await?;
        let path = to.join(&object.path);
        let dir = path.parent().unwrap_or(to);
        let written = std::fs::create_dir_all(dir).and_then(|()| std::fs::write(&path, &bytes));
        written.map_err(|e| no_room(&path, &e))?;
    }
    Ok(objects.len())
}

/// Copies an archive in the plain form, for readers that know nothing of compression and keys, with the very command
/// that an administrator has.
///
/// # Errors
/// The command says so.
pub fn export(program: &Path, uri: &str, to: &Path, key_source: &str) -> Outcome<()> {
    let mut command = Command::new(program);
    command.args(["archive", "export", "--plain", uri]).arg(to).args(["--key-source", key_source]);
    let out = command.output().map_err(|e| no_room(program, &e))?;
    if out.status.success() {
        return Ok(());
    }
    let output = String::from_utf8_lossy(&out.stderr).into_owned();
    Err(Failure::new(ErrorClass::Invalid, output, to.display().to_string(), "run the export by hand"))
}

fn no_room(path: &Path, e: &std::io::Error) -> Failure {
    Failure::new(
        ErrorClass::Exhausted,
        format!("cannot write or run: {e}"),
        path.display().to_string(),
        "make room there",
    )
}
