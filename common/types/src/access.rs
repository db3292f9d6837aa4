//! Keys of a destination, kept apart from its address so that nothing prints them by accident.

use crate::{MASK, is_secret_name};
use serde::{Deserialize, Serialize};
use std::fmt;

/// The attributes that the kinds of destinations have. What stands behind a key and is none of them may be the rest of
/// the key.
pub const ATTRIBUTE_NAMES: [&str; 18] = [
    "access_key_file",
    "account",
    "addressing_model",
    "appid",
    "checksum_type",
    "conditional_put",
    "delete_mode",
    "enable_worm",
    "host",
    "idc",
    "log_form",
    "max_bandwidth",
    "max_iops",
    "oss_region",
    "region",
    "s3_region",
    "signature",
    "zone",
];

/// True for a `name=value` (or a bare name) that is a secret or tells whose it is: it never stays in a destination's text.
pub(crate) fn is_secret(pair: &str) -> bool {
    let name = pair.split('=').next().unwrap_or("");
    name.eq_ignore_ascii_case("access_id") || is_secret_name(name)
}

/// Splits a destination as a user types it into the part that may be shown and the part that may not:
/// `access_id=…&access_key=…`. What stands behind a secret and is no attribute may be the rest of it (a key with an `&`
/// in it): it is never shown either, and refused with the keys.
#[must_use]
pub fn split_secrets(uri: &str) -> (String, String) {
    let Some((place, text)) = uri.split_once('?') else { return (uri.to_owned(), String::new()) };
    let (mut secret, mut open) = (Vec::new(), Vec::new());
    let mut is_behind_secret = false;
    for pair in text.split('&').filter(|p| !p.is_empty()) {
        let is_attribute = ATTRIBUTE_NAMES.contains(&pair.split('=').next().unwrap_or(""));
        is_behind_secret = is_secret(pair) || (is_behind_secret && !is_attribute);
        if is_behind_secret { secret.push(pair) } else { open.push(pair) }
    }
    let mark = if open.is_empty() { "" } else { "?" };
    (format!("{place}{mark}{}", open.join("&")), secret.join("&"))
}

/// Access parameters of a destination: `access_id=…&access_key=…`, empty where none are needed. Neither `Debug` nor
/// `Display` shows a key.
#[derive(Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Access(String);

impl Access {
    /// From the text.
    #[must_use]
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// The text with its keys: only for the code that opens the destination.
    #[must_use]
    pub fn reveal(&self) -> &str {
        &self.0
    }

    /// True when no keys are needed.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl fmt::Display for Access {
    /// `access_id=AK&access_key=******`: ids are shown, everything else only by its name.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (n, part) in self.0.split('&').filter(|p| !p.is_empty()).enumerate() {
            let mark = if n == 0 { "" } else { "&" };
            match part.split_once('=') {
                Some(("access_id", id)) => write!(f, "{mark}access_id={id}")?,
                Some((name, _)) if is_secret_name(name) => write!(f, "{mark}{name}={MASK}")?,
                // The rest of a key that had an `&` in it.
                _ => write!(f, "{mark}{MASK}")?,
            }
        }
        Ok(())
    }
}

impl fmt::Debug for Access {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Access({self})")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_never_shown() {
        let access = Access::new("access_id=AK&access_key=SECRET&external_id=x");
        assert_eq!(access.to_string(), "access_id=AK&access_key=******&external_id=******");
        assert!(!format!("{access:?}").contains("SECRET"));
        assert_eq!(Access::new("access_key=SE&CRET").to_string(), "access_key=******&******");
        assert_eq!(access.reveal(), "access_id=AK&access_key=SECRET&external_id=x");
    }

    #[test]
    fn secrets_are_split_off_and_nothing_else_is() {
        for (uri, open, secret) in [
            ("file:///a", "file:///a", ""),
            (
                "s3://b/p?host=h&access_id=ak&access_key=s/k+=&max_iops=5",
                "s3://b/p?host=h&max_iops=5",
                "access_id=ak&access_key=s/k+=",
            ),
            (
                "s3://b/p?access_id=ak&access_key=sk&session_token=t",
                "s3://b/p",
                "access_id=ak&access_key=sk&session_token=t",
            ),
        ] {
            assert_eq!(split_secrets(uri), (open.to_owned(), secret.to_owned()));
        }
        let (open, secret) = split_secrets("s3://b/p?access_id=ak&access_key=half&other=half&host=h&SecretKey=x");
        assert_eq!(
            (open.as_str(), secret.as_str()),
            ("s3://b/p?host=h", "access_id=ak&access_key=half&other=half&SecretKey=x")
        );
    }

    #[test]
    fn no_attribute_is_named_like_a_secret_or_its_value_would_be_taken_for_one() {
        for name in ATTRIBUTE_NAMES {
            assert!(!is_secret(name) && name == name.to_ascii_lowercase(), "{name}");
            let text = format!("s3://b/x?{name}=v");
            assert_eq!(split_secrets(&text), (text, String::new()));
        }
    }

    #[test]
    fn no_keys_are_shown_as_nothing() {
        assert_eq!(Access::default().to_string(), "");
        assert!(Access::default().is_empty());
    }
}
