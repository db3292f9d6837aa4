//! The reference of statements as a document, made of the list.

use super::TOPICS;
use super::statement::Syntax;
use std::fmt::Write;

/// The text of `docs/statements.md`.
#[must_use]
pub fn statement_reference() -> String {
    let mut page = String::from(
        "# Statements\n\n\
         This page is made of the list of statements (`scheduler/src/statements/mod.rs`); a test compares it. Keywords have no\n\
         case, and the `=` in a clause may be left out. `NAME[_n]` stands for `NAME` and `NAME_1` to `NAME_7`. Examples are in\n\
         [operations](operations.md).\n",
    );
    for topic in TOPICS {
        // Writing into a String does not fail.
        let _ = writeln!(page, "\n## {}", topic.title);
        for syntax in topic.statements {
            entry(&mut page, syntax);
        }
    }
    page
}

fn entry(page: &mut String, syntax: &Syntax) {
    let _ = writeln!(page, "\n```text");
    for words in syntax.words {
        let _ = writeln!(page, "{}", format!("{words} {}", syntax.rest).trim_end());
    }
    let _ = writeln!(page, "```\n\n{}", syntax.about);
}
