//! The simulation: the scheduler's core and the archivers of the workers' core in a world from one seed, in one thread.
//!
//! Nothing here reads a clock or draws a number but from the seed: the same seed gives the same trace, byte for byte.
//! After every event the invariants are checked on what changed. At the end everything heals, and the archive has to
//! come as far as the last write and to stop cleanly.
//!
//! In the storm and at the end backup sets are restored to many SCNs and compared with the oracle (`restores`).
//!
//! `world` holds the state and the loop, `schedulers`, `workers` and their `archivers` the two sides, `faults` what goes wrong, `wishes`
//! what administrators and clients want.

mod archivers;
mod content;
mod faults;
mod group;
mod medium;
mod queue;
mod restores;
mod rng;
mod schedulers;
mod steps;
mod stream;
mod tasks;
mod trace;
mod wishes;
mod workers;
mod world;

pub use restores::Restores;
pub use rng::Rng;
pub use trace::Trace;
pub use world::{Report, Violation, run};
