//! SCN: the 64-bit nanosecond stamp that orders log and data of a tenant.

use serde::{Deserialize, Serialize};
use std::fmt;

/// A position in a tenant's history, in nanoseconds since the Unix epoch (hybrid logical clock).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Scn(pub u64);

impl Scn {
    /// Before everything.
    pub const MIN: Self = Self(0);
    /// After everything: "no upper bound".
    pub const MAX: Self = Self(u64::MAX);

    /// The next SCN; saturates at [`Scn::MAX`].
    #[must_use]
    pub const fn next(self) -> Self {
        Self(self.0.saturating_add(1))
    }

    /// The SCN before this one; saturates at [`Scn::MIN`].
    #[must_use]
    pub const fn prev(self) -> Self {
        Self(self.0.saturating_sub(1))
    }

    /// From a wall clock in milliseconds.
    #[must_use]
    pub const fn from_ms(ms: u64) -> Self {
        Self(ms.saturating_mul(1_000_000))
    }

    /// Milliseconds since the epoch, rounded down.
    #[must_use]
    pub const fn as_ms(self) -> u64 {
        self.0 / 1_000_000
    }

    /// The hybrid-clock rule of docs/protocols.md, section 8: `max(wall, last + 1, token + 1)`.
    #[must_use]
    pub fn hybrid(wall_ns: u64, last: Self, token: Self) -> Self {
        Self(wall_ns).max(last.next()).max(if token == Self::MIN { Self::MIN } else { token.next() })
    }
}

impl fmt::Display for Scn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_hybrid_clock_is_ahead_of_wall_last_and_token() {
        assert_eq!(Scn::hybrid(100, Scn(5), Scn(7)), Scn(100), "the wall clock leads");
        assert_eq!(Scn::hybrid(100, Scn(200), Scn(7)), Scn(201), "a wall clock that fell back does not");
        assert_eq!(Scn::hybrid(100, Scn(200), Scn(300)), Scn(301), "an effect is after its cause");
        assert_eq!(Scn::hybrid(0, Scn(0), Scn(0)), Scn(1));
    }
}
