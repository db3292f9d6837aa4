//! Addresses of destinations as text: their one spelling, and whether two of them are one place (fact sheet 1.2).
//!
//! An address is `scheme://bucket-or-root/path[?attribute=value&…]`, without keys. Whether a driver takes it is the
//! medium's question; here it is only compared.

use crate::refuse;
use strandline_types::Failure;

/// Schemes of object stores; their first part is a bucket or container.
const OBJECT_STORES: [&str; 4] = ["s3", "oss", "cos", "azblob"];

/// An address in its one spelling.
///
/// # Errors
/// `Invalid` when it is none.
pub fn spelled(uri: &str) -> Result<String, Failure> {
    let trimmed = uri.trim();
    let refused = || refuse::bad_uri(trimmed);
    let (place, attributes) = trimmed.split_once('?').map_or((trimmed, None), |(p, a)| (p, Some(a)));
    let place = place.trim_end_matches('/');
    let path = match place.split_once("://") {
        Some(("file", path)) if path.starts_with('/') && path.len() > 1 => path,
        Some(("mem", name)) if !name.is_empty() => name,
        Some((scheme, path)) if OBJECT_STORES.contains(&scheme) && !path.is_empty() && !path.starts_with('/') => path,
        _ => return Err(refused()),
    };
    let is_sound = path.split('/').skip(1).all(|part| !part.is_empty() && part != ".." && part != ".");
    if !is_sound || trimmed.contains(char::is_whitespace) {
        return Err(refused());
    }
    Ok(match attributes.filter(|a| !a.is_empty()) {
        Some(attributes) => format!("{place}?{attributes}"),
        None => place.to_owned(),
    })
}

/// The address without its attributes, but for the host: two buckets of one name on two servers are two places.
fn place(uri: &str) -> (&str, &str) {
    let (place, attributes) = uri.split_once('?').unwrap_or((uri, ""));
    let host = attributes.split('&').find_map(|a| a.strip_prefix("host=")).unwrap_or_default();
    (place.trim_end_matches('/'), host.trim_end_matches('/'))
}

/// The name of a place: the address with no attribute but its host. What stands in files must not change when an
/// attribute does.
#[must_use]
pub fn name(uri: &str) -> String {
    match place(uri) {
        (place, "") => place.to_owned(),
        (place, host) => format!("{place}?host={host}"),
    }
}

/// True when both name one place, whatever their attributes.
#[must_use]
pub fn is_same_place(a: &str, b: &str) -> bool {
    place(a) == place(b)
}

/// True when `inner` lies below `outer`. A destination's files are all its own: one below another would be listed, and
/// in time deleted, as part of it.
#[must_use]
pub fn is_inside(inner: &str, outer: &str) -> bool {
    let ((inner, inner_host), (outer, outer_host)) = (place(inner), place(outer));
    inner_host == outer_host && inner.strip_prefix(outer).is_some_and(|rest| rest.starts_with('/'))
}

/// The address of a place below another, with the same attributes.
#[must_use]
pub fn below(uri: &str, name: &str) -> String {
    let (place, attributes) = uri.split_once('?').map_or((uri, None), |(p, a)| (p, Some(a)));
    let place = place.trim_end_matches('/');
    attributes.map_or_else(|| format!("{place}/{name}"), |a| format!("{place}/{name}?{a}"))
}

/// The path from one place to another that lies below it.
#[must_use]
pub fn path_below<'a>(inner: &'a str, outer: &str) -> Option<&'a str> {
    if !is_inside(inner, outer) {
        return None;
    }
    place(inner).0.strip_prefix(place(outer).0).map(|p| p.trim_start_matches('/'))
}

/// The value of an attribute, if the address has it.
#[must_use]
pub fn attribute<'a>(uri: &'a str, name: &str) -> Option<&'a str> {
    let (_, attributes) = uri.split_once('?')?;
    attributes.split('&').find_map(|a| a.split_once('=').filter(|(n, _)| *n == name).map(|(_, v)| v))
}

/// The address with other values for some attributes; an empty value removes one.
///
/// # Errors
/// `Invalid` for what is no `name=value`.
pub fn with_attributes(uri: &str, changes: &str) -> Result<String, Failure> {
    let (place, old) = uri.split_once('?').unwrap_or((uri, ""));
    let mut all: Vec<(&str, &str)> = old.split('&').filter_map(|a| a.split_once('=')).collect();
    for change in changes.split('&').map(str::trim).filter(|c| !c.is_empty()) {
        let (name, value) = change.split_once('=').ok_or_else(|| refuse::bad_attribute(change))?;
        all.retain(|(n, _)| *n != name);
        if !value.is_empty() {
            all.push((name, value));
        }
    }
    let attributes: Vec<String> = all.iter().map(|(n, v)| format!("{n}={v}")).collect();
    Ok(if attributes.is_empty() { place.to_owned() } else { format!("{place}?{}", attributes.join("&")) })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn an_address_has_one_spelling() {
        assert_eq!(spelled(" file:///a/b/ ").unwrap(), "file:///a/b");
        assert_eq!(spelled("s3://bucket/x/?host=h&s3_region=r").unwrap(), "s3://bucket/x?host=h&s3_region=r");
        assert_eq!(spelled("s3://bucket/x?").unwrap(), "s3://bucket/x");
        for bad in ["", "/b", "file://b", "file:///", "file:///a/../b", "s3:///x", "ftp://h/x", "file:///a b", "s3://"]
        {
            assert!(spelled(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn attributes_do_not_make_another_place_and_hosts_do() {
        assert!(is_same_place("s3://b/x?host=h&max_iops=5", "s3://b/x?s3_region=r&host=h/"));
        assert!(!is_same_place("s3://b/x?host=h", "s3://b/x?host=g"));
        assert_eq!(name("s3://b/x?max_iops=5&host=h"), "s3://b/x?host=h");
        assert_eq!(name("file:///a/b"), "file:///a/b");
        assert_eq!(path_below(&below("s3://b/x?host=h", "t_1"), "s3://b/x?host=h"), Some("t_1"));
        assert!(is_inside("file:///a/b/c", "file:///a/b") && !is_inside("file:///a/bc", "file:///a/b"));
        assert!(!is_inside("s3://b/x/y?host=h", "s3://b/x?host=g"));
    }

    #[test]
    fn attributes_are_replaced_added_and_removed() {
        let uri = "s3://b/x?host=h&max_iops=5";
        assert_eq!(
            with_attributes(uri, "max_iops=7&delete_mode=tagging").unwrap(),
            "s3://b/x?host=h&max_iops=7&delete_mode=tagging"
        );
        assert_eq!(with_attributes(uri, "max_iops=").unwrap(), "s3://b/x?host=h");
        assert!(with_attributes(uri, "max_iops").is_err());
        assert_eq!(attribute(uri, "host"), Some("h"));
        assert_eq!(attribute(uri, "hos"), None);
    }
}
