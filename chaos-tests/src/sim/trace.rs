//! What happened, for people (the last lines) and for comparison (a digest of all lines).

use std::collections::VecDeque;
use xxhash_rust::xxh3::xxh3_64;

const LINES_KEPT: usize = 60;

/// The trace of one run.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Trace {
    last: VecDeque<String>,
    lines: u64,
    digest: u64,
}

impl Trace {
    /// One more line.
    pub fn line(&mut self, line: String) {
        self.lines += 1;
        self.digest = xxh3_64(line.as_bytes()).rotate_left(17) ^ self.digest.wrapping_mul(0x9E37_79B9_7F4A_7C15);
        if self.last.len() == LINES_KEPT {
            self.last.pop_front();
        }
        self.last.push_back(line);
    }

    /// Digest of every line so far.
    #[must_use]
    pub const fn digest(&self) -> u64 {
        self.digest
    }

    /// How many lines there were.
    #[must_use]
    pub const fn lines(&self) -> u64 {
        self.lines
    }

    /// The last lines.
    #[must_use]
    pub fn tail(&self) -> String {
        self.last.iter().cloned().collect::<Vec<_>>().join("\n")
    }
}
