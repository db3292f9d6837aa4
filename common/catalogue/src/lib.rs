//! What backup destinations hold, as plain data, and the pure functions over it: restorable windows, the choice of sets
//! and pieces for a restore, and the retention plan.
//!
//! Pure: no I/O, no clock. The scheduler (restore, cleaning), the workers and the offline commands decide with these
//! functions and with no others, so that what `window` promises, restore finds and cleaning keeps.

mod choice;
mod cover;
mod nouns;
mod refusal;
pub mod retention;
mod window;

pub use choice::{Choice, Target, choose};
pub use cover::{LogCover, LogEnd, log_cover};
pub use nouns::{Catalogue, Owner, PieceEntry, Place, PlaceId, Role, RoundEntry, SetEntry, ShortPiece};
pub use refusal::Refusal;
pub use window::{Gap, Restorable, SetVerdict, Window, restorable, usable_sets, windows};

#[cfg(test)]
mod tests;
