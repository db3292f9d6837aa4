//! Keys of a destination: where they come from, and that they are never shown.
//!
//! Keys come, in this order, from the access text that the scheduler keeps apart from the destination, from a file
//! that the destination names (`access_key_file=`; read again whenever it changes, so that a key is rotated without
//! restarting anything), or from the environment. `Debug` and `Display` of everything here show no secret.

use crate::{MediaError, Op};
use parking_lot::Mutex;
use std::fmt;
use std::fs::Metadata;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use strandline_types::ErrorClass;

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
    /// From a destination's `access_id=…&access_key=…`.
    fn parse(text: &str) -> Result<Self, String> {
        let form = "keys are written access_id=…&access_key=… and taken as they are; a key with & in it, and a name \
                    behind a key that is no attribute of a destination, cannot stand here: use access_key_file=";
        Self::from_pairs(text.split(['&', '\n']), form)
    }

    /// From a file: one `name=value` per line, or several with `&` between them; a line that names one of them alone may
    /// hold a key with an `&`. A byte order mark, blanks around a line, empty lines and `#` lines are nothing.
    fn parse_file(text: &str) -> Result<Self, String> {
        let text = text.strip_prefix('\u{feff}').unwrap_or(text);
        let lines = text.lines().map(str::trim).filter(|line| !line.starts_with('#'));
        let form = "a line is access_id=… or access_key=… or session_token=…";
        Self::from_pairs(lines.flat_map(pairs_of_line), form)
    }

    fn from_pairs<'a>(pairs: impl Iterator<Item = &'a str>, form: &str) -> Result<Self, String> {
        let mut keys = Self { id: String::new(), secret: String::new(), token: None };
        for pair in pairs.map(str::trim).filter(|p| !p.is_empty()) {
            let value = |name: &str| pair.strip_prefix(name).and_then(|v| v.strip_prefix('=')).map(str::to_owned);
            if let Some(id) = value("access_id") {
                keys.id = id;
            } else if let Some(secret) = value("access_key") {
                keys.secret = secret;
            } else if let Some(token) = value("session_token") {
                keys.token = Some(token);
            } else {
                // What stands there may be a key: it is not repeated.
                return Err(form.to_owned());
            }
        }
        if keys.id.is_empty() || keys.secret.is_empty() {
            return Err("both access_id and access_key are needed".to_owned());
        }
        Ok(keys)
    }
}

/// `a=…&b=…` on one line is several pairs only where every part is one.
fn pairs_of_line(line: &str) -> Vec<&str> {
    const NAMES: [&str; 3] = ["access_id=", "access_key=", "session_token="];
    let starts = |at: &usize| NAMES.iter().any(|name| line[*at..].starts_with(name));
    let mut cuts: Vec<usize> = line.match_indices('&').map(|(at, _)| at + 1).filter(starts).collect();
    cuts.insert(0, 0);
    let ends = cuts.iter().skip(1).map(|at| at - 1).chain([line.len()]);
    cuts.iter().zip(ends).map(|(from, to)| &line[*from..to]).collect()
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
    /// `access` is what [`strandline_types::split_secrets`] split off; `file` the destination's `access_key_file`.
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
        let mut known = self.known.lock();
        let meta = std::fs::metadata(&self.path).map_err(|e| e.to_string())?;
        let stamp = Stamp::of(&meta);
        if let Some((at, keys)) = &*known
            && *at == stamp
        {
            return Ok(keys.clone());
        }
        let text = std::fs::read_to_string(&self.path).map_err(|e| e.to_string())?;
        let keys = Keys::parse_file(&text)?;
        *known = Some((stamp, keys.clone()));
        Ok(keys)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn a_key_file_is_read_however_an_editor_left_it() {
        for text in [
            "access_id=ak\naccess_key=s&k/+=%2F",
            "\u{feff}# keys\r\naccess_id=ak  \r\n\r\n  access_key=s&k/+=%2F\r\n",
            "access_id=ak&access_key=s&k/+=%2F\n",
        ] {
            let keys = Keys::parse_file(text).unwrap();
            assert_eq!((keys.id.as_str(), keys.secret.as_str()), ("ak", "s&k/+=%2F"), "{text:?}");
        }
        assert!(Keys::parse_file("access_id=ak\nsecret=topsecret").is_err_and(|e| !e.contains("topsecret")));
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
