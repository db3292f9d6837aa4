//! What a probe of a destination comes to.

use serde::{Deserialize, Serialize};

/// How a probe went.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Verdict {
    /// As it has to be.
    Good,
    /// It works, with a limit that is worth knowing.
    Limited,
    /// This destination must not be used like this.
    Bad,
}

impl Verdict {
    /// For people.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Good => "good",
            Self::Limited => "limited",
            Self::Bad => "bad",
        }
    }
}
