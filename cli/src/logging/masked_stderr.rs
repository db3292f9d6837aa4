//! Where log lines go: standard error, without the values of secret names. Libraries log too, and at `debug` they may log
//! what our own errors never say.

use std::io::{self, Write};
use strandline_types::masked;
use tracing_subscriber::fmt::MakeWriter;

/// Makes a writer per log line.
pub struct MaskedStderr;

impl<'a> MakeWriter<'a> for MaskedStderr {
    type Writer = Masked<io::Stderr>;

    fn make_writer(&'a self) -> Self::Writer {
        Masked(io::stderr())
    }
}

/// Hides secrets in what is written through it. A line comes in one piece.
pub struct Masked<W>(W);

impl<W: Write> Write for Masked<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match std::str::from_utf8(bytes) {
            Ok(text) => self.0.write_all(masked(text).as_bytes())?,
            Err(_) => self.0.write_all(masked(&String::from_utf8_lossy(bytes)).as_bytes())?,
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_log_line_shows_no_key() {
        let mut line = Masked(Vec::new());
        line.write_all(b"WARN cannot open s3://b?access_key=TOPSECRET&host=h \xff\n").unwrap();
        let text = String::from_utf8(line.0).unwrap();
        assert!(text.contains("access_key=******&host=h") && !text.contains("TOPSECRET"), "{text}");
    }
}
