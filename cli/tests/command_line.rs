//! The binary as scripts see it: exit codes and what an error says. No cluster is needed here.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::process::{Command, Output};

fn strandline(args: &[&str]) -> Output {
    let dir = tempfile::tempdir().unwrap();
    Command::new(env!("CARGO_BIN_EXE_strandline"))
        .args(args)
        .env_remove("STRANDLINE_ENDPOINTS")
        .env_remove("STRANDLINE_DEV_DIR")
        .current_dir(dir.path())
        .output()
        .unwrap()
}

fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

#[test]
fn a_wrong_command_line_is_2_and_prints_the_usage() {
    let output = strandline(&["sql"]);
    assert_eq!(output.status.code(), Some(2));
    assert!(stderr(&output).contains("Usage"), "{}", stderr(&output));
}

#[test]
fn without_a_cluster_the_error_says_how_to_name_one() {
    let output = strandline(&["sql", "-e", "SELECT 1"]);
    assert_eq!(output.status.code(), Some(10));
    assert!(stderr(&output).contains("--endpoint"), "{}", stderr(&output));
}

#[test]
fn a_cluster_that_does_not_answer_is_16_and_names_the_address() {
    // Port 9 (discard) has no server here; connecting is refused at once.
    let output = strandline(&["sql", "--timeout", "0", "--endpoint", "127.0.0.1:9", "-e", "SELECT 1"]);
    assert_eq!(output.status.code(), Some(16), "{}", stderr(&output));
    assert!(stderr(&output).contains("127.0.0.1:9"), "{}", stderr(&output));
}

#[test]
fn a_configuration_that_is_none_names_the_file_and_the_place() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("s.toml");
    std::fs::write(&file, "node_id = \"one\"\n").unwrap();
    for kind in ["scheduler", "worker"] {
        let output = strandline(&[kind, "--config", file.to_str().unwrap()]);
        assert_eq!(output.status.code(), Some(10));
        let text = stderr(&output);
        assert!(text.contains("s.toml") && text.contains("node_id"), "{text}");
    }
    let output = strandline(&["worker", "--config", "nowhere.toml"]);
    assert_eq!(output.status.code(), Some(11), "{}", stderr(&output));
}

#[test]
fn inspect_refuses_a_damaged_file_and_names_it() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("format.obbak");
    std::fs::write(&file, [0u8; 20]).unwrap();
    let output = strandline(&["inspect", file.to_str().unwrap()]);
    assert_eq!(output.status.code(), Some(13), "{}", stderr(&output));
    assert!(stderr(&output).contains("format.obbak"), "{}", stderr(&output));
}

#[test]
fn the_demo_refuses_a_directory_that_already_keeps_something() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::create_dir_all(dir.path().join("archive/x")).unwrap();
    let output = strandline(&["demo", "--keep", dir.path().to_str().unwrap()]);
    assert_eq!(output.status.code(), Some(10), "{}", stderr(&output));
    assert!(stderr(&output).contains("not empty"), "{}", stderr(&output));
}
