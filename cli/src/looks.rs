//! What `verify`, `window`, `inspect` and `archive export` share: destinations and keys as a user names them, and a line of
//! progress on a terminal.

use crate::Outcome;
use crate::args::KeyArgs;
use crate::output::io_failure;
use parking_lot::Mutex;
use std::io::{IsTerminal, Write};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};
use strandline_format::secret::KeySecret;
use strandline_media::key_source::{ReadBy, read_passphrase};
use strandline_reader::verify::Progress;
use strandline_reader::{Keys, Source, open_sources};
use strandline_types::Address;

/// A line is drawn this often at most.
const REDRAW: Duration = Duration::from_millis(200);

/// Opens what was named: URIs, or plain directories of this machine.
pub fn sources(uris: &[String]) -> Outcome<Vec<Source>> {
    let addresses = uris.iter().map(|uri| Address::parse(&absolute(uri)?)).collect::<Outcome<Vec<Address>>>()?;
    Ok(open_sources(&addresses)?.into_iter().map(|named| named.source).collect())
}

/// A URI; a path without a scheme is a directory of this machine.
pub fn absolute(uri: &str) -> Outcome<String> {
    if uri.contains("://") {
        return Ok(uri.to_owned());
    }
    let path = std::path::absolute(uri).map_err(|e| io_failure("cannot resolve", Path::new(uri), &e))?;
    Ok(format!("file://{}", path.display()))
}

/// Reads the keys that were named.
pub async fn keys(args: &KeyArgs) -> Outcome<Arc<Keys>> {
    let mut secrets = Vec::new();
    for file in &args.password_file {
        let text = std::fs::read_to_string(file).map_err(|e| io_failure("cannot read the password", file, &e))?;
        secrets.extend(KeySecret::readings(&text).map_err(|e| e.into_failure(file.display().to_string()))?);
    }
    for source in &args.key_source {
        let text = read_passphrase(source, ReadBy::ThisProcess).await?;
        secrets.extend(KeySecret::readings(&text).map_err(|e| e.into_failure(source))?);
    }
    Ok(Arc::new(Keys::new(secrets)))
}

/// One line on standard error, if somebody looks at it.
#[derive(Clone)]
pub struct Line {
    what: &'static str,
    is_terminal: bool,
    drawn: Arc<Mutex<Option<Instant>>>,
    bytes: Arc<AtomicU64>,
    started: Instant,
}

impl Line {
    /// Nothing is drawn yet.
    pub fn new(what: &'static str) -> Self {
        let is_terminal = std::io::stderr().is_terminal();
        Self { what, is_terminal, drawn: Arc::default(), bytes: Arc::default(), started: Instant::now() }
    }

    /// As a callback.
    pub fn progress(&self) -> Progress {
        let line = self.clone();
        Arc::new(move |objects, bytes| line.at(objects, bytes))
    }

    /// Draws how far it is.
    pub fn at(&self, objects: u64, bytes: u64) {
        self.bytes.store(bytes, Ordering::Relaxed);
        if !self.is_terminal {
            return;
        }
        let mut drawn = self.drawn.lock();
        if drawn.is_none_or(|at| at.elapsed() >= REDRAW) {
            *drawn = Some(Instant::now());
            // A terminal that is gone does not end the work.
            let _ = write!(std::io::stderr(), "\r\x1b[K{}: {objects} objects, {} MB", self.what, bytes / 1_000_000);
        }
    }

    /// Removes the line, and gives the seconds that it took.
    pub fn end(&self) -> f64 {
        if self.is_terminal {
            let _ = write!(std::io::stderr(), "\r\x1b[K");
        }
        self.started.elapsed().as_secs_f64()
    }
}
