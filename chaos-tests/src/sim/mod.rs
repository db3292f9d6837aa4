//! The simulation: the scheduler's core and the archivers of the workers' core in a world from one seed, in one thread.
//!
//! Nothing here reads a clock or draws a number but from the seed: the same seed gives the same trace, byte for byte.
//! After every event the invariants are checked on what changed. At the end everything heals, and the archive has to
//! come as far as the last write and to stop cleanly.
//!
//! In the storm and at the end backup sets, full ones and chains (`backups`), are restored to many SCNs and compared with
//! the oracle (`restores`, `expected_state`). Sets and pieces are deleted by policy and by hand (`cleaning`), and what has to stay
//! is restored again.
//!
//! `world` holds the state and the loop, `schedulers`, `workers` and their `archivers` the two sides, `faults` what goes wrong, `requests`
//! what administrators and clients want.

mod archivers;
mod backups;
mod cleaning;
mod content;
mod deletion;
mod expected_state;
mod faults;
mod group;
mod medium;
mod queue;
mod requests;
mod restores;
mod rng;
mod scan;
mod schedulers;
mod steps;
mod stream;
mod tasks;
mod trace;
mod workers;
mod world;

pub use cleaning::Cleaned;
pub use restores::Restores;
pub use rng::Rng;
pub use trace::Trace;
pub use world::{Report, Violation, run};
