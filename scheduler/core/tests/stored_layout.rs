//! What is written into the Raft log and into snapshots only grows: the layout of every type in them and samples of every
//! command lie in `tests/stored/`, and nothing that stands there may change or go within a version.
//!
//! `STRANDLINE_WRITE_LAYOUT=1` adds what is new. It refuses whatever is no addition: that needs a new version of the
//! record and a step from the one before (`src/stored.rs`), and files of their own here.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use serde_reflection::{Error, Registry, Samples, Tracer, TracerConfig};
use std::collections::BTreeSet;
use std::fmt::Write;
use std::path::PathBuf;
use strandline_scheduler_core::state::{JobKind, Stage};
use strandline_scheduler_core::{Action, Command, RoundAction, State};
use strandline_stored::{FIRST_VERSION, Stored, decode, encode};

/// Moment of the samples.
const PROPOSED_AT_MS: u64 = 1_700_000_000_000;
/// What a sample that is no command is called.
const STATE: &str = "(state)";

#[test]
fn the_layout_of_commands_and_of_the_state_only_grows() {
    let (kept, now) = (kept("layout"), lines(&today().layout));
    let gone: Vec<_> = kept.difference(&now).collect();
    assert!(gone.is_empty(), "changed or gone, which needs a new version and a step: {gone:#?}");
    written_down("layout", &kept, &now);
}

#[test]
fn every_record_that_was_ever_written_is_read() {
    let (kept, today) = (kept("samples"), today());
    let mut now: BTreeSet<String> = today.actions.iter().map(of_command).collect();
    now.extend(today.states.iter().map(of_state));
    for line in &kept {
        let (name, bytes) = line.split_once(' ').unwrap();
        let bytes = from_hex(bytes);
        let again = match name {
            STATE => of_state(&decode(&bytes).unwrap_or_else(|e| panic!("{e}: {line}"))),
            _ => of_command(&decode::<Command>(&bytes).unwrap_or_else(|e| panic!("{e}: {line}")).action),
        };
        // What has a new field since is written otherwise, under its old name.
        assert_eq!(again.split(' ').next(), Some(name));
    }
    written_down("samples", &kept, &now);
}

#[test]
fn every_record_of_an_older_version_is_read() {
    for version in FIRST_VERSION..Command::VERSION {
        let kept = kept_of("samples", version);
        assert!(!kept.is_empty(), "there is no sample of version {version}");
        for line in kept {
            let (name, bytes) = line.split_once(' ').unwrap();
            let bytes = from_hex(bytes);
            let read = if name == STATE { decode::<State>(&bytes).err() } else { decode::<Command>(&bytes).err() };
            assert_eq!(read, None, "{line}");
        }
    }
}

#[test]
fn commands_that_had_names_of_their_own_for_each_kind_of_job_mean_the_same() {
    let read = |name: &str| {
        let kept = kept_of("samples", 2);
        let line = kept.iter().find(|line| line.split(' ').next() == Some(name)).unwrap();
        decode::<Command>(&from_hex(line.split_once(' ').unwrap().1)).unwrap().action
    };
    let cancels = [
        ("CancelBackup", JobKind::Backup),
        ("CancelRestore", JobKind::Restore),
        ("CancelRecoverTable", JobKind::RecoverTable),
        ("CancelDrill", JobKind::Drill),
        ("CancelClean", JobKind::Clean),
        ("CancelValidate", JobKind::Validate),
    ];
    for (name, kind) in cancels {
        assert!(matches!(read(name), Action::CancelJob { kind: found, .. } if found == kind), "{name}");
    }
    for name in ["BackupClosed", "FinishClean", "FinishValidate"] {
        assert!(matches!(read(name), Action::CloseJob { .. }), "{name}");
    }
    let stage = |name| if let Action::AdvanceJob { from, .. } = read(name) { Some(from) } else { None };
    assert!(matches!(stage("MoveBackup"), Some(Stage::Backup(_))));
    assert!(matches!(stage("MoveRestore"), Some(Stage::Restore(_))));
    assert!(matches!(stage("MoveRecoverTable"), Some(Stage::RecoverTable(_))));
    assert!(matches!(stage("MoveDrill"), Some(Stage::Drill(_))));
    assert!(matches!(stage("MoveClean"), Some(Stage::CleanTask(_))));
    assert!(matches!(read("ReopenRound"), Action::Round { what: RoundAction::Reopen, .. }));
    assert!(matches!(read("SealPiece"), Action::Round { what: RoundAction::SealPiece { .. }, .. }));
}

#[test]
fn records_of_both_kinds_have_the_same_version() {
    // The layout file is one for both.
    assert_eq!(Command::VERSION, State::VERSION);
}

/// Every type in the log and in a snapshot, and values in which every variant of every type occurs.
#[derive(Default)]
struct Today {
    layout: Registry,
    actions: Vec<Action>,
    states: Vec<State>,
}

/// Looks at the types again and again until every variant of every enum was seen. Which enums there are is learnt on the
/// way, so it begins anew with each that is new.
fn today() -> Today {
    let mut enums = BTreeSet::new();
    loop {
        let (today, tracer) = look(&enums);
        match tracer.registry() {
            Ok(layout) => return Today { layout, ..today },
            Err(Error::MissingVariants(names)) => enums.extend(names),
            Err(error) => panic!("{error}"),
        }
    }
}

fn look(enums: &BTreeSet<String>) -> (Today, Tracer) {
    // Some texts have to be destinations.
    let config = TracerConfig::default().default_string_value("file:///d".to_owned());
    let (mut tracer, samples) = (Tracer::new(config), Samples::new());
    let mut today = Today::default();
    loop {
        today.actions.push(tracer.trace_type_once::<Action>(&samples).unwrap().1);
        today.states.push(tracer.trace_type_once::<State>(&samples).unwrap().1);
        tracer.trace_type_once::<Command>(&samples).unwrap();
        let incomplete = enums.iter().filter(|name| tracer.check_incomplete_enum(name).is_some()).count();
        if incomplete == 0 {
            return (today, tracer);
        }
    }
}

/// One line for every field, variant and type: its place, and what stands there.
fn lines(layout: &Registry) -> BTreeSet<String> {
    let mut lines = BTreeSet::new();
    for (name, container) in layout {
        flatten(name, &serde_json::to_value(container).unwrap(), &mut lines);
    }
    lines
}

fn flatten(place: &str, format: &serde_json::Value, lines: &mut BTreeSet<String>) {
    let named = |value: &serde_json::Value| {
        let fields = value.as_array()?.iter().map(|field| field.as_object().filter(|field| field.len() == 1));
        fields.collect::<Option<Vec<_>>>().map(|fields| fields.into_iter().flat_map(|f| f.clone()).collect::<Vec<_>>())
    };
    match format.as_object().and_then(|object| object.iter().next()) {
        Some((kind, fields)) if kind == "STRUCT" && named(fields).is_some() => {
            lines.insert(format!("{place} struct"));
            for (name, value) in named(fields).unwrap_or_default() {
                flatten(&format!("{place}.{name}"), &value, lines);
            }
        }
        Some((kind, variants)) if kind == "ENUM" => {
            // By name: their order means nothing.
            for variant in variants.as_object().unwrap().values() {
                let (name, value) = variant.as_object().unwrap().iter().next().unwrap();
                flatten(&format!("{place}::{name}"), value, lines);
            }
        }
        _ => {
            lines.insert(format!("{place} {format}"));
        }
    }
}

fn path(what: &str, version: u8) -> PathBuf {
    let file = format!("tests/stored/{what}-{version}.txt");
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join(file)
}

fn kept(what: &str) -> BTreeSet<String> {
    kept_of(what, Command::VERSION)
}

fn kept_of(what: &str, version: u8) -> BTreeSet<String> {
    std::fs::read_to_string(path(what, version)).unwrap_or_default().lines().map(str::to_owned).collect()
}

/// Everything of today has to stand in the file, which is never made shorter.
fn written_down(what: &str, kept: &BTreeSet<String>, now: &BTreeSet<String>) {
    if std::env::var_os("STRANDLINE_WRITE_LAYOUT").is_some() {
        let text = kept.union(now).fold(String::new(), |text, line| text + line + "\n");
        std::fs::create_dir_all(path(what, Command::VERSION).parent().unwrap()).unwrap();
        return std::fs::write(path(what, Command::VERSION), text).unwrap();
    }
    let new: Vec<_> = now.difference(kept).collect();
    assert!(new.is_empty(), "{what}: not written down yet, set STRANDLINE_WRITE_LAYOUT=1: {new:#?}");
}

fn variant(action: &Action) -> String {
    let text = format!("{action:?}");
    text.split(|c: char| !c.is_alphanumeric()).next().unwrap_or_default().to_owned()
}

fn of_command(action: &Action) -> String {
    let command = Command { proposed_at_ms: PROPOSED_AT_MS, action: action.clone() };
    format!("{} {}", variant(action), hex(&encode(&command).unwrap()))
}

fn of_state(state: &State) -> String {
    format!("{STATE} {}", hex(&encode(state).unwrap()))
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

fn from_hex(text: &str) -> Vec<u8> {
    (0..text.len()).step_by(2).map(|n| u8::from_str_radix(&text[n..n + 2], 16).unwrap()).collect()
}
