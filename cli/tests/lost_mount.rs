//! A file system that goes away under an archive: nothing is written below its mount point by any server, the reason is
//! reported, and everything goes on by itself when it is back. Needs root for the mounts; without, it says so and is skipped.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod support;

use std::path::{Path, PathBuf};
use std::process::Command;
use support::{Cluster, number, text, uri, wait};

/// A mount until it is dropped.
struct Mount(PathBuf);

impl Mount {
    fn new(args: &[&str], at: &Path) -> Option<Self> {
        let done = Command::new("mount").args(args).arg(at).output().ok()?;
        done.status.success().then(|| Self(at.to_owned()))
    }
}

impl Drop for Mount {
    fn drop(&mut self) {
        // Lazily, as a network file system goes: files that are open stay, the mount point is bare at once.
        let unmounted = Command::new("umount").arg("-l").arg(&self.0).status();
        assert!(unmounted.is_ok_and(|s| s.success()) || std::thread::panicking(), "{} stays mounted", self.0.display());
    }
}

fn inside(dir: &Path) -> Vec<PathBuf> {
    std::fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().path()).collect()
}

/// The reasons that anything waits for.
fn waiting(cluster: &Cluster) -> String {
    let rows = cluster.rows("SELECT * FROM CDB_STRANDLINE_WAITING");
    rows.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")
}

#[test]
fn a_mount_that_is_lost_under_a_round_keeps_its_mount_point_clean_and_the_round_goes_on_when_it_is_back() {
    let dir = tempfile::tempdir().unwrap();
    let (disk, point) = (dir.path().join("disk"), dir.path().join("point"));
    for path in [&disk, &point] {
        std::fs::create_dir(path).unwrap();
    }
    let Some(_disk) = Mount::new(&["-t", "tmpfs", "-o", "size=256m", "tmpfs"], &disk) else {
        println!("skipped: mounting needs root");
        return;
    };
    let bind = || Mount::new(&["--bind", disk.to_str().unwrap()], &point);
    let mount = bind().unwrap();
    let cluster = Cluster::start();
    let tenant = cluster.tenant("t1", 1);
    let location = format!("LOCATION={} PIECE_SWITCH_INTERVAL=1s", uri(&point));
    cluster.sql(&format!("ALTER SYSTEM SET LOG_ARCHIVE_DEST = '{location}' TENANT = t1"));
    cluster.archive("t1", tenant);
    cluster.wait_until_archived(tenant, cluster.put("t1", "before", "1"));

    drop(mount);
    assert_eq!(inside(&point), Vec::<PathBuf>::new());
    // Log of many pieces comes meanwhile, which the scheduler would begin and the workers would write.
    let pieces_ahead = 5_000_000_000;
    let lost_at = cluster.put("t1", "lost", "2");
    wait("log of some pieces", || (cluster.put("t1", "meanwhile", "3") > lost_at + pieces_ahead).then_some(()));
    wait("the scheduler says why", || waiting(&cluster).contains("not mounted").then_some(()));
    assert_eq!(inside(&point), Vec::<PathBuf>::new(), "nothing is written into the bare mount point");
    assert!(number(&cluster.round(tenant), "CHECKPOINT_SCN") < lost_at + pieces_ahead);
    // A statement that names the destination again is no way to claim the bare mount point: not while the round runs, and
    // the same is asked of the scheduler's own work when it does not (`scheduler/src/effects/tests/owner.rs`).
    let again = format!("ALTER SYSTEM SET LOG_ARCHIVE_DEST = '{location}' TENANT = t1");
    cluster.sql_refused(&again).is(10, &["archive is running"]);
    assert_eq!(inside(&point), Vec::<PathBuf>::new());

    let _mount = bind().unwrap();
    cluster.wait_until_archived(tenant, cluster.put("t1", "after", "4"));
    assert_eq!(text(&cluster.round(tenant), "STATUS"), "DOING");
}
