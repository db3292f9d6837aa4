//! The command line, as clap reads it. One struct per command; no command reads anything else.

use clap::{Args as ClapArgs, Parser, Subcommand, ValueEnum};
use std::path::PathBuf;

/// Distributed physical backup: archive, back up, and restore a tenant to any point in time.
#[derive(Debug, Parser)]
#[command(name = "strandline", version, propagate_version = true)]
pub struct Args {
    /// What clients need.
    #[command(flatten)]
    pub client: ClientArgs,
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// Options of every command that talks to a cluster or prints a result.
#[derive(Clone, Debug, ClapArgs)]
pub struct ClientArgs {
    /// gRPC addresses of schedulers (host:port); repeat it or separate by commas or blanks. Any of them serves; one that is
    /// dead or stands still costs a moment.
    #[arg(long, global = true, env = "STRANDLINE_ENDPOINTS", value_delimiter = ',')]
    pub endpoint: Vec<String>,
    /// Directory of a `strandline dev` cluster; its endpoints are used when no --endpoint is given.
    #[arg(long, global = true, env = "STRANDLINE_DEV_DIR", default_value = "strandline-dev", value_name = "D")]
    pub dir: PathBuf,
    /// How long to look for a scheduler that serves, in seconds.
    #[arg(long, global = true, default_value_t = 15, value_name = "SECONDS")]
    pub timeout: u64,
    /// How results are printed.
    #[arg(long, global = true, value_enum, default_value_t = OutputForm::Table)]
    pub output: OutputForm,
}

/// Form of a result on stdout.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum OutputForm {
    /// For people.
    Table,
    /// For programs: one JSON value. Numbers are exact, also above 2^53, as SCNs are.
    Json,
    /// As json, with every number as text: for readers that round large numbers (jq before 1.7, JavaScript).
    JsonText,
}

impl OutputForm {
    /// True for both forms of JSON.
    pub const fn is_json(self) -> bool {
        matches!(self, Self::Json | Self::JsonText)
    }
}

/// The commands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Run a whole cluster (3 schedulers, 3 workers) in this process, on loopback, in --dir.
    Dev(DevArgs),
    /// Run one scheduler node.
    Scheduler(ServerArgs),
    /// Run one worker.
    Worker(ServerArgs),
    /// Run SQL statements.
    Sql(SqlArgs),
    /// Read and write keys of a tenant's table, or carry a directory of files in and out.
    Kv(KvArgs),
    /// Look at a destination: what its medium really does.
    Dest(DestArgs),
    /// Show what a file of an archive or backup destination says.
    Inspect(InspectArgs),
    /// Say what can be restored from destinations, and why not everything.
    Window(WindowArgs),
    /// Say whether backups are sound: 0 = sound, 3 = damage found, 5 = sound, with foreign files, 1 = could not look at all of it.
    Verify(VerifyArgs),
    /// Work with an archive destination without a cluster.
    Archive(ArchiveArgs),
    /// Make destinations of another cluster known to this one: list, validate and clean them here.
    Catalog(CatalogArgs),
    /// The whole way once: import, archive, back up, lose everything, restore to a point in time, compare.
    Demo(DemoArgs),
    /// Measure this machine: a cluster of its own, a steady load, one report.
    Bench(BenchArgs),
}

/// `dev`
#[derive(Debug, ClapArgs)]
pub struct DevArgs {
    /// Start from nothing: remove what an earlier run left in --dir.
    #[arg(long)]
    pub fresh: bool,
    /// Stop when standard input closes: a cluster that another program started never outlives it.
    #[arg(long, hide = true)]
    pub stop_with_stdin: bool,
}

/// `scheduler` and `worker`
#[derive(Debug, ClapArgs)]
pub struct ServerArgs {
    /// Configuration (TOML).
    #[arg(long, value_name = "FILE")]
    pub config: PathBuf,
    /// Add the number at the end of the host name to the configured node id (pods of a StatefulSet: `name-0`, `name-1`).
    #[arg(long)]
    pub node_id_from_hostname: bool,
    /// Read the configuration, say whether it can work, and stop.
    #[arg(long)]
    pub check: bool,
    /// Stop when standard input closes: a server that another program started never outlives it.
    #[arg(long, hide = true)]
    pub stop_with_stdin: bool,
}

/// `sql`
#[derive(Debug, ClapArgs)]
pub struct SqlArgs {
    /// Tenant of the session: what statements without a TENANT clause are about; `sys` sees every tenant.
    #[arg(long, short = 't', default_value = "sys")]
    pub tenant: String,
    /// Statement; repeat it for several, they run in order and the first failure ends it.
    #[arg(short = 'e', long = "execute", required = true, value_name = "STATEMENT")]
    pub execute: Vec<String>,
    /// After each statement wait until the jobs that it started have ended; exit code 4 when one did not succeed.
    #[arg(long)]
    pub wait: bool,
}

/// `kv`
#[derive(Debug, ClapArgs)]
pub struct KvArgs {
    /// Tenant.
    #[arg(long, short = 't', global = true, env = "STRANDLINE_TENANT", default_value = "t1")]
    pub tenant: String,
    /// Table.
    #[arg(long, global = true, default_value = "files")]
    pub table: String,
    /// What to do.
    #[command(subcommand)]
    pub command: KvCommand,
}

/// `kv …`
#[derive(Debug, Subcommand)]
pub enum KvCommand {
    /// Write one key; the value `-` is read from standard input.
    Put {
        /// Key.
        key: String,
        /// Value.
        value: String,
    },
    /// Print the value of one key.
    Get {
        /// Key.
        key: String,
    },
    /// Remove one key.
    Delete {
        /// Key.
        key: String,
    },
    /// Print keys and values, key by key.
    Scan {
        /// Only keys that begin with this.
        #[arg(default_value = "")]
        prefix: String,
        /// At most this many.
        #[arg(long, default_value_t = 100)]
        limit: usize,
    },
    /// Write every file under a directory into the table.
    Import {
        /// The directory.
        // Not the id `dir`: that is the global --dir, and clap would give one's value to the other.
        #[arg(id = "import_from", value_name = "DIR")]
        dir: PathBuf,
        /// Also delete what the table holds and the directory does not.
        #[arg(long)]
        mirror: bool,
    },
    /// Write every file of the table into a directory.
    Export {
        /// The directory; it must be empty or not exist.
        #[arg(id = "export_to", value_name = "DIR")]
        dir: PathBuf,
    },
}

/// `dest`
#[derive(Debug, ClapArgs)]
pub struct DestArgs {
    /// What to do.
    #[command(subcommand)]
    pub command: DestCommand,
}

/// `dest …`
#[derive(Debug, Subcommand)]
pub enum DestCommand {
    /// Probe a destination from this machine: connection, keys, reads, listings, conditional writes, parts, appends.
    ///
    /// Exit code 0 = good, 3 = something is bad, 1 = it could not be looked at. Probe objects lie below check_file/
    /// and are removed.
    Check {
        /// The destination, for example 's3://bucket/path?host=https://…&access_id=…&access_key=…'.
        uri: String,
        /// Also from every worker of the cluster.
        #[arg(long)]
        workers: bool,
        /// Same as --output json.
        #[arg(long)]
        json: bool,
    },
}

/// `inspect`
#[derive(Debug, ClapArgs)]
pub struct InspectArgs {
    /// A file below an archive or backup destination, a log file in parts (the folder of its parts), or the URI of one.
    pub file: String,
    /// Keys of compressed and sealed files.
    #[command(flatten)]
    pub keys: KeyArgs,
}

/// Keys for reading without a cluster.
#[derive(Clone, Debug, Default, ClapArgs)]
pub struct KeyArgs {
    /// File with the password of encrypted backup sets; may be repeated.
    #[arg(long, value_name = "FILE")]
    pub password_file: Vec<PathBuf>,
    /// Source of an archive key, file:/path or command:/path arguments; may be repeated.
    #[arg(long, value_name = "SOURCE")]
    pub key_source: Vec<String>,
}

/// `window`
#[derive(Debug, ClapArgs)]
pub struct WindowArgs {
    /// Destinations (data and archive), or single sets and pieces below one.
    #[arg(required = true, value_name = "URI")]
    pub uris: Vec<String>,
    /// Same as --output json.
    #[arg(long)]
    pub json: bool,
}

/// `verify`
#[derive(Debug, ClapArgs)]
pub struct VerifyArgs {
    /// Destinations (data or archive), or single sets and pieces below one.
    #[arg(required = true, value_name = "URI")]
    pub uris: Vec<String>,
    /// How deep: basic = every listed file is there with its length; physical = everything is read.
    #[arg(long, value_enum, default_value_t = LevelArg::Physical)]
    pub level: LevelArg,
    /// Same as --output json.
    #[arg(long)]
    pub json: bool,
    /// Keys.
    #[command(flatten)]
    pub keys: KeyArgs,
}

/// Depth of a verification.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum LevelArg {
    /// File lists, lengths, small files.
    Basic,
    /// Every byte.
    Physical,
}

/// `archive`
#[derive(Debug, ClapArgs)]
pub struct ArchiveArgs {
    /// What to do.
    #[command(subcommand)]
    pub command: ArchiveCommand,
}

/// Commands on an archive destination.
#[derive(Debug, Subcommand)]
pub enum ArchiveCommand {
    /// Copy an archive, every log file as one plain object: uncompressed, unsealed, without parts.
    Export(ExportArgs),
}

/// `archive export`
#[derive(Debug, ClapArgs)]
pub struct ExportArgs {
    /// Write plain log files (the only form there is).
    #[arg(long, required = true)]
    pub plain: bool,
    /// The archive.
    pub from: String,
    /// A directory that is empty, or holds an earlier attempt of the same export.
    pub to: String,
    /// Same as --output json.
    #[arg(long)]
    pub json: bool,
    /// Keys.
    #[command(flatten)]
    pub keys: KeyArgs,
}

/// `catalog`
#[derive(Debug, ClapArgs)]
pub struct CatalogArgs {
    /// What to do.
    #[command(subcommand)]
    pub command: CatalogCommand,
}

/// `catalog …`
#[derive(Debug, Subcommand)]
pub enum CatalogCommand {
    /// Read a destination and make its sets and pieces known; again: look at it anew.
    Import {
        /// URI of a data backup or archive destination, or a directory that every server sees.
        uri: String,
        /// Name of the tenant that stands for its owner here; `imported_<tenant>` when left out.
        #[arg(long, value_name = "NAME")]
        name: Option<String>,
        /// No other cluster writes it any more: this one may delete from it.
        #[arg(long)]
        allow_delete: bool,
    },
    /// List what was imported.
    List,
    /// Forget a destination; its files stay.
    Drop {
        /// Its URI.
        uri: String,
    },
}

/// `demo`
#[derive(Debug, ClapArgs)]
pub struct DemoArgs {
    /// Directory to import (default: the sources of the crates in the local cargo registry).
    #[arg(long, value_name = "DIR")]
    pub files: Option<PathBuf>,
    /// Leave the destinations in DIR/archive and DIR/data, and the logs of the servers in DIR/run.
    #[arg(long, value_name = "DIR")]
    pub keep: Option<PathBuf>,
    /// Same as --output json.
    #[arg(long)]
    pub json: bool,
    /// A small part of the files (about 8 MB): for tests, not for figures.
    #[arg(long)]
    pub small: bool,
}

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
    /// Same as --output json.
    #[arg(long)]
    pub json: bool,
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
    #[arg(long, value_name = "NAME")]
    pub compression: Option<String>,
    /// Encrypt the archived log with this key: file:/path or command:/path, as KEY of LOG_ARCHIVE_DEST.
    #[arg(long, value_name = "SOURCE")]
    pub key_source: Option<String>,
    /// Directory for the run; it is removed afterwards.
    #[arg(long, value_name = "DIR")]
    pub place: Option<PathBuf>,
    /// Same as --output json.
    #[arg(long)]
    pub json: bool,
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
    /// Same as --output json.
    #[arg(long)]
    pub json: bool,
}

impl BenchArchiveArgs {
    /// Further options of the destination, as LOG_ARCHIVE_DEST takes them.
    pub fn options(&self) -> String {
        let compression = self.compression.as_ref().map(|name| format!(" COMPRESSION={name}"));
        let key = self.key_source.as_ref().map(|source| format!(" ENCRYPTION=aes256 KEY={source}"));
        compression.into_iter().chain(key).collect()
    }
}
