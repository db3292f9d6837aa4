//! What configurations of servers have in common, and what cannot work in any of them.

use crate::place::port_number;
use crate::{ErrorClass, Failure};
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::Path;

fn wrong(what: &str, object: String, todo: &str) -> Failure {
    Failure::new(ErrorClass::Invalid, what, object, todo)
}

/// Whether a text is `host:port`.
#[must_use]
pub fn is_host_and_port(text: &str) -> bool {
    let is_no_name = |c: char| c == '/' || c.is_whitespace();
    let is_both =
        |(host, port): (&str, &str)| !host.is_empty() && !host.contains(is_no_name) && port_number(port).is_some();
    text.rsplit_once(':').is_some_and(is_both)
}

/// Whether a directory is named at all.
///
/// # Errors
/// `Invalid` when it is not.
pub fn check_data_dir(dir: &Path) -> Result<(), Failure> {
    if dir.as_os_str().is_empty() {
        let todo = "name the directory where the files of this server are to lie";
        return Err(wrong("the data directory has no name", "data_dir \"\"".to_owned(), todo));
    }
    Ok(())
}

/// Whether a server can listen on all of its addresses: each by its key in the configuration.
///
/// # Errors
/// `Invalid` names two keys with one address.
pub fn check_listeners(listeners: &[(&str, Option<SocketAddr>)]) -> Result<(), Failure> {
    let mut seen: Vec<(&str, SocketAddr)> = Vec::new();
    for (key, address) in listeners.iter().filter_map(|(key, address)| Some((*key, (*address)?))) {
        // Port 0 takes a free one. An unspecified address is every address.
        let is_taken = |(_, other): &&(&str, SocketAddr)| {
            let is_any = other.ip().is_unspecified() || address.ip().is_unspecified();
            address.port() != 0 && other.port() == address.port() && (is_any || other.ip() == address.ip())
        };
        if let Some((other, _)) = seen.iter().find(is_taken) {
            let object = format!("{other} and {key}: {address}");
            return Err(wrong("two listeners have one address", object, "give each a port of its own"));
        }
        seen.push((key, address));
    }
    Ok(())
}

/// Whether servers can be reached, each under an address of its own.
///
/// # Errors
/// `Invalid` names the address.
pub fn check_addresses<'a>(addresses: impl IntoIterator<Item = &'a String>) -> Result<(), Failure> {
    let mut seen = BTreeMap::new();
    for address in addresses {
        if !is_host_and_port(address) {
            return Err(wrong("this is no host:port", format!("'{address}'"), "write for example scheduler-0:2882"));
        }
        if seen.insert(address, ()).is_some() {
            return Err(wrong("an address stands twice", address.clone(), "give each server its own address"));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn at(text: &str) -> Option<SocketAddr> {
        Some(text.parse().unwrap())
    }

    #[test]
    fn two_listeners_never_share_an_address() {
        let of = |a: &str, b: &str| check_listeners(&[("listen", at(a)), ("none", None), ("http_listen", at(b))]);
        assert!(of("127.0.0.1:1", "127.0.0.1:2").is_ok());
        assert!(of("127.0.0.1:0", "127.0.0.1:0").is_ok(), "free ports differ");
        assert!(of("127.0.0.1:1", "127.0.0.2:1").is_ok());
        for (a, b) in [("127.0.0.1:1", "127.0.0.1:1"), ("0.0.0.0:1", "127.0.0.1:1"), ("127.0.0.1:1", "0.0.0.0:1")] {
            assert!(of(a, b).unwrap_err().object.contains("listen and http_listen"), "{a} {b}");
        }
    }

    #[test]
    fn an_address_is_whole_and_stands_once() {
        let check = |all: &[&str]| check_addresses(&all.iter().map(|a| (*a).to_owned()).collect::<Vec<_>>());
        assert!(check(&["a:1", "a:2", "b:1", "[::1]:3"]).is_ok());
        for bad in [&[""][..], &["a"], &["a:0"], &[":1"], &["a:1", "a:1"], &["a:x"]] {
            assert!(check(bad).is_err(), "{bad:?}");
        }
        assert!(check_data_dir(Path::new("")).is_err() && check_data_dir(Path::new("x")).is_ok());
    }
}
