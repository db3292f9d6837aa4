//! What is the same for jobs of every kind. A file here names no kind but in the list of all.
//!
//! Kinds know one another through [`between`] alone.

pub(crate) mod attempts;
pub(crate) mod between;
mod dispatch;
pub(crate) mod head;
pub(crate) mod life;
pub(crate) mod list;
pub(crate) mod logic;
pub(crate) mod stage;
pub(crate) mod supervise;
pub(crate) mod task_run;
pub(crate) mod tasks;
