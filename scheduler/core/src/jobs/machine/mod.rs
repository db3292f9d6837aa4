//! What is the same for jobs of every kind.

pub(crate) mod attempts;
pub(crate) mod list;
pub(crate) mod supervise;
pub(crate) mod task_run;
