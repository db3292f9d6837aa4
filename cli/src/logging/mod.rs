//! What a process writes about itself to stderr, and how the consensus library is kept from drowning it.
//!
//! A server that is down is logged once; for the library it is an event of every log stream and every try, tens of lines in a
//! second for hours. Its lines are grouped by kind and peer ([`groups`]): the first ones of a group are written as they
//! are, the rest is counted, and the count is written once a minute. Nothing else is ever held back.

mod groups;
mod masked_stderr;

use crate::args::{Args, Command};
use groups::{Groups, Kind};
use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tracing::field::{Field, Visit};
use tracing::{Event, Subscriber};
use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::FmtContext;
use tracing_subscriber::fmt::format::{FormatEvent, FormatFields, Writer};
use tracing_subscriber::registry::LookupSpan;

/// The library whose lines are grouped.
const LIBRARY: &str = "openraft";
/// Counts are looked for this often.
const LOOK_EVERY: Duration = Duration::from_secs(10);

/// Servers log at `info`, clients only warnings; `RUST_LOG` overrides both.
pub fn start(args: &Args) {
    let is_server = matches!(args.command, Command::Dev(_) | Command::Scheduler(_) | Command::Worker(_));
    let default = if is_server { "info,openraft=warn" } else { "warn,openraft=error" };
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| default.into());
    let groups = Arc::new(Groups::default());
    let format = Grouped { inner: tracing_subscriber::fmt::format().with_ansi(false), groups: Arc::clone(&groups) };
    tracing_subscriber::fmt()
        .event_format(format)
        .with_env_filter(filter)
        .with_writer(masked_stderr::MaskedStderr)
        .init();
    if is_server {
        let counting = move || {
            loop {
                std::thread::sleep(LOOK_EVERY);
                groups.due(Instant::now()).iter().for_each(tell);
            }
        };
        // Without the thread the counts are missing and nothing else.
        if let Err(error) = std::thread::Builder::new().name("log-counts".to_owned()).spawn(counting) {
            tracing::warn!(%error, "lines of the consensus library that are held back are not counted");
        }
    }
}

fn tell(held: &groups::Held) {
    let (count, seconds, like) = (held.count, held.seconds, &held.like);
    let peer = held.kind.peer.as_deref().unwrap_or("-");
    tracing::warn!(count, seconds, peer, at = %held.kind.place, "held back lines of the consensus library: {like}");
}

/// Writes events as `inner` does, but for those that belong to a group that has been heard enough.
struct Grouped<F> {
    inner: F,
    groups: Arc<Groups>,
}

impl<S, N, F> FormatEvent<S, N> for Grouped<F>
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
    F: FormatEvent<S, N>,
{
    fn format_event(&self, context: &FmtContext<'_, S, N>, writer: Writer<'_>, event: &Event<'_>) -> fmt::Result {
        let meta = event.metadata();
        if meta.target().split("::").next() == Some(LIBRARY) {
            let mut text = Text::default();
            event.record(&mut text);
            let place = format!("{}:{}", meta.target(), meta.line().unwrap_or(0));
            if !self.groups.admit(Instant::now(), Kind::of(place, &text.0), &text.0) {
                return Ok(());
            }
        }
        self.inner.format_event(context, writer, event)
    }
}

/// The message and the fields of an event, as one text.
#[derive(Default)]
struct Text(String);

impl Visit for Text {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        use fmt::Write;
        let written = match field.name() {
            "message" => write!(self.0, "{value:?} "),
            name => write!(self.0, "{name}={value:?} "),
        };
        // Writing into a string does not fail.
        debug_assert!(written.is_ok());
    }
}

#[cfg(test)]
mod tests;
