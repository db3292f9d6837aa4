//! Where a destination is: what tells one place from another, and nothing else.
//!
//! Two texts name one place exactly when their [`Place`]s are equal, whatever their attributes and keys are. So places
//! are compared here and nowhere as text: a comparison of texts lets a limit or a region make two places of one.

use crate::scheme::{Form, Scheme};
use std::fmt;

/// A place. Equal = the same place.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Place {
    /// Kind.
    pub scheme: Scheme,
    /// Bucket, container, or the name of a destination in memory; empty for a directory.
    pub bucket: String,
    /// Below the bucket, without leading and trailing `/`; an absolute path for a directory.
    pub path: String,
    /// The server, in its one spelling: two buckets of one name on two servers are two places.
    pub host: Option<String>,
}

impl Place {
    /// From what stands between `://` and `?`, and the host.
    ///
    /// # Errors
    /// What is wrong with it.
    pub(crate) fn parse(scheme: Scheme, text: &str, host: Option<&str>) -> Result<Self, String> {
        let (bucket, path) = match scheme.form() {
            Form::Directory => (String::new(), directory(text)?),
            Form::Name => (in_memory(text)?, String::new()),
            Form::Bucket => bucket_and_path(text)?,
        };
        Ok(Self { scheme, bucket, path, host: host.map(spelled).transpose()? })
    }

    /// True when this place lies below another. A destination's files are all its own: one below another would be
    /// listed, and in time deleted, as part of it.
    #[must_use]
    pub fn is_inside(&self, outer: &Self) -> bool {
        self.path_below(outer).is_some()
    }

    /// The path to this place from another above it; `None` when it does not lie below.
    #[must_use]
    pub fn path_below(&self, outer: &Self) -> Option<&str> {
        let is_one_store = (self.scheme, &self.bucket, &self.host) == (outer.scheme, &outer.bucket, &outer.host);
        let rest = self.path.strip_prefix(&outer.path).filter(|_| is_one_store)?;
        let rest = if outer.path.is_empty() { rest } else { rest.strip_prefix('/')? };
        Some(rest).filter(|r| !r.is_empty())
    }

    /// A place below this one.
    #[must_use]
    pub fn below(&self, name: &str) -> Self {
        let joint = if self.path.is_empty() { "" } else { "/" };
        Self { path: format!("{}{joint}{}", self.path, name.trim_matches('/')), ..self.clone() }
    }

    /// The place above, and the last name of this one's path; `None` for a bucket and for a directory at the root.
    #[must_use]
    pub fn parent(&self) -> Option<(Self, &str)> {
        let (above, last) = match self.path.rsplit_once('/') {
            Some((above, last)) => (above, last),
            None => ("", self.path.as_str()),
        };
        let is_root = last.is_empty() || (self.scheme == Scheme::File && above.is_empty());
        (!is_root).then(|| (Self { path: above.to_owned(), ..self.clone() }, last))
    }

    /// Scheme, bucket and path, without the host.
    #[must_use]
    pub fn root(&self) -> String {
        let joint = if self.path.is_empty() || self.bucket.is_empty() { "" } else { "/" };
        format!("{}://{}{joint}{}", self.scheme.name(), self.bucket, self.path)
    }
}

impl fmt::Display for Place {
    /// The name of the place: what stands in files, which must not change when an attribute does.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.root())?;
        self.host.as_ref().map_or(Ok(()), |host| write!(f, "?host={host}"))
    }
}

/// The host under its one spelling: scheme and name in lower case, no slash at the end, `https` without its scheme.
///
/// # Errors
/// What is wrong with it, in words; a user name and password in it are not repeated.
fn spelled(host: &str) -> Result<String, String> {
    let (scheme, rest) = match host.split_once("://") {
        Some((scheme, rest)) => (Some(scheme.to_ascii_lowercase()), rest),
        None => (None, host),
    };
    if scheme.as_deref().is_some_and(|s| s != "http" && s != "https") {
        return Err("host= begins with http:// or https://, or with the server's name".to_owned());
    }
    if rest.contains('@') {
        return Err("host= has no user and password: use access_id= and access_key=".to_owned());
    }
    if rest.contains(['#', '?', '\\']) || rest.contains(char::is_whitespace) {
        return Err("host= is a server, a port and at most a path".to_owned());
    }
    let rest = rest.trim_end_matches('/');
    let (server, path) = rest.split_once('/').map_or((rest, ""), |(server, path)| (server, path));
    let (name, port) = match server.strip_prefix('[').and_then(|s| s.split_once(']')) {
        Some((name, "")) => (name, None),
        Some((name, port)) => (name, Some(port.strip_prefix(':').unwrap_or(""))),
        None => server.split_once(':').map_or((server, None), |(name, port)| (name, Some(port))),
    };
    if name.is_empty() || name.starts_with('.') {
        return Err("host= names no server, for example host=http://127.0.0.1:9000".to_owned());
    }
    let number = port.and_then(port_number);
    if port.is_some() && number.is_none() {
        return Err("the port in host= is no number from 1 to 65535; an IPv6 address stands in [ ]".to_owned());
    }
    let scheme = scheme.filter(|s| s != "https").map_or(String::new(), |s| format!("{s}://"));
    let slash = if path.is_empty() { "" } else { "/" };
    let server = server[..server.len() - port.map_or(0, str::len)].to_ascii_lowercase();
    let port = number.map_or(String::new(), |n| n.to_string());
    Ok(format!("{scheme}{server}{port}{slash}{path}"))
}

/// A port from 1 to 65535, in digits alone.
pub(crate) fn port_number(text: &str) -> Option<u16> {
    let is_digits = text.bytes().all(|b| b.is_ascii_digit());
    text.parse().ok().filter(|n| is_digits && *n > 0)
}

fn directory(text: &str) -> Result<String, String> {
    if !text.starts_with('/') {
        return Err("a file destination is file:// and an absolute path, for example file:///backup/archive".into());
    }
    let path = names(text)?;
    if path.is_empty() {
        return Err("the root of the file system cannot be a destination".into());
    }
    Ok(format!("/{path}"))
}

fn in_memory(text: &str) -> Result<String, String> {
    let name = text.trim_end_matches('/');
    if name.is_empty() || name.contains('/') {
        return Err("a memory destination is mem:// and a name without '/'".into());
    }
    Ok(name.to_owned())
}

fn bucket_and_path(text: &str) -> Result<(String, String), String> {
    let (bucket, path) = text.split_once('/').unwrap_or((text, ""));
    let is_name = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'.' | b'_' | b'$');
    if bucket.is_empty() || !bucket.bytes().all(is_name) {
        return Err("after :// comes a bucket, then a path, for example s3://bucket/archive?host=…".into());
    }
    Ok((bucket.to_owned(), names(path)?))
}

/// The names of a path, each after one `/`.
fn names(path: &str) -> Result<String, String> {
    let names: Vec<&str> = path.split('/').filter(|n| !n.is_empty()).collect();
    if names.iter().any(|n| *n == "." || *n == "..") {
        return Err("a destination has no '.' and '..' in its path".into());
    }
    Ok(names.join("/"))
}

#[cfg(test)]
mod tests {
    use super::spelled;

    #[test]
    fn one_server_has_one_spelling() {
        for (host, spelling) in [
            ("HTTP://127.0.0.1:9000/", "http://127.0.0.1:9000"),
            ("http://[::1]:9000", "http://[::1]:9000"),
            ("[::1]", "[::1]"),
            ("https://S3.Example.com//", "s3.example.com"),
            ("s3.example.com", "s3.example.com"),
            ("http://localhost:1/Storage/v1", "http://localhost:1/Storage/v1"),
        ] {
            assert_eq!(spelled(host).as_deref(), Ok(spelling));
            assert_eq!(spelled(spelling).as_deref(), Ok(spelling));
        }
    }

    #[test]
    fn what_is_no_server_is_refused_with_words() {
        for (host, word) in [
            ("", "names no server"),
            ("http://", "names no server"),
            ("http://:9000", "names no server"),
            ("ftp://h", "http://"),
            ("http://me:topsecret@h", "access_key="),
            ("http://h:0", "port"),
            ("http://h:99999", "port"),
            ("http://::1:9000", "names no server"),
            ("http://fe80::1", "[ ]"),
            ("http://h?x", "server"),
        ] {
            let refused = spelled(host);
            assert!(
                refused.as_ref().is_err_and(|e| e.contains(word) && !e.contains("topsecret")),
                "{host}: {refused:?}"
            );
        }
    }
}
