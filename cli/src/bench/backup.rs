//! `bench backup`: what a data backup costs beside copying the same files, what an increment of one hundredth costs, and
//! what clients feel of it.
//!
//! One replica with the production engine runs in this process, so that its CPU and memory are this process's; the
//! executor is the one that workers run, with nothing between it and the files. Every figure is the mean of several
//! rounds, and what it is compared with is measured in the same rounds, in turns.

use super::backup_load::Load;
use super::backup_peers;
use super::medium::BenchDest;
use super::place::Place;
use super::process::{self, Peak};
use super::report::Figures;
use super::small::Small;
use crate::Outcome;
use crate::args::{BenchBackupArgs, BenchMedium, ClientArgs};
use crate::cluster::Cluster;
use crate::cluster::config::Identity;
use crate::output::io_failure;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};
use strandline_proto::TaskKey;
use strandline_proto::v1::{BackupIndexSpec, BackupLsResult, BackupLsSpec, LsTurn};
use strandline_types::{JobId, LsId, RetryId, TurnId};
use strandline_worker::backup::{run_backup_index, run_backup_ls};
use strandline_worker::task_ctx::TaskCtx;

/// Bytes of a GiB.
const GIB: f64 = (1 << 30) as f64;
const MIB: f64 = (1 << 20) as f64;
const ROUNDS: u64 = 4;
/// Pairs of clients alone and clients beside a backup.
const PAIRS: u64 = 3;
/// Set ids of further measurements.
const INCREMENT: u64 = 100;
const UNDER_LOAD: u64 = 101;

/// One timed piece of work.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Timed {
    pub(super) seconds: f64,
    pub(super) cpu_s: f64,
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
    bench.figures.print(client.wants_json())
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
        self.figures.say("load_before", process::load());
        let files = self.place.dir.join("files");
        self.load.link_files(&files).await?;
        let full = self.full_and_copy(args.medium, &files).await?;
        self.increment(&full.0, full.1).await?;
        if args.foreground_seconds > 0 {
            self.foreground(Duration::from_secs(args.foreground_seconds)).await?;
        }
        if args.peers {
            backup_peers::measure(&mut self.figures, &files, &self.place.dir, full.0.input_bytes as f64)?;
        }
        self.small().await?;
        self.figures.say("load_after", process::load());
        Ok(())
    }

    /// What a whole job takes when there is next to nothing to copy: on a cluster of processes, as its stages are theirs.
    async fn small(&mut self) -> Outcome<()> {
        let identity = Identity { id: 1, name: "bench".to_owned() };
        let mut cluster = Cluster::start(identity, &self.place.dir.join("small"), 3, 1).await?;
        Small::back_up(&mut cluster, &self.place.dir, &mut self.figures).await?;
        cluster.destroy()
    }

    /// Full backups and copies of the same files, in pairs; who comes first changes from pair to pair.
    async fn full_and_copy(&mut self, medium: BenchMedium, files: &Path) -> Outcome<(BackupLsResult, Timed)> {
        let copier = if medium == BenchMedium::File { "cp" } else { "rclone" };
        let can_copy = process::is_there(copier);
        let (mut backups, mut copies) = (Vec::new(), Vec::new());
        let (mut result, mut memory) = (BackupLsResult::default(), 0);
        for round in 1..=ROUNDS {
            eprintln!("round {round} of {ROUNDS}: a backup and a copy");
            if can_copy && round % 2 == 0 {
                copies.push(self.copy(medium, files, round)?);
            }
            let peak = Peak::watch();
            let (done, timed) = self.back_up(self.spec(round)).await?;
            memory = memory.max(peak.end());
            (result, _) = (done, backups.push(timed));
            // Space for the next one; the last is the base of the increment.
            let _ = std::fs::remove_dir_all(self.dest.root().join(format!("backup_set_{}_full", round - 1)));
            if can_copy && round % 2 == 1 {
                copies.push(self.copy(medium, files, round)?);
            }
        }
        let (bytes, full) = (result.input_bytes as f64, mean(&backups));
        let f = &mut self.figures;
        f.add("bytes", bytes, "");
        f.add("mb_s", bytes / 1e6 / full.seconds, "full backup");
        f.add_fine("cpu_s_per_gib", full.cpu_s * GIB / bytes, "bar: 1.0");
        f.add("mib_per_cpu_s", bytes / MIB / full.cpu_s, "");
        f.add("memory_peak_mb", memory as f64 / 1e6, "growth of this process; bar: 268 MB");
        if !can_copy {
            f.say("ratio_to_cp", format!("not measured: {copier} is not on the PATH"));
            return Ok((result, full));
        }
        let copy = mean(&copies);
        let (name, note) = match medium {
            BenchMedium::File => ("cp_mb_s", "cp -r and fsync of the same files"),
            BenchMedium::S3 => ("rclone_mb_s", "rclone copy of the same files to the same server"),
        };
        f.add(name, bytes / 1e6 / copy.seconds, note);
        let ratios = backups.iter().zip(&copies).map(|(b, c)| c.seconds / b.seconds);
        f.add_fine(
            "ratio_to_cp",
            ratios.sum::<f64>() / copies.len() as f64,
            "bar: 0.8 (file), 0.7 (s3); mean of pairs",
        );
        f.add_fine("copy_cpu_s_per_gib", copy.cpu_s * GIB / bytes, "");
        Ok((result, full))
    }

    fn copy(&self, medium: BenchMedium, files: &Path, round: u64) -> Outcome<Timed> {
        let to = self.place.dir.join(format!("copy_{round}"));
        let (began, cpu) = (Instant::now(), process::children_cpu_s());
        let mut made = to.clone();
        match medium {
            BenchMedium::File => {
                process::run("cp", &["-r".as_ref(), files.as_ref(), to.as_ref()], &[])?;
                process::sync_files(&to)?;
            }
            BenchMedium::S3 => {
                let (remote, env) = self.dest.rclone(&format!("copy_{round}"));
                process::run("rclone", &["copy".as_ref(), files.as_ref(), remote.as_ref()], &env)?;
                made = self.dest.beside(&format!("copy_{round}"));
            }
        }
        let timed = Timed { seconds: began.elapsed().as_secs_f64(), cpu_s: process::children_cpu_s() - cpu };
        // Space for the next round; what stays is removed at the end.
        let _ = std::fs::remove_dir_all(&made);
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

    /// Throughput of clients that write as fast as they can: alone and during backups, in turns.
    async fn foreground(&mut self, time: Duration) -> Outcome<()> {
        let (mut alone, mut during) = (vec![self.load.write_for(time).await?], Vec::new());
        for pair in 0..PAIRS {
            eprintln!("clients during a backup and alone, {} of {PAIRS}", pair + 1);
            during.push(self.clients_during_backup(time, UNDER_LOAD + 100 * pair).await?);
            alone.push(self.load.write_for(time).await?);
        }
        let drops =
            during.iter().zip(alone.windows(2)).map(|(d, around)| 1.0 - d / f64::midpoint(around[0], around[1]));
        let drop = drops.sum::<f64>() / PAIRS as f64;
        let rate = |rates: &[f64]| rates.iter().sum::<f64>() / rates.len() as f64 / 1e6;
        self.figures.add("foreground_mb_s", rate(&alone), "clients alone");
        self.figures.add("foreground_mb_s_during", rate(&during), "clients during full backups");
        self.figures.add_fine("foreground_drop", drop, "bar: 0.1; mean of pairs");
        Ok(())
    }

    async fn clients_during_backup(&self, time: Duration, first_set: u64) -> Outcome<f64> {
        let ctx = self.load.ctx(&self.place.dir.join("scratch"));
        let mut backup = std::pin::pin!(self.repeat_backup(&ctx, self.spec(first_set)));
        tokio::select! {
            failed = &mut backup => failed.and(Ok(0.0)),
            during = self.load.write_for(time) => during,
        }
    }

    /// Full backups one after the other, until it is dropped.
    async fn repeat_backup(&self, ctx: &TaskCtx, spec: BackupLsSpec) -> Outcome<()> {
        for nth in 0.. {
            let spec = BackupLsSpec { backup_set_id: spec.backup_set_id + nth, ..spec.clone() };
            run_backup_ls(ctx, &spec, key(self.load.ls())).await?;
            // Space for the next one.
            let _ = std::fs::remove_dir_all(self.dest.root().join(format!("backup_set_{}_full", spec.backup_set_id)));
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
}

fn key(ls: LsId) -> TaskKey {
    let tenant_id = super::backup_load::TENANT;
    TaskKey { job_id: JobId(1), tenant_id, ls_id: ls, kind: 1, turn: TurnId(1), retry: RetryId(0) }
}

fn mean(timed: &[Timed]) -> Timed {
    let of = |field: fn(&Timed) -> f64| timed.iter().map(field).sum::<f64>() / timed.len().max(1) as f64;
    Timed { seconds: of(|t| t.seconds), cpu_s: of(|t| t.cpu_s) }
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
