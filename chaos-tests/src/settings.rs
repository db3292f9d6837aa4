//! What a nightly run asks of a test by its environment: how often, for how long, in which order.
//!
//! Must never decide what has to hold: with every setting the same laws are checked.

use std::str::FromStr;

/// The number in an environment variable; `None` where it is not set or is none.
#[must_use]
pub fn number<T: FromStr>(variable: &str) -> Option<T> {
    std::env::var(variable).ok().and_then(|text| text.parse().ok())
}
