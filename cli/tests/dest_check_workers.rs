//! A destination probed from every worker of a real cluster: by `strandline dest check --workers`, by the statement, and
//! before a destination is set.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use serde_json::Value;
use std::path::{Path, PathBuf};
use std::process::Output;
use std::time::{Duration, Instant};
use strandline_cli::cluster::Cluster;
use strandline_cli::cluster::config::Identity;
use strandline_media::testing::mini_store::{Conditions, MiniStore, SECRET};
use strandline_media::testing::servers;
use strandline_types::ErrorClass;

const EXE: &str = env!("CARGO_BIN_EXE_strandline");
const WORKERS: usize = 2;
const PATIENCE: Duration = Duration::from_secs(60);

async fn cluster(dir: &Path) -> Cluster {
    let identity = Identity { id: 1, name: "probed".to_owned() };
    Cluster::start_program(PathBuf::from(EXE), identity, dir, 1, WORKERS).await.unwrap()
}

async fn check(cluster: &Cluster, uri: &str) -> (Output, Value) {
    let endpoints = cluster.endpoints().join(",");
    let mut command = tokio::process::Command::new(EXE);
    command.args(["--endpoint", &endpoints, "dest", "check", uri, "--workers", "--json"]);
    let output = command.output().await.unwrap();
    let document = serde_json::from_slice(&output.stdout).unwrap_or_else(|e| panic!("{e}: {output:?}"));
    (output, document)
}

/// What each worker says of a probe: the verdict and the detail.
fn message(document: &Value, probe: &str) -> Vec<(String, String)> {
    let text = |finding: &Value, field: &str| finding[field].as_str().unwrap().to_owned();
    let workers = document["workers"].as_array().unwrap().iter();
    let findings = workers.flat_map(|w| w["findings"].as_array().unwrap()).filter(|f| f["probe"] == probe);
    findings.map(|f| (text(f, "verdict"), text(f, "detail"))).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_worker_looks_and_a_store_that_lies_is_named_by_each_and_used_by_none() {
    let dir = tempfile::tempdir().unwrap();
    let mut cluster = cluster(dir.path()).await;
    if let Some(server) = servers::s3() {
        let (output, document) = check(&cluster, &server.s3_uri("check", "x")).await;
        assert_eq!(output.status.code(), Some(0), "{document:#}");
        let verdicts: Vec<String> = message(&document, "parts").into_iter().map(|(verdict, _)| verdict).collect();
        assert_eq!(verdicts, ["good"; WORKERS], "{document:#}");
    }

    let liar = MiniStore::start(false, Conditions::Ignored).await;
    let (output, document) = check(&cluster, &liar.uri("x", "")).await;
    assert_eq!(output.status.code(), Some(3), "{document:#}");
    let lies = message(&document, "put-if-absent");
    assert_eq!(lies.len(), WORKERS, "{document:#}");
    assert!(lies.iter().all(|(verdict, why)| verdict == "bad" && why.contains("IGNORES If-None-Match")), "{lies:?}");
    let printed = [&output.stdout[..], &output.stderr].concat();
    assert!(!String::from_utf8_lossy(&printed).contains(SECRET));

    the_statement_asks_every_worker(&cluster, &liar.uri("y", "")).await;
    a_destination_that_lies_is_not_set(&cluster, &liar.uri("z", "")).await;

    a_key_that_workers_cannot_use_is_refused_and_the_check_file_is_shown(&cluster, dir.path()).await;

    cluster.kill_worker(102);
    let honest = MiniStore::start(false, Conditions::Kept).await;
    let (output, document) = check(&cluster, &honest.uri("x", "")).await;
    assert_eq!(output.status.code(), Some(1), "a place that was not looked from is no good place: {document:#}");
    let silent = message(&document, "connect").into_iter().filter(|(_, why)| why.contains("did not look")).count();
    assert_eq!(silent, 1, "{document:#}");
}

async fn the_statement_asks_every_worker(cluster: &Cluster, uri: &str) {
    let mut admin = cluster.admin().unwrap();
    admin.sql(&format!("ALTER SYSTEM CHECK DESTINATION '{uri}'")).await.unwrap();
    let deadline = Instant::now() + PATIENCE;
    let rows = loop {
        let rows = admin.query("SELECT * FROM CDB_STRANDLINE_DEST_CHECK").await.unwrap();
        let is_over = !rows.is_empty() && (0..rows.len()).all(|row| !rows.text(row, "PROBE").is_empty());
        if is_over {
            break rows;
        }
        assert!(Instant::now() < deadline, "the workers did not answer");
        tokio::time::sleep(Duration::from_millis(50)).await;
    };
    for worker in [101, 102] {
        let bad = (0..rows.len())
            .filter(|&row| rows.number(row, "SVR_ID") == worker && rows.text(row, "VERDICT") == "bad")
            .map(|row| rows.text(row, "DETAIL"));
        assert!(bad.clone().any(|why| why.contains("IGNORES If-None-Match")), "{:?}", bad.collect::<Vec<_>>());
    }
    assert!((0..rows.len()).all(|row| !rows.text(row, "PATH").contains(SECRET)));
}

async fn a_destination_that_lies_is_not_set(cluster: &Cluster, uri: &str) {
    let mut admin = cluster.admin().unwrap();
    admin.sql("CREATE TENANT careful LOG_STREAMS = 1 REPLICAS = 2").await.unwrap();
    for parameter in ["LOG_ARCHIVE_DEST = 'LOCATION=", "DATA_BACKUP_DEST = '"] {
        let statement = format!("ALTER SYSTEM SET {parameter}{uri}' TENANT = careful");
        let refusal = admin.sql(&statement).await.unwrap_err();
        assert_eq!((refusal.class, refusal.code), (ErrorClass::Invalid, -9105), "{refusal}");
        let text = refusal.to_string();
        assert!(text.contains("ignores If-None-Match") && !text.contains(SECRET), "{text}");
    }
}

/// Accepted, it would hold up every log stream of the tenant.
async fn a_key_that_workers_cannot_use_is_refused_and_the_check_file_is_shown(cluster: &Cluster, dir: &Path) {
    let mut admin = cluster.admin().unwrap();
    let (archive, key) = (dir.join("sealed"), dir.join("key"));
    std::fs::create_dir(&archive).unwrap();
    let value = format!("LOCATION=file://{} ENCRYPTION=aes256 KEY=file:{}", archive.display(), key.display());
    let statement = format!("ALTER SYSTEM SET LOG_ARCHIVE_DEST = '{value}' TENANT = careful");
    for (content, word) in [(&b""[..], "key"), (&[0xff, 0xfe][..], "no text")] {
        std::fs::write(&key, content).unwrap();
        let refusal = admin.sql(&statement).await.unwrap_err();
        let text = refusal.to_string();
        assert!(refusal.class == ErrorClass::Invalid && text.contains("KEY of the archive"), "{text}");
        assert!(text.contains(word) && text.contains("one line"), "{text}");
    }
    std::fs::write(&key, "a passphrase\n").unwrap();
    admin.sql(&statement).await.unwrap();
    let rows = admin.query("SELECT * FROM CDB_OB_BACKUP_STORAGE_INFO").await.unwrap();
    let row = (0..rows.len()).find(|&row| rows.text(row, "PATH").ends_with("/sealed")).unwrap();
    let check_file = rows.text(row, "CHECK_FILE_NAME");
    assert!(check_file.starts_with("check_file/"), "{check_file}");
    assert!(archive.join(&check_file).is_file(), "{check_file} is there");
}
