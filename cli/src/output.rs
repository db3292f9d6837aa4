//! How results reach stdout: a table for people, JSON for programs. Nothing else of the binary prints results.

use crate::Outcome;
use crate::args::OutputForm;
use comfy_table::Table;
use comfy_table::presets::ASCII_MARKDOWN;
use serde_json::{Map, Value, json};
use std::io::{IsTerminal, Write};
use std::path::Path;
use strandline_proto::v1;
use strandline_types::{ErrorClass, Failure};

/// Prints the reply to a statement.
pub fn print_reply(reply: &v1::SqlReply, form: OutputForm) -> Outcome<()> {
    match form {
        OutputForm::Json => print_json(&reply_json(reply)),
        OutputForm::Table if reply.columns.is_empty() => print_line(&reply.info),
        OutputForm::Table => {
            let rows = reply.rows.iter().map(|r| r.cells.iter().map(cell_text).collect()).collect::<Vec<Vec<String>>>();
            print_table(&reply.columns, &rows)
        }
    }
}

/// Prints a table with a header.
pub fn print_table(header: &[String], rows: &[Vec<String>]) -> Outcome<()> {
    let mut table = Table::new();
    table.load_style(ASCII_MARKDOWN).set_header(header.to_vec());
    for row in rows {
        table.add_row(row.clone());
    }
    print_line(&table.to_string())
}

/// Prints one JSON value: indented for a person at a terminal, one line for a program.
pub fn print_json(value: &Value) -> Outcome<()> {
    print_line(&json_text(value, std::io::stdout().is_terminal()))
}

fn json_text(value: &Value, is_terminal: bool) -> String {
    if is_terminal { format!("{value:#}") } else { value.to_string() }
}

/// Prints one line. A closed pipe is the reader's choice and no failure.
pub fn print_line(line: &str) -> Outcome<()> {
    print_bytes(format!("{line}\n").as_bytes())
}

/// Prints bytes as they are.
pub fn print_bytes(bytes: &[u8]) -> Outcome<()> {
    let mut out = std::io::stdout().lock();
    match out.write_all(bytes).and_then(|()| out.flush()) {
        Err(e) if e.kind() != std::io::ErrorKind::BrokenPipe => {
            Err(Failure::new(ErrorClass::Exhausted, format!("cannot write: {e}"), "standard output", ""))
        }
        _ => Ok(()),
    }
}

/// A failure of the local file system, for users.
pub fn io_failure(what: &str, path: &Path, e: &std::io::Error) -> Failure {
    use std::io::ErrorKind;
    let (class, todo) = match e.kind() {
        ErrorKind::NotFound => (ErrorClass::NotFound, "check the path"),
        ErrorKind::PermissionDenied => (ErrorClass::Permission, "check owner and mode"),
        ErrorKind::StorageFull | ErrorKind::QuotaExceeded => (ErrorClass::Exhausted, "free space on that file system"),
        ErrorKind::AlreadyExists | ErrorKind::NotADirectory | ErrorKind::IsADirectory => (ErrorClass::Invalid, ""),
        _ => (ErrorClass::Transient, ""),
    };
    Failure::new(class, format!("{what}: {e}"), path.display().to_string(), todo)
}

fn reply_json(reply: &v1::SqlReply) -> Value {
    if reply.columns.is_empty() {
        return json!({ "info": reply.info });
    }
    let row = |r: &v1::Row| -> Value {
        Value::Object(reply.columns.iter().cloned().zip(r.cells.iter().map(cell_json)).collect::<Map<_, _>>())
    };
    Value::Array(reply.rows.iter().map(row).collect())
}

fn cell_json(cell: &v1::Cell) -> Value {
    use v1::cell::Value as Cell;
    match &cell.value {
        None => Value::Null,
        Some(Cell::Integer(n)) => json!(n),
        Some(Cell::Text(t)) => json!(t),
        Some(Cell::Unsigned(n)) => json!(n),
        Some(Cell::Real(r)) => json!(r),
    }
}

fn cell_text(cell: &v1::Cell) -> String {
    match cell_json(cell) {
        Value::Null => "NULL".to_owned(),
        Value::String(text) => text,
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_is_one_line_for_programs_and_indented_for_people() {
        let value = json!({ "a": [1, 2], "b": "x\ny" });
        assert_eq!(json_text(&value, false), r#"{"a":[1,2],"b":"x\ny"}"#);
        assert!(json_text(&value, true).lines().count() > 1);
    }

    #[test]
    fn a_reply_is_rows_as_objects_or_an_info() {
        let cell = |value| v1::Cell { value };
        let cells = vec![cell(Some(v1::cell::Value::Unsigned(u64::MAX))), cell(None)];
        let reply = v1::SqlReply {
            columns: vec!["SCN".into(), "COMMENT".into()],
            rows: vec![v1::Row { cells }],
            ..Default::default()
        };
        assert_eq!(reply_json(&reply), json!([{ "SCN": u64::MAX, "COMMENT": null }]));
        let info = v1::SqlReply { info: "done".into(), ..Default::default() };
        assert_eq!(reply_json(&info), json!({ "info": "done" }));
    }
}
