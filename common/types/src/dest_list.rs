//! Several destinations in one text: `uri,uri`.
//!
//! A destination may have commas in its path and its keys. So only a comma with `scheme://` behind it separates; a single
//! destination with such a comma in it is refused where one is named, because no list could hold it.

/// The destinations of a list, without the blanks around them.
#[must_use]
pub fn split_destinations(text: &str) -> Vec<&str> {
    let mut found = Vec::new();
    let (mut rest, mut from) = (text, 0);
    while let Some(comma) = rest[from..].find(',').map(|at| from + at) {
        if begins_destination(&rest[comma + 1..]) {
            found.push(&rest[..comma]);
            (rest, from) = (&rest[comma + 1..], 0);
        } else {
            from = comma + 1;
        }
    }
    found.push(rest);
    // A comma too many separates nothing.
    let is_blank = |c: char| c == ',' || c.is_whitespace();
    found.into_iter().map(|uri: &str| uri.trim_matches(is_blank)).filter(|uri| !uri.is_empty()).collect()
}

/// True where `scheme://` stands, blanks before it or not.
pub(crate) fn begins_destination(text: &str) -> bool {
    let scheme = text.trim_start().split_once("://").map(|(scheme, _)| scheme);
    scheme.is_some_and(|s| !s.is_empty() && s.bytes().all(|b| b.is_ascii_alphanumeric()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_comma_before_a_scheme_separates() {
        for (text, parts) in [
            ("file:///x/a,b", &["file:///x/a,b"][..]),
            ("file:///x/a,b,file:///y,z", &["file:///x/a,b", "file:///y,z"]),
            (" file:///a , s3://b/c?host=h ", &["file:///a", "s3://b/c?host=h"]),
            ("s3://b/c?access_key=k,y/z,oss://d?host=h", &["s3://b/c?access_key=k,y/z", "oss://d?host=h"]),
            ("file:///a,file:///b,file:///c", &["file:///a", "file:///b", "file:///c"]),
            ("file:///a,,b", &["file:///a,,b"]),
            ("file:///d,,file:///a , ", &["file:///d", "file:///a"]),
            ("", &[]),
        ] {
            assert_eq!(split_destinations(text), parts, "{text}");
        }
    }
}
