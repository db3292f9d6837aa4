//! Who may know whom: the table below, against what cargo says.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use cargo_metadata::{DependencyKind, Metadata, MetadataCommand, PackageId};
use std::collections::{BTreeMap, BTreeSet};
use std::process::Command;
use strandline_chaos::sources::sources;

/// Each crate and the crates of ours that it may know. Crates that are not here may know everybody.
const MAY_KNOW: &[(&str, &[&str])] = &[
    ("strandline-types", &[]),
    ("strandline-stored", &["strandline-types"]),
    ("strandline-format", &["strandline-types"]),
    ("strandline-catalogue", &["strandline-types"]),
    ("strandline-reader", &["strandline-types", "strandline-format", "strandline-media", "strandline-catalogue"]),
    ("strandline-scheduler-core", &["strandline-types", "strandline-stored", "strandline-catalogue"]),
    ("strandline-engine-api", &["strandline-types", "strandline-format"]),
    ("strandline-worker-core", &["strandline-types", "strandline-format", "strandline-engine-api"]),
    ("strandline-proto", &["strandline-types"]),
    ("strandline-media", &["strandline-types", "strandline-format"]),
    ("strandline-consensus", &["strandline-types", "strandline-proto"]),
    (
        "strandline-engine",
        &["strandline-types", "strandline-format", "strandline-proto", "strandline-consensus", "strandline-engine-api"],
    ),
    (
        "strandline-worker",
        &[
            "strandline-worker-core",
            "strandline-engine-api",
            "strandline-engine",
            "strandline-reader",
            "strandline-catalogue",
            "strandline-media",
            "strandline-format",
            "strandline-proto",
            "strandline-types",
        ],
    ),
    (
        "strandline-scheduler",
        &[
            "strandline-scheduler-core",
            "strandline-stored",
            "strandline-consensus",
            "strandline-reader",
            "strandline-catalogue",
            "strandline-media",
            "strandline-format",
            "strandline-proto",
            "strandline-types",
        ],
    ),
    (
        "strandline-cli",
        &[
            "strandline-scheduler",
            "strandline-worker",
            "strandline-engine",
            "strandline-consensus",
            "strandline-reader",
            "strandline-catalogue",
            "strandline-media",
            "strandline-format",
            "strandline-proto",
            "strandline-types",
        ],
    ),
];

/// May depend on every crate; none depends on it.
const TEST_CRATE: &str = "strandline-chaos";
/// Crates without I/O, and what must not be reachable from them.
const PURE: &[&str] = &[
    "strandline-types",
    "strandline-stored",
    "strandline-format",
    "strandline-catalogue",
    "strandline-scheduler-core",
    "strandline-engine-api",
    "strandline-worker-core",
];
const IMPURE: &[&str] = &["tokio", "tonic", "openraft", "object_store", "rocksdb", "mio", "hyper"];
/// The files of the worker that may name an engine.
const MAY_NAME_AN_ENGINE: &[&str] = &["worker/src/server.rs"];
/// What only a log format may name in the worker: a file that names them reads the bytes of groups and entries.
const OF_A_LOG_FORMAT: &[&str] =
    &["GroupWalker", "GroupView", "GroupHeader", "next_group", "EntryKind", "format::entry"];
/// External crates that only one crate may name.
const ONLY_OWNER: &[(&str, &str)] = &[("openraft", "strandline-consensus"), ("object_store", "strandline-media")];

fn metadata() -> Metadata {
    let manifest = concat!(env!("CARGO_MANIFEST_DIR"), "/../Cargo.toml");
    // Only what this machine builds is on it: crates of other platforms would have to be fetched.
    let options = vec!["--offline".to_owned(), "--filter-platform".to_owned(), host()];
    MetadataCommand::new().manifest_path(manifest).other_options(options).exec().unwrap()
}

fn host() -> String {
    let version = Command::new("rustc").arg("-vV").output().unwrap().stdout;
    let text = String::from_utf8(version).unwrap();
    text.lines().find_map(|line| line.strip_prefix("host: ")).unwrap().to_owned()
}

/// Every edge between crates of ours: from, to, kind.
fn edges(metadata: &Metadata) -> Vec<(String, String, DependencyKind)> {
    let ours: BTreeSet<String> = metadata.workspace_packages().iter().map(|p| p.name.to_string()).collect();
    let mut edges = Vec::new();
    for package in metadata.workspace_packages() {
        for dep in package.dependencies.iter().filter(|d| ours.contains(&d.name)) {
            edges.push((package.name.to_string(), dep.name.clone(), dep.kind));
        }
    }
    edges
}

#[test]
fn every_crate_of_the_workspace_is_in_the_table() {
    let named: BTreeSet<&str> = MAY_KNOW.iter().map(|(name, _)| *name).chain([TEST_CRATE]).collect();
    let metadata = metadata();
    let found: BTreeSet<&str> = metadata.workspace_packages().iter().map(|p| p.name.as_str()).collect();
    assert_eq!(found, named);
}

#[test]
fn no_crate_knows_one_that_it_may_not_know() {
    let table: BTreeMap<&str, &[&str]> = MAY_KNOW.iter().copied().collect();
    for (from, to, kind) in edges(&metadata()) {
        let Some(allowed) = table.get(from.as_str()) else { continue };
        // A crate may test itself with features of its own that are off otherwise.
        let is_self_test = kind == DependencyKind::Development && from == to;
        assert!(is_self_test || allowed.contains(&to.as_str()), "{from} must not know {to} ({kind:?})");
    }
}

#[test]
fn no_crate_depends_on_the_test_crate() {
    assert!(edges(&metadata()).iter().all(|(_, to, _)| to != TEST_CRATE));
}

#[test]
fn nothing_impure_is_reachable_from_a_pure_crate() {
    let metadata = metadata();
    let resolve = metadata.resolve.as_ref().unwrap();
    let names: BTreeMap<&PackageId, &str> = metadata.packages.iter().map(|p| (&p.id, p.name.as_str())).collect();
    let next: BTreeMap<&PackageId, Vec<&PackageId>> = resolve
        .nodes
        .iter()
        .map(|node| {
            let normal = |d: &&cargo_metadata::NodeDep| d.dep_kinds.iter().any(|k| k.kind == DependencyKind::Normal);
            (&node.id, node.deps.iter().filter(normal).map(|d| &d.pkg).collect())
        })
        .collect();
    for pure in PURE {
        let start = names.iter().find(|(_, name)| name == &pure).map(|(id, _)| *id).unwrap();
        let mut seen = BTreeSet::from([start]);
        let mut open = vec![start];
        while let Some(id) = open.pop() {
            assert!(!IMPURE.contains(&names[id]), "{pure} reaches {}", names[id]);
            open.extend(next[id].iter().copied().filter(|dep| seen.insert(*dep)));
        }
    }
}

#[test]
fn openraft_and_object_store_are_named_by_one_crate_each() {
    for package in metadata().workspace_packages() {
        for (library, owner) in ONLY_OWNER {
            let names_it = package.dependencies.iter().any(|d| d.name == *library);
            assert!(!names_it || package.name.as_str() == *owner, "{} names {library}", package.name);
        }
    }
}

/// True when the text has the name, and not only one that begins like it.
fn names(text: &str, name: &str) -> bool {
    let is_whole = |rest: &str| !rest.starts_with(|c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-');
    text.match_indices(name).any(|(at, _)| is_whole(&text[at + name.len()..]))
}

#[test]
fn only_the_server_of_the_worker_names_an_engine() {
    assert!(names("use strandline_engine::X;", "strandline_engine"));
    assert!(!names("use strandline_engine_api::X;", "strandline_engine"));
    assert!(!names("behind `strandline-engine-api`", "strandline-engine"));
    let mut named = Vec::new();
    for (file, text) in sources("worker/src") {
        if names(&text, "strandline_engine") || names(&text, "strandline-engine") {
            named.push(file);
        }
    }
    assert_eq!(named, MAY_NAME_AN_ENGINE, "the worker knows an engine through strandline-engine-api alone");
}

#[test]
fn the_worker_reads_log_through_a_log_format() {
    let is_test = |file: &str| file.contains("/tests/") || file.ends_with("/tests.rs");
    for (file, text) in sources("worker/src").into_iter().chain(sources("worker/core/src")) {
        let Some(production) = text.split("#[cfg(test)]").next().filter(|_| !is_test(&file)) else { continue };
        for name in OF_A_LOG_FORMAT {
            assert!(!names(production, name), "{file} names {name}");
        }
    }
}
