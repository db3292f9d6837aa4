//! Keys of a destination: where they come from, and that nobody ever sees them.
//!
//! Keys come, in this order, from the access text that the scheduler keeps apart from the destination, from a file
//! that the destination names (`access_key_file=`; read again whenever it changes, so that a key is rotated without
//! restarting anything), or from the environment. `Debug` and `Display` of everything here show no secret.

use crate::{MediaError, Op};
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::SystemTime;
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

/// A file with keys; its content is remembered until its time or size changes.
#[derive(Debug)]
pub(crate) struct KeyFile {
    path: PathBuf,
    known: Mutex<Option<(SystemTime, u64, Keys)>>,
}

impl KeyFile {
    fn new(path: &str) -> Self {
        Self { path: PathBuf::from(path), known: Mutex::default() }
    }

    fn now(&self) -> Result<Keys, String> {
        // The entry is replaced whole: a poisoned lock is still good.
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let meta = std::fs::metadata(&self.path).map_err(|e| e.to_string())?;
        let stamp = (meta.modified().map_err(|e| e.to_string())?, meta.len());
        if let Some((at, len, keys)) = &*known
            && (*at, *len) == stamp
        {
            return Ok(keys.clone());
        }
        let text = std::fs::read_to_string(&self.path).map_err(|e| e.to_string())?;
        let keys = Keys::parse(&text)?;
        *known = Some((stamp.0, stamp.1, keys.clone()));
        Ok(keys)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

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
        std::fs::remove_file(&path).unwrap();
        let e = source.now("u").unwrap_err();
        assert!(e.class == ErrorClass::Permission && e.reason.contains("keys"), "{e}");
    }
}
