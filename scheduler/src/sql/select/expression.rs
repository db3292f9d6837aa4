//! The types of expressions in the select list of a statement, as far as its tokens tell.
//!
//! The rules are SQLite's: whole numbers stay whole in `+ - * / %`, a comparison is a number, `||` makes text. What is not
//! understood has no type here; it is never guessed.

use super::select_list::{depths, enclosed, is_one_of, is_word, select_list, split, without_alias};
use crate::sql::tokens::TokenKind::{self, Number, Quoted, Symbol, Text, Word};
use strandline_scheduler_core::views::SqlType;

/// The type of a column by its name, when it is known.
pub(super) type Lookup<'a> = dyn Fn(&str) -> Option<SqlType> + 'a;

/// Operators whose value is true or false, a number.
pub(super) const CONDITIONS: [&str; 14] = [
    "AND", "OR", "NOT", "IS", "ISNULL", "NOTNULL", "IN", "LIKE", "GLOB", "MATCH", "REGEXP", "BETWEEN", "ESCAPE",
    "EXISTS",
];
/// Functions that give whole numbers.
const WHOLE: [&str; 13] = [
    "COUNT",
    "LENGTH",
    "OCTET_LENGTH",
    "INSTR",
    "UNICODE",
    "SIGN",
    "ROW_NUMBER",
    "RANK",
    "DENSE_RANK",
    "NTILE",
    "RANDOM",
    "CHANGES",
    "TOTAL_CHANGES",
];
/// Functions that give fractions.
const FRACTION: [&str; 6] = ["AVG", "TOTAL", "ROUND", "JULIANDAY", "PERCENT_RANK", "CUME_DIST"];
/// Functions that give text.
const TEXT: [&str; 24] = [
    "UPPER",
    "LOWER",
    "TRIM",
    "LTRIM",
    "RTRIM",
    "SUBSTR",
    "SUBSTRING",
    "REPLACE",
    "PRINTF",
    "FORMAT",
    "HEX",
    "QUOTE",
    "TYPEOF",
    "DATE",
    "TIME",
    "DATETIME",
    "STRFTIME",
    "TIMEDIFF",
    "CHAR",
    "CONCAT",
    "CONCAT_WS",
    "GROUP_CONCAT",
    "STRING_AGG",
    "SQLITE_VERSION",
];
/// Functions that give their first argument, or one like it.
const LIKE_FIRST: [&str; 8] = ["ABS", "SUM", "NULLIF", "LAG", "LEAD", "FIRST_VALUE", "LAST_VALUE", "NTH_VALUE"];
/// Functions that give one of their arguments.
const ONE_OF: [&str; 4] = ["MIN", "MAX", "COALESCE", "IFNULL"];

/// The type of an item of a select list.
pub(super) fn type_of(item: &[TokenKind], column: &Lookup<'_>) -> Option<SqlType> {
    expression(without_alias(item), column)
}

fn expression(tokens: &[TokenKind], column: &Lookup<'_>) -> Option<SqlType> {
    if let Some(inside) = enclosed(tokens) {
        return nested(inside, column);
    }
    if let [Word(case), inside @ .., Word(end)] = tokens
        && case.eq_ignore_ascii_case("CASE")
        && end.eq_ignore_ascii_case("END")
    {
        return case_type(inside, column);
    }
    let depths = depths(tokens);
    let outside = || tokens.iter().zip(&depths).filter(|(_, depth)| **depth == 0).map(|(token, _)| token);
    if outside().any(|t| is_word(t, &CONDITIONS) || matches!(t, Symbol('=' | '<' | '>' | '!' | '&' | '~'))) {
        return Some(SqlType::Signed);
    }
    if let Some((before, after)) =
        operator(tokens, &depths, &['+', '-']).or(operator(tokens, &depths, &['*', '/', '%']))
    {
        return arithmetic(expression(before, column)?, expression(after, column)?);
    }
    match tokens {
        [Symbol('-'), rest @ ..] => arithmetic(SqlType::Signed, expression(rest, column)?),
        [Symbol('+'), rest @ ..] => expression(rest, column),
        _ if outside().any(|t| *t == Symbol('|')) => concatenation(tokens, &depths),
        _ => operand(tokens, column),
    }
}

/// A subquery has the type of its only column.
fn nested(inside: &[TokenKind], column: &Lookup<'_>) -> Option<SqlType> {
    if !inside.first().is_some_and(|t| is_word(t, &["SELECT"])) {
        return expression(inside, column);
    }
    match select_list(inside)[..] {
        [item] => type_of(item, column),
        _ => None,
    }
}

/// A value, a name, or the call of a function.
fn operand(tokens: &[TokenKind], column: &Lookup<'_>) -> Option<SqlType> {
    match tokens {
        [Number(n)] => i64::try_from(*n).ok().map(|_| SqlType::Signed),
        [Number(_), Symbol('.')] | [Number(_), Symbol('.'), Number(_)] | [Symbol('.'), Number(_)] => {
            Some(SqlType::Double)
        }
        // In double quotes it may be a name as well.
        [Text(text)] => Some(column(text).unwrap_or(SqlType::Text)),
        [Word(word)] if is_one_of(word, &["TRUE", "FALSE"]) => Some(SqlType::Signed),
        [Word(word)] if is_one_of(word, &["CURRENT_DATE", "CURRENT_TIME", "CURRENT_TIMESTAMP"]) => Some(SqlType::Text),
        [Word(name) | Quoted(name)] => column(name),
        [rest @ .., Symbol('.'), Word(name) | Quoted(name) | Text(name)] if rest.len() <= 3 => column(name),
        [value @ .., Word(collate), Word(_)] if collate.eq_ignore_ascii_case("COLLATE") => expression(value, column),
        [Word(name), Symbol('('), ..] => {
            let depths = depths(tokens);
            let end = (2..tokens.len()).find(|at| depths[*at] == 0)?;
            let is_whole = tokens.get(end + 1).is_none_or(|t| is_word(t, &["OVER", "FILTER"]));
            is_whole.then(|| call(name, &tokens[2..end], column)).flatten()
        }
        _ => None,
    }
}

fn call(name: &str, arguments: &[TokenKind], column: &Lookup<'_>) -> Option<SqlType> {
    if name.eq_ignore_ascii_case("CAST") {
        return cast(arguments);
    }
    let arguments = split(arguments, |t| *t == Symbol(','));
    let argument = |at: usize| match arguments.get(at)? {
        [Word(distinct), rest @ ..] if distinct.eq_ignore_ascii_case("DISTINCT") => expression(rest, column),
        argument => expression(argument, column),
    };
    match name {
        _ if is_one_of(name, &WHOLE) => Some(SqlType::Signed),
        _ if is_one_of(name, &FRACTION) => Some(SqlType::Double),
        _ if is_one_of(name, &TEXT) => Some(SqlType::Text),
        // A sum of texts is whatever the texts say.
        _ if name.eq_ignore_ascii_case("SUM") => argument(0).filter(|t| *t != SqlType::Text),
        _ if is_one_of(name, &LIKE_FIRST) => argument(0),
        _ if is_one_of(name, &ONE_OF) => one_of(&arguments, column),
        _ if is_one_of(name, &["IIF", "IF"]) => one_of(arguments.get(1..)?, column),
        _ => None,
    }
}

/// `x AS type`, by SQLite's rules for names of types.
fn cast(arguments: &[TokenKind]) -> Option<SqlType> {
    let at = arguments.iter().rposition(|t| is_word(t, &["AS"]))?;
    let Some(Word(name)) = arguments.get(at + 1) else { return None };
    let name = name.to_ascii_uppercase();
    let has = |parts: &[&str]| parts.iter().any(|part| name.contains(part));
    match () {
        () if has(&["INT"]) => Some(SqlType::Signed),
        () if has(&["CHAR", "CLOB", "TEXT"]) => Some(SqlType::Text),
        () if has(&["REAL", "FLOA", "DOUB"]) => Some(SqlType::Double),
        () => None,
    }
}

/// What stands between CASE and END: one of the values behind THEN and ELSE.
fn case_type(inside: &[TokenKind], column: &Lookup<'_>) -> Option<SqlType> {
    let depths = depths(inside);
    let is_key = |at: &usize| depths[*at] == 0 && is_word(&inside[*at], &["WHEN", "THEN", "ELSE"]);
    let keys: Vec<usize> = (0..inside.len()).filter(is_key).collect();
    let ends = keys.iter().copied().skip(1).chain([inside.len()]);
    let parts = keys.iter().copied().zip(ends);
    let values = parts.filter(|(at, _)| !is_word(&inside[*at], &["WHEN"])).map(|(at, end)| &inside[at + 1..end]);
    one_of(&values.collect::<Vec<_>>(), column)
}

/// The type that holds the values of all of these. NULL is of every type.
fn one_of(values: &[&[TokenKind]], column: &Lookup<'_>) -> Option<SqlType> {
    let mut found = None;
    for value in values.iter().filter(|value| !matches!(value, [null] if is_word(null, &["NULL"]))) {
        let next = expression(value, column)?;
        found = Some(found.map_or(next, |found| common(found, next)));
    }
    found
}

fn common(one: SqlType, other: SqlType) -> SqlType {
    match (one, other) {
        _ if one == other => one,
        (SqlType::Text, _) | (_, SqlType::Text) => SqlType::Text,
        (SqlType::Double, _) | (_, SqlType::Double) => SqlType::Double,
        _ => SqlType::Signed,
    }
}

/// The type of a sum, product and the like; text in them is whatever the text says.
const fn arithmetic(one: SqlType, other: SqlType) -> Option<SqlType> {
    match (one, other) {
        (SqlType::Text, _) | (_, SqlType::Text) => None,
        (SqlType::Double, _) | (_, SqlType::Double) => Some(SqlType::Double),
        _ => Some(SqlType::Signed),
    }
}

/// `||` makes text; a single `|` is one of bits.
fn concatenation(tokens: &[TokenKind], depths: &[usize]) -> Option<SqlType> {
    let is_pipe = |at: usize| depths.get(at) == Some(&0) && tokens[at] == Symbol('|');
    let first = (0..tokens.len()).find(|at| is_pipe(*at))?;
    Some(if is_pipe(first + 1) { SqlType::Text } else { SqlType::Signed })
}

/// What stands before and behind the last of these operators between two operands.
fn operator<'a>(
    tokens: &'a [TokenKind],
    depths: &[usize],
    symbols: &[char],
) -> Option<(&'a [TokenKind], &'a [TokenKind])> {
    let is_it = |at: &usize| {
        let follows_operand = !matches!(tokens[at - 1], Symbol('+' | '-' | '*' | '/' | '%' | '|'));
        depths[*at] == 0 && follows_operand && matches!(tokens[*at], Symbol(c) if symbols.contains(&c))
    };
    let at = (1..tokens.len()).rev().find(is_it)?;
    Some((&tokens[..at], &tokens[at + 1..]))
}
