//! What was written, and what a restore to an SCN must therefore show.
//!
//! Each key has one writer, and a writer has one write under way at a time. Every attempt of a write gets an SCN larger
//! than the writer's token before it. So a write is in a restore to `S` for certain when it was acknowledged at or
//! below `S`, and is not in it for certain when the token before it was `S` or more. In between it may be either: the
//! reply of a first attempt may have been lost, and the acknowledged one be a repetition. That is one write per writer
//! at most.

use bytes::Bytes;
use std::collections::BTreeMap;
use strandline_types::Scn;

/// One write.
#[derive(Clone, Debug)]
pub(super) struct Op {
    pub key: Bytes,
    /// `None` deletes.
    pub value: Option<Bytes>,
    /// What the writer had seen before.
    pub token: Scn,
    /// Where it was acknowledged; [`Scn::MAX`] when it was not.
    pub acked: Scn,
}

/// All writes of a run.
#[derive(Clone, Debug, Default)]
pub struct Oracle {
    by_key: BTreeMap<Bytes, Vec<Op>>,
    acked: Vec<Scn>,
}

/// A restore that shows what it must, in figures.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Shown {
    /// Keys that are there.
    pub keys: usize,
    /// Writes that may be there or not.
    pub open: usize,
}

impl Oracle {
    pub(super) fn new(ops: impl IntoIterator<Item = Op>) -> Self {
        let mut oracle = Self::default();
        for op in ops {
            oracle.acked.extend((op.acked < Scn::MAX).then_some(op.acked));
            oracle.by_key.entry(op.key.clone()).or_default().push(op);
        }
        oracle.acked.sort_unstable();
        oracle
    }

    /// The SCNs of the acknowledged writes, in order.
    #[must_use]
    pub fn acked(&self) -> &[Scn] {
        &self.acked
    }

    /// Compares all pairs of a tenant that was restored to `scn`.
    ///
    /// # Errors
    /// The first differences, in words.
    pub fn check(&self, scn: Scn, restored: Vec<(Bytes, Bytes)>) -> Result<Shown, String> {
        let mut shown = Shown { keys: restored.len(), open: 0 };
        let mut restored: BTreeMap<Bytes, Bytes> = restored.into_iter().collect();
        let mut differences = Vec::new();
        for (key, ops) in &self.by_key {
            let value = restored.remove(key);
            let certain = ops.iter().rev().find(|op| op.acked <= scn);
            let open: Vec<&Op> = ops.iter().filter(|op| op.token < scn && op.acked > scn).collect();
            shown.open += open.len();
            let fits = certain.map_or(value.is_none(), |op| op.value == value);
            if !fits && !open.iter().any(|op| op.value == value) {
                differences.push(Self::difference(key, value.as_ref(), certain, ops, scn));
            }
        }
        differences.extend(restored.keys().map(|key| format!("{key:?} was never written")));
        match differences.len() {
            0 => Ok(shown),
            n => Err(format!("{n} keys differ at SCN {scn}: {}", differences[..n.min(5)].join("; "))),
        }
    }

    fn difference(key: &Bytes, value: Option<&Bytes>, certain: Option<&Op>, ops: &[Op], scn: Scn) -> String {
        let is = match ops.iter().find(|op| op.value.as_ref() == value) {
            _ if value.is_none() => "nothing".to_owned(),
            Some(op) if op.acked <= scn => format!("an older value, of SCN {}", op.acked),
            Some(op) => format!("the value of SCN {} (sent after {})", op.acked, op.token),
            None => format!("{value:?}"),
        };
        let wanted = match certain {
            None => "nothing".to_owned(),
            Some(op) if op.value.is_none() => format!("deleted at {}", op.acked),
            Some(op) => format!("the value of SCN {}", op.acked),
        };
        format!("{key:?} is {is}, has to be {wanted}")
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn op(key: &'static str, value: Option<&'static str>, token: u64, acked: u64) -> Op {
        let value = value.map(|v| Bytes::from_static(v.as_bytes()));
        Op { key: Bytes::from_static(key.as_bytes()), value, token: Scn(token), acked: Scn(acked) }
    }

    fn pairs(pairs: &[(&'static str, &'static str)]) -> Vec<(Bytes, Bytes)> {
        let bytes = |s: &'static str| Bytes::from_static(s.as_bytes());
        pairs.iter().map(|(k, v)| (bytes(k), bytes(v))).collect()
    }

    fn oracle() -> Oracle {
        Oracle::new([
            op("a", Some("1"), 0, 10),
            op("b", Some("1"), 10, 20),
            op("a", Some("2"), 20, 30),
            op("b", None, 30, 40),
            op("c", Some("1"), 40, u64::MAX),
        ])
    }

    #[test]
    fn what_was_acknowledged_up_to_the_scn_must_be_there_and_nothing_later() {
        let oracle = oracle();
        assert_eq!(oracle.check(Scn(20), pairs(&[("a", "1"), ("b", "1")])), Ok(Shown { keys: 2, open: 0 }));
        assert_eq!(oracle.check(Scn(40), pairs(&[("a", "2")])), Ok(Shown { keys: 1, open: 0 }));
        oracle.check(Scn(20), pairs(&[("a", "1")])).unwrap_err();
        oracle.check(Scn(20), pairs(&[("a", "2"), ("b", "1")])).unwrap_err();
        oracle.check(Scn(40), pairs(&[("a", "2"), ("b", "1")])).unwrap_err();
        oracle.check(Scn(40), pairs(&[("a", "2"), ("x", "1")])).unwrap_err();
    }

    #[test]
    fn a_write_under_way_may_be_there_or_not() {
        let oracle = oracle();
        for a in ["1", "2"] {
            assert_eq!(oracle.check(Scn(25), pairs(&[("a", a), ("b", "1")])), Ok(Shown { keys: 2, open: 1 }));
        }
        for rest in [&[("a", "2")][..], &[("a", "2"), ("c", "1")]] {
            oracle.check(Scn(50), pairs(rest)).unwrap();
        }
    }
}
