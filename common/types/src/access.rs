//! Keys of a destination, kept apart from its address so that nothing prints them by accident.

use serde::{Deserialize, Serialize};
use std::fmt;

/// Attributes of a destination that are secrets, or tell whose they are; they never stay in its text.
const SECRET_NAMES: [&str; 4] = ["access_id", "access_key", "session_token", "encrypt_key"];

/// True for a `name=value` (or a bare name) that belongs to the keys.
pub(crate) fn is_secret(pair: &str) -> bool {
    SECRET_NAMES.contains(&pair.split('=').next().unwrap_or(""))
}

/// Splits a destination as a user types it into the part that may be shown and the part that may not:
/// `access_id=…&access_key=…`.
#[must_use]
pub fn split_secrets(uri: &str) -> (String, String) {
    let Some((place, text)) = uri.split_once('?') else { return (uri.to_owned(), String::new()) };
    let (secret, open): (Vec<&str>, Vec<&str>) =
        text.split('&').filter(|p| !p.is_empty()).partition(|pair| is_secret(pair));
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

    /// The text with its keys: for whoever opens the destination, and for nobody else.
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
            let (name, value) = part.split_once('=').unwrap_or((part, ""));
            let shown = if name == "access_id" { value } else { "******" };
            write!(f, "{}{name}={shown}", if n == 0 { "" } else { "&" })?;
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
    }

    #[test]
    fn no_keys_are_shown_as_nothing() {
        assert_eq!(Access::default().to_string(), "");
        assert!(Access::default().is_empty());
    }
}
