//! Statements as they may be shown: in errors, and wherever else one is repeated.
//!
//! Secrets with a name are hidden by the one list of names (`strandline_types::masked`). Passwords have none: they are
//! hidden by their place, and a mistyped statement must hide them too. So the rules go by what stands before a token,
//! never by whether the statement is understood, and hide too much rather than too little.

use super::tokens::{Token, TokenKind, tokens_until_wrong};
use std::borrow::Cow;
use strandline_types::{MASK, is_place_of_secret, is_secret_name, masked, masked_inside};

/// Words of statements about passwords; anything else behind `SET ENCRYPTION` may be one.
const PASSWORD_WORDS: [&str; 8] = ["ON", "OFF", "IDENTIFIED", "BY", "ONLY", "FOR", "ALL", "TENANT"];
/// What `SET` may begin with where no password follows.
const PLAIN_SETS: [&str; 9] =
    ["NAMES", "CHARACTER", "CHARSET", "TRANSACTION", "SESSION", "GLOBAL", "LOCAL", "PERSIST", "AUTOCOMMIT"];

/// The statement without its secrets. One that cannot be cut into tokens is hidden from its first quotation mark on: which
/// of its marks begins a text and which one ends it is not known, so a secret may stand outside of them.
#[must_use]
pub fn shown(statement: &str) -> String {
    let (tokens, wrong) = tokens_until_wrong(statement);
    let mut out = String::with_capacity(statement.len());
    let mut copied = 0;
    let known = if wrong.is_some() { statement.find(['\'', '"', '`']) } else { None }.unwrap_or(statement.len());
    for (token, is_secret) in tokens.iter().zip(secrets(&tokens)).filter(|(token, _)| token.end <= known) {
        out.push_str(&masked(&statement[copied..token.at]));
        let text = &statement[token.at..token.end];
        copied = token.end;
        match &token.kind {
            TokenKind::Text(_) | TokenKind::Quoted(_) => {
                // A quotation begins and ends with one byte.
                let (quote, inside) = (&text[..1], &text[1..text.len() - 1]);
                let inside: Cow<'_, str> = if is_secret { MASK.into() } else { masked_inside(inside) };
                out.extend([quote, &*inside, quote]);
            }
            _ => out.push_str(if is_secret { MASK } else { text }),
        }
    }
    if wrong.is_none() {
        out.push_str(&masked(&statement[copied..]));
    } else {
        out.extend([" ", MASK]);
    }
    out
}

/// For each token, whether it is a secret as a whole, or may be one.
#[must_use]
pub fn secrets(tokens: &[Token]) -> Vec<bool> {
    let set = SessionSet::of(tokens);
    let (mut is_identified, mut is_named, mut is_value) = (false, false, false);
    let mut found: Vec<bool> = Vec::with_capacity(tokens.len());
    for (n, token) in tokens.iter().enumerate() {
        let touches_secret = n > 0 && found[n - 1] && tokens[n - 1].end == token.at;
        let is_secret = match &token.kind {
            TokenKind::End | TokenKind::Symbol(',' | ';') => false,
            TokenKind::Text(text) if is_place_of_secret(text) => false,
            TokenKind::Word(word) if is_one_of(word, &PASSWORD_WORDS) => false,
            // `IDENTIFIED BY 'a', 'b'`: everything up to the end. `KEY = 'a'`: the value, and any text behind it.
            TokenKind::Text(_) => is_identified || is_named || set.is_there,
            TokenKind::Symbol(_) => is_identified || touches_secret,
            _ => is_identified || is_value || touches_secret || (set.hides_words && n > 1),
        };
        found.push(is_secret);
        if let TokenKind::Word(word) = &token.kind {
            is_identified |= word.eq_ignore_ascii_case("IDENTIFIED");
            is_value = is_secret_name(word) || word.eq_ignore_ascii_case("ACCESS_INFO");
            is_named |= is_value;
        } else if token.kind != TokenKind::Symbol('=') {
            is_value = false;
        }
    }
    found
}

/// A `SET` of the session: its texts may be passwords, and its words as well where it may be about passwords.
#[derive(Default)]
struct SessionSet {
    is_there: bool,
    hides_words: bool,
}

impl SessionSet {
    fn of(tokens: &[Token]) -> Self {
        let kind = |n: usize| tokens.get(n).map(|t| &t.kind);
        let is_there = matches!(kind(0), Some(TokenKind::Word(w)) if w.eq_ignore_ascii_case("SET"));
        let is_plain = match kind(1) {
            Some(TokenKind::Word(first)) => first.starts_with('@') || is_one_of(first, &PLAIN_SETS),
            _ => false,
        };
        let assigns = matches!(kind(2), Some(TokenKind::Symbol('=' | ':')));
        Self { is_there, hides_words: is_there && !is_plain && !assigns }
    }
}

fn is_one_of(word: &str, words: &[&str]) -> bool {
    words.iter().any(|w| w.eq_ignore_ascii_case(word))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used)]
    use super::super::tokens::tokens;
    use super::*;
    use crate::statements::parse;

    /// What must not be seen, in every place of a statement that takes a secret. No part of four letters is a word.
    const SECRET: &str = "Zq7Xv9KwPj3";
    const STATEMENTS: [&str; 22] = [
        "ALTER SYSTEM SET LOG_ARCHIVE_DEST = 'LOCATION=s3://b/x?host=h&access_id=A&access_key=$ BINDING=Optional COMPRESSION=zstd' TENANT = t1",
        "ALTER SYSTEM SET LOG_ARCHIVE_DEST_3 'LOCATION=s3://b/x?access_id=A&access_key=k&session_token=$&host=h'",
        "ALTER SYSTEM SET LOG_ARCHIVE_DEST = 'LOCATION=s3://b ENCRYPTION=aes256 KEY=$ SPOOL_SIZE=2GB' TENANT = t1",
        "ALTER SYSTEM SET ARCHIVE_NEW_TENANTS = 'LOCATION=oss://b/x?host=h&encrypt_key=$ BINDING=Optional'",
        "ALTER SYSTEM SET DATA_BACKUP_DEST = 's3://b/x?access_id=A&access_key=$&host=h' TENANT = t1",
        "ALTER SYSTEM SET LOG_RESTORE_SOURCE = 'LOCATION=s3://b/x?access_id=A&access_key=$' TENANT = t1",
        "ALTER SYSTEM ALTER EXTERNAL_STORAGE_DEST PATH = 's3://b/x?host=h' SET ACCESS_INFO = 'access_id=A&access_key=$'",
        "ALTER SYSTEM ALTER EXTERNAL_STORAGE_DEST PATH = 's3://b/x?host=h&access_key=$' SET ATTRIBUTE = 'max_iops=9'",
        "ALTER SYSTEM CHECK DESTINATION 's3://b/x?access_id=A&access_key=$&host=h'",
        "ALTER SYSTEM BACKUP TENANT = t1 TO 's3://b/x?access_key=$' PLUS ARCHIVELOG DESCRIPTION = 'd'",
        "ALTER SYSTEM BACKUP CLUSTER PARAMETERS TO 's3://b/x?access_key=$'",
        "ALTER SYSTEM SET BACKUP SCHEDULE FULL = '0 2 * * *' ENCRYPTION KEY = '$' ENABLE TENANT = t1",
        "ALTER SYSTEM RESTORE n FROM 's3://b/d?access_key=$, s3://b/a?access_key=$' UNTIL SCN = 5 WITH 'key_source=$' DESCRIPTION 'd'",
        "ALTER SYSTEM RESTORE FROM 's3://b/d?access_key=$' UNTIL TIME = '2026-01-01 00:00:00' PREVIEW",
        "ALTER SYSTEM RECOVER TABLE a TO TENANT t FROM 's3://b/d?access_key=$' UNTIL SCN = 1 WITH 'key_source=$' REMAP TABLE a:b",
        "ALTER SYSTEM ADD RESTORE SOURCE 's3://b/d?access_key=$,s3://b/a?session_token=$'",
        "ALTER SYSTEM VALIDATE BACKUP DATA_BACKUP_DEST = 's3://b/x?access_key=$' KEY = '$' LEVEL = 'basic' TENANT = t",
        "ALTER SYSTEM DELETE BACKUP ALL DATA_BACKUP_DEST = 's3://b/x?access_key=$' TENANT = t PREVIEW",
        "ALTER SYSTEM IMPORT CATALOG 's3://b/x?access_key=$' AS n ALLOW DELETE",
        "ALTER SYSTEM DROP CATALOG 's3://b/x?access_key=$'",
        "SET ENCRYPTION ON IDENTIFIED BY '$' ONLY",
        "SET DECRYPTION IDENTIFIED BY 'a', '$', 'b'",
    ];

    fn is_hidden(text: &str) -> bool {
        SECRET.as_bytes().windows(4).all(|part| !text.contains(std::str::from_utf8(part).unwrap()))
    }

    fn refusal(statement: &str) -> String {
        parse(statement).map_or_else(|failure| format!("{failure} {failure:?}"), |_| String::new())
    }

    #[test]
    fn no_refusal_of_a_statement_repeats_a_secret() {
        for template in STATEMENTS {
            let statement = template.replace('$', SECRET);
            assert!(is_hidden(&shown(&statement)), "{}", shown(&statement));
            assert!(is_hidden(&refusal(&statement)), "{}", refusal(&statement));
            // Cut anywhere, also inside a text; a wrong word and a wrong quote between any two tokens.
            for cut in 0..statement.len() {
                let message = refusal(&statement[..cut]);
                assert!(is_hidden(&message), "cut at {cut}: {message}");
            }
            for token in tokens(&statement).unwrap() {
                for wrong in [" BINDIG=Optional ", " 'x' ", " ' ", " 99999999999999999999 ", " % ", " /* "] {
                    let broken = format!("{}{wrong}{}", &statement[..token.at], &statement[token.at..]);
                    let message = refusal(&broken);
                    assert!(is_hidden(&message), "{broken}: {message}");
                }
            }
        }
    }

    #[test]
    fn a_mistyped_statement_hides_its_password_too() {
        for wrong in [
            "SET ENCRYPTOIN ON IDENTIFIED BY '$' ONLY",
            "SET ENCRYPTION ON IDENTIFED BY '$' ONLY",
            "SET ENCRYPTION ON '$'",
            "SET ENCRYPTION ON IDENTIFIED BY $ ONLY",
            "SET ENCRYPTION IDENTIFIED BY \"$\" ONLY",
            "SET ENCRYPTION ON IDENTIFIED BY `$` ONLY",
            "SET DECRYPTION = '$'",
            "SET PASSWORD = '$'",
            "SET PASSWORD FOR root = '$'",
            "STE DECRYPTION IDENTIFIED BY '$'",
            "ALTER SYSTEM SET ENCRYPTION ON IDENTIFIED BY '$' ONLY",
            "CREATE USER u IDENTIFIED BY '$'",
            "SELECT 's3://b?access_key=$' FROM",
            "SELECT 1; SET ENCRYPTION ON IDENTIFIED BY '$' ONLY",
            "/* access_key=$ */ NONSENSE",
            "ALTER SYSTEM SET DATA_BACKUP_DEST = s3://b?access_key=$",
        ] {
            let statement = wrong.replace('$', SECRET);
            assert!(is_hidden(&shown(&statement)), "{}", shown(&statement));
            let message = refusal(&statement);
            assert!(is_hidden(&message), "{message}");
        }
    }

    #[test]
    fn what_is_no_secret_is_shown() {
        for plain in [
            "ALTER SYSTEM SET DATA_BACKUP_DEST = 'file:///d' TENANT = t1;",
            "SELECT a FROM b ORDER BY c -- end",
            "ALTER SYSTEM SET BACKUP SCHEDULE ENCRYPTION KEY = 'file:/k'",
        ] {
            assert_eq!(shown(plain), plain);
        }
        let statement = "ALTER SYSTEM CHECK DESTINATION 's3://b/x?access_id=A&access_key=k&host=h' NOW";
        assert_eq!(shown(statement), statement.replace("=k&", "=******&"));
    }
}
