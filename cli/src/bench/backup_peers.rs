//! Runs other backup programs (restic, pgBackRest) on the files of `bench backup`, once each, after our own rounds,
//! into a local directory.
//!
//! It reports megabytes per second and seconds of CPU, relative to the bytes that our full backup read. The time
//! includes making the result durable. A program that is missing or fails is reported and does not fail the run.

use super::process;
use super::report::Figures;
use crate::Outcome;
use std::path::Path;

const GIB: f64 = (1 << 30) as f64;
const MIB: f64 = (1 << 20) as f64;

/// Backs files up into a directory: seconds and CPU seconds.
type Run = fn(&Path, &Path) -> Outcome<(f64, f64)>;

/// The names of one program's figures.
struct Names {
    program: &'static str,
    mb_s: &'static str,
    cpu_s_per_gib: &'static str,
    mib_per_cpu_s: &'static str,
    note: &'static str,
}

const RESTIC: Names = Names {
    program: "restic",
    mb_s: "restic_mb_s",
    cpu_s_per_gib: "restic_cpu_s_per_gib",
    mib_per_cpu_s: "restic_mib_per_cpu_s",
    note: "restic backup of the same files into a fresh repository",
};

const PGBACKREST: Names = Names {
    program: "pgbackrest",
    mb_s: "pgbackrest_mb_s",
    cpu_s_per_gib: "pgbackrest_cpu_s_per_gib",
    mib_per_cpu_s: "pgbackrest_mib_per_cpu_s",
    note: "pgbackrest full backup of a PostgreSQL cluster that holds the same files, no compression",
};

/// Adds the figures of each program, or why there are none. The copies go when they are measured.
pub fn measure(figures: &mut Figures, files: &Path, dir: &Path, bytes: f64) -> Outcome<()> {
    let programs: [(Names, Run); 2] = [(RESTIC, process::restic), (PGBACKREST, process::pgbackrest)];
    for (names, run) in programs {
        if !process::is_there(names.program) {
            figures.say(names.mb_s, format!("not measured: {} is not on the PATH", names.program));
            continue;
        }
        eprintln!("{}", names.program);
        let repository = dir.join(names.program);
        match run(files, &repository) {
            Ok((seconds, cpu_s)) => {
                figures.add(names.mb_s, bytes / 1e6 / seconds, names.note);
                figures.add_fine(names.cpu_s_per_gib, cpu_s * GIB / bytes, "");
                figures.add(names.mib_per_cpu_s, bytes / MIB / cpu_s, "");
            }
            Err(why) => figures.say(names.mb_s, format!("not measured: {}", why.what)),
        }
        let _ = std::fs::remove_dir_all(&repository);
    }
    Ok(())
}
