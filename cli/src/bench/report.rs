//! Figures with names and notes, printed as a table or as one JSON object. Names are part of the interface.

use crate::Outcome;
use crate::output;
use serde_json::{Map, Value, json};

/// The figures of one bench, in order.
#[derive(Debug, Default)]
pub struct Figures(Vec<(&'static str, Value, &'static str)>);

impl Figures {
    /// Adds a measured figure; one digit after the point is all that it carries.
    pub fn add(&mut self, name: &'static str, figure: f64, note: &'static str) {
        self.0.push((name, json!((figure * 10.0).round() / 10.0), note));
    }

    /// Adds a figure that is about 1 or below: three digits after the point.
    pub fn add_fine(&mut self, name: &'static str, figure: f64, note: &'static str) {
        self.0.push((name, json!((figure * 1000.0).round() / 1000.0), note));
    }

    /// Adds a text: what was measured.
    pub fn say(&mut self, name: &'static str, text: impl Into<String>) {
        self.0.push((name, Value::String(text.into()), ""));
    }

    /// Prints them.
    pub fn print(&self, as_json: bool) -> Outcome<()> {
        if as_json {
            let fields = self.0.iter().map(|(name, value, _)| ((*name).to_owned(), value.clone()));
            return output::print_json(&Value::Object(fields.collect::<Map<_, _>>()));
        }
        let text = |v: &Value| v.as_str().map_or_else(|| v.to_string(), str::to_owned);
        let row = |(name, value, note): &(&str, Value, &str)| vec![(*name).to_owned(), text(value), (*note).to_owned()];
        let rows: Vec<_> = self.0.iter().map(row).collect();
        output::print_table(&["WHAT".to_owned(), "FIGURE".to_owned(), "NOTE".to_owned()], &rows)
    }
}
