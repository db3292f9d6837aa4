//! Times in names. They are for people; nothing is ever decided by one.

use std::fmt;
use strandline_types::{Scn, scn_tag};

/// `YYYYMMDDThhmmss` out of a name, for display.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TimeTag(pub(super) String);

impl TimeTag {
    /// The tag of an SCN, as a path built from that SCN carries it.
    #[must_use]
    pub fn of(scn: Scn) -> Self {
        Self(scn_tag(scn))
    }

    /// The text in the name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for TimeTag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// What stands for a time in a path: an SCN while building, its tag after parsing.
pub trait PathTime {
    /// The tag in the name.
    fn tag(&self) -> TimeTag;
}

impl PathTime for Scn {
    fn tag(&self) -> TimeTag {
        TimeTag::of(*self)
    }
}

impl PathTime for TimeTag {
    fn tag(&self) -> TimeTag {
        self.clone()
    }
}
