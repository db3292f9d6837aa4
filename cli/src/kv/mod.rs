//! `strandline kv …`: single keys of a table, and whole directories in and out.

use crate::args::{ClientArgs, KvArgs, KvCommand, OutputForm};
use crate::{Outcome, endpoints, output};
use serde_json::json;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Instant;
use strandline_proto::bounds;
use strandline_types::limits::KV_VALUE_BYTES_MAX;
use strandline_types::{ErrorClass, Failure};

pub mod export;
pub mod files;
pub mod import;
pub mod loader;
pub mod patience;
pub mod record;
pub mod table;

use files::Record;
use loader::Loader;
use table::Table;

/// Entries that an import leaves out and names; all of them are counted.
const LEFT_OUT_NAMED: usize = 100;

/// Runs one key-value command.
pub async fn run(client: &ClientArgs, args: KvArgs) -> Outcome<()> {
    let schedulers = endpoints::schedulers(client)?;
    let open = async || Table::open(&schedulers, &args.tenant, &args.table).await.map(Arc::new);
    match args.command {
        KvCommand::Put { key, value } => {
            // What is beyond its bounds is refused before anybody is asked for the table.
            bounds::key(key.as_bytes())?;
            let value = if value == "-" { standard_input()? } else { value.into_bytes() };
            bounds::value(&value)?;
            let table = open().await?;
            write(client, &table, Record { key: key.into_bytes(), value: Some(value.into()) }).await
        }
        KvCommand::Delete { key } => {
            bounds::key(key.as_bytes())?;
            write(client, &*open().await?, Record { key: key.into_bytes(), value: None }).await
        }
        KvCommand::Get { key } => {
            bounds::key(key.as_bytes())?;
            get(client, &*open().await?, &key).await
        }
        KvCommand::Scan { prefix, limit } => scan(client, &*open().await?, prefix.as_bytes(), limit).await,
        KvCommand::Import { dir, mirror } => import_dir(client, open().await?, dir, mirror).await,
        KvCommand::Export { dir } => export_dir(client, open().await?, &dir).await,
    }
}

async fn write(client: &ClientArgs, table: &Table, record: Record) -> Outcome<()> {
    let scn = table.write(vec![record]).await?;
    match client.form() {
        OutputForm::Json | OutputForm::JsonText => output::print_json(&json!({ "scn": scn.0 })),
        OutputForm::Table => output::print_line(&format!("scn {scn}")),
    }
}

async fn get(client: &ClientArgs, table: &Table, key: &str) -> Outcome<()> {
    let value = table
        .get(key.as_bytes())
        .await?
        .ok_or_else(|| Failure::new(ErrorClass::NotFound, "no such key", key, "look with `strandline kv scan`"))?;
    match client.form() {
        OutputForm::Json | OutputForm::JsonText => output::print_json(&pair_json(key.as_bytes(), &value)),
        OutputForm::Table => output::print_bytes(&value),
    }
}

async fn scan(client: &ClientArgs, table: &Table, prefix: &[u8], limit: usize) -> Outcome<()> {
    let pairs = table.scan(prefix, &after_prefix(prefix), limit).await?;
    match client.form() {
        OutputForm::Json | OutputForm::JsonText => {
            let pairs = pairs.iter().map(|(k, v)| pair_json(k, v)).collect();
            output::print_json(&serde_json::Value::Array(pairs))
        }
        OutputForm::Table => {
            let rows: Vec<_> = pairs.iter().map(|(k, v)| vec![output::bytes_text(k), shortened(v)]).collect();
            output::print_table(&["KEY".to_owned(), "VALUE".to_owned()], &rows)
        }
    }
}

async fn import_dir(client: &ClientArgs, table: Arc<Table>, dir: PathBuf, mirror: bool) -> Outcome<()> {
    let began = Instant::now();
    let listing = Arc::new(import::list(dir).await?);
    for (path, kind) in listing.left_out.iter().take(LEFT_OUT_NAMED) {
        eprintln!("left out: {} is {kind}", path.display());
    }
    let mut loader = Loader::patient(Arc::clone(&table));
    import::write_all(&mut loader, Arc::clone(&listing)).await?;
    let deleted = if mirror { import::delete_others(&table, &mut loader, &listing.files).await? } else { 0 };
    let facts = json!({
        "files": listing.files.len(), "bytes": listing.bytes(), "left_out": listing.left_out.len(), "deleted_keys": deleted,
        "seconds": began.elapsed().as_secs_f64(), "scn": table.token().0.0,
    });
    print_facts(client, &facts)
}

async fn export_dir(client: &ClientArgs, table: Arc<Table>, dir: &Path) -> Outcome<()> {
    let began = Instant::now();
    let done = export::export(table, dir).await?;
    print_facts(client, &json!({ "files": done.files, "bytes": done.bytes, "seconds": began.elapsed().as_secs_f64() }))
}

fn print_facts(client: &ClientArgs, facts: &serde_json::Value) -> Outcome<()> {
    let Some(fields) = facts.as_object().filter(|_| client.form() == OutputForm::Table) else {
        return output::print_json(facts);
    };
    let header: Vec<String> = fields.keys().cloned().collect();
    output::print_table(&header, &[fields.values().map(ToString::to_string).collect()])
}

/// The first key after every key that begins with `prefix`; empty = no end.
fn after_prefix(prefix: &[u8]) -> Vec<u8> {
    let mut end = prefix.to_vec();
    while let Some(last) = end.pop() {
        if last < u8::MAX {
            end.push(last + 1);
            break;
        }
    }
    end
}

fn shortened(value: &[u8]) -> String {
    const SHOWN: usize = 60;
    // No character has more than four bytes, and no byte more than four characters.
    let text = output::bytes_text(&value[..value.len().min(4 * SHOWN + 4)]);
    match text.char_indices().nth(SHOWN) {
        Some((at, _)) => format!("{}… ({} bytes)", &text[..at], value.len()),
        None => text,
    }
}

fn pair_json(key: &[u8], value: &[u8]) -> serde_json::Value {
    serde_json::Value::Object(
        [output::bytes_json("key", key), output::bytes_json("value", value)].into_iter().collect(),
    )
}

/// A value from standard input. It is read up to its bound and not to its end: a user who pipes a disk into it is told so at
/// once.
fn standard_input() -> Outcome<Vec<u8>> {
    let mut value = Vec::new();
    let read = std::io::stdin().lock().take(KV_VALUE_BYTES_MAX as u64 + 1).read_to_end(&mut value);
    read.map_err(|e| output::io_failure("cannot read", Path::new("standard input"), &e))?;
    if value.len() > KV_VALUE_BYTES_MAX {
        let what = format!("a value of more than {KV_VALUE_BYTES_MAX} bytes");
        return Err(Failure::new(ErrorClass::Invalid, what, "standard input", "values have at most 1 MiB: split it"));
    }
    Ok(value)
}

/// A background task of ours ended without an answer.
pub fn task_died(e: &tokio::task::JoinError) -> Failure {
    Failure::new(ErrorClass::Transient, format!("a task died: {e}"), "this process", "report it with the text above")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_end_of_a_prefix_is_the_first_key_that_does_not_begin_with_it() {
        assert_eq!(after_prefix(b"ab"), b"ac");
        assert_eq!(after_prefix(b"a\xff"), b"b");
        assert_eq!(after_prefix(b"\xff\xff"), b"");
        assert_eq!(after_prefix(b""), b"");
    }
}
