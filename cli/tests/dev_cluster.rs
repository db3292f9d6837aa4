//! `strandline dev` as a newcomer uses it: start it, make a tenant, carry files in and out, stop it, start it again.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

struct Dev {
    child: Child,
    dir: PathBuf,
}

impl Dev {
    /// Starts the cluster and returns once it has printed its endpoints.
    fn start(dir: &Path) -> Self {
        let mut child = Command::new(env!("CARGO_BIN_EXE_strandline"))
            .args(["--dir", dir.to_str().unwrap(), "dev"])
            .stdout(Stdio::piped())
            .stderr(std::fs::File::create(dir.with_extension("log")).unwrap())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        assert!(lines.next().unwrap().unwrap().contains("SERVER"));
        Self { child, dir: dir.to_owned() }
    }

    fn run(&self, args: &[&str]) -> Output {
        let exe = env!("CARGO_BIN_EXE_strandline");
        Command::new(exe).args(["--dir", self.dir.to_str().unwrap()]).args(args).output().unwrap()
    }

    /// Runs a command until it succeeds: leaders are elected in the background.
    fn run_until_ok(&self, args: &[&str]) -> String {
        let deadline = Instant::now() + Duration::from_secs(60);
        loop {
            let output = self.run(args);
            if output.status.success() {
                return String::from_utf8(output.stdout).unwrap();
            }
            let error = String::from_utf8_lossy(&output.stderr).into_owned();
            assert!(Instant::now() < deadline, "{args:?}: {error}");
            std::thread::sleep(Duration::from_millis(100));
        }
    }

    fn stop(mut self) {
        let kill = format!("kill {}", self.child.id());
        assert!(Command::new("sh").args(["-c", &kill]).status().unwrap().success());
        let deadline = Instant::now() + Duration::from_secs(30);
        while self.child.try_wait().unwrap().is_none() {
            assert!(Instant::now() < deadline, "the cluster does not stop on SIGTERM");
            std::thread::sleep(Duration::from_millis(50));
        }
    }
}

impl Drop for Dev {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Files of a directory with their bytes.
fn tree(root: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let (mut files, mut open) = (BTreeMap::new(), vec![root.to_owned()]);
    while let Some(dir) = open.pop() {
        for entry in std::fs::read_dir(dir).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                open.push(path);
            } else {
                files.insert(path.strip_prefix(root).unwrap().to_owned(), std::fs::read(&path).unwrap());
            }
        }
    }
    files
}

fn write(root: &Path, name: &str, bytes: &[u8]) {
    let path = root.join(name);
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::fs::write(path, bytes).unwrap();
}

#[test]
fn a_directory_goes_in_and_out_and_survives_a_restart() {
    let scratch = tempfile::tempdir().unwrap();
    let dev = Dev::start(&scratch.path().join("cluster"));
    dev.run_until_ok(&["sql", "-e", "CREATE TENANT t1 LOG_STREAMS = 2 REPLICAS = 3"]);
    dev.run_until_ok(&["sql", "-e", "CREATE TABLE files TABLETS = 4 TENANT = t1"]);

    let source = scratch.path().join("source");
    write(&source, "empty", b"");
    write(&source, "a/small.txt", b"small");
    write(&source, "a/large.bin", &vec![7u8; 700_000]);
    write(&source, "shrinks", &vec![1u8; 600_000]);
    write(&source, "goes", b"away");
    dev.run_until_ok(&["kv", "import", source.to_str().unwrap()]);
    let first = scratch.path().join("first");
    dev.run_until_ok(&["kv", "export", first.to_str().unwrap()]);
    assert_eq!(tree(&first), tree(&source));

    write(&source, "shrinks", b"short now");
    std::fs::remove_file(source.join("goes")).unwrap();
    dev.run_until_ok(&["kv", "import", "--mirror", source.to_str().unwrap()]);
    dev.stop();

    let dev = Dev::start(&scratch.path().join("cluster"));
    let second = scratch.path().join("second");
    // A failed export leaves files behind, so it is tried only once reads work.
    dev.run_until_ok(&["kv", "scan", "--limit", "1"]);
    dev.run_until_ok(&["kv", "export", second.to_str().unwrap()]);
    assert_eq!(tree(&second), tree(&source));

    dev.run_until_ok(&["kv", "put", "k", "v"]);
    assert_eq!(dev.run_until_ok(&["kv", "get", "k"]), "v");
    dev.run_until_ok(&["kv", "delete", "k"]);
    assert_eq!(dev.run(&["kv", "get", "k"]).status.code(), Some(11));
    let json = dev.run_until_ok(&["--output", "json", "sql", "-e", "SELECT TENANT_NAME FROM CDB_OB_TENANTS"]);
    assert!(json.contains("\"t1\""), "{json}");
    dev.stop();
}
