//! Retention over whole states: random backups, pieces and cleanings, and what could be restored in the window before
//! a cleaning still can after it, sets that carry their log included.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod harness;

use harness::{TENANT, World};
use strandline_catalogue::restorable;
use strandline_catalogue::retention::Policy;
use strandline_scheduler_core::state::CleanWhat;
use strandline_scheduler_core::*;
use strandline_types::*;

const SEEDS: u64 = 24;
const STEPS: usize = 40;
const WINDOW_MS: u64 = 300_000;

/// Numbers from a seed.
struct Dice(u64);

impl Dice {
    fn below(&mut self, n: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % n
    }
}

fn back_up(w: &mut World, dice: &mut Dice) {
    let mode = if dice.below(3) == 0 { BackupMode::Incremental } else { BackupMode::Full };
    let request = BackupRequest { plus_archivelog: dice.below(2) == 0, ..BackupRequest::new(mode, "") };
    if w.act(Action::StartBackup { tenant: TENANT, request }).is_ok() {
        w.until("the backup", |w| w.state.open_backup_job(TENANT).is_none());
    }
}

/// Cleans as the policy says and checks every SCN of the window around which something begins or ends.
fn clean(w: &mut World, seed: u64) -> (usize, usize) {
    // The policy's own turn may be under way.
    w.until("no cleaning", |w| w.state.open_clean_job(TENANT).is_none());
    let known = StateCatalogue::of(&w.state, TENANT).catalogue;
    let before = restorable(&known);
    let expire = Scn::from_ms(w.now_ms.saturating_sub(WINDOW_MS));
    let what = CleanWhat::Obsolete;
    w.act(Action::StartClean { tenant: TENANT, what, description: String::new() }).unwrap();
    w.until("the cleaning", |w| w.state.open_clean_job(TENANT).is_none());
    let left = StateCatalogue::of(&w.state, TENANT).catalogue;
    let after = restorable(&left);
    let of_sets = known.sets.iter().flat_map(|s| [s.start_replay_scn, s.min_restore_scn]);
    let of_pieces = known.pieces.iter().flat_map(|p| [p.start_scn, p.checkpoint_scn, p.end_scn]);
    let probes = of_sets.chain(of_pieces).chain([expire]).flat_map(|s| [s.prev(), s, s.next()]);
    let mut checked = 0;
    for scn in probes.filter(|s| *s >= expire && before.holds(*s)) {
        assert!(after.holds(scn), "seed {seed}: SCN {scn} is lost: {:#?}", w.state.clean_jobs().next_back());
        checked += 1;
    }
    let deleted = w.state.backup_sets.values().filter(|s| s.file_status == FileStatus::Deleted).count();
    (checked, deleted)
}

#[test]
fn cleaning_never_takes_an_scn_out_of_the_window_whatever_was_backed_up() {
    let (mut checked, mut deleted, mut carried) = (0, 0, 0);
    for seed in 0..SEEDS {
        let mut dice = Dice(seed);
        let mut w = World::archiving(3, 3, 60);
        let window_ns = WINDOW_MS * 1_000_000;
        let redundancy = 1 + dice.below(2) as u32;
        let policy = Policy { window_ns, redundancy, keep_weekly: 0, keep_monthly: 0, keep_yearly: 0, log_only: false };
        w.act(Action::AddCleanPolicy { tenant: TENANT, policy }).unwrap();
        for _ in 0..STEPS {
            w.now_ms += 1000 * (1 + dice.below(90));
            w.write();
            w.run(3);
            match dice.below(4) {
                0 => back_up(&mut w, &mut dice),
                1 => {
                    let (scns, gone) = clean(&mut w, seed);
                    checked += scns;
                    deleted = deleted.max(gone);
                }
                _ => {}
            }
        }
        carried += w.state.backup_sets.values().filter(|s| s.plus_archivelog).count();
    }
    println!("{checked} SCNs checked, {carried} sets with their own log, up to {deleted} sets deleted per history");
    assert!(checked > 1000 && deleted > 2 && carried > 20, "{checked} {deleted} {carried}");
}
