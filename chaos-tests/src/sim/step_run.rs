//! A step of a plan that a scheduler node carries out, operation by operation.

use super::steps::Part;
use std::collections::VecDeque;
use strandline_scheduler_core::{Step, Subject};
use strandline_types::Term;

/// A step under way.
#[derive(Debug)]
pub(super) struct StepRun {
    pub node: usize,
    pub term: Term,
    pub subject: Subject,
    pub step: Step,
    pub left: VecDeque<Part>,
}
