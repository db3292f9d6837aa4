//! Many seeds of the simulation. A failure prints its seed; `STRANDLINE_SEED=n` repeats it alone, `STRANDLINE_SEEDS=n`
//! runs that many.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::sync::Mutex;
use strandline_chaos::settings::number;
use strandline_chaos::sim;

const SEEDS: u64 = 1000;

/// What all runs came to.
#[derive(Debug, Default)]
struct Sum {
    frozen: usize,
    elections: usize,
    terms: usize,
    writes: usize,
    sets: usize,
    incrementals: usize,
    restores: sim::Restores,
    cleaned: sim::Cleaned,
}

impl Sum {
    fn add(&mut self, report: &sim::Report) {
        self.frozen += report.frozen_pieces;
        self.elections += report.elections as usize;
        self.terms += report.scheduler_terms as usize;
        self.writes += report.writes;
        self.sets += report.sets;
        self.incrementals += report.incrementals;
        self.restores += report.restores;
        self.cleaned += report.cleaned;
    }
}

/// Runs seeds until none is left; the first violation ends it.
fn run_seeds(seeds: &Mutex<impl Iterator<Item = u64>>, sum: &Mutex<Sum>) {
    loop {
        let Some(seed) = seeds.lock().unwrap().next() else { return };
        match sim::run(seed) {
            Ok(report) => sum.lock().unwrap().add(&report),
            Err(violation) => panic!("{violation}\n\nrepeat with STRANDLINE_SEED={}", violation.seed),
        }
    }
}

#[test]
fn the_invariants_hold_on_every_seed() {
    let seeds = match number("STRANDLINE_SEED") {
        Some(one) => one..one + 1,
        None => 0..number("STRANDLINE_SEEDS").unwrap_or(SEEDS),
    };
    let each = (seeds.end - seeds.start) as usize;
    let (left, sum) = (Mutex::new(seeds), Mutex::new(Sum::default()));
    // Each run is one thread; several go side by side.
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    std::thread::scope(|scope| (0..threads).for_each(|_| drop(scope.spawn(|| run_seeds(&left, &sum)))));
    let Sum { frozen, elections, terms, writes, sets, incrementals, restores, cleaned } = sum.into_inner().unwrap();
    println!(
        "{} seeds: {frozen} frozen pieces, {elections} log-stream terms, {terms} scheduler terms, {writes} writes, \
         {sets} backup sets ({incrementals} incremental), {restores:?}, {cleaned:?}",
        each
    );
    // The simulation has to reach the hard places, not only to survive the easy ones.
    assert!(frozen > 3 * each && elections > 5 * each && terms > 2 * each && writes > 100 * each);
    assert!(sets > 3 * each && incrementals > each, "{sets} sets, {incrementals} incremental");
    assert!(restores.streams > 10 * each && restores.refused > 10 * each, "{restores:?}");
    assert!(restores.after_drops > each, "{restores:?}");
    assert!(restores.of_chains > 5 * each && restores.after_deletions > 5 * each, "{restores:?}");
    assert!(
        cleaned.by_policy > each && cleaned.by_hand > 0 && cleaned.sets > each && cleaned.pieces > 5 * each,
        "{cleaned:?}"
    );
}

#[test]
fn the_same_seed_twice_is_the_same_trace() {
    for seed in [1, 7, 1234] {
        let (first, second) = (sim::run(seed).unwrap(), sim::run(seed).unwrap());
        assert_eq!(first.trace.tail(), second.trace.tail(), "seed {seed}");
        assert_eq!(first, second, "seed {seed}");
        assert!(first.trace.lines() > 100, "seed {seed}");
    }
    assert_ne!(sim::run(1).unwrap().trace.digest(), sim::run(2).unwrap().trace.digest());
}
