//! `strandline inspect FILE`: what one file of a destination says, by its own name and bytes alone. Checksums are verified on
//! the way; the largest file of the layout (a data file of 1 GiB) is read whole.

use crate::Outcome;
use crate::args::{ClientArgs, InspectArgs, OutputForm};
use crate::output::{self, io_failure};
use serde_json::Value;
use strandline_format::describe::describe;
use strandline_types::{ErrorClass, Failure};

/// Prints the description of the file.
pub fn run(client: &ClientArgs, args: &InspectArgs) -> Outcome<()> {
    let path = std::path::absolute(&args.file).map_err(|e| io_failure("cannot resolve", &args.file, &e))?;
    let bytes = std::fs::read(&path).map_err(|e| io_failure("cannot read the file", &args.file, &e))?;
    let name = path.to_string_lossy();
    let description = describe(&name, &bytes).map_err(|e| e.into_failure(args.file.display().to_string()))?;
    match client.output {
        OutputForm::Json => output::print_json(&description)?,
        OutputForm::Table => output::print_line(tree(&description, 0).trim_end())?,
    }
    damage(&description).map_or(Ok(()), |what| {
        let todo = "restore up to the SCN before it, or use another copy of the destination";
        Err(Failure::new(ErrorClass::Corrupt, what, args.file.display().to_string(), todo))
    })
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
