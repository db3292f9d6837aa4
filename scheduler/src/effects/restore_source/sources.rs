//! The destinations of a restore.

use strandline_catalogue::{Choice, SetEntry};
use strandline_types::{Address, ErrorClass, Failure};

/// The original's number for something that is not allowed.
pub(super) const NOT_ALLOWED_CODE: i32 = -4179;

/// The destinations that a restore reads.
// One per statement: its size does not matter.
#[allow(clippy::large_enum_variant)]
#[derive(Clone, Debug)]
pub enum Sources {
    /// A data backup, then an archive: in this order, so that a mistaken one is noticed.
    Named {
        /// Data backup destination.
        data: Address,
        /// Archive destination.
        archive: Option<Address>,
    },
    /// Any of them, in any order.
    Added(Vec<Address>),
}

impl Sources {
    pub(super) fn all(&self) -> Vec<Address> {
        match self {
            Self::Named { data, archive } => [data].into_iter().chain(archive).cloned().collect(),
            Self::Added(all) => all.clone(),
        }
    }
}

/// The refusal where no set can be chosen.
pub(super) fn no_set() -> Failure {
    Failure::new(ErrorClass::NotFound, "no backup set was chosen", "backup sets", "take a full backup")
}

/// The set that is restored: the last one of the chain.
pub(super) fn last(choice: &Choice) -> Result<&SetEntry, Failure> {
    choice.sets.last().ok_or_else(no_set)
}
