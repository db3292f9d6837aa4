//! What the sources refer to exists, and they are written in plain words.
//!
//! A comment that names a page of `docs/`, or a section of it, names one that is there. Words that are images, or that say
//! "some person" where the subject has a name, are not used: each line of [`PLAIN`] says what to write instead.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::collections::BTreeMap;
use std::fs;
use strandline_chaos::sources::{root, sources};

/// Words that are not used in code and comments, and what to write instead.
const PLAIN: &[(&str, &str)] = &[
    ("fact sheet", "docs/oceanbase.md"),
    ("format page", "docs/format-reference.md"),
    ("protocols page", "docs/protocols.md"),
    ("architecture page", "ARCHITECTURE.md"),
    ("whoever", "the caller, the reader, the writer: the one that is meant"),
];
/// This file names them.
const OWN: &str = "chaos-tests/tests/words.rs";

/// Every source, with its path from the root.
fn all_sources() -> BTreeMap<String, String> {
    let mut found = BTreeMap::new();
    for crates in ["common", "proto", "scheduler", "worker", "cli", "chaos-tests"] {
        found.extend(sources(crates));
    }
    found.remove(OWN);
    assert!(found.len() > 500, "only {} sources were found", found.len());
    found
}

/// Pages that a text names: path, and what follows it.
fn pages(text: &str) -> impl Iterator<Item = (&str, &str)> {
    text.match_indices("docs/").filter_map(|(at, _)| {
        let rest = &text[at..];
        let end = rest.find(".md")? + ".md".len();
        let page = &rest[..end];
        let is_name = page.chars().all(|c| c.is_ascii_alphanumeric() || "-_/.".contains(c));
        is_name.then_some((page, &rest[end..]))
    })
}

/// The section of `docs/oceanbase.md` in `, 2.7 …`, or of `docs/protocols.md` in `, section 3`.
fn section(after: &str) -> Option<&str> {
    let after = after.strip_prefix(", ")?;
    let after = after.strip_prefix("section ").unwrap_or(after);
    let end = after.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(after.len());
    Some(after[..end].trim_end_matches('.')).filter(|number| !number.is_empty())
}

#[test]
fn every_page_and_section_that_a_source_names_exists() {
    let mut wrong = Vec::new();
    for (name, text) in all_sources() {
        for (page, after) in pages(&text) {
            let Ok(content) = fs::read_to_string(root().join(page)) else {
                wrong.push(format!("{name}: there is no {page}"));
                continue;
            };
            if let Some(number) = section(after) {
                let is_heading = |l: &&str| {
                    let title = l.trim_start_matches('#').trim_start();
                    l.starts_with('#')
                        && (title.starts_with(&format!("{number} ")) || title.starts_with(&format!("{number}. ")))
                };
                if content.lines().find(is_heading).is_none() {
                    wrong.push(format!("{name}: {page} has no section {number}"));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn sources_are_written_in_plain_words() {
    let mut wrong = Vec::new();
    for (name, text) in all_sources() {
        for (n, line) in text.lines().enumerate() {
            let line = line.to_lowercase();
            for (word, instead) in PLAIN {
                if line.contains(word) {
                    wrong.push(format!("{name}:{}: \"{word}\" ({instead})", n + 1));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}
