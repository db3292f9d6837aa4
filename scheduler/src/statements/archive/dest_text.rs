//! The value of `LOG_ARCHIVE_DEST`: a small language inside a text.
//!
//! `LOCATION=<uri> [BINDING=Optional|Mandatory] [PIECE_SWITCH_INTERVAL=<n>d|h|m|s]` as in the original,
//! and ours: `[COMPRESSION=none|lz4|zstd] [ENCRYPTION=none|aes256] [KEY=file:/…|command:…] [SPOOL_SIZE=<n>MB|GB]
//! [SPOOL_AGE=<n>s|m|h] [AUTO_RESTART=true|false]`. Separated by blanks. Not incremental: an omitted key takes its
//! default. An error never repeats the address, which may hold keys.

use crate::sql::NOT_SUPPORTED_CODE;
use crate::sql::quantities::{duration_ms, with_unit};
use std::fmt;
use strandline_scheduler_core::ArchiveDestSpec;
use strandline_scheduler_core::state::{DestOptions, Encryption};
use strandline_types::{Address, Binding, Compression, ErrorClass, Failure, limits};

const DEST_FORM: &str = "write 'LOCATION=<uri> [BINDING=Optional|Mandatory] [PIECE_SWITCH_INTERVAL=1d] \
    [COMPRESSION=none|lz4|zstd] [ENCRYPTION=none|aes256 KEY=file:/path] [SPOOL_SIZE=4GB] [SPOOL_AGE=1h] \
    [AUTO_RESTART=true]'";

/// The value of `LOG_ARCHIVE_DEST`.
#[derive(Clone, PartialEq, Eq)]
pub struct ArchiveDest {
    /// The destination, with its keys.
    pub location: String,
    /// The other options.
    pub options: DestOptions,
}

impl ArchiveDest {
    /// The destination of the State that it becomes at `address`.
    #[must_use]
    pub fn spec_at(&self, address: Address) -> ArchiveDestSpec {
        ArchiveDestSpec { uri: address.uri.to_string(), access: address.access, options: self.options.clone() }
    }
}

impl fmt::Debug for ArchiveDest {
    /// Keys are not shown.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (place, _) = strandline_media::split_secrets(&self.location);
        f.debug_struct("ArchiveDest").field("location", &place).field("options", &self.options).finish()
    }
}

/// Takes the value apart; the empty text clears the destination.
///
/// # Errors
/// `Invalid` names the key that is wrong.
pub fn archive_dest(value: &str) -> Result<Option<ArchiveDest>, Failure> {
    if value.trim().is_empty() {
        return Ok(None);
    }
    let mut draft = Draft::default();
    let mut last = None;
    for part in value.split_whitespace() {
        let Some((key, text)) = part.split_once('=') else {
            // Behind a value with a secret in it, it may be the rest of the secret.
            let what = match last {
                None => format!("'{part}' is not of the form NAME=value"),
                Some(key) => format!("what stands after the value of {key} is not of the form NAME=value"),
            };
            return Err(wrong(what, "LOG_ARCHIVE_DEST", DEST_FORM));
        };
        last = Some(key);
        draft.take(&key.to_ascii_uppercase(), text)?;
    }
    draft.finish().map(Some)
}

#[derive(Default)]
struct Draft {
    location: String,
    options: DestOptions,
    is_encrypted: bool,
    key_source: Option<String>,
}

impl Draft {
    fn take(&mut self, key: &str, text: &str) -> Result<(), Failure> {
        let options = &mut self.options;
        match key {
            "LOCATION" => text.clone_into(&mut self.location),
            "BINDING" => options.binding = binding(text)?,
            "PIECE_SWITCH_INTERVAL" => options.piece_interval_s = piece_interval_seconds(text)?,
            "COMPRESSION" => options.compression = compression(text)?,
            "ENCRYPTION" => self.is_encrypted = encryption(text)?,
            "KEY" => self.key_source = Some(text.to_owned()).filter(|t| !t.is_empty()),
            "SPOOL_SIZE" => options.spool_bytes = size_bytes(text)?,
            "SPOOL_AGE" => options.spool_age_ms = duration_ms(text)?,
            "AUTO_RESTART" => options.auto_restart = boolean(text)?,
            _ => return Err(wrong(format!("'{key}' is not a key of LOG_ARCHIVE_DEST"), key, DEST_FORM)),
        }
        Ok(())
    }

    fn finish(mut self) -> Result<ArchiveDest, Failure> {
        if self.location.is_empty() {
            return Err(wrong("LOG_ARCHIVE_DEST has no LOCATION".to_owned(), "LOG_ARCHIVE_DEST", DEST_FORM));
        }
        self.options.encryption = match (self.is_encrypted, self.key_source) {
            (false, None) => Encryption::None,
            (true, source) => Encryption::Aes256 { key_source: source.unwrap_or_default() },
            (false, Some(_)) => {
                let todo = "add ENCRYPTION=aes256, or leave KEY out";
                return Err(wrong("a KEY without ENCRYPTION does nothing".to_owned(), "KEY", todo));
            }
        };
        self.options.check()?;
        Ok(ArchiveDest { location: self.location, options: self.options })
    }
}

fn binding(text: &str) -> Result<Binding, Failure> {
    match text.to_ascii_lowercase().as_str() {
        "optional" => Ok(Binding::Optional),
        "mandatory" => Ok(Binding::Mandatory),
        _ => Err(wrong(format!("'{text}' is not a BINDING"), "BINDING", "BINDING is Optional or Mandatory")),
    }
}

/// The original takes only enable and disable, without effect; here they are lz4 and none.
fn compression(text: &str) -> Result<Compression, Failure> {
    let known = match text.to_ascii_lowercase().as_str() {
        "disable" => Some(Compression::None),
        "enable" => Some(Compression::Lz4),
        name => Compression::parse(name),
    };
    let todo = "COMPRESSION is none, lz4 or zstd";
    known.ok_or_else(|| wrong(format!("'{text}' is not a COMPRESSION"), "COMPRESSION", todo))
}

fn encryption(text: &str) -> Result<bool, Failure> {
    match text.to_ascii_lowercase().as_str() {
        "none" => Ok(false),
        "aes256" => Ok(true),
        _ => Err(wrong(format!("'{text}' is not an ENCRYPTION"), "ENCRYPTION", "ENCRYPTION is none or aes256")),
    }
}

fn boolean(text: &str) -> Result<bool, Failure> {
    match text.to_ascii_lowercase().as_str() {
        "true" => Ok(true),
        "false" => Ok(false),
        _ => Err(wrong(format!("'{text}' is neither true nor false"), "AUTO_RESTART", "write true or false")),
    }
}

/// `<n>MB`, `<n>GB`, `<n>TB`, or the units' first letters.
fn size_bytes(text: &str) -> Result<u64, Failure> {
    let units = [("M", 1 << 20), ("MB", 1 << 20), ("G", 1 << 30), ("GB", 1 << 30), ("T", 1 << 40), ("TB", 1 << 40)];
    with_unit(text, &units)
        .ok_or_else(|| wrong(format!("'{text}' is not a size"), "SPOOL_SIZE", "write a number and MB, GB or TB"))
}

/// `<n>d`, `<n>h`, `<n>m` or `<n>s`, inside the limits.
fn piece_interval_seconds(text: &str) -> Result<u64, Failure> {
    let Some(seconds) = with_unit(text, &[("d", 86_400), ("h", 3600), ("m", 60), ("s", 1)]) else {
        let (what, todo) =
            (format!("'{text}' is not a piece switch interval"), "write a number and d, h, m or s, as in 1d");
        return Err(Failure::new(ErrorClass::Invalid, what, text, todo));
    };
    let (min, max) = (limits::PIECE_INTERVAL_SECONDS_MIN, limits::PIECE_INTERVAL_SECONDS_MAX);
    if (min..=max).contains(&seconds) {
        return Ok(seconds);
    }
    let todo = format!("choose between {min}s and {}d", max / 86_400);
    Err(wrong(format!("a piece switch interval of {text} is not supported"), text, &todo))
}

fn wrong(what: String, object: &str, todo: &str) -> Failure {
    Failure::new(ErrorClass::Invalid, what, object, todo).with_code(NOT_SUPPORTED_CODE)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used)]
    use super::*;

    #[test]
    fn omitted_keys_take_their_defaults() {
        let dest = archive_dest("LOCATION=file:///a").unwrap().unwrap();
        assert_eq!(dest, ArchiveDest { location: "file:///a".into(), options: DestOptions::default() });
        assert_eq!(dest.options.piece_interval_s, limits::PIECE_INTERVAL_SECONDS_DEFAULT);
        assert_eq!(archive_dest("  ").unwrap(), None);
    }

    #[test]
    fn a_uri_may_hold_equal_signs() {
        let dest =
            archive_dest("location=file:///a?x=1&y=2 binding=MANDATORY piece_switch_interval=2h").unwrap().unwrap();
        assert_eq!((dest.location.as_str(), dest.options.binding), ("file:///a?x=1&y=2", Binding::Mandatory));
        assert_eq!(dest.options.piece_interval_s, 7200);
    }

    #[test]
    fn our_own_options_are_read() {
        let text = "LOCATION=s3://b/x COMPRESSION=zstd ENCRYPTION=AES256 KEY=file:/etc/k SPOOL_SIZE=2GB SPOOL_AGE=10m \
                    AUTO_RESTART=true";
        let o = archive_dest(text).unwrap().unwrap().options;
        assert_eq!(
            (o.compression, o.spool_bytes, o.spool_age_ms, o.auto_restart),
            (Compression::Zstd, 2 << 30, 600_000, true)
        );
        assert_eq!(o.encryption.key_source(), "file:/etc/k");
        assert_eq!(
            archive_dest("LOCATION=a COMPRESSION=enable").unwrap().unwrap().options.compression,
            Compression::Lz4
        );
    }

    #[test]
    fn wrong_destination_values_name_their_key_and_no_secret() {
        for (bad, part) in [
            ("file:///a", "not of the form"),
            ("LOCATION=", "no LOCATION"),
            ("BINDING=Optional", "no LOCATION"),
            ("LOCATION=x?access_key=SECRET BINDING=Perhaps", "not a BINDING"),
            ("LOCATION=x?access_key=SECRET SPEED=1", "not a key"),
            ("LOCATION=file:///a PIECE_SWITCH_INTERVAL=8d", "not supported"),
            ("LOCATION=file:///a PIECE_SWITCH_INTERVAL=0s", "not supported"),
            ("LOCATION=file:///a PIECE_SWITCH_INTERVAL=1w", "not a piece switch interval"),
            ("LOCATION=file:///a PIECE_SWITCH_INTERVAL=d", "not a piece switch interval"),
            ("LOCATION=file:///a PIECE_SWITCH_INTERVAL=99999999999999999999d", "not a piece switch interval"),
            ("LOCATION=file:///a COMPRESSION=gzip", "not a COMPRESSION"),
            ("LOCATION=file:///a ENCRYPTION=rot13", "not an ENCRYPTION"),
            ("LOCATION=file:///a ENCRYPTION=aes256", "needs a KEY"),
            ("LOCATION=file:///a ENCRYPTION=aes256 KEY=mysecret", "needs a KEY"),
            ("LOCATION=file:///a KEY=file:/k", "does nothing"),
            ("LOCATION=file:///a SPOOL_SIZE=1MB", "too small"),
            ("LOCATION=file:///a SPOOL_SIZE=1", "not a size"),
            ("LOCATION=file:///a SPOOL_AGE=1s", "too short"),
            ("LOCATION=file:///a SPOOL_AGE=1h BINDING=Mandatory", "never lets log go"),
            ("LOCATION=file:///a AUTO_RESTART=yes", "neither true nor false"),
        ] {
            let failure = archive_dest(bad).unwrap_err();
            assert!(failure.what.contains(part), "{bad}: {failure}");
            assert!(!failure.todo.is_empty() && !failure.to_string().contains("SECRET"), "{bad}: {failure}");
        }
    }
}
