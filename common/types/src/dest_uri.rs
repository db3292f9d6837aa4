//! Destinations as text: `scheme://bucket/path?name=value&…`. The only grammar of it.
//!
//! A [`DestUri`] is a place and the attributes that say how it is used; an [`Address`] is that and the keys. Attributes
//! and keys belong to their destination up to the last request: nothing may open a destination by its place alone.
//! Which attributes a kind of medium has is the medium's question; here they are names and values.

use crate::access::{Access, is_secret, split_secrets};
use crate::place::Place;
use crate::scheme::{Form, Scheme};
use crate::{ErrorClass, Failure, MASK, limits};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fmt;

/// The attribute that is part of the place.
const HOST: &str = "host";
/// The attribute that names the server where no host does and accounts have one.
const ACCOUNT: &str = "account";

/// A destination without its keys. Equal = the same place, used in the same way.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct DestUri {
    place: Place,
    attributes: BTreeMap<String, String>,
}

impl DestUri {
    /// From its text, however it is spelled. Keys must be gone from it: [`Address::parse`] takes a text with keys.
    ///
    /// # Errors
    /// `Invalid` says what is wrong; no secret is repeated.
    pub fn parse(text: &str) -> Result<Self, Failure> {
        if has_misplaced_key(text) {
            let reason = "keys stand behind the one '?' of a destination, each after a '&'";
            return Err(refused(text, reason.to_owned()));
        }
        Self::parts(text).map_err(|reason| refused(text, reason))
    }

    fn parts(text: &str) -> Result<Self, String> {
        if text.len() > limits::DEST_URI_BYTES_MAX {
            return Err(format!("a destination has at most {} bytes", limits::DEST_URI_BYTES_MAX));
        }
        if text.contains(|c: char| c.is_control()) {
            return Err("a destination has no control characters".to_owned());
        }
        let Some((scheme, rest)) = text.split_once("://") else {
            let names = Scheme::names_with_buckets();
            return Err(format!("not a destination: use file:// and an absolute path, or {names} and a bucket"));
        };
        let scheme = Scheme::parse(scheme)?;
        let (place, attributes) = rest.split_once('?').unwrap_or((rest, ""));
        let mut attributes = pairs(attributes)?;
        if scheme.form() != Form::Bucket && attributes.contains_key(HOST) {
            return Err(format!("the attribute '{HOST}' is not known for this kind of destination"));
        }
        let of_account = attributes.get(ACCOUNT).and_then(|account| scheme.host_of_account(account));
        let host = attributes.remove(HOST).or(of_account);
        let uri = Self { place: Place::parse(scheme, place, host.as_deref())?, attributes };
        // Its spelling has to be a destination too: it is what is stored and read again.
        if uri.to_string().len() > limits::DEST_URI_BYTES_MAX {
            return Err(format!("a destination with its host has at most {} bytes", limits::DEST_URI_BYTES_MAX));
        }
        Ok(uri)
    }

    /// Where it is.
    #[must_use]
    pub const fn place(&self) -> &Place {
        &self.place
    }

    /// True when both are one place, whatever their attributes.
    #[must_use]
    pub fn is_same_place(&self, other: &Self) -> bool {
        self.place == other.place
    }

    /// True when one lies below the other, or both are one place.
    #[must_use]
    pub fn overlaps(&self, other: &Self) -> bool {
        let (a, b) = (&self.place, &other.place);
        a == b || a.is_inside(b) || b.is_inside(a)
    }

    /// The value of an attribute, if it has it; the host is one.
    #[must_use]
    pub fn attribute(&self, name: &str) -> Option<&str> {
        if name == HOST {
            return self.place.host.as_deref();
        }
        self.attributes.get(name).map(String::as_str)
    }

    /// Names and values of the attributes other than the host, by name.
    pub fn attributes(&self) -> impl Iterator<Item = (&str, &str)> {
        self.attributes.iter().map(|(name, value)| (name.as_str(), value.as_str()))
    }

    /// A destination below this one, used in the same way.
    #[must_use]
    pub fn below(&self, name: &str) -> Self {
        Self { place: self.place.below(name), attributes: self.attributes.clone() }
    }

    /// The destination above, used in the same way, and the last name of this one's path.
    #[must_use]
    pub fn parent(&self) -> Option<(Self, &str)> {
        let (place, last) = self.place.parent()?;
        Some((Self { place, attributes: self.attributes.clone() }, last))
    }

    /// The same with other values for some attributes (`name=value&…`); an empty value removes one.
    ///
    /// # Errors
    /// `Invalid` for what is no `name=value`, and for what is no destination with it.
    pub fn with_attributes(&self, changes: &str) -> Result<Self, Failure> {
        let mut all: BTreeMap<&str, &str> =
            self.attributes().chain(self.place.host.as_deref().map(|h| (HOST, h))).collect();
        for change in changes.split('&').map(str::trim).filter(|c| !c.is_empty()) {
            let Some((name, value)) = change.split_once('=') else {
                let todo = "separate several with &";
                return Err(Failure::new(ErrorClass::Invalid, "an attribute is name=value", shown(change), todo));
            };
            if value.is_empty() {
                all.remove(name);
            } else {
                all.insert(name, value);
            }
        }
        Self::parse(&joined(&self.place.root(), all))
    }
}

/// A piece of text that may be a key is not repeated.
fn shown(pair: &str) -> String {
    if is_secret(pair) { MASK.to_owned() } else { format!("'{pair}'") }
}

/// True for a `key=…` that a `&` without a `?` before it would make a part of the path, or a second `?` a part of a value:
/// it would be shown with them.
fn has_misplaced_key(text: &str) -> bool {
    let (place, attributes) = text.split_once('?').unwrap_or((text, ""));
    let (in_place, in_values) = (place.split('&').skip(1), attributes.split('?').skip(1));
    in_place.chain(in_values).any(|pair| pair.contains('=') && is_secret(pair))
}

fn refused(text: &str, reason: String) -> Failure {
    let todo = format!("write {}", Scheme::examples());
    Failure::new(ErrorClass::Invalid, reason, split_secrets(text).0, todo)
}

fn pairs(text: &str) -> Result<BTreeMap<String, String>, String> {
    let mut found = BTreeMap::new();
    for pair in text.split('&').filter(|p| !p.is_empty()) {
        let (name, value) = pair.split_once('=').ok_or_else(|| format!("{} is not name=value", shown(pair)))?;
        if is_secret(pair) {
            // The caller's mistake, or a key where none belongs; the value must not be repeated.
            return Err(format!("{name} does not belong here"));
        }
        if found.insert(name.to_owned(), value.to_owned()).is_some() {
            return Err(format!("the attribute '{name}' is given twice"));
        }
    }
    Ok(found)
}

fn joined(root: &str, pairs: BTreeMap<&str, &str>) -> String {
    let pairs: Vec<String> = pairs.into_iter().map(|(name, value)| format!("{name}={value}")).collect();
    let mark = if pairs.is_empty() { "" } else { "?" };
    format!("{root}{mark}{}", pairs.join("&"))
}

impl fmt::Display for DestUri {
    /// With every attribute, in one order.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let pairs = self.attributes().chain(self.place.host.as_deref().map(|h| (HOST, h))).collect();
        f.write_str(&joined(&self.place.root(), pairs))
    }
}

impl fmt::Debug for DestUri {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

impl TryFrom<String> for DestUri {
    type Error = Failure;

    /// What is stored is read although it would not be taken any more: who holds it has to come up.
    fn try_from(text: String) -> Result<Self, Failure> {
        Self::parts(&text).map_err(|reason| refused(&text, reason))
    }
}

impl From<DestUri> for String {
    fn from(uri: DestUri) -> Self {
        uri.to_string()
    }
}

/// A destination and the keys that open it: all that a request needs. Neither `Debug` nor `Display` shows a key.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Address {
    /// The destination.
    pub uri: DestUri,
    /// Its keys; empty when they come from its `access_key_file` or from the environment.
    pub access: Access,
}

impl Address {
    /// From a text as a user types it, which may hold keys.
    ///
    /// # Errors
    /// `Invalid` says what is wrong; no secret is repeated.
    pub fn parse(text: &str) -> Result<Self, Failure> {
        let (uri, access) = split_secrets(text.trim());
        Ok(Self { uri: DestUri::parse(&uri)?, access: Access::new(access) })
    }

    /// Where it is.
    #[must_use]
    pub const fn place(&self) -> &Place {
        self.uri.place()
    }

    /// The same keys for a destination below.
    #[must_use]
    pub fn below(&self, name: &str) -> Self {
        Self { uri: self.uri.below(name), access: self.access.clone() }
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.uri)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn uri(text: &str) -> DestUri {
        DestUri::parse(text).unwrap()
    }

    #[test]
    fn an_address_has_one_spelling() {
        for (typed, one) in [
            ("file:///a//b/", "file:///a/b"),
            ("s3://bucket/x/?s3_region=r&host=h", "s3://bucket/x?host=h&s3_region=r"),
            ("s3://bucket/x?", "s3://bucket/x"),
            ("oss://b?host=https://OSS.example.com/", "oss://b?host=oss.example.com"),
            ("s3://b/p?host=HTTP://127.0.0.1:9000/", "s3://b/p?host=http://127.0.0.1:9000"),
            ("azblob://c/p?account=a", "azblob://c/p?account=a&host=a.blob.core.windows.net"),
        ] {
            assert_eq!(uri(typed).to_string(), one);
            assert_eq!(uri(one), uri(typed), "its spelling is itself an address");
        }
    }

    #[test]
    fn what_is_wrong_is_said() {
        for (text, word) in [
            ("", "file://"),
            ("/b", "file://"),
            ("file://b", "absolute"),
            ("file:///", "root"),
            ("file:///a/../b", "'..'"),
            ("file:///x?host=h", "'host'"),
            ("mem://a/b", "name"),
            ("s3:///x", "bucket"),
            ("s3://", "bucket"),
            ("s3://b c/x", "bucket"),
            ("s3://b/x?host=a&host=b", "twice"),
            ("s3://b/x?region", "name=value"),
            ("cos://b/x?host=h", "use s3://"),
            ("ftp://h/x", "not known"),
        ] {
            let failure = DestUri::parse(text).unwrap_err();
            assert!(failure.class == ErrorClass::Invalid && failure.what.contains(word), "{text}: {failure}");
        }
    }

    #[test]
    fn attributes_do_not_make_another_place_and_hosts_do() {
        assert!(uri("s3://b/x?host=h&max_iops=5").is_same_place(&uri("s3://b/x/?s3_region=r&host=https://h/")));
        assert!(!uri("s3://b/x?host=h").is_same_place(&uri("s3://b/x?host=g")));
        assert!(!uri("s3://b/x?host=h").is_same_place(&uri("oss://b/x?host=h")));
        assert!(!uri("azblob://c/x?account=a").is_same_place(&uri("azblob://c/x?account=b")));
        assert_eq!(uri("s3://b/x?max_iops=5&host=h").place().to_string(), "s3://b/x?host=h");
    }

    #[test]
    fn what_lies_below_is_found_and_keeps_how_it_is_used() {
        let outer = uri("s3://b/x?host=h&s3_region=r");
        let inner = outer.below("t_1");
        assert_eq!(inner.to_string(), "s3://b/x/t_1?host=h&s3_region=r");
        assert_eq!(inner.place().path_below(outer.place()), Some("t_1"));
        assert_eq!(inner.parent(), Some((outer, "t_1")));
        let inside = |a: &str, b: &str| uri(a).place().is_inside(uri(b).place());
        assert!(inside("file:///a/b/c", "file:///a/b") && inside("s3://b/x?host=h", "s3://b?host=h"));
        assert!(!inside("file:///a/bc", "file:///a/b") && !inside("file:///a/b", "file:///a/b"));
        assert!(!inside("s3://b/x/y?host=h", "s3://b/x?host=g"));
        assert!(uri("file:///a/b").overlaps(&uri("file:///a")) && !uri("file:///a").overlaps(&uri("file:///ab")));
        assert_eq!((uri("file:///a").parent(), uri("s3://b").parent()), (None, None));
    }

    #[test]
    fn attributes_are_replaced_added_and_removed() {
        let before = uri("s3://b/x?host=h&max_iops=5");
        let after = before.with_attributes("max_iops=7&delete_mode=tagging").unwrap();
        assert_eq!(after.to_string(), "s3://b/x?delete_mode=tagging&host=h&max_iops=7");
        assert_eq!(before.with_attributes("max_iops=").unwrap().to_string(), "s3://b/x?host=h");
        assert!(before.with_attributes("max_iops").is_err());
        assert_eq!((before.attribute("host"), before.attribute("hos")), (Some("h"), None));
    }

    #[test]
    fn a_key_is_split_off_and_never_shown() {
        let address = Address::parse(" s3://b/x?access_id=ak&host=h&access_key=topsecret ").unwrap();
        assert_eq!(
            (address.to_string().as_str(), address.access.reveal()),
            ("s3://b/x?host=h", "access_id=ak&access_key=topsecret")
        );
        let wrong = Address::parse("s3://b/x?access_key=topsecret&host=a&host=b").unwrap_err();
        let misplaced = DestUri::parse("s3://b/x?access_key=topsecret").unwrap_err();
        let changed = address.uri.with_attributes("access_key=topsecret").unwrap_err();
        assert!(!format!("{address:?} {wrong} {misplaced} {changed}").contains("topsecret"));
    }
}
