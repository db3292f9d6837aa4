//! `strandline dest check` as scripts see it: exit codes, JSON, and that no key is ever printed.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use serde_json::Value;
use std::process::Output;
use strandline_media::testing::mini_store::{Conditions, MiniStore, SECRET};
use strandline_media::testing::servers;

async fn check(uri: &str) -> Output {
    let mut command = tokio::process::Command::new(env!("CARGO_BIN_EXE_strandline"));
    command.args(["dest", "check", uri, "--json"]).output().await.unwrap()
}

fn findings(output: &Output) -> Value {
    serde_json::from_slice(&output.stdout).unwrap_or_else(|e| panic!("{e}: {output:?}"))
}

fn verdict(document: &Value, probe: &str) -> Value {
    let found = document["findings"].as_array().unwrap().iter().find(|f| f["probe"] == probe);
    found.unwrap_or_else(|| panic!("{probe}: {document:#}"))["verdict"].clone()
}

#[tokio::test]
async fn a_directory_is_good_and_nothing_stays_in_it() {
    let dir = tempfile::tempdir().unwrap();
    let output = check(&format!("file://{}", dir.path().display())).await;
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    let document = findings(&output);
    assert_eq!(verdict(&document, "append"), "good");
    assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 0);
}

#[tokio::test]
async fn a_real_store_is_good() {
    let Some(server) = servers::s3() else { return };
    let output = check(&server.s3_uri("check", "x")).await;
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    assert_eq!(verdict(&findings(&output), "parts"), "good");
}

#[tokio::test]
async fn a_store_that_lies_is_named_and_the_exit_code_is_3() {
    let store = MiniStore::start(false, Conditions::Ignored).await;
    let output = check(&store.uri("x", "")).await;
    assert_eq!(output.status.code(), Some(3), "{output:?}");
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(text.contains("IGNORES If-None-Match"), "{text}");
    assert!(!text.contains(SECRET) && !String::from_utf8_lossy(&output.stderr).contains(SECRET));
}

#[tokio::test]
async fn what_cannot_be_looked_at_is_1_and_what_is_no_destination_is_10() {
    // Port 9 (discard) has no server here; connecting is refused at once.
    let output = check("s3://b/x?host=http://127.0.0.1:9&access_id=a&access_key=topsecret").await;
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    assert_eq!(verdict(&findings(&output), "connect"), "bad");
    let output = check("s3://b/x?hots=y&access_key=topsecret").await;
    assert_eq!(output.status.code(), Some(10), "{output:?}");
    let words = String::from_utf8_lossy(&output.stderr);
    assert!(words.contains("'hots'") && !words.contains("topsecret"), "{words}");
}
