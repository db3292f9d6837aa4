//! `strandline verify URI…`: are these backups sound? Asks no cluster.
//!
//! Exit codes are part of the interface: 0 = sound, 3 = damage found (each object is named on standard output), 1 = could
//! not look, or not at everything, 5 = sound, with files among it that are none of ours.

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
    if client.wants_json() {
        let mut value = json!(report);
        value["sound"] = json!(report.is_sound() && report.unreadable.is_empty());
        value["verdict"] = json!(verdict(&report).word());
        value["level"] = json!(level(args));
        value["seconds"] = json!(seconds);
        output::print_json(&value)?;
    } else {
        print(&report, level(args))?;
    }
    match verdict(&report) {
        Verdict::Sound => Ok(()),
        Verdict::SoundWithForeign => exit::now(exit::FOREIGN_FILES, None),
        Verdict::Damaged => exit::now(exit::DAMAGED, None),
        Verdict::NotAllSeen => exit::now(exit::INTERNAL, None),
    }
}

/// What is reported of a destination as a whole.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Verdict {
    Sound,
    SoundWithForeign,
    Damaged,
    /// No damage was found, and something may not be read.
    NotAllSeen,
}

impl Verdict {
    const fn word(self) -> &'static str {
        match self {
            Self::Sound => "sound",
            Self::SoundWithForeign => "sound_with_foreign_files",
            Self::Damaged => "damaged",
            Self::NotAllSeen => "not_all_seen",
        }
    }
}

fn verdict(report: &Report) -> Verdict {
    match (report.is_sound(), report.unreadable.is_empty(), report.foreign.is_empty()) {
        (false, _, _) => Verdict::Damaged,
        (true, false, _) => Verdict::NotAllSeen,
        (true, true, false) => Verdict::SoundWithForeign,
        (true, true, true) => Verdict::Sound,
    }
}

const fn level(args: &VerifyArgs) -> Level {
    match args.level {
        LevelArg::Basic => Level::Basic,
        LevelArg::Physical => Level::Physical,
    }
}

async fn look(args: &VerifyArgs, line: &looks::Line) -> Result<Report, Failure> {
    let (keys, progress) = (looks::keys(&args.keys).await?, line.progress());
    let options = Options { keys, progress, ..Options::new(level(args)) };
    let sources = looks::sources(&args.uris)?;
    let mut all = Report::default();
    for source in &sources {
        let mut report = verify::source(source, &options).await?;
        // With several destinations a relative path would not tell where it is.
        let remarks = report.foreign.iter_mut().chain(&mut report.unreadable).map(|remark| &mut remark.path);
        let paths = report.damages.iter_mut().map(|damage| &mut damage.path).chain(remarks);
        for path in paths.filter(|_| sources.len() > 1) {
            *path = strandline_reader::object_name(&source.medium.uri(), path);
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
    let row = |kind: &str, path: &str, detail: &str| [kind, path, detail].map(str::to_owned).to_vec();
    let damages = report.damages.iter().map(|d| row(d.kind.name(), &d.path, &d.detail));
    let unreadable = report.unreadable.iter().map(|r| row("unreadable", &r.path, &r.detail));
    let foreign = report.foreign.iter().map(|r| row("foreign file", &r.path, &r.detail));
    let rows: Vec<Vec<String>> = damages.chain(unreadable).chain(foreign).collect();
    if !rows.is_empty() {
        output::print_table(&["KIND", "OBJECT", "DETAIL"].map(str::to_owned), &rows)?;
    }
    let depth = if level == Level::Basic { "basic" } else { "physical" };
    let (damages, unreadable, foreign) = (report.damages.len(), report.unreadable.len(), report.foreign.len());
    let verdict = match verdict(report) {
        Verdict::Sound => "sound".to_owned(),
        Verdict::SoundWithForeign => format!("sound, with {foreign} foreign files"),
        Verdict::Damaged => format!("{damages} damages"),
        Verdict::NotAllSeen => format!("{unreadable} unreadable; nothing else is damaged"),
    };
    output::print_line(&format!(
        "{verdict} ({depth}): {} objects, {} bytes, {} log groups, {} macroblocks",
        report.objects, report.bytes, report.groups, report.blocks
    ))
}
