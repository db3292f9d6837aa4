//! What is never shown: the one list of the names of secrets, and texts without the values behind them.
//!
//! Whatever a user may read (an error, a log line, a row) is made of texts that went through [`masked`]. It goes by
//! names, so it cannot know a bare password: the reader of a statement hides passwords by their place.

use crate::dest_list::begins_destination;
use std::borrow::Cow;

/// A name is a secret's when it ends like this, in any case: so are `access_key`, `acess_key` and `SecretKey`.
const SECRET_ENDINGS: [&str; 8] = ["key", "token", "secret", "password", "passwd", "passphrase", "pwd", "encrypt_info"];
/// Secrets with other names.
const SECRET_NAMES: [&str; 4] = ["sig", "x-amz-signature", "external_id", "key_source"];
/// Values that say where a secret is, and are none.
const PLACES: [&str; 2] = ["file:", "command:"];
/// What stands before a server's name, and so before a user and password.
const BEFORE_SERVER: [&str; 2] = ["://", "host="];
/// What stands where a secret stood.
pub const MASK: &str = "******";

/// True for the name of an attribute whose value is never shown.
#[must_use]
pub fn is_secret_name(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    SECRET_ENDINGS.iter().any(|end| name.ends_with(end)) || SECRET_NAMES.contains(&name.as_str())
}

/// True for a value that only says where a secret is (`file:/path`, `command:/path`).
#[must_use]
pub fn is_place_of_secret(value: &str) -> bool {
    PLACES.iter().any(|place| value.starts_with(place))
}

/// The text without the values of `name=value` whose name is a secret's, and without user and password of an address. A
/// value ends at a blank.
#[must_use]
pub fn masked(text: &str) -> Cow<'_, str> {
    mask(text, false)
}

/// As [`masked`], for the inside of a quoted text of a statement: a value with blanks in it goes on until the next
/// `name=`, because half a key is a secret too.
#[must_use]
pub fn masked_inside(text: &str) -> Cow<'_, str> {
    mask(text, true)
}

fn mask(text: &str, is_inside: bool) -> Cow<'_, str> {
    match mask_values(text, is_inside) {
        Cow::Borrowed(text) => mask_user(text),
        Cow::Owned(text) => Cow::Owned(mask_user(&text).into_owned()),
    }
}

/// Without what stands between `://` or `host=` and `@`.
fn mask_user(text: &str) -> Cow<'_, str> {
    let mut out = String::new();
    let (mut copied, mut at) = (0, 0);
    let server = |at: usize| BEFORE_SERVER.iter().filter_map(|b| text[at..].find(b).map(|n| at + n + b.len())).min();
    while let Some(start) = server(at) {
        at = start;
        let ends = |c: char| c.is_whitespace() || matches!(c, '/' | '?' | '#' | '&' | '\'' | '"');
        let authority = text[start..].split(ends).next().unwrap_or("");
        if let Some((user, _)) = authority.rsplit_once('@')
            && user != MASK
        {
            out.push_str(&text[copied..start]);
            out.push_str(MASK);
            copied = start + user.len();
            at = copied;
        }
    }
    if copied == 0 {
        return Cow::Borrowed(text);
    }
    out.push_str(&text[copied..]);
    Cow::Owned(out)
}

fn mask_values(text: &str, is_inside: bool) -> Cow<'_, str> {
    let mut out = String::new();
    let (mut copied, mut at) = (0, 0);
    while let Some(equals) = text[at..].find('=').map(|n| at + n) {
        at = equals + 1;
        if !is_secret_name(name_before(&text[..equals])) {
            continue;
        }
        let after = &text[at..];
        let start = at + after.len() - after.trim_start().len();
        let value = &text[start..];
        let (start, len) = match value.chars().next() {
            Some(quote @ ('\'' | '"')) => (start + 1, quoted_len(&value[1..], quote)),
            _ => (start, value_len(value, is_inside)),
        };
        let value = &text[start..start + len];
        if value.is_empty() || value == MASK || is_example(value) || is_place_of_secret(value) {
            continue;
        }
        out.push_str(&text[copied..start]);
        out.push_str(MASK);
        (copied, at) = (start + len, start + len);
    }
    if copied == 0 {
        return Cow::Borrowed(text);
    }
    out.push_str(&text[copied..]);
    Cow::Owned(out)
}

/// True for what stands in place of a value in words about one: `…`, `<key>`.
fn is_example(value: &str) -> bool {
    value.starts_with('…') || (value.starts_with('<') && value.ends_with('>'))
}

/// The name that ends `text`.
fn name_before(text: &str) -> &str {
    let text = text.trim_end();
    let start =
        text.rfind(|c: char| !is_name_part(c)).map_or(0, |n| n + text[n..].chars().next().map_or(1, char::len_utf8));
    &text[start..]
}

const fn is_name_part(c: char) -> bool {
    c.is_ascii_alphanumeric() || matches!(c, '_' | '-')
}

/// Length of the inside of a quotation. A doubled quotation mark and one behind a `\` do not end it.
fn quoted_len(text: &str, quote: char) -> usize {
    let mut chars = text.char_indices().peekable();
    while let Some((at, c)) = chars.next() {
        let is_escape = c == '\\' || (c == quote && chars.peek().is_some_and(|(_, next)| *next == quote));
        if is_escape {
            chars.next();
        } else if c == quote {
            return at;
        }
    }
    text.len()
}

/// Length of a value without quotes: up to a quote, a blank, the next attribute, or the next address of a list.
fn value_len(text: &str, is_inside: bool) -> usize {
    for (at, c) in text.char_indices() {
        let rest = &text[at + c.len_utf8()..];
        let ends = match c {
            '\'' | '"' | '`' => true,
            '&' => begins_with_name(rest),
            ',' => begins_destination(rest),
            c if c.is_whitespace() => !is_inside || begins_with_name(rest.trim_start()),
            _ => false,
        };
        if ends {
            return at;
        }
    }
    text.len()
}

/// True when a `name=` of at least two letters stands there.
fn begins_with_name(text: &str) -> bool {
    let len = text.find(|c: char| !is_name_part(c)).unwrap_or(text.len());
    len > 1 && text[len..].starts_with('=') && text.starts_with(|c: char| c.is_ascii_alphabetic())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn values_of_secret_names_are_hidden_and_nothing_else_is() {
        for (text, shown) in [
            ("", ""),
            ("a = b & c", "a = b & c"),
            (
                "SET x = 's3://b/x?access_id=A&access_key=S3CRET&host=h' , 'Access_Key=T'",
                "SET x = 's3://b/x?access_id=A&access_key=******&host=h' , 'Access_Key=******'",
            ),
            ("session_token=A+/=&encrypt_key=B", "session_token=******&encrypt_key=******"),
            (
                "s3://b?access_key=X,s3://c?acess_key=Y is wrong",
                "s3://b?access_key=******,s3://c?acess_key=****** is wrong",
            ),
            ("access_key=a&b stands there", "access_key=****** stands there"),
            ("access_key=a&b=c&host=h", "access_key=******&host=h"),
            ("password = 'it is long', 'x'", "password = '******', 'x'"),
            ("PASSWORD=\"no end", "PASSWORD=\"******"),
            ("KEY=file:/etc/k KEY=plain", "KEY=file:/etc/k KEY=******"),
            ("keys are written access_id=…&access_key=…", "keys are written access_id=…&access_key=…"),
            ("access_key_file=/etc/k", "access_key_file=/etc/k"),
            ("s3://b/x?host=http://me:pass@h:1/p&zone=z", "s3://b/x?host=http://******@h:1/p&zone=z"),
            ("http://h/a@b", "http://h/a@b"),
            ("täßt_key=ü€ end", "täßt_key=****** end"),
        ] {
            assert_eq!(masked(text), shown, "{text}");
            assert_eq!(masked(&masked(text)), shown, "twice is as good as once: {text}");
        }
        assert_eq!(
            masked_inside("LOCATION=s3://b?access_key=a b BINDING=Optional"),
            "LOCATION=s3://b?access_key=****** BINDING=Optional"
        );
    }

    proptest! {
        #[test]
        fn no_text_breaks_it(text in "(access_key|token|[a-z]{0,3}|=|&|'|\"| |,|ü|://|…){0,12}") {
            let _ = (masked(&text), masked_inside(&text));
        }

        #[test]
        fn a_key_of_any_letters_is_hidden(key in "[A-Za-z0-9+/%=_.~!#$^*()-]{8,40}", before in "[ -~]{0,20}") {
            let text = format!("{before}&access_key={key}&host=h");
            prop_assume!(key != MASK && !before.contains(key.as_str()));
            prop_assert!(!masked(&text).contains(key.as_str()), "{}", masked(&text));
        }
    }
}
