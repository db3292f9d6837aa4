//! The worker's pure mind: archiver, macroblock packer, index builder, replay, backup plan.
