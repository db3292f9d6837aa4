//! VALIDATE of an encrypted archive and of an encrypted set that carries its log, over SQL and with real servers: with
//! the right key, with a wrong one, and without. A key that is missing or wrong is no damage.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod support;

use serde_json::Value;
use std::path::PathBuf;
use support::medium::{flip, largest};
use support::source::value;
use support::{Cluster, number, text, uri, wait};

const RUNNING: &str = "CDB_OB_BACKUP_VALIDATE_JOBS";
const HISTORY: &str = "CDB_OB_BACKUP_VALIDATE_JOB_HISTORY";

/// A tenant whose archive is encrypted, and one encrypted backup of it that carries its log.
struct Vault {
    cluster: &'static Cluster,
    id: u64,
    data: PathBuf,
    archive: PathBuf,
    right: PathBuf,
    wrong: PathBuf,
}

impl Vault {
    fn make() -> Self {
        let cluster = Cluster::shared();
        let id = cluster.tenant("vault", 1);
        let (data, archive) = (cluster.dir("vault/data"), cluster.dir("vault/archive"));
        let key = |name: &str, words: &str| {
            let path = cluster.dir("vault").join(name);
            std::fs::write(&path, words).unwrap();
            path
        };
        let (right, wrong) = (key("right", "correct horse battery staple"), key("wrong", "incorrect horse"));
        let options = format!("ENCRYPTION=aes256 KEY=file:{}", right.display());
        let dest = format!("'LOCATION={} {options}'", uri(&archive));
        cluster.sql(&format!("ALTER SYSTEM SET LOG_ARCHIVE_DEST = {dest} TENANT = vault"));
        cluster.set_data_dest("vault", &data);
        cluster.archive("vault", id);
        for n in 0..8 {
            cluster.put("vault", &format!("k{n}"), &value(n, 20_000));
        }
        let seal = "SET ENCRYPTION ON IDENTIFIED BY 'secret' ONLY";
        cluster.ok(&["sql", "-t", "vault", "-e", seal, "-e", "ALTER SYSTEM BACKUP DATABASE PLUS ARCHIVELOG"]);
        wait("the backup ends", || cluster.rows("SELECT * FROM CDB_OB_BACKUP_JOBS").is_empty().then_some(()));
        let set = cluster.rows(&format!("SELECT * FROM CDB_OB_BACKUP_SET_FILES WHERE TENANT_ID = {id}")).remove(0);
        assert_eq!(
            (text(&set, "STATUS"), text(&set, "ENCRYPTION_MODE")),
            ("SUCCESS".into(), "PASSWORD_ENCRYPTION".into())
        );
        Self { cluster, id, data, archive, right, wrong }
    }

    /// Runs statements of which the last one validates; the job's row, and its tasks' rows.
    fn validated(&self, statements: &[&str]) -> (Value, Vec<Value>) {
        let args: Vec<&str> = ["sql"].into_iter().chain(statements.iter().flat_map(|s| ["-e", *s])).collect();
        self.cluster.ok(&args);
        wait("the validation ends", || self.cluster.rows(&format!("SELECT * FROM {RUNNING}")).is_empty().then_some(()));
        let job = self.cluster.rows(&format!("SELECT * FROM {HISTORY} ORDER BY JOB_ID DESC")).remove(0);
        let tasks = "SELECT * FROM CDB_OB_BACKUP_VALIDATE_TASK_HISTORY WHERE JOB_ID = ";
        let tasks = self.cluster.rows(&format!("{tasks}{}", number(&job, "JOB_ID")));
        (job, tasks)
    }

    fn damages(&self) -> Vec<Value> {
        self.cluster.rows("SELECT * FROM CDB_STRANDLINE_BACKUP_DAMAGES")
    }

    /// What the views of the tenant's own backups say of their files.
    fn worth(&self) -> Vec<String> {
        let of = |view: &str| {
            let rows = self.cluster.rows(&format!("SELECT FILE_STATUS FROM {view} WHERE TENANT_ID = {}", self.id));
            rows.iter().map(|row| text(row, "FILE_STATUS")).collect::<Vec<_>>()
        };
        [of("CDB_OB_BACKUP_SET_FILES"), of("CDB_OB_ARCHIVELOG_PIECE_FILES")].concat()
    }

    fn good(&self, statements: &[&str]) {
        let (job, tasks) = self.validated(statements);
        assert_eq!(text(&job, "STATUS"), "COMPLETED", "{statements:?}: {job} {tasks:?}");
        assert_eq!((&job["RESULT"], &job["TASK_COUNT"]), (&Value::from(0), &job["SUCCESS_TASK_COUNT"]), "{job}");
    }

    /// It ends badly for want of the key, and nothing is called damaged for that.
    fn locked(&self, statements: &[&str], words: &str) {
        let (job, tasks) = self.validated(statements);
        let told = format!("{job} {tasks:?}");
        assert_eq!(text(&job, "STATUS"), "FAILED", "{statements:?}: {told}");
        assert!(text(&job, "COMMENT").contains(words), "{statements:?}: {told}");
        assert_ne!(job["RESULT"], 0, "{statements:?}: {told}");
        assert!(self.damages().is_empty(), "{statements:?}: {:?}", self.damages());
        assert!(self.worth().iter().all(|s| s == "AVAILABLE"), "{statements:?}: {:?}", self.worth());
    }
}

#[test]
fn an_encrypted_archive_and_a_sealed_set_are_validated_with_their_keys_and_a_missing_key_is_no_damage() {
    let vault = Vault::make();
    let at = |what: &str, dest: &str, key: &str, level: &str| {
        format!("ALTER SYSTEM VALIDATE {what} {dest} {key} LEVEL = '{level}' TENANT = vault")
    };
    let (archive, data) =
        (format!("LOG_ARCHIVE_DEST = '{}'", uri(&vault.archive)), format!("DATA_BACKUP_DEST = '{}'", uri(&vault.data)));
    let key = |path: &PathBuf| format!("KEY = 'file:{}'", path.display());
    let (right, wrong) = (key(&vault.right), key(&vault.wrong));
    let password = "SET DECRYPTION IDENTIFIED BY 'secret'";

    // By path, as another cluster would: the key comes with the statement.
    vault.good(&[&at("ARCHIVELOG_PIECE", &archive, &right, "physical")]);
    vault.good(&[&at("ARCHIVELOG_PIECE", &archive, &right, "basic")]);
    vault.locked(&[&at("ARCHIVELOG_PIECE", &archive, &wrong, "physical")], "which was not given");
    vault.locked(&[&at("ARCHIVELOG_PIECE", &archive, "", "physical")], "which was not given");
    vault.good(&[&at("ARCHIVELOG_PIECE", &archive, "", "basic")]);

    vault.good(&[password, &at("BACKUPSET", &data, &right, "physical")]);
    vault.good(&[&at("BACKUPSET", &data, &right, "physical")]);
    vault.good(&[password, &at("BACKUPSET", &data, &right, "basic")]);

    // Of its own destinations the tenant knows where the key is.
    vault.good(&[password, &at("BACKUP", "", "", "physical")]);
    let hidden = vault.right.with_extension("hidden");
    std::fs::rename(&vault.right, &hidden).unwrap();
    vault.locked(&[&at("ARCHIVELOG_PIECE", "", "", "physical")], "the key cannot be read");
    std::fs::rename(&hidden, &vault.right).unwrap();

    // With the key damage is damage.
    let log = largest(&vault.archive, &["logstream_1001"]);
    let length = std::fs::metadata(&log).unwrap().len() as usize;
    flip(&log, length / 3);
    let (job, _) = vault.validated(&[&at("ARCHIVELOG_PIECE", &archive, &right, "physical")]);
    assert_eq!(text(&job, "STATUS"), "FAILED", "{job}");
    let damages = format!("{:?}", vault.damages());
    assert!(damages.contains(log.file_name().unwrap().to_str().unwrap()), "{damages}");
    flip(&log, length / 3);
    vault.good(&[&at("ARCHIVELOG_PIECE", &archive, &right, "physical")]);
    vault.cluster.sql("ALTER SYSTEM NOARCHIVELOG TENANT = vault");
}
