//! Which files the demo imports: a directory that the user names, or real files that every machine with Rust has, the
//! sources of the crates in the local cargo registry.

use crate::Outcome;
use crate::kv::files::{FileEntry, Listing, list};
use std::path::{Path, PathBuf};
use strandline_types::{ErrorClass, Failure};

/// Upper bound of the default choice, so that the demo takes minutes on any machine.
const BYTES_MAX: u64 = 300 << 20;
/// Size of the choice for tests.
const SMALL_BYTES: u64 = 8 << 20;

/// The files to import, with paths below one root.
pub fn choose(named: Option<&Path>, small: bool) -> Outcome<Listing> {
    let mut listing = match named {
        Some(dir) => list(dir)?,
        None => registry()?,
    };
    if listing.files.is_empty() {
        let object = named.map_or_else(|| "cargo registry".to_owned(), |d| d.display().to_string());
        return Err(Failure::new(
            ErrorClass::Invalid,
            "there are no files to import",
            object,
            "name another --files DIR",
        ));
    }
    let bound = match (named, small) {
        (_, true) => SMALL_BYTES,
        (None, false) => BYTES_MAX,
        (Some(_), false) => u64::MAX,
    };
    take(&mut listing.files, bound);
    Ok(listing)
}

/// Keeps files in order until the next one would go over the bound.
fn take(files: &mut Vec<FileEntry>, bound: u64) {
    let mut bytes = 0;
    files.retain(|f| {
        let fits = bytes + f.head.bytes <= bound;
        bytes += if fits { f.head.bytes } else { 0 };
        fits
    });
}

/// Unpacked crates first, then the crate archives they came from: together enough on a machine that built this program.
fn registry() -> Outcome<Listing> {
    let home = std::env::var_os("CARGO_HOME").map(PathBuf::from);
    let home = home.or_else(|| std::env::var_os("HOME").map(|h| Path::new(&h).join(".cargo")));
    let home = home.ok_or_else(|| {
        let todo = "set CARGO_HOME or name a directory with --files";
        Failure::new(ErrorClass::Invalid, "the cargo registry cannot be found", "CARGO_HOME", todo)
    })?;
    let mut all = Listing::default();
    for part in ["registry/src", "registry/cache"] {
        let dir = home.join(part);
        if !dir.is_dir() {
            continue;
        }
        let found = list(&dir)?;
        all.left_out.extend(found.left_out);
        all.files.extend(found.files.into_iter().map(|mut f| {
            f.relative = Path::new(part).join(&f.relative);
            f
        }));
    }
    Ok(all)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_named_directory_is_taken_whole_and_an_empty_one_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        assert!(choose(Some(dir.path()), false).unwrap_err().todo.contains("--files"));
        std::fs::create_dir(dir.path().join("d")).unwrap();
        std::fs::write(dir.path().join("d/x"), b"1").unwrap();
        std::fs::write(dir.path().join("y"), b"22").unwrap();
        let listing = choose(Some(dir.path()), false).unwrap();
        let paths: Vec<_> = listing.files.iter().map(|f| f.relative.as_path()).collect();
        assert_eq!(paths, [Path::new("d/x"), Path::new("y")]);
        assert_eq!(listing.bytes(), 3);
    }
}
