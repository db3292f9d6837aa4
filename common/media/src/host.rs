//! `host=` of a destination: one server has one spelling, and what would be sent somewhere else is refused.

/// The host under its one spelling: scheme and name in lower case, no slash at the end. Without a scheme it is `https`
/// and stays without one.
///
/// # Errors
/// What is wrong with it, in words; a user name and password in it are not repeated.
pub(crate) fn spelled(host: &str) -> Result<String, String> {
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
        Some((name, port)) => (name, port.strip_prefix(':').or(Some(port).filter(|p| !p.is_empty()))),
        None => server.split_once(':').map_or((server, None), |(name, port)| (name, Some(port))),
    };
    if name.is_empty() {
        return Err("host= names no server, for example host=http://127.0.0.1:9000".to_owned());
    }
    if port.is_some_and(|port| !port.parse::<u16>().is_ok_and(|n| n > 0)) {
        return Err("the port in host= is no number from 1 to 65535; an IPv6 address stands in [ ]".to_owned());
    }
    let scheme = scheme.map_or(String::new(), |s| format!("{s}://"));
    let slash = if path.is_empty() { "" } else { "/" };
    Ok(format!("{scheme}{}{slash}{path}", server.to_ascii_lowercase()))
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
            ("https://S3.Example.com//", "https://s3.example.com"),
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
