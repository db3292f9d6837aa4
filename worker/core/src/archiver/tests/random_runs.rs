//! Random runs: the medium holds the log, and progress is never ahead of it.

use super::*;
use proptest::prelude::*;

/// One thing that happens in a random run.
#[derive(Clone, Debug)]
enum Event {
    Commit { scn_step: u64, bytes: usize, strict: bool },
    Work,
    LostReply,
    Torn(prop::sample::Index),
    NewLeader { knows_progress: bool },
    Time(u64),
}

fn event() -> impl Strategy<Value = Event> {
    prop_oneof![
        4 => (0u64..70, 0usize..400, any::<bool>())
            .prop_map(|(scn_step, bytes, strict)| Event::Commit { scn_step, bytes, strict }),
        6 => Just(Event::Work),
        1 => Just(Event::LostReply),
        1 => any::<prop::sample::Index>().prop_map(Event::Torn),
        1 => any::<bool>().prop_map(|knows_progress| Event::NewLeader { knows_progress }),
        2 => (0u64..3000).prop_map(Event::Time),
    ]
}

/// Applies a fault to the append under way, if there is one.
fn fail_append(archiver: &mut Archiver, now: u64, log: &Log, medium: &mut Medium, keep: impl Fn(usize) -> usize) {
    if let Action::Append(cut) = archiver.next(now, log.view()) {
        medium.append(&cut, keep(cut.bytes.len())).unwrap();
        archiver.on_failed(now, Failure::new(ErrorClass::Transient, "lost", "f", ""), None);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]
    #[test]
    fn the_medium_holds_the_log_and_progress_tells_the_truth(
        left in 300u64..6000,
        events in prop::collection::vec(event(), 1..120),
    ) {
        let mut log = Log::begun_at(BLOCK_BODY_BYTES - left);
        log.put(99, b"before the round");
        let (mut archiver, mut medium) = (Archiver::new(&PALF, order(None)), Medium::default());
        let (mut now, mut reported, mut checkpoint, mut frozen) = (T0, None, Scn::MIN, BTreeMap::new());
        for event in events {
            match event {
                Event::Commit { scn_step, bytes, strict } => {
                    let scn = log.framer.base().prev_scn.0 + scn_step;
                    log.frame(scn, strict, &vec![7; bytes]);
                }
                Event::Work => drop(step(&mut archiver, now, &log, &mut medium)),
                Event::LostReply => fail_append(&mut archiver, now, &log, &mut medium, |len| len),
                Event::Torn(i) => fail_append(&mut archiver, now, &log, &mut medium, |len| i.index(len + 1)),
                Event::NewLeader { knows_progress } => {
                    archiver = Archiver::new(&PALF, order(reported.filter(|_| knows_progress)));
                }
                Event::Time(ms) => now += ms,
            }
            prop_assert!(archiver.progress().is_none_or(|p| p.trouble.as_ref().is_none_or(|t| t.0.class == ErrorClass::Transient)));
            let Some(p) = archiver.progress() else { continue };
            prop_assert!(p.archived >= reported.map_or(Lsn(0), |k: KnownProgress| k.archived), "progress fell");
            reported = known(&archiver);
            checkpoint = checkpoint.max(p.checkpoint);
            let held: usize = medium.files.values().map(|f| f.len().saturating_sub(4096)).sum();
            prop_assert!(p.archived.0 - p.start.0 <= held as u64, "progress is ahead of the medium");
            // A piece that this checkpoint completes is frozen by the scheduler: it must never grow again.
            for (key, bytes) in &medium.files {
                let len = frozen.entry(*key).or_insert(bytes.len());
                prop_assert!(!CLOCK.is_complete(key.0, checkpoint) || *len == bytes.len(), "a frozen piece grew");
                *len = bytes.len();
            }
        }
        for _ in 0..10 {
            now += ARCHIVE_PAUSE_MS_MAX;
            run(&mut archiver, now, &log, &mut medium);
        }
        let (start, bytes) = medium.log(&CLOCK);
        prop_assert!(start == log.start || (start == start.block_start() && start.block() > log.start.block()));
        prop_assert!(bytes == log.bytes[(start.0 - log.start.0) as usize..]);
        let p = archiver.progress().unwrap();
        prop_assert_eq!(p.archived, log.end());
        prop_assert_eq!(p.checkpoint, covered(&CLOCK, log.framer.base().prev_scn));
    }
}
