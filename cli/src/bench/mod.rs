//! `strandline bench …`: figures of this machine, measured on servers that the bench starts itself.
//!
//! Every bench has a file of its own, prints one report (a table, or JSON with `--json`), and removes what it made. What
//! several need is here: the place of a run (`place.rs`), a steady writer (`writer.rs`), what servers say of themselves
//! (`scrape.rs`). A bench judges nothing: bars stand in the report beside the figures.

mod archive;
mod backup;
mod backup_load;
mod backup_peers;
mod medium;
mod patience;
mod place;
mod process;
mod report;
mod restore;
mod small;
mod span;
mod writer;

use crate::Outcome;
use crate::args::{BenchArgs, BenchCommand, ClientArgs};

/// Runs one bench.
pub async fn run(client: &ClientArgs, args: BenchArgs) -> Outcome<()> {
    match args.command {
        BenchCommand::Archive(a) => archive::run(client, a).await,
        BenchCommand::Backup(a) => backup::run(client, a).await,
        BenchCommand::Restore(a) => restore::run(client, a).await,
    }
}
