//! The version of a server's data directory, in its file `data_version`: a program never works on files of a newer one,
//! and brings older ones up to date before it opens anything else in them.
//!
//! A directory without the file is new when nothing is in it; otherwise it was written before there were versions, which
//! is version 1. Order rule: the file is written after the last step. A step that was cut off is done again, so each must
//! be idempotent.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use strandline_types::{ErrorClass, Failure};

const FILE: &str = "data_version";
const UNVERSIONED: u32 = 1;

/// Brings the files of a data directory from one version to the next; idempotent.
pub type DataStep = fn(&Path) -> io::Result<()>;

/// The versions that a kind of server knows.
#[derive(Clone, Copy, Debug)]
pub struct DataVersions {
    /// One step for each version before today's, the first one from version 1.
    pub steps: &'static [DataStep],
}

impl DataVersions {
    /// The version that this program writes.
    #[must_use]
    pub fn today(&self) -> u32 {
        // One step a version: there are a handful.
        UNVERSIONED + self.steps.len() as u32
    }

    /// Refuses a directory of a newer program. Changes nothing.
    ///
    /// # Errors
    /// `Invalid` for a newer version; `Corrupt` for a file that says none; the disk's.
    pub fn check(&self, dir: &Path) -> Result<(), Failure> {
        self.found(dir).map(drop)
    }

    /// Makes the directory one of today's version. Nothing in it may be open.
    ///
    /// # Errors
    /// As [`DataVersions::check`]; what a step meets.
    pub fn bring_up(&self, dir: &Path) -> Result<(), Failure> {
        let found = self.found(dir)?;
        if found == Some(self.today()) {
            return Ok(());
        }
        let failed = |what: &str, e: &io::Error| failed(what, dir, e);
        let done = found.map_or(self.steps.len(), |version| (version - UNVERSIONED) as usize);
        for (step, to) in self.steps.iter().zip(UNVERSIONED + 1..).skip(done) {
            tracing::info!(dir = %dir.display(), "the data directory is brought to version {to}");
            step(dir).map_err(|e| failed(&format!("bring the data to version {to}"), &e))?;
        }
        write(dir, self.today()).map_err(|e| failed("write the version of the data", &e))
    }

    /// The version of a directory; `None` = it is new.
    fn found(&self, dir: &Path) -> Result<Option<u32>, Failure> {
        let text = match fs::read_to_string(dir.join(FILE)) {
            Ok(text) => text,
            Err(e) if e.kind() == io::ErrorKind::NotFound => {
                let is_new = is_empty(dir).map_err(|e| failed("read", dir, &e))?;
                return Ok(if is_new { None } else { Some(UNVERSIONED) });
            }
            Err(e) => return Err(failed("read the version of the data", dir, &e)),
        };
        let object = || path(dir).display().to_string();
        let Some(found) = text.trim().parse::<u32>().ok().filter(|version| *version >= UNVERSIONED) else {
            let todo = "write the number of the version into it that wrote the directory";
            return Err(Failure::new(ErrorClass::Corrupt, "this is no version of a data directory", object(), todo));
        };
        if found > self.today() {
            let what =
                format!("the data was written by a newer program: version {found}, this one knows {}", self.today());
            return Err(Failure::new(ErrorClass::Invalid, what, object(), "start the newer program"));
        }
        Ok(Some(found))
    }
}

fn path(dir: &Path) -> PathBuf {
    dir.join(FILE)
}

fn is_empty(dir: &Path) -> io::Result<bool> {
    match fs::read_dir(dir) {
        Ok(mut entries) => Ok(entries.next().is_none()),
        Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(true),
        Err(e) => Err(e),
    }
}

fn write(dir: &Path, version: u32) -> io::Result<()> {
    fs::create_dir_all(dir)?;
    let new = dir.join("data_version.new");
    let mut file = File::create(&new)?;
    file.write_all(format!("{version}\n").as_bytes())?;
    file.sync_all()?;
    fs::rename(&new, path(dir))?;
    File::open(dir)?.sync_all()
}

fn failed(what: &str, dir: &Path, error: &io::Error) -> Failure {
    let todo = "check the directory, its disk and its owner";
    Failure::new(ErrorClass::Transient, format!("cannot {what}: {error}"), dir.display().to_string(), todo)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    const ONE: DataVersions = DataVersions { steps: &[] };
    const THREE: DataVersions = DataVersions { steps: &[note_two, note_three] };
    const BREAKS: DataVersions = DataVersions { steps: &[note_two, |_| Err(io::Error::other("full"))] };

    fn note(dir: &Path, what: &str) -> io::Result<()> {
        let before = fs::read_to_string(dir.join("steps")).unwrap_or_default();
        fs::write(dir.join("steps"), before + what)
    }

    fn note_two(dir: &Path) -> io::Result<()> {
        note(dir, "2")
    }

    fn note_three(dir: &Path) -> io::Result<()> {
        note(dir, "3")
    }

    fn steps(dir: &Path) -> String {
        fs::read_to_string(dir.join("steps")).unwrap_or_default()
    }

    #[test]
    fn a_new_directory_is_of_todays_version_and_needs_no_step() {
        let dir = tempfile::tempdir().unwrap();
        let new = dir.path().join("new");
        THREE.check(&new).unwrap();
        assert!(!new.exists(), "a check makes nothing");
        THREE.bring_up(&new).unwrap();
        THREE.bring_up(&new).unwrap();
        assert_eq!((fs::read_to_string(new.join(FILE)).unwrap().as_str(), steps(&new).as_str()), ("3\n", ""));
    }

    #[test]
    fn a_directory_without_a_version_takes_every_step_once() {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join("worker_id"), "101").unwrap();
        THREE.bring_up(dir.path()).unwrap();
        THREE.bring_up(dir.path()).unwrap();
        assert_eq!(steps(dir.path()), "23");
    }

    #[test]
    fn a_step_that_was_cut_off_is_done_again_with_those_before_it() {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join("worker_id"), "101").unwrap();
        assert!(BREAKS.bring_up(dir.path()).unwrap_err().what.contains("bring the data to version 3: full"));
        THREE.bring_up(dir.path()).unwrap();
        assert_eq!(steps(dir.path()), "223");
    }

    #[test]
    fn data_of_a_newer_program_is_refused_untouched() {
        let dir = tempfile::tempdir().unwrap();
        THREE.bring_up(dir.path()).unwrap();
        for refused in [ONE.check(dir.path()), ONE.bring_up(dir.path())] {
            let refused = refused.unwrap_err();
            assert_eq!((refused.class, refused.todo.as_str()), (ErrorClass::Invalid, "start the newer program"));
        }
        assert_eq!(fs::read_to_string(dir.path().join(FILE)).unwrap(), "3\n");
    }

    #[test]
    fn a_version_that_is_none_is_not_guessed() {
        let dir = tempfile::tempdir().unwrap();
        for text in ["", "0", "two"] {
            fs::write(dir.path().join(FILE), text).unwrap();
            assert_eq!(THREE.bring_up(dir.path()).unwrap_err().class, ErrorClass::Corrupt, "{text}");
        }
    }
}
