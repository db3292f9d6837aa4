//! The checker against one that tries every order.
#![allow(clippy::unwrap_used)]

use super::*;
use crate::sim::Rng;

fn write(value: u64, begin: u64, end: u64) -> Operation {
    Operation { begin, end: Some(end), kind: Kind::Write(value) }
}

fn lost(value: u64, begin: u64) -> Operation {
    Operation { begin, end: None, kind: Kind::Write(value) }
}

fn read(value: Value, begin: u64, end: u64) -> Operation {
    Operation { begin, end: Some(end), kind: Kind::Read(value) }
}

#[test]
fn what_is_right_passes() {
    assert_eq!(check(&[]), Ok(()));
    assert_eq!(check(&[read(None, 1, 2), write(1, 3, 4), read(Some(1), 5, 6)]), Ok(()));
    assert_eq!(check(&[write(1, 1, 10), read(None, 2, 3), read(Some(1), 4, 5)]), Ok(()), "it takes effect between");
    assert_eq!(check(&[lost(1, 1), read(None, 2, 3), read(Some(1), 4, 5)]), Ok(()), "an answer that was lost");
    assert_eq!(check(&[lost(1, 1), write(2, 2, 3), read(Some(2), 4, 5)]), Ok(()), "it was never done");
    assert_eq!(check(&[lost(1, 1), write(2, 2, 3), read(Some(2), 4, 5), read(Some(1), 6, 7)]), Ok(()), "done late");
}

#[test]
fn what_is_wrong_is_named() {
    use Violation::{Inside, OutOfNothing, Overlap, Refused};
    // Defect D2: the same write is done twice, around somebody else's.
    let twice = [lost(1, 1), read(Some(1), 2, 3), write(2, 4, 5), read(Some(1), 6, 7)];
    assert!(matches!(check(&twice), Err(Inside(a, b)) if (a.value, b.value) == (Some(2), Some(1))));
    let stale = [write(1, 1, 2), write(2, 3, 4), read(Some(2), 5, 6), read(Some(1), 7, 8)];
    assert!(matches!(check(&stale), Err(Overlap(..))), "a value that was replaced is read");
    let empty = [write(1, 1, 2), read(None, 3, 4)];
    assert!(matches!(check(&empty), Err(Inside(..))), "an acknowledged write is not there");
    assert_eq!(check(&[read(Some(9), 1, 2)]), Err(OutOfNothing(Some(9))));
    assert_eq!(check(&[read(Some(1), 1, 2), write(1, 3, 4)]), Err(OutOfNothing(Some(1))), "read before it was begun");
    let refused = Operation { begin: 1, end: Some(2), kind: Kind::Refused(5) };
    assert_eq!(check(&[refused, read(Some(5), 3, 4)]), Err(Refused(5)));
}

/// Every order of the operations that keeps real time, with every choice of lost writes done or not.
fn is_linearizable(left: &[Operation], now: Value) -> bool {
    let must = left.iter().any(|o| o.end.is_some());
    if !must {
        return true;
    }
    let first_end = left.iter().filter_map(|o| o.end).min().unwrap_or(u64::MAX);
    (0..left.len()).filter(|&n| left[n].begin < first_end || left[n].end == Some(first_end)).any(|n| {
        let rest: Vec<_> = left.iter().enumerate().filter(|(m, _)| *m != n).map(|(_, o)| *o).collect();
        match left[n].kind {
            Kind::Read(value) => value == now && is_linearizable(&rest, now),
            Kind::Write(value) => is_linearizable(&rest, Some(value)),
            Kind::Refused(_) => is_linearizable(&rest, now),
        }
    })
}

#[test]
fn it_says_the_same_as_trying_every_order() {
    let (mut good, mut bad) = (0, 0);
    for seed in 0..20_000 {
        let mut rng = Rng::new(seed);
        let count = rng.between(2, 8);
        let mut moments: Vec<u64> = (1..=2 * count).collect();
        for n in (1..moments.len()).rev() {
            moments.swap(n, rng.between(0, n as u64 + 1) as usize);
        }
        let writers = rng.between(1, count);
        let history: Vec<Operation> = (0..count)
            .map(|n| {
                let (a, b) = (moments[2 * n as usize], moments[2 * n as usize + 1]);
                let (begin, end) = (a.min(b), a.max(b));
                if n < writers {
                    let end = (!rng.chance(250)).then_some(end);
                    Operation { begin, end, kind: Kind::Write(n + 1) }
                } else {
                    let value = rng.between(0, writers + 1);
                    Operation { begin, end: Some(end), kind: Kind::Read((value > 0).then_some(value)) }
                }
            })
            .collect();
        let expected = is_linearizable(&history, None);
        assert_eq!(check(&history).is_ok(), expected, "seed {seed}: {history:?} {:?}", check(&history));
        if expected { good += 1 } else { bad += 1 }
    }
    assert!(good > 2_000 && bad > 2_000, "{good} good, {bad} bad");
}
