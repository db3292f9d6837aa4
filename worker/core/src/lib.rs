//! The worker's decisions without I/O: archiver, macroblock packer, index builder, replay, backup plan.
//!
//! Pure state machines: inputs and `now` come as arguments, decisions leave as data. Nothing here may read a clock,
//! draw a random number, spawn or do I/O; the same code runs under the servers and under the simulator.

pub mod archiver;
pub mod backup_plan;
pub mod budget;
pub mod index_merge;
pub mod known;
pub mod packer;
pub mod replay;
pub mod restore_plan;
pub mod throttle;
