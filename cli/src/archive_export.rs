//! `strandline archive export --plain FROM TO`: an archive in the plain form, for tools that know nothing of parts,
//! compression and sealing.

use crate::args::{ArchiveArgs, ArchiveCommand, ClientArgs};
use crate::{Outcome, looks, output};
use serde_json::json;

/// Runs the command.
pub async fn run(client: &ClientArgs, args: &ArchiveArgs) -> Outcome<()> {
    let ArchiveCommand::Export(args) = &args.command;
    let keys = looks::keys(&args.keys).await?;
    let from = strandline_media::open_patiently(&looks::absolute(&args.from)?, "")?;
    let to = strandline_media::open_patiently(&looks::absolute(&args.to)?, "")?;
    if let Some(dir) = to.uri().strip_prefix("file://") {
        let dir = std::path::Path::new(dir);
        std::fs::create_dir_all(dir).map_err(|e| output::io_failure("cannot make the directory", dir, &e))?;
    }
    let line = looks::Line::new("exporting");
    let done = strandline_reader::export_plain(&from, &to, &keys, |objects, bytes| line.at(objects, bytes)).await;
    line.end();
    let done = done?;
    if client.wants_json() {
        return output::print_json(&json!(done));
    }
    output::print_line(&format!("{} objects, {} bytes: {}", done.objects, done.bytes, to.uri()))
}
