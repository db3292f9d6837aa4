//! One development cluster for a whole test file, driven by the real binary as a user drives it.
//!
//! The cluster and everything below its scratch directory go when the test process ends, however it ends: the cluster
//! stops when its standard input closes, and the shell that runs it then removes the directory.
#![allow(clippy::unwrap_used, clippy::expect_used)]
// Every test file uses a part of it.
#![allow(dead_code)]

pub mod medium;
pub mod source;

use serde_json::Value;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::OnceLock;
use std::time::{Duration, Instant};

const EXE: &str = env!("CARGO_BIN_EXE_strandline");
/// Runs the cluster in `$1/cluster`; the process that started it holds its standard input.
const RUN: &str = r#""$0" dev --dir "$1/cluster" --stop-with-stdin 2> "$1/cluster.log"; rm -rf "$1""#;

/// Output of a command that did not succeed.
#[derive(Debug)]
pub struct Refusal {
    pub code: i32,
    pub text: String,
}

impl Refusal {
    /// Checks the exit code (docs/operations.md) and that every word is in the message.
    pub fn is(&self, code: i32, words: &[&str]) {
        assert_eq!(self.code, code, "{}", self.text);
        for word in words {
            assert!(self.text.contains(word), "'{word}' is missing in: {}", self.text);
        }
    }
}

pub struct Cluster {
    scratch: PathBuf,
    /// Addresses of the schedulers, then of the workers, that show metrics.
    http: Vec<String>,
    /// Holds its standard input, which stops it when this process ends.
    _child: Child,
}

/// Runs the binary without any cluster in its environment.
pub fn strandline(args: &[&str]) -> Output {
    let mut command = Command::new(EXE);
    command.args(args).env_remove("STRANDLINE_ENDPOINTS").env_remove("STRANDLINE_DEV_DIR");
    command.stdin(Stdio::null()).output().unwrap()
}

/// The refusal of a command; panics when it succeeds.
pub fn refusal(args: &[&str]) -> Refusal {
    let output = strandline(args);
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(!output.status.success(), "{args:?} succeeded: {}", String::from_utf8_lossy(&output.stdout));
    Refusal { code: output.status.code().unwrap(), text }
}

/// Polls until `find` finds something.
pub fn wait<T>(what: &str, mut find: impl FnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + Duration::from_secs(60);
    loop {
        if let Some(found) = find() {
            return found;
        }
        assert!(Instant::now() < deadline, "{what}: not within a minute");
        std::thread::sleep(Duration::from_millis(100));
    }
}

impl Cluster {
    /// The cluster of this test process, serving.
    pub fn shared() -> &'static Self {
        static CLUSTER: OnceLock<Cluster> = OnceLock::new();
        CLUSTER.get_or_init(Self::start)
    }

    /// A cluster of its own.
    pub fn start() -> Self {
        let scratch = tempfile::tempdir().unwrap().keep();
        let mut child = Command::new("sh")
            .args(["-c", RUN, EXE, scratch.to_str().unwrap()])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        // It prints its endpoints once it serves.
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        assert!(lines.next().unwrap().unwrap().contains("SERVER"));
        let mut http: Vec<String> = Vec::new();
        while http.len() < 6 {
            let line = lines.next().unwrap().unwrap();
            let found = line.split_whitespace().filter_map(|word| word.strip_prefix("http://"));
            http.extend(found.map(str::to_owned));
        }
        let cluster = Self { scratch, http, _child: child };
        wait("three workers", || (cluster.rows("SELECT * FROM CDB_OB_SERVERS").len() >= 6).then_some(()));
        cluster
    }

    /// An empty directory of that name.
    pub fn dir(&self, name: &str) -> PathBuf {
        let dir = self.scratch.join(name);
        std::fs::create_dir_all(&dir).unwrap();
        dir
    }

    fn run(&self, args: &[&str]) -> Output {
        let dir = self.scratch.join("cluster");
        strandline(&[&["--dir", dir.to_str().unwrap()], args].concat())
    }

    /// A gauge of the leading scheduler: the largest value of the lines that have all these words.
    pub fn gauge(&self, words: &[&str]) -> Option<f64> {
        let texts = self.http.iter().take(3).map(|address| scrape(address)).collect::<Vec<_>>().join("\n");
        let lines = texts.lines().filter(|line| words.iter().all(|word| line.contains(word)));
        lines.filter_map(|line| line.rsplit(' ').next()?.parse().ok()).reduce(f64::max)
    }

    /// Runs a command that must succeed.
    pub fn ok(&self, args: &[&str]) -> String {
        let output = self.run(args);
        assert!(output.status.success(), "{args:?}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    }

    /// Runs a command that must succeed and reads `file`.
    pub fn ok_with_input(&self, args: &[&str], file: &Path) -> String {
        let dir = self.scratch.join("cluster");
        let input = std::fs::File::open(file).unwrap();
        let mut command = Command::new(EXE);
        command.args(["--dir", dir.to_str().unwrap()]).args(args).stdin(input);
        let output = command.env_remove("STRANDLINE_ENDPOINTS").env_remove("STRANDLINE_DEV_DIR").output().unwrap();
        assert!(output.status.success(), "{args:?}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    }

    /// Runs a command that must not succeed.
    pub fn refused(&self, args: &[&str]) -> Refusal {
        let dir = self.scratch.join("cluster");
        refusal(&[&["--dir", dir.to_str().unwrap()], args].concat())
    }

    /// Runs a statement that must succeed.
    pub fn sql(&self, statement: &str) -> String {
        self.ok(&["sql", "-e", statement])
    }

    /// Runs a statement that must be refused.
    pub fn sql_refused(&self, statement: &str) -> Refusal {
        self.refused(&["sql", "-e", statement])
    }

    /// Runs a statement, whether it succeeds or not.
    pub fn try_sql(&self, statement: &str) -> bool {
        self.run(&["sql", "-e", statement]).status.success()
    }

    /// Runs a command, whether it succeeds or not.
    pub fn try_run(&self, args: &[&str]) -> bool {
        self.run(args).status.success()
    }

    /// Rows of a view.
    pub fn rows(&self, select: &str) -> Vec<Value> {
        serde_json::from_str(&self.ok(&["--output", "json", "sql", "-e", select])).unwrap()
    }

    /// Makes a tenant with the table that `kv` uses; its id.
    pub fn tenant(&self, name: &str, log_streams: u32) -> u64 {
        self.sql(&format!("CREATE TENANT {name} LOG_STREAMS = {log_streams} REPLICAS = 1"));
        self.sql(&format!("CREATE TABLE files TABLETS = {log_streams} TENANT = {name}"));
        self.put(name, "first", "value");
        self.tenant_status(name).unwrap().1
    }

    /// Status and id of a tenant; `None` when there is none.
    pub fn tenant_status(&self, name: &str) -> Option<(String, u64)> {
        let rows = self.rows(&format!("SELECT STATUS, TENANT_ID FROM CDB_OB_TENANTS WHERE TENANT_NAME = '{name}'"));
        let row = rows.first()?;
        Some((text(row, "STATUS"), number(row, "TENANT_ID")))
    }

    /// Writes a key; its SCN.
    pub fn put(&self, tenant: &str, key: &str, value: &str) -> u64 {
        let message = self.ok(&["kv", "-t", tenant, "put", key, value]);
        message.trim().strip_prefix("scn ").unwrap().parse().unwrap()
    }

    /// Writes a key, if the tenant takes it.
    pub fn try_put(&self, tenant: &str, key: &str, value: &str) -> bool {
        self.run(&["kv", "-t", tenant, "put", key, value]).status.success()
    }

    /// Reads a key.
    pub fn get(&self, tenant: &str, key: &str) -> String {
        self.ok(&["kv", "-t", tenant, "get", key])
    }

    /// Sets the archive destination.
    pub fn set_archive_dest(&self, tenant: &str, dir: &Path) {
        self.sql(&archive_dest(tenant, &uri(dir)));
    }

    /// Sets the data backup destination.
    pub fn set_data_dest(&self, tenant: &str, dir: &Path) {
        self.sql(&data_dest(tenant, &uri(dir)));
    }

    /// The only archive round of a tenant, as its view shows it.
    pub fn round(&self, tenant_id: u64) -> Value {
        self.rows(&format!("SELECT * FROM CDB_OB_ARCHIVELOG WHERE TENANT_ID = {tenant_id}")).remove(0)
    }

    /// Starts the archive of a tenant and waits until it runs.
    pub fn archive(&self, tenant: &str, tenant_id: u64) {
        self.sql(&format!("ALTER SYSTEM ARCHIVELOG TENANT = {tenant}"));
        wait("the archive runs", || (text(&self.round(tenant_id), "STATUS") == "DOING").then_some(()));
    }

    /// Waits until everything up to `scn` is archived.
    pub fn wait_until_archived(&self, tenant_id: u64, scn: u64) {
        wait("archived", || (number(&self.round(tenant_id), "CHECKPOINT_SCN") >= scn).then_some(()));
    }

    /// Backs a tenant up and gives the row of the ended job.
    pub fn back_up(&self, tenant: &str, tenant_id: u64) -> Value {
        self.ok(&["sql", "-t", tenant, "-e", "ALTER SYSTEM BACKUP DATABASE"]);
        let running = format!("SELECT JOB_ID FROM CDB_OB_BACKUP_JOBS WHERE TENANT_ID = {tenant_id}");
        wait("the backup ends", || self.rows(&running).is_empty().then_some(()));
        let ended =
            format!("SELECT * FROM CDB_OB_BACKUP_JOB_HISTORY WHERE TENANT_ID = {tenant_id} ORDER BY JOB_ID DESC");
        self.rows(&ended).remove(0)
    }

    /// Restores a tenant and gives the row of the ended job.
    pub fn restore(&self, tenant: &str, data: &Path, archive: &Path) -> Value {
        self.sql(&restore(tenant, data, archive, ""));
        let history =
            format!("SELECT * FROM CDB_OB_RESTORE_HISTORY WHERE RESTORE_TENANT_NAME = '{tenant}' ORDER BY JOB_ID DESC");
        let running = format!("SELECT JOB_ID FROM CDB_OB_RESTORE_PROGRESS WHERE RESTORE_TENANT_NAME = '{tenant}'");
        wait("the restore ends", || self.rows(&running).is_empty().then_some(()));
        self.rows(&history).remove(0)
    }

    /// A restore that must fail and say so, and leave no tenant.
    pub fn restore_fails(&self, tenant: &str, data: &Path, archive: &Path, words: &[&str]) {
        let job = self.restore(tenant, data, archive);
        assert_eq!(text(&job, "STATUS"), "FAIL", "{job}");
        for word in words {
            assert!(text(&job, "COMMENT").contains(word), "'{word}' is missing in: {job}");
        }
        wait("the half tenant goes", || self.tenant_status(tenant).is_none().then_some(()));
        self.refused(&["kv", "-t", tenant, "get", "first"]).is(11, &["no such tenant", tenant]);
    }
}

/// What `/metrics` says.
fn scrape(address: &str) -> String {
    use std::io::{Read, Write};
    let mut connection = std::net::TcpStream::connect(address).unwrap();
    connection.write_all(b"GET /metrics HTTP/1.0\r\n\r\n").unwrap();
    let mut text = String::new();
    connection.read_to_string(&mut text).unwrap();
    text
}

/// The statement that restores a tenant.
pub fn restore(tenant: &str, data: &Path, archive: &Path, until: &str) -> String {
    format!("ALTER SYSTEM RESTORE {tenant} FROM '{},{}' {until}", uri(data), uri(archive))
}

/// The statement that sets the archive destination.
pub fn archive_dest(tenant: &str, uri: &str) -> String {
    format!("ALTER SYSTEM SET LOG_ARCHIVE_DEST = 'LOCATION={uri} PIECE_SWITCH_INTERVAL=1h' TENANT = {tenant}")
}

/// The statement that sets the data backup destination.
pub fn data_dest(tenant: &str, uri: &str) -> String {
    format!("ALTER SYSTEM SET DATA_BACKUP_DEST = '{uri}' TENANT = {tenant}")
}

/// A directory as a destination.
pub fn uri(dir: &Path) -> String {
    format!("file://{}", dir.display())
}

/// A column as text.
pub fn text(row: &Value, column: &str) -> String {
    row[column].as_str().unwrap_or_else(|| panic!("{column} in {row}")).to_owned()
}

/// A column as a number.
pub fn number(row: &Value, column: &str) -> u64 {
    row[column].as_u64().unwrap_or_else(|| panic!("{column} in {row}"))
}
