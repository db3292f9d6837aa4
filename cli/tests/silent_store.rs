//! Jobs of every kind on an object store that takes requests and does not answer: they say what they wait for, a cancel ends
//! them in a moment, and when the store answers again nothing of them is written but what ends a set.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod support;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};
use strandline_media::testing::mini_store::{Conditions, MiniStore};
use support::{Cluster, text, uri, wait};
use tokio::runtime::Runtime;

/// A cancel ends any job within this.
const CANCELED_WITHIN: Duration = Duration::from_secs(30);
/// Everything that is asked for is held back.
const ALL: &str = "/";
/// Only what belongs to log streams: what a statement looks at before its job begins is answered.
const LOG_STREAMS: &str = "logstream_";

struct Bed {
    cluster: Cluster,
    store: Arc<MiniStore>,
    data: String,
    archive: PathBuf,
    tenant: u64,
    /// Drives the store.
    _runtime: Runtime,
}

impl Bed {
    /// A tenant with one backup set in the store and its archive in a directory.
    fn new() -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
        let store = runtime.block_on(MiniStore::start(false, Conditions::Kept));
        let cluster = Cluster::start();
        let tenant = cluster.tenant("t1", 2);
        let (archive, data) = (cluster.dir("archive"), store.uri("data", ""));
        cluster.set_archive_dest("t1", &archive);
        cluster.sql(&support::data_dest("t1", &data));
        cluster.archive("t1", tenant);
        let job = cluster.back_up("t1", tenant);
        assert_eq!(text(&job, "STATUS"), "COMPLETED", "{job}");
        let scn = cluster.put("t1", "after", "the set");
        cluster.wait_until_archived(tenant, scn);
        Self { cluster, store, data, archive, tenant, _runtime: runtime }
    }

    fn fall_silent(&self, part: &str) {
        self.store.silent.send_replace(Some(part.to_owned()));
    }

    fn answer_again(&self) {
        self.store.silent.send_replace(None);
    }

    /// What waits, and for what.
    fn waiting(&self) -> Vec<String> {
        let rows = self.cluster.rows("SELECT * FROM CDB_STRANDLINE_WAITING");
        rows.iter().map(|row| format!("{}: {}", text(row, "WHAT"), text(row, "WAITING_ON"))).collect()
    }

    /// Waits until a job says that the store does not answer.
    fn until_told(&self, job: &str) {
        wait(&format!("{job} says what it waits for"), || {
            let is_told =
                |line: &String| line.contains(job) && line.contains("does not answer") && line.contains("s3://");
            self.waiting().iter().any(is_told).then_some(())
        });
    }

    /// Cancels and waits until a query finds the job ended as it should be.
    fn cancel(&self, statement: &str, query: &str, wanted: &str) {
        self.cluster.sql(statement);
        let deadline = Instant::now() + CANCELED_WITHIN;
        loop {
            let rows = self.cluster.rows(query);
            if rows.first().is_some_and(|row| text(row, "STATUS") == wanted) {
                return;
            }
            assert!(Instant::now() < deadline, "{statement}: {rows:?}, {:#?}", self.waiting());
            std::thread::sleep(Duration::from_millis(100));
        }
    }

    fn cancel_backup(&self) {
        let query = format!(
            "SELECT STATUS FROM CDB_OB_BACKUP_JOB_HISTORY WHERE TENANT_ID = {} ORDER BY JOB_ID DESC LIMIT 1",
            self.tenant
        );
        self.cancel("ALTER SYSTEM CANCEL BACKUP TENANT = t1", &query, "CANCELED");
    }

    /// Objects of a set, wherever in the destination.
    fn objects(&self, set: u64) -> Vec<String> {
        let name = format!("backup_set_{set}_");
        self.store.keys().into_iter().filter(|key| key.contains(&name)).collect()
    }
}

#[test]
fn a_backup_that_is_cancelled_ends_and_leaves_the_way_free_and_its_set_is_ended_when_the_store_answers() {
    let bed = Bed::new();
    // The store is silent before anything is written, then in the middle of the data.
    for (set, is_begun) in [(2, false), (4, true)] {
        if !is_begun {
            bed.fall_silent(ALL);
        }
        bed.cluster.sql("ALTER SYSTEM BACKUP TENANT = t1");
        if is_begun {
            wait("the set is begun", || (!bed.objects(set).is_empty()).then_some(()));
            bed.fall_silent(ALL);
        }
        bed.until_told("backup job");
        bed.cancel_backup();
        let before = bed.objects(set);
        let what = format!("the end placeholder of backup set {set}");
        assert!(bed.waiting().iter().any(|line| line.starts_with(&what)), "{:#?}", bed.waiting());

        let other = bed.cluster.dir(&format!("other{set}"));
        bed.cluster.sql(&format!("ALTER SYSTEM BACKUP TENANT = t1 TO '{}'", uri(&other)));
        let query = format!("SELECT STATUS FROM CDB_OB_BACKUP_SET_FILES WHERE BACKUP_SET_ID = {}", set + 1);
        wait("the backup to another place", || {
            (text(&bed.cluster.rows(&query)[0], "STATUS") == "SUCCESS").then_some(())
        });

        bed.answer_again();
        wait("the set is ended", || (!bed.waiting().iter().any(|line| line.starts_with(&what))).then_some(()));
        let after = bed.objects(set);
        let is_end =
            |key: &String| key.contains("backup_sets/") && (key.contains("_start") || key.contains("end_failed"));
        let new: Vec<&String> = after.iter().filter(|key| !before.contains(key)).collect();
        assert!(new.iter().all(|key| is_end(key)), "written after it was cancelled: {new:#?}");
        assert_eq!(after.iter().filter(|key| key.contains("end_failed")).count(), 1, "{after:#?}");
        assert_eq!(bed.store.uploads(), Vec::<String>::new(), "unfinished uploads are aborted");
    }
    let job = bed.cluster.back_up("t1", bed.tenant);
    assert_eq!(text(&job, "STATUS"), "COMPLETED", "and the store is used again: {job}");
}

#[test]
fn every_other_kind_of_job_says_what_it_waits_for_and_ends_when_it_is_cancelled() {
    let bed = Bed::new();
    // Nothing needs the first set any more: it may be deleted.
    let job = bed.cluster.back_up("t1", bed.tenant);
    assert_eq!(text(&job, "STATUS"), "COMPLETED", "{job}");
    let scn = bed.cluster.put("t1", "after", "the second set");
    bed.cluster.wait_until_archived(bed.tenant, scn);
    let from = format!("FROM '{},{}'", bed.data, uri(&bed.archive));
    let last = |view: &str| format!("SELECT STATUS FROM {view} ORDER BY JOB_ID DESC LIMIT 1");
    let jobs = [
        (
            "validation job",
            ALL,
            "ALTER SYSTEM VALIDATE BACKUP TENANT = t1".to_owned(),
            "ALTER SYSTEM CANCEL VALIDATE BACKUP TENANT = t1",
            (last("CDB_OB_BACKUP_VALIDATE_JOB_HISTORY"), "CANCELED"),
        ),
        (
            "restore job",
            LOG_STREAMS,
            format!("ALTER SYSTEM RESTORE r1 {from} WITH 'replicas=1'"),
            "ALTER SYSTEM CANCEL RESTORE r1",
            (last("CDB_OB_RESTORE_HISTORY"), "FAIL"),
        ),
        (
            "table recovery job",
            LOG_STREAMS,
            format!("ALTER SYSTEM RECOVER TABLE files TO TENANT t1 {from} REMAP TABLE files:again"),
            "ALTER SYSTEM CANCEL RECOVER TABLE t1",
            (last("CDB_OB_RECOVER_TABLE_JOB_HISTORY"), "CANCELED"),
        ),
        (
            "restore",
            ALL,
            "ALTER SYSTEM RUN RESTORE DRILL TENANT = t1".to_owned(),
            "ALTER SYSTEM CANCEL RESTORE DRILL TENANT = t1",
            ("SELECT STATUS FROM CDB_STRANDLINE_RESTORE_DRILLS".to_owned(), "FAILED"),
        ),
        // Last: what it has begun to delete is deleted.
        (
            "cleaning job",
            ALL,
            "ALTER SYSTEM DELETE BACKUPSET 1 TENANT = t1".to_owned(),
            "ALTER SYSTEM CANCEL DELETE BACKUP TENANT = t1",
            (last("CDB_OB_BACKUP_DELETE_JOB_HISTORY"), "CANCELED"),
        ),
    ];
    for (job, part, start, cancel, (query, wanted)) in jobs {
        bed.fall_silent(part);
        let before = bed.store.keys();
        bed.cluster.sql(&start);
        bed.until_told(job);
        bed.cancel(cancel, &query, wanted);
        bed.answer_again();
        // A request that the store does after this one has been answered after the cancel.
        assert_eq!(bed.store.keys(), before, "{job}: nothing is written or deleted");
        wait("nothing waits for the store any more", || {
            (!bed.waiting().iter().any(|line| line.contains("does not answer"))).then_some(())
        });
        assert_eq!(bed.store.keys(), before, "{job}: nothing is written or deleted");
    }
}
