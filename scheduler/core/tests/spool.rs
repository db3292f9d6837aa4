//! The spool of one log stream, as bounds: what is kept, when an administrator hears of it, when writes stop.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod harness;

use harness::{TENANT, World, archive_spec};
use proptest::prelude::*;
use strandline_scheduler_core::spool::{Spool, recycling, spool};
use strandline_scheduler_core::state::{LogStream, Round};
use strandline_scheduler_core::*;
use strandline_types::*;

const LS: LsId = LsId(1001);

fn filled(waiting_bytes: u64, bytes_max: u64, age_ms: u64, age_ms_max: u64) -> Spool {
    Spool { waiting_bytes, bytes_max, age_ms, age_ms_max, keep_from: Lsn::ZERO }
}

#[test]
fn the_alarm_is_raised_at_half_by_size_or_by_age_and_not_a_byte_before() {
    for (spool, percent, is_alarming) in [
        (filled(0, 1000, 0, 0), 0, false),
        (filled(499, 1000, 0, 0), 50, false),
        (filled(500, 1000, 0, 0), 50, true),
        (filled(1000, 1000, 0, 0), 100, true),
        (filled(2500, 1000, 0, 0), 250, true),
        // Without a bound no age counts.
        (filled(1, 1000, u64::MAX, 0), 0, false),
        (filled(1, 1000, 9_999, 20_000), 50, false),
        (filled(1, 1000, 10_000, 20_000), 50, true),
        (filled(900, 1000, 10_000, 20_000), 90, true),
        // A spool without room is full with its first byte.
        (filled(1, 0, 0, 0), 100, true),
        (filled(u64::MAX, 1, u64::MAX, 1), u32::MAX, true),
    ] {
        assert_eq!((spool.full_percent(), spool.is_alarming()), (percent, is_alarming), "{spool:?}");
    }
    assert_eq!(limits::SPOOL_ALARM_PERCENT, 50);
}

/// A round and a log stream of it, to be changed by hand.
fn parts(binding: Binding) -> (Round, LogStream, u64) {
    let w = World::archiving(1, 1, 3600);
    let (mut round, ls) = (w.round().clone(), w.state.tenants[&TENANT].log_streams[&LS].clone());
    round.options.binding = binding;
    (round, ls, w.now_ms)
}

proptest! {
    #[test]
    fn what_is_archived_may_go_and_what_is_not_goes_only_beyond_the_bounds_of_an_optional_destination(
        is_mandatory in any::<bool>(), archived in 0u64..10_000, waits in 0u64..10_000, bytes_max in 1u64..10_000,
        age_ms in 0u64..30_000, age_ms_max in prop_oneof![Just(0u64), 10_000u64..20_000],
    ) {
        let binding = if is_mandatory { Binding::Mandatory } else { Binding::Optional };
        let (mut round, mut ls, now_ms) = parts(binding);
        (round.options.spool_bytes, round.options.spool_age_ms) = (bytes_max, age_ms_max);
        ls.end_lsn = Lsn(archived + waits);
        let row = round.progress.get_mut(&LS).unwrap();
        (row.archived_lsn, row.behind_since_ms) = (Lsn(archived), Some(now_ms - age_ms));
        row.checkpoint_scn = Scn::MIN;
        let found = spool(&round, &ls, now_ms).unwrap();
        prop_assert_eq!(found.waiting_bytes, waits);
        prop_assert_eq!(found.age_ms, if waits == 0 { 0 } else { age_ms }, "nothing that waits is not old");
        prop_assert!((Lsn(archived)..=ls.end_lsn).contains(&found.keep_from), "{:?}", found);
        let is_within = waits <= bytes_max && (age_ms_max == 0 || found.age_ms <= age_ms_max);
        let keeps_all = found.keep_from == Lsn(archived);
        prop_assert_eq!(keeps_all, is_mandatory || is_within || waits == 0, "{:?}", found);
        // More log never makes more of it go than the bound says.
        let kept = ls.end_lsn.0 - found.keep_from.0;
        prop_assert!(is_mandatory || kept <= bytes_max);
        prop_assert!(keeps_all || found.is_alarming(), "log that goes was told of before: {:?}", found);
    }
}

#[test]
fn a_round_needs_no_log_any_more_once_it_is_over_has_drained_or_was_interrupted() {
    let (round, ls, now_ms) = parts(Binding::Mandatory);
    for state in RoundState::ALL {
        let is_needed = spool(&Round { state, ..round.clone() }, &ls, now_ms).is_some();
        assert_eq!(is_needed, !matches!(state, RoundState::Stop | RoundState::Interrupted), "{state}");
    }
    assert_eq!(spool(&Round { drained: true, ..round }, &ls, now_ms), None);
}

#[test]
fn of_several_rounds_the_slowest_that_may_wait_keeps_the_log_and_the_tightest_mandatory_one_stops_writes() {
    let mut w = World::archiving(1, 1, 3600);
    for no in 1..=2 {
        let dest = Some(archive_spec(&format!("file:///other{no}"), 3600));
        w.act(Action::SetArchiveDest { tenant: TENANT, no: DestNo(no), dest }).unwrap();
    }
    w.until("all", |w| w.state.open_rounds(TENANT).filter(|r| r.state == RoundState::Doing).count() == 3);
    let with = |rounds: [(Binding, u64, u64); 3]| {
        let mut state = w.state.clone();
        for (round, (binding, archived, bytes_max)) in state.rounds.values_mut().zip(rounds) {
            (round.options.binding, round.options.spool_bytes) = (binding, bytes_max);
            round.progress.get_mut(&LS).unwrap().archived_lsn = Lsn(archived);
        }
        state.tenants.get_mut(&TENANT).unwrap().log_streams.get_mut(&LS).unwrap().end_lsn = Lsn(10_000);
        let tenant = &state.tenants[&TENANT];
        recycling(&state, tenant, &tenant.log_streams[&LS])
    };
    use Binding::{Mandatory, Optional};
    let cases = [
        // All optional: the slowest within its bound; no bound for writes.
        ([(Optional, 9_000, 5_000), (Optional, 6_000, 5_000), (Optional, 1_000, 3_000)], (6_000, 0)),
        // One that must not lose log keeps all of it, and stops writes at its own bound.
        ([(Mandatory, 2_000, 9_000), (Optional, 9_000, 500), (Optional, 9_000, 500)], (2_000, 9_000)),
        // Of two the bound that comes first; it counts from what is kept.
        ([(Mandatory, 2_000, 9_000), (Mandatory, 8_000, 2_500), (Optional, 9_000, 500)], (2_000, 8_500)),
        ([(Mandatory, 2_000, 100), (Optional, 100, 9_950), (Optional, 9_000, 500)], (100, 2_000)),
        // A bound of nothing is not "no bound".
        ([(Mandatory, 0, 0), (Optional, 9_000, 500), (Optional, 9_000, 500)], (0, 1)),
    ];
    for (rounds, (recycle_lsn, log_bytes_max)) in cases {
        assert_eq!(with(rounds), (Lsn(recycle_lsn), log_bytes_max), "{rounds:?}");
    }
}
