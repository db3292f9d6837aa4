//! `bench backup`: what a data backup costs beside copying the same files, what an increment of one hundredth costs, and
//! what clients feel of it.
//!
//! One replica with the production engine runs in this process, so that its CPU and memory are this process's; the
//! executor is the one that workers run, with nothing between it and the files. Every rate is the middle one of several
//! rounds, and the copy that it is compared with is measured in the same rounds.

use super::backup_load::Load;
use super::medium::BenchDest;
use super::place::Place;
use super::process::{self, Peak};
use super::report::Figures;
use crate::Outcome;
use crate::args::{BenchBackupArgs, BenchMedium, ClientArgs, OutputForm};
use crate::output::io_failure;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};
use strandline_proto::TaskKey;
use strandline_proto::v1::{BackupIndexSpec, BackupLsResult, BackupLsSpec, LsTurn};
use strandline_types::{JobId, LsId, RetryId, TurnId};
use strandline_worker::backup::{run_backup_index, run_backup_ls};
use strandline_worker::task_ctx::TaskCtx;

const MIB: f64 = (1 << 20) as f64;
const ROUNDS: u64 = 3;
/// Set ids of further measurements.
const INCREMENT: u64 = 100;
const UNDER_LOAD: u64 = 101;

/// One timed piece of work.
#[derive(Clone, Copy, Debug, Default)]
struct Timed {
    seconds: f64,
    cpu_s: f64,
}

/// Runs it and prints the figures.
pub async fn run(client: &ClientArgs, args: BenchBackupArgs) -> Outcome<()> {
    let place = Place::make(args.place.clone())?;
    let dest = BenchDest::make(args.medium, &place.dir)?;
    std::fs::create_dir_all(dest.root()).map_err(|e| io_failure("cannot make", dest.root(), &e))?;
    eprintln!("loading {} MB", args.size_mb);
    let load = Load::write(&place.dir.join("worker"), args.size_mb * 1_000_000).await?;
    let mut bench = Bench { place, dest, load, figures: Figures::default() };
    bench.measure(&args).await?;
    bench.load.stop().await;
    bench.figures.print(args.json || client.output == OutputForm::Json)
}

struct Bench {
    place: Place,
    dest: BenchDest,
    load: Load,
    figures: Figures,
}

impl Bench {
    async fn measure(&mut self, args: &BenchBackupArgs) -> Outcome<()> {
        self.figures.say("medium", format!("{:?}", args.medium).to_lowercase());
        let files = self.place.dir.join("files");
        self.load.link_files(&files).await?;
        let full = self.full_and_copy(args.medium, &files).await?;
        self.increment(&full.0, full.1).await?;
        if args.foreground_seconds > 0 {
            self.foreground(Duration::from_secs(args.foreground_seconds)).await?;
        }
        if args.peers {
            self.peers(&files, full.0.input_bytes as f64)?;
        }
        Ok(())
    }

    /// Full backups and copies of the same files, in turns.
    async fn full_and_copy(&mut self, medium: BenchMedium, files: &Path) -> Outcome<(BackupLsResult, Timed)> {
        let (mut backups, mut copies) = (Vec::new(), Vec::new());
        let (mut result, peak) = (BackupLsResult::default(), Peak::watch());
        for round in 1..=ROUNDS {
            eprintln!("round {round} of {ROUNDS}: backup, then copy");
            let (done, timed) = self.back_up(self.spec(round)).await?;
            (result, _) = (done, backups.push(timed));
            copies.push(self.copy(medium, files, round)?);
        }
        let memory = peak.end();
        let (full, copy) = (middle(backups), middle(copies));
        let bytes = result.input_bytes as f64;
        let f = &mut self.figures;
        f.add("bytes", bytes, "");
        f.add("mb_s", bytes / 1e6 / full.seconds, "full backup");
        let (name, note) = match medium {
            BenchMedium::File => ("cp_mb_s", "cp -r and fsync of the same files"),
            BenchMedium::S3 => ("rclone_mb_s", "rclone copy of the same files to the same server"),
        };
        f.add(name, bytes / 1e6 / copy.seconds, note);
        f.add_fine("ratio_to_cp", copy.seconds / full.seconds, "bar: 0.8 (file), 0.7 (s3)");
        f.add_fine("cpu_s_per_gib", full.cpu_s * 1024.0 * MIB / bytes, "bar: 1.0");
        f.add_fine("copy_cpu_s_per_gib", copy.cpu_s * 1024.0 * MIB / bytes, "");
        f.add("memory_peak_mb", memory as f64 / 1e6, "growth of this process; bar: 256 MiB");
        Ok((result, full))
    }

    fn copy(&self, medium: BenchMedium, files: &Path, round: u64) -> Outcome<Timed> {
        let to = self.place.dir.join(format!("copy_{round}"));
        let (began, cpu) = (Instant::now(), process::children_cpu_s());
        match medium {
            BenchMedium::File => {
                process::run("cp", &["-r".as_ref(), files.as_ref(), to.as_ref()], &[])?;
                process::sync_files(&to)?;
            }
            BenchMedium::S3 => {
                let (remote, env) = self.dest.rclone(&format!("copy_{round}"));
                process::run("rclone", &["copy".as_ref(), files.as_ref(), remote.as_ref()], &env)?;
            }
        }
        let timed = Timed { seconds: began.elapsed().as_secs_f64(), cpu_s: process::children_cpu_s() - cpu };
        // Space for the next round; what stays is removed at the end.
        let _ = std::fs::remove_dir_all(&to);
        Ok(timed)
    }

    async fn increment(&mut self, full: &BackupLsResult, took: Timed) -> Outcome<()> {
        eprintln!("changing one hundredth of the keys");
        self.load.change_hundredth().await?;
        let base = BackupLsSpec { incremental: true, base_set_id: ROUNDS, base_turn: 1, ..self.spec(INCREMENT) };
        let (result, timed) = self.back_up(base).await?;
        let f = &mut self.figures;
        f.add_fine("incremental_bytes_ratio", result.output_bytes as f64 / full.output_bytes as f64, "bar: 0.05");
        f.add_fine("incremental_time_ratio", timed.seconds / took.seconds, "bar: 0.1");
        f.add("incremental_blocks_copied", (result.macro_block_count - result.referenced_blocks) as f64, "");
        Ok(())
    }

    /// Throughput of clients that write as fast as they can: alone, during a backup, and alone again.
    async fn foreground(&mut self, time: Duration) -> Outcome<()> {
        eprintln!("clients alone, during a backup, and alone again");
        let before = self.load.write_for(time).await?;
        let spec = self.spec(UNDER_LOAD);
        let during = {
            let ctx = self.load.ctx(&self.place.dir.join("scratch"));
            let mut backup = std::pin::pin!(self.repeat_backup(&ctx, spec));
            tokio::select! {
                failed = &mut backup => return failed.and(Ok(())),
                during = self.load.write_for(time) => during?,
            }
        };
        let after = self.load.write_for(time).await?;
        let alone = f64::midpoint(before, after);
        self.figures.add("foreground_mb_s", alone / 1e6, "clients alone");
        self.figures.add("foreground_mb_s_during", during / 1e6, "clients during a full backup");
        self.figures.add_fine("foreground_drop", 1.0 - during / alone, "bar: 0.1");
        Ok(())
    }

    /// Full backups one after the other, until it is dropped.
    async fn repeat_backup(&self, ctx: &TaskCtx, spec: BackupLsSpec) -> Outcome<()> {
        for nth in 0.. {
            let spec = BackupLsSpec { backup_set_id: spec.backup_set_id + nth, ..spec.clone() };
            run_backup_ls(ctx, &spec, key(self.load.ls())).await?;
        }
        Ok(())
    }

    fn spec(&self, set: u64) -> BackupLsSpec {
        BackupLsSpec {
            dest_uri: self.dest.uri(),
            backup_set_id: set,
            data_file_bytes: strandline_types::limits::BACKUP_DATA_FILE_BYTES,
            ..BackupLsSpec::default()
        }
    }

    /// One backup with its index; only the first counts, as the index is one task for all log streams of a tenant.
    async fn back_up(&self, spec: BackupLsSpec) -> Outcome<(BackupLsResult, Timed)> {
        let ctx = self.load.ctx(&self.place.dir.join("scratch"));
        let (began, cpu) = (Instant::now(), process::own_cpu_s());
        let result = run_backup_ls(&ctx, &spec, key(self.load.ls())).await?;
        let timed = Timed { seconds: began.elapsed().as_secs_f64(), cpu_s: process::own_cpu_s() - cpu };
        let index = BackupIndexSpec {
            dest_uri: spec.dest_uri,
            backup_set_id: spec.backup_set_id,
            incremental: spec.incremental,
            parts: vec![LsTurn { ls_id: self.load.ls().0, turn: 1, retry: 0 }],
            ..BackupIndexSpec::default()
        };
        run_backup_index(&ctx, &index, key(LsId(0))).await?;
        Ok((result, timed))
    }

    fn peers(&mut self, files: &Path, bytes: f64) -> Outcome<()> {
        let per_gib = |cpu_s: f64| cpu_s * 1024.0 * MIB / bytes;
        match process::restic(files, &self.place.dir.join("restic")) {
            Ok((seconds, cpu_s)) => {
                self.figures.add("restic_mb_s", bytes / 1e6 / seconds, "restic backup of the same files");
                self.figures.add_fine("restic_cpu_s_per_gib", per_gib(cpu_s), "");
            }
            Err(why) => self.figures.say("restic", format!("not measured: {}", why.what)),
        }
        match process::pgbackrest(files, &self.place.dir.join("pgbackrest")) {
            Ok((seconds, cpu_s)) => {
                let note = "pgbackrest backup of a PostgreSQL cluster that holds the same files, no compression";
                self.figures.add("pgbackrest_mb_s", bytes / 1e6 / seconds, note);
                self.figures.add_fine("pgbackrest_cpu_s_per_gib", per_gib(cpu_s), "");
            }
            Err(why) => self.figures.say("pgbackrest", format!("not measured: {}", why.what)),
        }
        Ok(())
    }
}

fn key(ls: LsId) -> TaskKey {
    let tenant_id = super::backup_load::TENANT;
    TaskKey { job_id: JobId(1), tenant_id, ls_id: ls, kind: 1, turn: TurnId(1), retry: RetryId(0) }
}

/// The middle one by time.
fn middle(mut timed: Vec<Timed>) -> Timed {
    timed.sort_by(|a, b| a.seconds.total_cmp(&b.seconds));
    timed.get(timed.len() / 2).copied().unwrap_or_default()
}

/// Files of a directory tree.
pub(super) fn files_below(dir: &Path) -> Outcome<Vec<PathBuf>> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(dir).map_err(|e| io_failure("cannot list", dir, &e))? {
        let path = entry.map_err(|e| io_failure("cannot list", dir, &e))?.path();
        if path.is_dir() {
            found.extend(files_below(&path)?);
        } else {
            found.push(path);
        }
    }
    Ok(found)
}
