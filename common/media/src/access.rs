//! Keys of a destination: where they come from, and that nobody ever sees them.
//!
//! Keys come, in this order, from the access text that the scheduler keeps apart from the destination, from a file
//! that the destination names (`access_key_file=`; read again whenever it changes, so that a key is rotated without
//! restarting anything), or from the environment. `Debug` and `Display` of everything here show no secret.

use crate::destination::SECRET_NAMES;
use crate::{MediaError, Op};
use std::fmt;
use std::fs::Metadata;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use strandline_types::ErrorClass;

/// Splits a destination as a user types it into the part that may be shown and the part that may not:
/// `access_id=…&access_key=…`.
#[must_use]
pub fn split_secrets(uri: &str) -> (String, String) {
    let Some((place, text)) = uri.split_once('?') else { return (uri.to_owned(), String::new()) };
    let is_secret = |pair: &&str| SECRET_NAMES.contains(&pair.split('=').next().unwrap_or(""));
    let (secret, open): (Vec<&str>, Vec<&str>) = text.split('&').filter(|p| !p.is_empty()).partition(is_secret);
    let mark = if open.is_empty() { "" } else { "?" };
    (format!("{place}{mark}{}", open.join("&")), secret.join("&"))
}

/// One pair of keys.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Keys {
    pub(crate) id: String,
    pub(crate) secret: String,
    pub(crate) token: Option<String>,
}

impl fmt::Debug for Keys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "access_id={}&access_key=******", self.id)
    }
}

impl Keys {
    /// From `access_id=…&access_key=…` (`&` or line ends between them).
    fn parse(text: &str) -> Result<Self, String> {
        let mut keys = Self { id: String::new(), secret: String::new(), token: None };
        for pair in text.split(['&', '\n']).map(str::trim).filter(|p| !p.is_empty() && !p.starts_with('#')) {
            let value = |name: &str| pair.strip_prefix(name).and_then(|v| v.strip_prefix('=')).map(str::to_owned);
            if let Some(id) = value("access_id") {
                keys.id = id;
            } else if let Some(secret) = value("access_key") {
                keys.secret = secret;
            } else if let Some(token) = value("session_token") {
                keys.token = Some(token);
            } else {
                // What stands there may be a key: it is not repeated.
                return Err("keys are written access_id=…&access_key=…".to_owned());
            }
        }
        if keys.id.is_empty() || keys.secret.is_empty() {
            return Err("both access_id and access_key are needed".to_owned());
        }
        Ok(keys)
    }
}

/// Where the keys of one medium come from.
#[derive(Debug)]
pub(crate) enum KeySource {
    Fixed(Keys),
    File(KeyFile),
    /// Looked up by the medium's own kind at every use.
    Environment,
}

impl KeySource {
    /// `access` is what [`split_secrets`] split off; `file` the destination's `access_key_file`.
    pub(crate) fn new(uri: &str, access: &str, file: Option<&str>) -> Result<Self, MediaError> {
        let invalid = |reason: String| MediaError::new(ErrorClass::Invalid, Op::Open, uri, "", reason);
        match (access.is_empty(), file) {
            (false, _) => Keys::parse(access).map(Self::Fixed).map_err(invalid),
            (true, Some(path)) if Path::new(path).is_absolute() => Ok(Self::File(KeyFile::new(path))),
            (true, Some(path)) => Err(invalid(format!("access_key_file={path} is no absolute path"))),
            (true, None) => Ok(Self::Environment),
        }
    }

    /// The keys of this moment; `None` = the environment decides.
    pub(crate) fn now(&self, uri: &str) -> Result<Option<Keys>, MediaError> {
        match self {
            Self::Fixed(keys) => Ok(Some(keys.clone())),
            Self::Environment => Ok(None),
            Self::File(file) => file.now().map(Some).map_err(|reason| {
                let reason = format!("access_key_file {}: {reason}", file.path.display());
                MediaError::new(ErrorClass::Permission, Op::Open, uri, "", reason)
            }),
        }
    }
}

/// A file with keys; its content is remembered until the file changes.
#[derive(Debug)]
pub(crate) struct KeyFile {
    path: PathBuf,
    known: Mutex<Option<(Stamp, Keys)>>,
}

/// What changes with every change of a file: another file has another number, and no tool sets the time of the last
/// change of its inode. Its length and the time of its content may be the same as before: keys have one length.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Stamp {
    inode: u64,
    changed: (i64, i64),
    len: u64,
}

impl Stamp {
    fn of(meta: &Metadata) -> Self {
        Self { inode: meta.ino(), changed: (meta.ctime(), meta.ctime_nsec()), len: meta.len() }
    }
}

impl KeyFile {
    fn new(path: &str) -> Self {
        Self { path: PathBuf::from(path), known: Mutex::default() }
    }

    fn now(&self) -> Result<Keys, String> {
        // The entry is replaced whole: a poisoned lock is still good.
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let meta = std::fs::metadata(&self.path).map_err(|e| e.to_string())?;
        let stamp = Stamp::of(&meta);
        if let Some((at, keys)) = &*known
            && *at == stamp
        {
            return Ok(keys.clone());
        }
        let text = std::fs::read_to_string(&self.path).map_err(|e| e.to_string())?;
        let keys = Keys::parse(&text)?;
        *known = Some((stamp, keys.clone()));
        Ok(keys)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn secrets_are_split_off_and_nothing_else_is() {
        for (uri, open, secret) in [
            ("file:///a", "file:///a", ""),
            (
                "s3://b/p?host=h&access_id=ak&access_key=s/k+=&max_iops=5",
                "s3://b/p?host=h&max_iops=5",
                "access_id=ak&access_key=s/k+=",
            ),
            (
                "s3://b/p?access_id=ak&access_key=sk&session_token=t",
                "s3://b/p",
                "access_id=ak&access_key=sk&session_token=t",
            ),
        ] {
            assert_eq!(split_secrets(uri), (open.to_owned(), secret.to_owned()));
        }
    }

    #[test]
    fn a_key_is_never_shown() {
        let source = KeySource::new("u", "access_id=ak&access_key=topsecret&session_token=alsosecret", None).unwrap();
        let text = format!("{source:?} {:?}", source.now("u"));
        assert!(text.contains("ak") && !text.contains("secret"), "{text}");
        let e = KeySource::new("u", "access_id=ak&acess_key=topsecret", None).unwrap_err();
        assert!(!e.to_string().contains("topsecret"), "{e}");
    }

    #[test]
    fn a_changed_key_file_is_read_again() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("keys");
        std::fs::write(&path, "access_id=a\naccess_key=1\n").unwrap();
        let source = KeySource::new("u", "", path.to_str()).unwrap();
        assert_eq!(source.now("u").unwrap().unwrap().secret, "1");
        std::fs::write(&path, "# rotated\naccess_id=a\naccess_key=22\n").unwrap();
        assert_eq!(source.now("u").unwrap().unwrap().secret, "22");
        // Rotated by a tool that keeps length and time, in place and by a new file.
        let meta = |path: &Path| std::fs::metadata(path).unwrap();
        let before = meta(&path);
        let keep_time =
            |path: &Path| std::fs::File::open(path).unwrap().set_modified(before.modified().unwrap()).unwrap();
        // A file system's clock ticks every few milliseconds.
        while Stamp::of(&meta(&path)) == Stamp::of(&before) {
            std::fs::write(&path, "# rotated\naccess_id=a\naccess_key=33\n").unwrap();
            keep_time(&path);
        }
        assert_eq!(source.now("u").unwrap().unwrap().secret, "33");
        let new = dir.path().join("new");
        std::fs::write(&new, "# rotated\naccess_id=a\naccess_key=44\n").unwrap();
        keep_time(&new);
        std::fs::rename(&new, &path).unwrap();
        assert_eq!(source.now("u").unwrap().unwrap().secret, "44");
        std::fs::remove_file(&path).unwrap();
        let e = source.now("u").unwrap_err();
        assert!(e.class == ErrorClass::Permission && e.reason.contains("keys"), "{e}");
    }
}
