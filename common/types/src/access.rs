//! Keys of a destination, kept apart from its address so that nothing prints them by accident.

use crate::{MASK, is_secret_name};
use serde::{Deserialize, Serialize};
use std::fmt;

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
    fn no_keys_are_shown_as_nothing() {
        assert_eq!(Access::default().to_string(), "");
        assert!(Access::default().is_empty());
    }
}
