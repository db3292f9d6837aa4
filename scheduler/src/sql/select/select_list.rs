//! The select list of a statement and the parts of its expressions, found in the tokens alone.
//!
//! Nothing is checked here: a statement that SQLite does not understand never comes this far.

use super::expression::CONDITIONS;
use crate::sql::tokens::TokenKind::{self, Number, Quoted, Symbol, Text, Word};

/// Words that end a select list.
const CLAUSES: [&str; 10] =
    ["FROM", "WHERE", "GROUP", "HAVING", "WINDOW", "ORDER", "LIMIT", "UNION", "INTERSECT", "EXCEPT"];
/// Words that are followed by a part of the expression, so that what follows is no alias.
const INFIX: [&str; 7] = ["COLLATE", "OVER", "FILTER", "CASE", "WHEN", "THEN", "ELSE"];
/// Words that end an expression and are no alias.
const ENDS: [&str; 6] = ["END", "NULL", "TRUE", "FALSE", "ISNULL", "NOTNULL"];
/// The items of the outermost SELECT, without DISTINCT, each with its alias. Empty when there is none.
pub(super) fn select_list(tokens: &[TokenKind]) -> Vec<&[TokenKind]> {
    let depths = depths(tokens);
    let is_select = |at: &usize| depths[*at] == 0 && is_word(&tokens[*at], &["SELECT"]);
    let Some(select) = (0..tokens.len()).find(is_select) else { return Vec::new() };
    let start = select + 1 + usize::from(tokens.get(select + 1).is_some_and(|t| is_word(t, &["DISTINCT", "ALL"])));
    let is_end = |at: &usize| depths[*at] == 0 && (is_word(&tokens[*at], &CLAUSES) || tokens[*at] == TokenKind::End);
    let end = (start..tokens.len()).find(is_end).unwrap_or(tokens.len());
    split(&tokens[start.min(end)..end], |t| *t == Symbol(','))
}

/// An item without `AS alias` or `alias`.
pub(super) fn without_alias(item: &[TokenKind]) -> &[TokenKind] {
    let depths = depths(item);
    if let Some(at) = (0..item.len()).find(|at| depths[*at] == 0 && is_word(&item[*at], &["AS"])) {
        return &item[..at];
    }
    match item {
        [value @ .., before, Word(_) | Quoted(_) | Text(_)]
            if !is_word(&item[item.len() - 1], &ENDS)
                && !is_word(before, &CONDITIONS)
                && !is_word(before, &INFIX)
                && matches!(before, Word(_) | Quoted(_) | Text(_) | Number(_) | Symbol(')')) =>
        {
            &item[..=value.len()]
        }
        _ => item,
    }
}

/// How deep in parentheses and in CASE each token is; those that open and close are as deep as what is around them.
pub(super) fn depths(tokens: &[TokenKind]) -> Vec<usize> {
    let mut depth = 0_usize;
    let of_token = |token: &TokenKind| {
        if *token == Symbol(')') || is_word(token, &["END"]) {
            depth = depth.saturating_sub(1);
        }
        let here = depth;
        if *token == Symbol('(') || is_word(token, &["CASE"]) {
            depth += 1;
        }
        here
    };
    tokens.iter().map(of_token).collect()
}

/// What a pair of parentheses encloses when it encloses everything.
pub(super) fn enclosed(tokens: &[TokenKind]) -> Option<&[TokenKind]> {
    let [Symbol('('), inside @ .., Symbol(')')] = tokens else { return None };
    let depths = depths(tokens);
    (1..tokens.len() - 1).all(|at| depths[at] > 0).then_some(inside)
}

/// The parts between separators that are in no parentheses.
pub(super) fn split(tokens: &[TokenKind], is_separator: impl Fn(&TokenKind) -> bool) -> Vec<&[TokenKind]> {
    let depths = depths(tokens);
    let (mut parts, mut start) = (Vec::new(), 0);
    for at in (0..tokens.len()).filter(|at| depths[*at] == 0 && is_separator(&tokens[*at])) {
        parts.push(&tokens[start..at]);
        start = at + 1;
    }
    parts.push(&tokens[start..]);
    parts
}

pub(super) fn is_word(token: &TokenKind, words: &[&str]) -> bool {
    matches!(token, Word(word) if is_one_of(word, words))
}

pub(super) fn is_one_of(word: &str, words: &[&str]) -> bool {
    words.iter().any(|w| w.eq_ignore_ascii_case(word))
}
