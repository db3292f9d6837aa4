//! The worker's pure mind: archiver, macroblock packer, index builder, replay, backup plan.

pub mod chain;
pub mod packer;
pub mod replay;
