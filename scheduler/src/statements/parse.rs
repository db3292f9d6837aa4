//! Statement text to [`Statement`]: the first words find the statement in the list, its own file parses the rest.
//!
//! It must never look at the state of the cluster: whether a tenant exists is no question of grammar.

use super::TOPICS;
use super::statement::{Statement, Syntax};
use crate::sql::cursor::Cursor;
use strandline_proto::bounds;
use strandline_types::{DestNo, Failure};

/// Reads one statement.
///
/// # Errors
/// `Invalid` that shows where it stops making sense and what is understood there.
pub fn parse(statement: &str) -> Result<Statement, Failure> {
    bounds::statement(statement)?;
    let mut cursor = Cursor::new(statement)?;
    let syntax = find(&mut cursor)?;
    (syntax.parse)(&mut cursor)
}

/// The statement with the most first words that stand at the cursor. The cursor stands behind them afterwards.
pub(super) fn find(c: &mut Cursor<'_>) -> Result<&'static Syntax, Failure> {
    let mut possible: Vec<(&Syntax, Vec<&str>)> = spellings().collect();
    let mut depth = 0;
    loop {
        let next = possible.iter().filter_map(|(_, words)| words.get(depth)).find(|word| accept(c, word)).copied();
        let Some(word) = next else {
            let complete = possible.iter().find(|(_, words)| words.len() == depth);
            return complete.map(|(syntax, _)| *syntax).ok_or_else(|| c.failure());
        };
        possible.retain(|(_, words)| words.get(depth) == Some(&word));
        depth += 1;
    }
}

/// Every spelling of every statement, as single words.
pub(super) fn spellings() -> impl Iterator<Item = (&'static Syntax, Vec<&'static str>)> {
    let all = TOPICS.iter().flat_map(|topic| topic.statements);
    all.flat_map(|syntax| syntax.words.iter().map(move |words| (syntax, words.split(' ').collect::<Vec<_>>())))
}

fn accept(c: &mut Cursor<'_>, word: &str) -> bool {
    match word.strip_suffix("[_n]") {
        None => c.accept(word),
        Some(name) => c.accept(name) || (1..=DestNo::LAST.0).any(|n| c.accept_quietly(&format!("{name}_{n}"))),
    }
}
