//! How results reach stdout: a table for people, JSON for programs. Nothing else of the binary prints results.

use crate::Outcome;
use crate::args::OutputForm;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use comfy_table::Table;
use comfy_table::presets::ASCII_MARKDOWN;
use serde_json::{Map, Value, json};
use std::io::{IsTerminal, Write};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use strandline_proto::v1;
use strandline_types::{ErrorClass, Failure};

/// One process prints in one form.
static NUMBERS_AS_TEXT: AtomicBool = AtomicBool::new(false);

/// Prints the reply to a statement.
pub fn print_reply(reply: &v1::SqlReply, form: OutputForm) -> Outcome<()> {
    match form {
        OutputForm::Json | OutputForm::JsonText => print_json(&reply_json(reply)),
        OutputForm::Table if reply.columns.is_empty() => print_line(&reply.info),
        OutputForm::Table => {
            let rows = reply.rows.iter().map(|r| r.cells.iter().map(cell_text).collect()).collect::<Vec<Vec<String>>>();
            print_table(&reply.columns, &rows)
        }
    }
}

/// Prints a table with a header. A row is one line, whatever its cells hold.
pub fn print_table(header: &[String], rows: &[Vec<String>]) -> Outcome<()> {
    let mut table = Table::new();
    table.load_style(ASCII_MARKDOWN).set_header(header.to_vec());
    for row in rows {
        table.add_row(row.iter().map(|cell| on_one_line(cell)).collect::<Vec<_>>());
    }
    print_line(&table.to_string())
}

/// From now on every number of a JSON value is text.
pub fn write_numbers_as_text() {
    NUMBERS_AS_TEXT.store(true, Ordering::Relaxed);
}

/// Prints one JSON value: indented for a person at a terminal, one line for a program.
pub fn print_json(value: &Value) -> Outcome<()> {
    let is_terminal = std::io::stdout().is_terminal();
    if NUMBERS_AS_TEXT.load(Ordering::Relaxed) {
        return print_line(&json_text(&numbers_as_text(value), is_terminal));
    }
    print_line(&json_text(value, is_terminal))
}

fn json_text(value: &Value, is_terminal: bool) -> String {
    if is_terminal { format!("{value:#}") } else { value.to_string() }
}

fn numbers_as_text(value: &Value) -> Value {
    match value {
        Value::Number(n) => Value::String(n.to_string()),
        Value::Array(values) => Value::Array(values.iter().map(numbers_as_text).collect()),
        Value::Object(fields) => {
            Value::Object(fields.iter().map(|(name, value)| (name.clone(), numbers_as_text(value))).collect())
        }
        other => other.clone(),
    }
}

/// A key or a value as JSON: text under its name where it is text; any other bytes, which JSON cannot hold, in base64
/// under the name with `_base64` behind it.
pub fn bytes_json(name: &str, bytes: &[u8]) -> (String, Value) {
    match std::str::from_utf8(bytes) {
        Ok(text) => (name.to_owned(), json!(text)),
        Err(_) => (format!("{name}_base64"), json!(STANDARD.encode(bytes))),
    }
}

/// Bytes as the cell of a table: what is no text is written as `\xNN`.
pub fn bytes_text(bytes: &[u8]) -> String {
    let mut text = String::new();
    for chunk in bytes.utf8_chunks() {
        text.push_str(chunk.valid());
        text.extend(chunk.invalid().iter().map(|byte| format!("\\x{byte:02x}")));
    }
    text
}

/// Line breaks, tabulators and other control characters as a MySQL client writes them in batch mode.
fn on_one_line(cell: &str) -> String {
    let mut line = String::with_capacity(cell.len());
    for c in cell.chars() {
        match c {
            '\n' => line.push_str("\\n"),
            '\r' => line.push_str("\\r"),
            '\t' => line.push_str("\\t"),
            c if c.is_control() => line.push_str(&format!("\\x{:02x}", u32::from(c))),
            c => line.push(c),
        }
    }
    line
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

    #[test]
    fn large_numbers_survive_readers_that_round_when_they_are_text() {
        let value = json!([{ "SCN": u64::MAX, "NAME": "a", "none": null, "real": 0.5, "inner": [1] }]);
        let text = json!([{ "SCN": "18446744073709551615", "NAME": "a", "none": null, "real": "0.5", "inner": ["1"] }]);
        assert_eq!(numbers_as_text(&value), text);
        assert_eq!(format!("{}", json!(u64::MAX)), "18446744073709551615", "the other form is exact as well");
    }

    #[test]
    fn bytes_that_are_no_text_are_never_shown_as_other_bytes() {
        assert_eq!(bytes_json("key", "k\u{e9}\n".as_bytes()), ("key".to_owned(), json!("k\u{e9}\n")));
        assert_eq!(bytes_json("value", &[0xff, 0, 0x41]), ("value_base64".to_owned(), json!("/wBB")));
        assert_eq!(bytes_text(b"a\xff\xfeb"), "a\\xff\\xfeb");
    }

    #[test]
    fn a_row_is_one_line() {
        assert_eq!(on_one_line("one\ntwo\tthree\r\x1b[1m \u{e9}"), "one\\ntwo\\tthree\\r\\x1b[1m \u{e9}");
    }
}
