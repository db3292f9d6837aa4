//! Is a history of reads and writes of one register linearizable?
//!
//! For registers whose written values are all different this needs no search (P. B. Gibbons, E. Korach: *Testing Shared
//! Memories*, SIAM Journal on Computing 26(4), 1997): a value lives from the first end to the last begin of the operations
//! that name it. Where the first end comes first (the value was seen for a while) no other value may live then; where
//! it comes last the value may have lived in an instant, which must not lie wholly inside the life of another. Pure.

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::fmt;

/// What a register holds; every write has another one. `None` = nothing was written yet.
pub type Value = Option<u64>;

/// One operation; moments are of one clock, and no two are equal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Operation {
    /// When it was asked for.
    pub begin: u64,
    /// When the answer came; `None` = it never did.
    pub end: Option<u64>,
    /// What it did.
    pub kind: Kind,
}

/// What an operation does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// It saw this value.
    Read(Value),
    /// It wrote this value; without an end it may have done so at any moment after its begin, or never.
    Write(u64),
    /// A write that was refused: it was never done.
    Refused(u64),
}

/// Why a history is not linearizable.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Violation {
    /// A value was read that no client had written or begun to write by then.
    OutOfNothing(Value),
    /// The value of a write that was refused was read.
    Refused(u64),
    /// Both values were there at the same time: one came back after the other had replaced it, or was read too late.
    Overlap(Life, Life),
    /// The first value was written and read while only the second one was there.
    Inside(Life, Life),
}

/// When a value was in the register.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Life {
    /// The value.
    pub value: Value,
    /// The earlier one of first end and last begin.
    pub from: u64,
    /// The later one.
    pub to: u64,
    /// It was there from `from` to `to`; else it may have been there in one instant between.
    pub is_certain: bool,
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::OutOfNothing(value) => write!(f, "{value:?} was read before anybody wrote it"),
            Self::Refused(value) => write!(f, "{value} was read, and its write was refused"),
            Self::Overlap(a, b) => write!(f, "both were there at the same time: {a:?} and {b:?}"),
            Self::Inside(a, b) => write!(f, "the first was written while only the second was there: {a:?}, {b:?}"),
        }
    }
}

/// All operations that name one value.
#[derive(Clone, Copy, Debug)]
struct Cluster {
    write_begin: u64,
    first_end: u64,
    last_begin: u64,
    was_seen: bool,
}

/// Checks the history of one register that began empty.
///
/// # Errors
/// The first violation that was found.
pub fn check(history: &[Operation]) -> Result<(), Violation> {
    let mut clusters = writes(history);
    for operation in history {
        let (Kind::Read(value), Some(end)) = (operation.kind, operation.end) else { continue };
        let refused = |v: &u64| history.iter().any(|o| o.kind == Kind::Refused(*v));
        let cluster = match (clusters.get_mut(&value), value) {
            (Some(cluster), _) => cluster,
            (None, Some(v)) if refused(&v) => return Err(Violation::Refused(v)),
            (None, _) => return Err(Violation::OutOfNothing(value)),
        };
        cluster.was_seen = true;
        cluster.first_end = cluster.first_end.min(end);
        cluster.last_begin = cluster.last_begin.max(operation.begin);
        if end < cluster.write_begin {
            return Err(Violation::OutOfNothing(value));
        }
    }
    // A write without an answer, and that no read saw, may never have been done.
    let lives = clusters.iter().filter(|(_, c)| c.was_seen || c.first_end < u64::MAX).map(|(v, c)| life(*v, c));
    disjoint(lives.collect())
}

/// The values that were written, and nothing, which was there before everything.
fn writes(history: &[Operation]) -> BTreeMap<Value, Cluster> {
    let new = |begin, end| Cluster { write_begin: begin, first_end: end, last_begin: begin, was_seen: false };
    let mut clusters = BTreeMap::from([(None, Cluster { was_seen: true, ..new(0, 0) })]);
    for operation in history {
        if let Kind::Write(value) = operation.kind {
            clusters.insert(Some(value), new(operation.begin, operation.end.unwrap_or(u64::MAX)));
        }
    }
    clusters
}

fn life(value: Value, cluster: &Cluster) -> Life {
    let (end, begin) = (cluster.first_end, cluster.last_begin);
    Life { value, from: end.min(begin), to: end.max(begin), is_certain: end <= begin }
}

fn disjoint(lives: Vec<Life>) -> Result<(), Violation> {
    let (mut certain, instant): (Vec<Life>, Vec<Life>) = lives.into_iter().partition(|life| life.is_certain);
    certain.sort_by_key(|life| life.from);
    for pair in certain.windows(2) {
        if pair[1].from < pair[0].to {
            return Err(Violation::Overlap(pair[0], pair[1]));
        }
    }
    // Certain lives do not overlap now: the last one that begins before is the only one that can hold it.
    for short in instant {
        let at = certain.partition_point(|long| long.from < short.from);
        if let Some(long) = at.checked_sub(1).and_then(|at| certain.get(at))
            && short.to < long.to
        {
            return Err(Violation::Inside(short, *long));
        }
    }
    Ok(())
}
