//! The small languages inside texts: times and intervals, the options of `RESTORE`, its two URIs.

use super::NOT_SUPPORTED_CODE;
use super::request::restore::RestoreOptions;
use strandline_types::{ErrorClass, Failure, limits, split_destinations};

/// `<n>d`, `<n>h`, `<n>m` or `<n>s`, inside the limits.
///
/// # Errors
/// `Invalid` with the form or the bounds.
pub fn piece_interval_seconds(text: &str) -> Result<u64, Failure> {
    let digits = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let factor = match text[digits.len()..].to_ascii_lowercase().as_str() {
        "d" => 86_400,
        "h" => 3600,
        "m" => 60,
        "s" => 1,
        _ => 0,
    };
    let seconds = digits.parse::<u64>().ok().filter(|_| factor > 0).map(|n| n.saturating_mul(factor));
    let Some(seconds) = seconds else {
        let what = format!("'{text}' is not a piece switch interval");
        return Err(wrong(what, text, "write a number and d, h, m or s, as in 1d"));
    };
    let bounds = limits::PIECE_INTERVAL_SECONDS_MIN..=limits::PIECE_INTERVAL_SECONDS_MAX;
    if !bounds.contains(&seconds) {
        let todo = format!("choose between {}s and {}d", bounds.start(), bounds.end() / 86_400);
        return Err(wrong(format!("a piece switch interval of {text} is not supported"), text, &todo)
            .with_code(NOT_SUPPORTED_CODE));
    }
    Ok(seconds)
}

/// `<n>ms`, `<n>s`, `<n>m` or `<n>h` in milliseconds.
///
/// # Errors
/// `Invalid` with the form.
pub fn duration_ms(text: &str) -> Result<u64, Failure> {
    let digits = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let factor = match text[digits.len()..].to_ascii_lowercase().as_str() {
        "ms" => Some(1),
        "s" => Some(1000),
        "m" => Some(60_000),
        "h" => Some(3_600_000),
        _ => None,
    };
    let parsed = digits.parse::<u64>().ok().zip(factor).map(|(n, factor)| n.saturating_mul(factor));
    parsed.ok_or_else(|| {
        wrong(format!("'{text}' is not a duration"), text, "write a number and ms, s, m or h, as in 120s")
    })
}

/// `<n>[K|M|G|T][B]`.
///
/// # Errors
/// `Invalid` with the form.
pub fn size_bytes(text: &str) -> Result<u64, Failure> {
    let text = text.trim();
    let digits = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let factor = match text[digits.len()..].to_ascii_uppercase().trim_end_matches('B') {
        "" => Some(1u64),
        "K" => Some(1 << 10),
        "M" => Some(1 << 20),
        "G" => Some(1 << 30),
        "T" => Some(1 << 40),
        _ => None,
    };
    let parsed = digits.parse::<u64>().ok().zip(factor).and_then(|(n, factor)| n.checked_mul(factor));
    parsed.ok_or_else(|| wrong(format!("'{text}' is not a size"), text, "write a number and K, M, G or T, as in 512M"))
}

/// `<n>d`, `<n>h`, `<n>m` or `<n>s` in milliseconds; `0` alone = never.
///
/// # Errors
/// `Invalid` with the form.
pub fn window_ms(text: &str) -> Result<u64, Failure> {
    let text = text.trim();
    if text == "0" || text.is_empty() {
        return Ok(0);
    }
    let digits = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let factor = match text[digits.len()..].to_ascii_lowercase().as_str() {
        "d" => Some(86_400_000),
        "h" => Some(3_600_000),
        "m" => Some(60_000),
        "s" => Some(1000),
        _ => None,
    };
    let parsed = digits.parse::<u64>().ok().zip(factor).and_then(|(n, factor): (u64, u64)| n.checked_mul(factor));
    if parsed.is_some_and(|ms| ms > limits::SPAN_MS_MAX) {
        let years = limits::SPAN_MS_MAX / (365 * 86_400_000);
        return Err(wrong(format!("'{text}' is longer than {years} years"), text, "write a shorter span of time"));
    }
    parsed.ok_or_else(|| {
        wrong(format!("'{text}' is not a span of time"), text, "write a number and d, h, m or s, as in 7d")
    })
}

/// `data_uri[,archive_uri]` of a restore.
///
/// # Errors
/// `Invalid` when there is none, or more than two.
pub fn restore_uris(text: &str) -> Result<(String, Option<String>), Failure> {
    let uris = split_destinations(text);
    match uris.as_slice() {
        [data] => Ok(((*data).to_owned(), None)),
        [data, archive] => Ok(((*data).to_owned(), Some((*archive).to_owned()))),
        _ => Err(wrong(
            format!("RESTORE … FROM needs one or two URIs and got {}", uris.len()),
            text,
            "write FROM '<data backup uri>,<archive uri>'; several archives, sets and pieces are named with ALTER SYSTEM \
             ADD RESTORE SOURCE '<uri>,<uri>,…', and RESTORE then goes without FROM",
        )),
    }
}

/// What `name=value&name=value` says about a `RESTORE`.
///
/// # Errors
/// `Invalid` names an option that does nothing here, and one that has no value or not one of its own.
pub fn restore_options(text: &str) -> Result<RestoreOptions, Failure> {
    let mut options = RestoreOptions::default();
    for_each_option(text, |name, value| {
        match name {
            "replicas" => {
                let number = value.parse().ok().filter(|n| *n > 0);
                options.replicas = Some(number.ok_or_else(|| {
                    wrong(format!("'{value}' is not a number of replicas"), "WITH", "write WITH 'replicas=2'")
                })?);
            }
            "standby" => {
                options.standby = value.parse().map_err(|_| {
                    wrong(format!("'{value}' is neither true nor false"), "WITH", "write WITH 'standby=true'")
                })?;
            }
            "key_source" => value.clone_into(&mut options.key_source),
            _ => only_what_is_true(name, value, "replicas, standby, key_source and pool_list=default")?,
        }
        Ok(())
    })?;
    Ok(options)
}

/// What `name=value&name=value` says about a `RECOVER TABLE`: the tables are made as the target tenant is.
///
/// # Errors
/// As [`restore_options`].
pub fn recover_options(text: &str) -> Result<RestoreOptions, Failure> {
    let mut options = RestoreOptions::default();
    for_each_option(text, |name, value| {
        if name == "key_source" {
            value.clone_into(&mut options.key_source);
            return Ok(());
        }
        only_what_is_true(name, value, "key_source and pool_list=default")
    })?;
    Ok(options)
}

/// Calls `take` with each option's name in lower case and its value.
fn for_each_option(text: &str, mut take: impl FnMut(&str, &str) -> Result<(), Failure>) -> Result<(), Failure> {
    let mut seen = std::collections::BTreeSet::new();
    for option in text.split('&').map(str::trim).filter(|o| !o.is_empty()) {
        // Without a name it may be the rest of a secret: it is not repeated.
        let (name, value) = option.split_once('=').ok_or_else(|| {
            wrong("a restore option has no value".to_owned(), "WITH", "write WITH 'replicas=2&standby=true'")
        })?;
        let name = name.trim().to_ascii_lowercase();
        take(&name, value.trim())?;
        if !seen.insert(name.clone()) {
            return Err(wrong(format!("the restore option {name} is given twice"), "WITH", "write it once"));
        }
    }
    Ok(())
}

/// Options of the original that change nothing here are taken with the one value that is true anyway.
fn only_what_is_true(name: &str, value: &str, known: &str) -> Result<(), Failure> {
    let (truth, todo) = match name {
        "pool_list" => ("default", "there are no resource pools: write pool_list=default, or leave it out"),
        "primary_zone" => ("random", "there are no zones, leaders are spread over the workers: leave it out"),
        "method" => ("full", "a tenant opens when all of its data is restored: write method=full, or leave it out"),
        "kms_encrypt" => ("false", "keys of encrypted sets are passwords: SET DECRYPTION IDENTIFIED BY '<password>'"),
        "locality" => ("", "there are no zones: write replicas=<n> instead"),
        "concurrency" => ("", "every worker restores its own log streams at once: leave it out"),
        _ => {
            let todo = format!("known are {known}");
            return Err(
                wrong(format!("{name} is not a restore option here"), "WITH", &todo).with_code(NOT_SUPPORTED_CODE)
            );
        }
    };
    if !truth.is_empty() && value.eq_ignore_ascii_case(truth) {
        return Ok(());
    }
    Err(wrong(format!("the restore option {name}={value} is not supported"), "WITH", todo)
        .with_code(NOT_SUPPORTED_CODE))
}

fn wrong(what: String, object: &str, todo: &str) -> Failure {
    Failure::new(ErrorClass::Invalid, what, object, todo)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used)]
    use super::*;

    #[test]
    fn a_duration_needs_its_unit() {
        assert_eq!(duration_ms("0ms"), Ok(0));
        assert_eq!(duration_ms("2H"), Ok(7_200_000));
        for bad in ["", "5", "s", "1d", "-1s"] {
            assert!(duration_ms(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn restore_texts_are_read_and_refused() {
        let two = ("file:///d".to_owned(), Some("file:///a".to_owned()));
        assert_eq!(restore_uris(" file:///d , file:///a ").unwrap(), two);
        assert_eq!(restore_uris("file:///d").unwrap(), ("file:///d".into(), None));
        assert!(restore_uris("file:///a,file:///b,file:///c").is_err() && restore_uris(" ").is_err());
        let options =
            restore_options("pool_list=default&replicas=2&standby=true&key_source=file:/k&Method=full").unwrap();
        assert_eq!((options.replicas, options.standby, options.key_source.as_str()), (Some(2), true, "file:/k"));
        assert_eq!(restore_options("").unwrap(), RestoreOptions::default());
        for bad in ["replicas=none", "replicas=0", "replicas", "standby=perhaps", "replicas=1&REPLICAS=2"] {
            assert!(restore_options(bad).is_err(), "{bad}");
        }
        assert_eq!((window_ms("0"), window_ms("7d")), (Ok(0), Ok(7 * 86_400_000)));
        assert!(window_ms("7w").is_err());
    }

    #[test]
    fn an_option_that_does_nothing_is_refused_by_its_name() {
        for (option, name) in [
            ("pool_list=nosuchpool", "pool_list"),
            ("locality=FULL{1}@z1", "locality"),
            ("primary_zone=z1", "primary_zone"),
            ("method=quick", "method"),
            ("kms_encrypt=true", "kms_encrypt"),
            ("concurrency=4", "concurrency"),
            ("replicsa=2", "replicsa"),
        ] {
            for refused in [restore_options(option).unwrap_err(), recover_options(option).unwrap_err()] {
                assert!(refused.what.contains(name) && !refused.todo.is_empty(), "{refused}");
            }
        }
        for useless in ["replicas=2", "standby=true"] {
            assert!(recover_options(useless).is_err(), "{useless}");
        }
        for true_anyway in ["pool_list=default", "kms_encrypt=false", "method=FULL", "primary_zone=RANDOM"] {
            assert_eq!(restore_options(true_anyway), Ok(RestoreOptions::default()));
            assert_eq!(recover_options(true_anyway), Ok(RestoreOptions::default()));
        }
    }
}
