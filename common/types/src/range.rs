//! Half-open ranges of positions. Nothing else is a range in this project.

use crate::{Lsn, Scn};
use serde::{Deserialize, Serialize};
use std::fmt;

macro_rules! ranges {
    ($($(#[$doc:meta])* $name:ident of $pos:ty;)*) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
        pub struct $name {
            /// First position inside.
            pub start: $pos,
            /// First position after the range.
            pub end: $pos,
        }

        impl $name {
            /// The range `[start, end)`; `None` when it would end before it starts.
            #[must_use]
            pub fn new(start: $pos, end: $pos) -> Option<Self> {
                (start <= end).then_some(Self { start, end })
            }

            /// True when no position is inside.
            #[must_use]
            pub fn is_empty(&self) -> bool {
                self.start >= self.end
            }

            /// True when `at` is inside.
            #[must_use]
            pub fn contains(&self, at: $pos) -> bool {
                self.start <= at && at < self.end
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "[{}, {})", self.start, self.end)
            }
        }
    )*};
}

ranges! {
    /// `[start, end)` in SCNs.
    ScnRange of Scn;
    /// `[start, end)` in log bytes.
    LsnRange of Lsn;
}

impl LsnRange {
    /// Length in bytes.
    #[must_use]
    pub const fn bytes(&self) -> u64 {
        self.end.0.saturating_sub(self.start.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_are_half_open() {
        let r = ScnRange { start: Scn(3), end: Scn(5) };
        assert!(!r.contains(Scn(2)) && r.contains(Scn(3)) && r.contains(Scn(4)) && !r.contains(Scn(5)));
        assert!(ScnRange::new(Scn(5), Scn(5)).is_some_and(|r| r.is_empty()));
        assert!(ScnRange::new(Scn(6), Scn(5)).is_none());
    }
}
