//! What the command line accepts and refuses, for every command alike.

#![allow(clippy::unwrap_used)]

use super::*;

fn parsed(args: &[&str]) -> Result<Args, clap::Error> {
    Args::try_parse_from([&["strandline"], args].concat())
}

/// One switch for every command, before it and after it.
#[test]
fn json_is_asked_for_in_one_way_by_every_command() {
    for command in [
        &["verify", "x"][..],
        &["window", "x"],
        &["inspect", "x"],
        &["dest", "check", "x"],
        &["archive", "export", "--plain", "x", "y"],
        &["catalog", "list"],
        &["demo"],
        &["bench", "backup"],
        &["bench", "archive"],
        &["bench", "restore"],
        &["sql", "-e", "SELECT 1"],
        &["kv", "get", "k"],
    ] {
        for form in [&["--json"][..], &["--output", "json"], &["--output", "json-text"]] {
            assert!(parsed(&[form, command].concat()).unwrap().client.wants_json(), "{form:?} {command:?}");
            assert!(parsed(&[command, form].concat()).unwrap().client.wants_json(), "{command:?} {form:?}");
        }
        assert!(!parsed(command).unwrap().client.wants_json(), "{command:?}");
    }
}

#[test]
fn two_forms_at_once_are_refused() {
    assert!(parsed(&["verify", "x", "--json", "--output", "table"]).is_err());
}

#[test]
fn a_compression_that_is_not_known_is_refused_with_those_that_are() {
    assert!(parsed(&["bench", "archive", "--compression", "lz4"]).is_ok());
    for wrong in ["rar", "none"] {
        let refused = parsed(&["bench", "archive", "--compression", wrong]).unwrap_err().to_string();
        assert!(refused.contains("known are lz4 and zstd"), "{refused}");
    }
}
