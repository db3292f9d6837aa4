//! A tenant whose backup and archive the restore tests copy, damage and restore from.
//!
//! Its archive is stopped, so the originals never change again: that they are untouched is checked byte for byte.

use super::medium::{self, copy, tree};
use super::{Cluster, number, text, wait};
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::OnceLock;

/// Keys in the backup and as many again in the log after it: more log than a look at the newest one reads.
const KEYS: usize = 48;
const VALUE_BYTES: usize = 20_000;

pub struct Source {
    pub data: PathBuf,
    pub archive: PathBuf,
    /// The window that can be restored to.
    pub min_restore_scn: u64,
    pub checkpoint_scn: u64,
    files: BTreeMap<PathBuf, Vec<u8>>,
}

impl Source {
    /// The source of this test process.
    pub fn shared() -> &'static Self {
        static SOURCE: OnceLock<Source> = OnceLock::new();
        SOURCE.get_or_init(|| Self::make(Cluster::shared()))
    }

    fn make(cluster: &Cluster) -> Self {
        let id = cluster.tenant("source", 2);
        let (data, archive) = (cluster.dir("source/data"), cluster.dir("source/archive"));
        cluster.set_data_dest("source", &data);
        cluster.set_archive_dest("source", &archive);
        cluster.archive("source", id);
        let write = |from: usize| {
            (from..from + KEYS).map(|n| cluster.put("source", &format!("k{n}"), &value(n, VALUE_BYTES))).max()
        };
        cluster.wait_until_archived(id, write(0).unwrap());
        let job = cluster.back_up("source", id);
        assert_eq!(text(&job, "STATUS"), "COMPLETED", "{job}");
        let last = write(KEYS).unwrap();
        cluster.wait_until_archived(id, last);
        cluster.sql("ALTER SYSTEM NOARCHIVELOG TENANT = source");
        wait("STOP", || (text(&cluster.round(id), "STATUS") == "STOP").then_some(()));
        let sets = format!("SELECT MIN_RESTORE_SCN FROM CDB_OB_BACKUP_SET_FILES WHERE TENANT_ID = {id}");
        let min_restore_scn = number(&cluster.rows(&sets)[0], "MIN_RESTORE_SCN");
        let checkpoint_scn = number(&cluster.round(id), "CHECKPOINT_SCN");
        medium::second_reader("archive_conformance.py", &archive);
        medium::second_reader("backup_conformance.py", &data);
        let files = tree(data.parent().unwrap());
        Self { data, archive, min_restore_scn, checkpoint_scn, files }
    }

    /// A copy of both destinations (data, archive) that a test may damage.
    pub fn copy(&self, name: &str) -> (PathBuf, PathBuf) {
        let to = Cluster::shared().dir(name);
        copy(self.data.parent().unwrap(), &to);
        (to.join("data"), to.join("archive"))
    }

    /// The original restores whole, and no file of it has changed.
    pub fn restores_whole(&self, tenant: &str) {
        let cluster = Cluster::shared();
        let job = cluster.restore(tenant, &self.data, &self.archive);
        assert_eq!(text(&job, "STATUS"), "SUCCESS", "{job}");
        assert_eq!(cluster.get(tenant, "first"), "value");
        for n in [0, KEYS - 1, KEYS, 2 * KEYS - 1] {
            assert_eq!(cluster.get(tenant, &format!("k{n}")), value(n, VALUE_BYTES));
        }
        assert!(tree(self.data.parent().unwrap()) == self.files, "a file of the source has changed");
    }
}

/// Does not compress away: a flip in the middle of a file is in a block.
pub fn value(n: usize, bytes: usize) -> String {
    let mut state = n as u64 + 1;
    let mut next = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        char::from(b"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._"[(state >> 58) as usize])
    };
    (0..bytes).map(|_| next()).collect()
}
