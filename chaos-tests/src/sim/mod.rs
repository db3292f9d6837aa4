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
//! `world` holds the state and `run` the loop. `schedulers`, `workers`, their `archivers` and `tasks` are the two sides; what each of
//! them remembers is a type of its own (`step_run`, `worker`, `running_archiver`, `running_task`). `faults` injects what goes wrong,
//! `requests` are those of administrators and clients. Files that hold state never name `world`.

mod archivers;
mod backups;
mod cleaning;
mod content;
mod counts;
mod deletion;
mod expected_state;
mod fault_state;
mod faults;
mod group;
mod medium;
mod queue;
mod requests;
mod restores;
mod rng;
mod run;
mod running_archiver;
mod running_task;
mod scan;
mod schedulers;
mod settings;
mod step_run;
mod steps;
mod stream;
mod tasks;
mod trace;
mod worker;
mod worker_key;
mod workers;
mod world;

pub use counts::{Cleaned, Restores};
pub use rng::Rng;
pub use run::{Report, Violation, run};
pub use trace::Trace;
