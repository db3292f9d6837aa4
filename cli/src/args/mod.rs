//! The command line, as clap reads it. One struct per command; no command reads anything else.
//!
//! URIs stay text here: clap repeats a wrong value in its message, and a URI may hold a key. The code that opens a
//! destination parses it, once, and its errors hide keys.

mod bench;
mod destination;
#[cfg(test)]
mod tests;

pub use bench::{BenchArchiveArgs, BenchArgs, BenchBackupArgs, BenchCommand, BenchMedium, BenchRestoreArgs};
pub use destination::{
    ArchiveArgs, ArchiveCommand, CatalogArgs, CatalogCommand, DestArgs, DestCommand, InspectArgs, KeyArgs, LevelArg,
    VerifyArgs, WindowArgs,
};

use clap::{Args as ClapArgs, Parser, Subcommand, ValueEnum};
use std::path::PathBuf;
use std::time::Duration;

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
    timeout: u64,
    /// How results are printed.
    #[arg(long, global = true, value_enum, default_value_t = OutputForm::Table, conflicts_with = "json")]
    output: OutputForm,
    /// Same as --output json.
    #[arg(long, global = true)]
    json: bool,
}

impl ClientArgs {
    /// The form in which results are printed.
    pub const fn form(&self) -> OutputForm {
        if self.json { OutputForm::Json } else { self.output }
    }

    /// True when results are printed as JSON.
    pub const fn wants_json(&self) -> bool {
        matches!(self.form(), OutputForm::Json | OutputForm::JsonText)
    }

    /// Arguments of a test: a directory and endpoints.
    #[cfg(test)]
    pub const fn of(dir: PathBuf, endpoint: Vec<String>) -> Self {
        Self { endpoint, dir, timeout: 1, output: OutputForm::Table, json: false }
    }

    /// How long to look for a scheduler that serves.
    pub const fn patience(&self) -> Duration {
        Duration::from_secs(self.timeout)
    }
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

/// `demo`
#[derive(Debug, ClapArgs)]
pub struct DemoArgs {
    /// Directory to import (default: the sources of the crates in the local cargo registry).
    #[arg(long, value_name = "DIR")]
    pub files: Option<PathBuf>,
    /// Leave the destinations in DIR/archive and DIR/data, and the logs of the servers in DIR/run.
    #[arg(long, value_name = "DIR")]
    pub keep: Option<PathBuf>,
    /// A small part of the files (about 8 MB): for tests, not for figures.
    #[arg(long)]
    pub small: bool,
}
