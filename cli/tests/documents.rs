//! What the documents show is what the program takes.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::path::Path;
use strandline_scheduler::SchedulerConfig;
use strandline_worker::WorkerConfig;

fn document(name: &str) -> String {
    std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(name)).unwrap()
}

/// Fenced blocks of one language.
fn blocks(text: &str, language: &str) -> Vec<String> {
    let parts: Vec<&str> = text.split("```").collect();
    parts.iter().skip(1).step_by(2).filter_map(|b| b.strip_prefix(language)).map(str::to_owned).collect()
}

#[test]
fn the_configurations_of_the_operations_page_are_read_by_the_servers() {
    let blocks = blocks(&document("docs/operations.md"), "toml\n");
    assert_eq!(blocks.len(), 2);
    let scheduler: SchedulerConfig = toml::from_str(&blocks[0]).unwrap();
    scheduler.check().unwrap();
    let worker: WorkerConfig = toml::from_str(&blocks[1]).unwrap();
    assert_eq!(worker.schedulers.len(), scheduler.peers.len());
}

#[test]
fn every_document_that_the_readme_names_is_there() {
    let readme = document("README.md");
    let links = readme.split("](").skip(1).filter_map(|rest| rest.split(')').next());
    for link in links.filter(|l| !l.contains("://")) {
        assert!(Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(link).exists(), "{link}");
    }
}
