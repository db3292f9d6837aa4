//! Simulation, invariants and scenarios of real processes.
//!
//! [`sim`] drives the pure cores of scheduler and worker with a simulated log, medium and network, from one seed and in
//! one thread. [`linear`] says whether a history of reads and writes is linearizable. [`invariants`] are what must hold after
//! every step, one per file; they know nothing of the simulation and read a medium as any reader would. [`cluster`] injects faults
//! into a cluster of real processes while it works. [`settings`] are what a nightly run asks for,
//! [`sources`] the files of the workspace.

pub mod cluster;
pub mod invariants;
pub mod linear;
pub mod settings;
pub mod sim;
pub mod sources;
