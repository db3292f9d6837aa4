//! `strandline verify URI…`: are these backups sound? Asks no cluster.
//!
//! Exit codes are part of the interface: 0 = sound, 3 = damage found (each object is named on standard output), 1 = could
//! not look.

use crate::args::{ClientArgs, LevelArg, VerifyArgs};
use crate::{Outcome, exit, looks, output};
use serde_json::json;
use strandline_reader::verify::{self, Level, Options, Report};
use strandline_types::Failure;

/// Runs the command. The exit code of what is found is set here: damage is a result, not a failure.
pub async fn run(client: &ClientArgs, args: &VerifyArgs) -> Outcome<()> {
    let line = looks::Line::new("verifying");
    let report = look(args, &line).await;
    let seconds = line.end();
    let report = match report {
        Ok(report) => report,
        Err(failure) => exit::now(exit::INTERNAL, Some(&failure)),
    };
    if args.json || client.output.is_json() {
        let mut value = json!(report);
        value["sound"] = json!(report.is_sound());
        value["level"] = json!(level(args));
        value["seconds"] = json!(seconds);
        output::print_json(&value)?;
    } else {
        print(&report, level(args))?;
    }
    if report.is_sound() { Ok(()) } else { exit::now(exit::DAMAGED, None) }
}

const fn level(args: &VerifyArgs) -> Level {
    match args.level {
        LevelArg::Basic => Level::Basic,
        LevelArg::Physical => Level::Physical,
    }
}

async fn look(args: &VerifyArgs, line: &looks::Line) -> Result<Report, Failure> {
    let options = Options { level: level(args), keys: looks::keys(&args.keys).await?, progress: line.progress() };
    let sources = looks::sources(&args.uris)?;
    let mut all = Report::default();
    for source in &sources {
        let mut report = verify::source(source, &options).await?;
        // With several destinations a relative path would not tell where it is.
        for damage in report.damages.iter_mut().filter(|_| sources.len() > 1) {
            damage.path = strandline_reader::object_name(&source.medium.uri(), &damage.path);
        }
        all.absorb(report);
    }
    all.settle();
    Ok(all)
}

fn print(report: &Report, level: Level) -> Outcome<()> {
    for note in &report.notes {
        output::print_line(&format!("note: {note}"))?;
    }
    if !report.damages.is_empty() {
        let header = ["KIND", "OBJECT", "DETAIL"].map(str::to_owned);
        let rows: Vec<Vec<String>> =
            report.damages.iter().map(|d| vec![d.kind.name().to_owned(), d.path.clone(), d.detail.clone()]).collect();
        output::print_table(&header, &rows)?;
    }
    let depth = if level == Level::Basic { "basic" } else { "physical" };
    let verdict = if report.is_sound() { "sound".to_owned() } else { format!("{} damages", report.damages.len()) };
    output::print_line(&format!(
        "{verdict} ({depth}): {} objects, {} bytes, {} log groups, {} macroblocks",
        report.objects, report.bytes, report.groups, report.blocks
    ))
}
