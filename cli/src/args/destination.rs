//! Arguments of the commands on destinations: `dest`, `inspect`, `window`, `verify`, `archive`, `catalog`.

use clap::{Args as ClapArgs, Subcommand, ValueEnum};
use std::path::PathBuf;

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
