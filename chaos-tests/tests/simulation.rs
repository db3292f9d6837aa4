//! Many seeds of the simulation. A failure prints its seed; `STRANDLINE_SEED=n` repeats it alone, `STRANDLINE_SEEDS=n`
//! runs that many.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use strandline_chaos::sim;

const SEEDS: u64 = 1000;

fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok().and_then(|text| text.parse().ok())
}

#[test]
fn the_invariants_hold_on_every_seed() {
    let seeds: Vec<u64> = match number("STRANDLINE_SEED") {
        Some(one) => vec![one],
        None => (0..number("STRANDLINE_SEEDS").unwrap_or(SEEDS)).collect(),
    };
    let (mut frozen, mut elections, mut terms, mut writes) = (0, 0, 0, 0);
    let (mut sets, mut restored, mut refused) = (0, 0, 0);
    for &seed in &seeds {
        match sim::run(seed) {
            Ok(report) => {
                frozen += report.frozen_pieces;
                elections += report.elections;
                terms += report.scheduler_terms;
                writes += report.writes;
                sets += report.sets;
                restored += report.restores.streams;
                refused += report.restores.refused;
            }
            Err(violation) => panic!("{violation}\n\nrepeat with STRANDLINE_SEED={}", violation.seed),
        }
    }
    println!(
        "{} seeds: {frozen} frozen pieces, {elections} log-stream terms, {terms} scheduler terms, {writes} writes, \
         {sets} backup sets, {restored} log streams restored and compared, {refused} restores refused rightly",
        seeds.len()
    );
    // The simulation has to reach the hard places, not only to survive the easy ones.
    let each = seeds.len() as u64;
    assert!(frozen as u64 > 3 * each && elections > 5 * each && terms > 2 * each && writes as u64 > 100 * each);
    assert!(2 * sets as u64 > each && restored as u64 > 10 * each && refused as u64 > 10 * each);
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
