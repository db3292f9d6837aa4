//! `docs/views-reference.md` says what the declarations of the views say.
//!
//! `STRANDLINE_WRITE_VIEWS=1` writes the page anew.
#![allow(clippy::unwrap_used)]

use std::fmt::Write;
use std::path::PathBuf;
use strandline_scheduler_core::views::{ALL, View};

const INTRODUCTION: &str = "\
# Reference of views

Every view with its columns. The sentence below a name says what a row is. This page is made from the declarations of the
views (`scheduler/core/src/views`); `STRANDLINE_WRITE_VIEWS=1 cargo test -p strandline-scheduler-core --test views_reference`
writes it, and without the variable the same test compares it.

`DESC`, `SHOW COLUMNS` and the MySQL protocol give the types below, also for an answer without rows. NULL is allowed in every
column. Times are text in UTC. A computed column of a SELECT (`COUNT(*)`, a literal, arithmetic, a function) has the type
that follows from its parts; where none follows it has the type of its values. A column with a value that its type does not
hold is `varchar`.

A session of a tenant (`root@t1`) sees that tenant's rows, and all rows of a view whose rows belong to no tenant. A session of
`sys` sees all rows. A twin (`DBA_…` for `CDB_…`) is the same view without the column of the tenant.
";

#[test]
fn the_page_is_what_the_views_declare() {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../docs/views-reference.md");
    let page = page();
    if std::env::var_os("STRANDLINE_WRITE_VIEWS").is_some() {
        return std::fs::write(path, page).unwrap();
    }
    let kept = std::fs::read_to_string(path).unwrap_or_default();
    let differs = kept.lines().zip(page.lines()).find(|(kept, declared)| kept != declared);
    assert_eq!(differs, None, "kept, and declared; STRANDLINE_WRITE_VIEWS=1 writes the page anew");
    assert!(kept == page, "the page ends too early or too late; STRANDLINE_WRITE_VIEWS=1 writes it anew");
}

#[test]
fn every_view_says_what_a_row_is_in_one_sentence() {
    for view in ALL {
        let is_sentence = view.about.ends_with('.') && view.about.starts_with(char::is_uppercase);
        assert!(is_sentence && !view.about.contains(['\n', '|']), "{}: {}", view.name, view.about);
    }
}

fn page() -> String {
    ALL.iter().fold(INTRODUCTION.to_owned(), |page, view| page + &section(view))
}

fn section(view: &View) -> String {
    let mut text = format!("\n## `{}`\n\n{}\n", view.name, view.about);
    for line in [aliases(view), twin(view), rows(view)].into_iter().flatten() {
        text.push_str(&line);
        text.push('\n');
    }
    text.push_str("\n| column | type |\n|---|---|\n");
    for column in view.columns() {
        writeln!(text, "| {} | {} |", column.name, column.sql_type.name()).unwrap();
    }
    text
}

fn aliases(view: &View) -> Option<String> {
    (!view.aliases.is_empty()).then(|| format!("Also named {}.", names(view.aliases.iter().copied())))
}

fn twin(view: &View) -> Option<String> {
    let lacks = view.tenancy.twin_lacks?;
    let twins = names(view.twin_names());
    let without = if lacks.is_empty() { "with all columns".to_owned() } else { format!("without {}", names(lacks)) };
    Some(format!("Twin: {twins}, {without}."))
}

/// Whose rows they are, where that is not the tenant of TENANT_ID.
fn rows(view: &View) -> Option<String> {
    match view.tenancy.column {
        Some("TENANT_ID") => None,
        Some(column) => Some(format!("`{column}` is the id of the tenant of a row.")),
        None => Some("Rows belong to no tenant.".to_owned()),
    }
}

fn names(names: impl IntoIterator<Item = impl AsRef<str>>) -> String {
    names.into_iter().map(|name| format!("`{}`", name.as_ref())).collect::<Vec<_>>().join(", ")
}
