//! The wall clock of the engine, behind a trait so that tests and simulations hold it in their hand.
//!
//! Only edges read it: the proposer that stamps an entry, and the check of a causality token. Nothing that is applied
//! or framed may ever look at a clock.

use std::fmt::Debug;
use std::time::{SystemTime, UNIX_EPOCH};
use strandline_types::Scn;

/// A source of wall-clock time.
pub trait Clock: Send + Sync + Debug + 'static {
    /// Nanoseconds since the Unix epoch; it may go back.
    fn now(&self) -> Scn;
}

/// The clock of the operating system.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    fn now(&self) -> Scn {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Scn(u64::try_from(since.as_nanos()).unwrap_or(u64::MAX))
    }
}
