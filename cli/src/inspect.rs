//! `strandline inspect FILE`: what one file of a destination says, by its own name and bytes alone. Checksums are verified on
//! the way; the largest file of the layout (a data file of 1 GiB) is read whole. A log file in parts is put together, and
//! compressed or sealed parts are opened.

use crate::args::{ClientArgs, InspectArgs, OutputForm};
use crate::{Outcome, looks, output};
use bytes::Bytes;
use serde_json::{Value, json};
use std::sync::Arc;
use strandline_format::describe::describe;
use strandline_format::part::PartPlace;
use strandline_format::paths::{ArchivePath, LogPart, ParsedArchivePath};
use strandline_media::Medium;
use strandline_reader::Keys;
use strandline_reader::log::{LogFiles, LogSource, open_part};
use strandline_types::limits::BLOCK_BODY_BYTES;
use strandline_types::{ErrorClass, Failure, Lsn};

/// Prints the description of the file.
pub async fn run(client: &ClientArgs, args: &InspectArgs) -> Outcome<()> {
    let uri = looks::absolute(&args.file)?;
    let keys = looks::keys(&args.keys).await?;
    let description = match read(&uri, &keys).await? {
        Found::Bytes(bytes) => describe(&uri, &bytes).map_err(|e| e.into_failure(&args.file))?,
        Found::LogFile { name, bytes, parts } => {
            let mut description = describe(&name, &bytes).map_err(|e| e.into_failure(&args.file))?;
            description["parts"] = parts;
            description
        }
    };
    match client.form() {
        OutputForm::Json | OutputForm::JsonText => output::print_json(&description)?,
        OutputForm::Table => output::print_line(tree(&description, 0).trim_end())?,
    }
    damage(&description).map_or(Ok(()), |what| {
        let todo = "restore up to the SCN before it, or use another copy of the destination";
        Err(Failure::new(ErrorClass::Corrupt, what, &args.file, todo))
    })
}

/// What lies under a name.
enum Found {
    /// One object.
    Bytes(Bytes),
    /// A log file in parts, put together.
    LogFile { name: String, bytes: Bytes, parts: Value },
}

/// An object, a whole log file when the folder of its parts is named, or the plain bytes of one packed part.
async fn read(uri: &str, keys: &Arc<Keys>) -> Outcome<Found> {
    let (place, attributes) = uri.split_once('?').map_or((uri, String::new()), |(p, a)| (p, format!("?{a}")));
    let place = place.trim_end_matches('/');
    if let Some((root, path, tail)) = log_name(place) {
        let medium = strandline_media::open_patiently(&format!("{root}{attributes}"), "")?;
        if let Some(found) = log_file(&medium, &path, keys).await? {
            return Ok(found);
        }
        if let Some(part) = tail {
            let bytes = medium.get(&part).await?;
            let Some(place) = PartPlace::parse(&part) else { return Ok(Found::Bytes(bytes)) };
            return Ok(Found::Bytes(open_part(&place, &bytes, &medium, keys).await?));
        }
    }
    if place.strip_prefix("file://").is_some_and(|path| std::path::Path::new(path).is_dir()) {
        let todo = "name one file, or the folder of a log file's parts";
        return Err(Failure::new(ErrorClass::Invalid, "Is a directory", place, todo));
    }
    let (root, name) = place.rsplit_once('/').unwrap_or(("", place));
    let medium = strandline_media::open_patiently(&format!("{root}{attributes}"), "")?;
    Ok(Found::Bytes(medium.get(name).await?))
}

/// Destination, path of the log file, and path of the part, when a name is one of an archived log.
fn log_name(place: &str) -> Option<(&str, ParsedArchivePath, Option<String>)> {
    let starts = place.match_indices("/piece_").map(|(at, _)| at);
    starts.filter_map(|at| Some((&place[..at], ArchivePath::parse(&place[at + 1..])?, &place[at + 1..]))).find_map(
        |(root, path, text)| match path {
            ArchivePath::Log { .. } => Some((root, path, None)),
            ArchivePath::LogPart { part: LogPart::Data { .. }, .. } => Some((root, path, Some(text.to_owned()))),
            _ => None,
        },
    )
}

/// A log file that lies in parts; `None` when it is one object, or when one part was asked for.
async fn log_file(medium: &Arc<dyn Medium>, path: &ParsedArchivePath, keys: &Arc<Keys>) -> Outcome<Option<Found>> {
    let ArchivePath::Log { key, ls, file_id } = *path else { return Ok(None) };
    let name = path.text();
    let parts: Vec<Value> =
        medium.list(&name).await?.into_iter().map(|o| json!({ "path": o.path, "bytes": o.bytes })).collect();
    if parts.is_empty() {
        return Ok(None);
    }
    let source = LogSource { medium: Arc::clone(medium), piece: key };
    let start = Lsn(file_id.0.saturating_sub(1) * BLOCK_BODY_BYTES);
    let files = LogFiles::list(vec![source], ls, start, Arc::clone(keys)).await?;
    let Some(index) = files.files().iter().position(|(f, _)| f.file_id == file_id) else { return Ok(None) };
    let bytes = files.read(index, 0..files.files()[index].0.bytes).await?;
    Ok(Some(Found::LogFile { name, bytes, parts: Value::Array(parts) }))
}

/// The first problem that a description tells of: a log file is shown as far as it goes, and is damaged all the same.
fn damage(description: &Value) -> Option<String> {
    description.pointer("/log/problems/0")?.as_str().map(str::to_owned)
}

/// Indented `name: value` lines: a description nests, a table does not.
fn tree(value: &Value, depth: usize) -> String {
    let pad = "  ".repeat(depth);
    match value {
        Value::Object(fields) => fields.iter().map(|(name, v)| entry(&format!("{pad}{name}:"), v, depth)).collect(),
        Value::Array(items) => items.iter().map(|v| entry(&format!("{pad}-"), v, depth)).collect(),
        Value::String(text) => format!("{pad}{text}\n"),
        other => format!("{pad}{other}\n"),
    }
}

fn entry(label: &str, value: &Value, depth: usize) -> String {
    match value {
        Value::Object(_) | Value::Array(_) => format!("{label}\n{}", tree(value, depth + 1)),
        Value::String(text) => format!("{label} {text}\n"),
        other => format!("{label} {other}\n"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_description_with_a_problem_is_damage() {
        assert_eq!(damage(&json!({ "log": { "problems": ["bad"] } })), Some("bad".to_owned()));
        assert_eq!(damage(&json!({ "log": { "problems": [] } })), None);
        assert_eq!(damage(&json!({ "kind": "set info" })), None);
    }

    #[test]
    fn a_description_reads_as_an_indented_tree() {
        let text = tree(&json!({ "kind": "log", "groups": [{ "lsn": 0 }, { "lsn": 9 }] }), 0);
        assert_eq!(text, "groups:\n  -\n    lsn: 0\n  -\n    lsn: 9\nkind: log\n");
    }
}
