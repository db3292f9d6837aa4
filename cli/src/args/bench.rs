//! Arguments of `bench`.

use clap::{Args as ClapArgs, Subcommand, ValueEnum};
use std::path::PathBuf;
use strandline_types::Compression;

/// `bench`
#[derive(Debug, ClapArgs)]
pub struct BenchArgs {
    /// What to measure.
    #[command(subcommand)]
    pub command: BenchCommand,
}

/// `bench …`
#[derive(Debug, Subcommand)]
pub enum BenchCommand {
    /// Archiving: lag, cost, an outage of the medium and catching up.
    Archive(BenchArchiveArgs),
    /// Data backup: full and incremental beside a copy of the same files, CPU, memory, and what clients feel.
    Backup(BenchBackupArgs),
    /// Restore: the baseline against `cp -r`, and the replay of log.
    Restore(BenchRestoreArgs),
}

/// Kind of a bench's destination.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum BenchMedium {
    /// A directory.
    File,
    /// A bucket of an S3 test server that the bench starts.
    S3,
}

/// `bench backup`
#[derive(Debug, ClapArgs)]
pub struct BenchBackupArgs {
    /// Where the backup goes.
    #[arg(long, value_enum, default_value_t = BenchMedium::File)]
    pub medium: BenchMedium,
    /// Data, in MB (10^6 bytes).
    #[arg(long, default_value_t = 2048, value_name = "N", value_parser = clap::value_parser!(u64).range(16..))]
    pub size_mb: u64,
    /// How long clients write in each of the seven measurements of them; 0 = not measured.
    #[arg(long, default_value_t = 10, value_name = "N")]
    pub foreground_seconds: u64,
    /// Measure restic and pgBackRest on the same files, where they are installed.
    #[arg(long)]
    pub peers: bool,
    /// Directory for the run; it is removed afterwards.
    #[arg(long, value_name = "DIR")]
    pub place: Option<PathBuf>,
}

/// `bench archive`
#[derive(Debug, ClapArgs)]
pub struct BenchArchiveArgs {
    /// Where the archive goes.
    #[arg(long, value_enum, default_value_t = BenchMedium::File)]
    pub medium: BenchMedium,
    /// Length of each measurement.
    #[arg(long, default_value_t = 30, value_name = "N")]
    pub seconds: u64,
    /// Load over all log streams, in MB (10^6 bytes) per second.
    #[arg(long, default_value_t = 30, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    pub ingest_mb_s: u64,
    /// How long clients write as fast as they can, without archiving and with it; 0 = not measured.
    #[arg(long, default_value_t = 15, value_name = "N")]
    pub saturated_seconds: u64,
    /// How long the medium is away; 0 = never.
    #[arg(long, default_value_t = 60, value_name = "N")]
    pub outage_seconds: u64,
    /// The bench ends when its clients have written this much, in MB (10^6 bytes). It takes several times that on the disk:
    /// three replicas, and the archive.
    #[arg(long, default_value_t = 12_000, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    pub write_mb_max: u64,
    /// Log streams.
    #[arg(long, default_value_t = 8, value_name = "N")]
    pub log_streams: usize,
    /// Length of a piece.
    #[arg(long, default_value = "1d", value_name = "TIME")]
    pub piece: String,
    /// Compress the archived log: lz4 or zstd.
    #[arg(long, value_name = "NAME", value_parser = compression)]
    pub compression: Option<Compression>,
    /// Encrypt the archived log with this key: file:/path or command:/path, as KEY of LOG_ARCHIVE_DEST.
    #[arg(long, value_name = "SOURCE")]
    pub key_source: Option<String>,
    /// Directory for the run; it is removed afterwards.
    #[arg(long, value_name = "DIR")]
    pub place: Option<PathBuf>,
}

/// `bench restore`
#[derive(Debug, ClapArgs)]
pub struct BenchRestoreArgs {
    /// Data of the tenant, in MB (10^6 bytes).
    #[arg(long, default_value_t = 512, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    pub size_mb: u64,
    /// Log that is written after the backup, in MB (10^6 bytes).
    #[arg(long, default_value_t = 512, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    pub log_mb: u64,
    /// Log streams.
    #[arg(long, default_value_t = 4, value_name = "N")]
    pub log_streams: usize,
    /// Directory for the run; it is removed afterwards.
    #[arg(long, value_name = "DIR")]
    pub place: Option<PathBuf>,
}

impl BenchArchiveArgs {
    /// Further options of the destination, as LOG_ARCHIVE_DEST takes them.
    pub fn options(&self) -> String {
        let compression = self.compression.as_ref().map(|name| format!(" COMPRESSION={name}"));
        let key = self.key_source.as_ref().map(|source| format!(" ENCRYPTION=aes256 KEY={source}"));
        compression.into_iter().chain(key).collect()
    }
}

fn compression(text: &str) -> Result<Compression, String> {
    match Compression::parse(text) {
        Some(found) if found != Compression::None => Ok(found),
        _ => Err("known are lz4 and zstd".to_owned()),
    }
}
