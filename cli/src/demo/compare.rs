//! The proof: an exported directory against the files of a moment, byte for byte.

use super::tree::Tree;
use crate::Outcome;
use crate::kv::files;
use crate::output::io_failure;
use std::path::Path;

/// What differs.
#[derive(Debug, Default)]
pub struct Differences {
    /// How many files are not as they were.
    pub count: u64,
    /// The first few, in words.
    pub examples: Vec<String>,
}

impl Differences {
    /// Notes one difference.
    pub fn add(&mut self, what: String) {
        const SHOWN: usize = 20;
        self.count += 1;
        if self.examples.len() < SHOWN {
            self.examples.push(what);
        }
    }
}

/// Compares everything below `dir` with `expected`.
pub fn compare(dir: &Path, expected: &Tree, differences: &mut Differences) -> Outcome<()> {
    let found = files::list(dir)?;
    let mut seen = 0usize;
    for file in &found.files {
        let name = file.relative.display();
        let Some(content) = expected.get(&file.relative) else {
            differences.add(format!("{name}: should not be there"));
            continue;
        };
        seen += 1;
        let bytes = std::fs::read(&file.absolute).map_err(|e| io_failure("cannot read", &file.absolute, &e))?;
        if bytes != content.bytes()? {
            differences.add(format!("{name}: other bytes ({} of {} expected)", bytes.len(), content.head.bytes));
        } else if file.head.mode != content.head.mode {
            differences.add(format!("{name}: mode {:o}, expected {:o}", file.head.mode, content.head.mode));
        }
    }
    if seen < expected.len() {
        let there: std::collections::BTreeSet<&Path> = found.files.iter().map(|f| f.relative.as_path()).collect();
        for path in expected.keys().filter(|p| !there.contains(p.as_path())) {
            differences.add(format!("{}: missing", path.display()));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::super::tree::Content;
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    fn write(dir: &Path, name: &str, bytes: &[u8]) {
        std::fs::write(dir.join(name), bytes).unwrap();
        std::fs::set_permissions(dir.join(name), std::fs::Permissions::from_mode(0o644)).unwrap();
    }

    #[test]
    fn a_missing_a_foreign_and_a_changed_file_are_each_a_difference() {
        let dir = tempfile::tempdir().unwrap();
        let expected: Tree = (1..=3).map(|n| (format!("f{n}").into(), Content::made(n, 100))).collect();
        let bytes = |n: u64| Content::made(n, 100).bytes().unwrap();
        for n in 1..=3 {
            write(dir.path(), &format!("f{n}"), &bytes(n));
        }
        let mut none = Differences::default();
        compare(dir.path(), &expected, &mut none).unwrap();
        assert_eq!(none.count, 0, "{:?}", none.examples);

        let mut changed = bytes(1);
        changed[50] ^= 1;
        write(dir.path(), "f1", &changed);
        std::fs::remove_file(dir.path().join("f2")).unwrap();
        write(dir.path(), "f9", b"");
        let mut three = Differences::default();
        compare(dir.path(), &expected, &mut three).unwrap();
        assert_eq!(three.count, 3, "{:?}", three.examples);
    }
}
