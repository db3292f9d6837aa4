//! Faults that last, and what ends them.

use strandline_types::NodeId;

/// How the network behaves, in cases of a thousand.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct NetworkFaults {
    /// Messages that are lost.
    pub drops: u64,
    /// Messages that come twice.
    pub duplicates: u64,
    /// Messages that take long.
    pub slow: u64,
}

/// What becomes well again.
#[derive(Clone, Copy, Debug)]
pub(super) enum Repair {
    /// A worker that was killed starts.
    Boot(NodeId),
    /// A worker that was cut off is reached again.
    Join(NodeId),
    /// The medium answers again.
    Medium,
    /// The one destination answers again.
    Destination,
    /// A scheduler node that was cut off hears the others.
    Scheduler(usize),
    /// A scheduler node learns that it leads no more.
    Resign(usize),
}
