//! Helpers of the tests of statements: a text, parsed as the type that the test expects.

use super::parse::parse;
use super::settings::SessionSetting;
use super::statement::{Command, Read, Statement};
use std::any::Any;
use strandline_types::Failure;

/// A statement that must be this command; a failure as its text.
pub fn command<T: Command>(text: &str) -> Result<T, String> {
    match parse(text) {
        Ok(Statement::Command(command)) => typed(text, command),
        other => Err(not_it(text, other)),
    }
}

/// A statement that must be this read; a failure as its text.
pub fn read<T: Read>(text: &str) -> Result<T, String> {
    match parse(text) {
        Ok(Statement::Read(read)) => typed(text, read),
        other => Err(not_it(text, other)),
    }
}

/// A statement that must be a setting of the session; a failure as its text.
pub fn setting(text: &str) -> Result<SessionSetting, String> {
    match parse(text) {
        Ok(Statement::Setting(setting)) => Ok(setting),
        other => Err(not_it(text, other)),
    }
}

/// True for a statement that has no effect here.
pub fn has_no_effect(text: &str) -> Result<bool, String> {
    parse(text).map(|s| matches!(s, Statement::NoEffect)).map_err(|f| f.to_string())
}

fn typed<T: Any>(text: &str, any: Box<dyn Any>) -> Result<T, String> {
    any.downcast::<T>().map(|found| *found).map_err(|_| format!("{text}: another type"))
}

fn not_it(text: &str, other: Result<Statement, Failure>) -> String {
    other.map_or_else(|failure| failure.to_string(), |other| format!("{text}: {other:?}"))
}
