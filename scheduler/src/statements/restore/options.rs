//! The options of `RESTORE … WITH` and `RECOVER TABLE … WITH`. An option that would do nothing is refused.

use crate::sql::NOT_SUPPORTED_CODE;
use crate::sql::cursor::Cursor;
use std::collections::BTreeSet;
use strandline_types::{ErrorClass, Failure};

/// The options.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RestoreOptions {
    /// `replicas=`: of every log stream; `None` = as the source had, as far as there are workers.
    pub replicas: Option<u64>,
    /// `standby=true`: the tenant stays read-only and follows the archive.
    pub standby: bool,
    /// `key_source=file:/path|command:…`: where the key of an encrypted archive comes from, on every worker.
    pub key_source: String,
}

/// `[WITH '<name>=<value>&…']`; `read` takes the text apart.
///
/// # Errors
/// Those of `read`.
pub fn with_clause(
    c: &mut Cursor<'_>,
    read: fn(&str) -> Result<RestoreOptions, Failure>,
) -> Result<RestoreOptions, Failure> {
    if c.accept("WITH") { read(&c.text("a text 'name=value&name=value'")?) } else { Ok(RestoreOptions::default()) }
}

/// The options of a `RESTORE`.
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

/// The options of a `RECOVER TABLE`: it has no `replicas` and no `standby`, because the tenant is there already.
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
    let mut seen = BTreeSet::new();
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
    let (allowed, todo) = match name {
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
    if !allowed.is_empty() && value.eq_ignore_ascii_case(allowed) {
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
    fn options_are_read_and_refused() {
        let options =
            restore_options("pool_list=default&replicas=2&standby=true&key_source=file:/k&Method=full").unwrap();
        assert_eq!((options.replicas, options.standby, options.key_source.as_str()), (Some(2), true, "file:/k"));
        assert_eq!(restore_options("").unwrap(), RestoreOptions::default());
        for bad in ["replicas=none", "replicas=0", "replicas", "standby=perhaps", "replicas=1&REPLICAS=2"] {
            assert!(restore_options(bad).is_err(), "{bad}");
        }
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
