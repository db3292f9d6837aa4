//! Exit codes. They are part of the interface (docs/operations.md): scripts decide by them, so none changes its meaning.

use std::process::ExitCode;
use strandline_types::{ErrorClass, Failure};

/// Something that is our own fault or the machine's; clap itself uses 2 for a wrong command line.
pub const INTERNAL: u8 = 1;

/// `verify` found damage.
pub const DAMAGED: u8 = 3;

/// Ends the process with a code that a command's own contract fixes, after printing the failure if there is one.
pub fn now(code: u8, failure: Option<&Failure>) -> ! {
    if let Some(failure) = failure {
        eprintln!("strandline: {failure}");
    }
    std::process::exit(code.into())
}

/// The exit code of a failure: one per error class, from 10.
pub fn of(failure: &Failure) -> ExitCode {
    code(failure.class).into()
}

const fn code(class: ErrorClass) -> u8 {
    match class {
        ErrorClass::Invalid => 10,
        ErrorClass::NotFound => 11,
        ErrorClass::Permission => 12,
        ErrorClass::Corrupt => 13,
        ErrorClass::Fenced => 14,
        ErrorClass::Exhausted => 15,
        ErrorClass::Transient => 16,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn every_class_has_a_code_of_its_own() {
        use ErrorClass::*;
        let all = [Invalid, NotFound, Permission, Corrupt, Fenced, Exhausted, Transient];
        let codes: BTreeSet<u8> = all.into_iter().map(code).collect();
        assert_eq!(codes.len(), all.len());
        assert!([0, INTERNAL, 2, DAMAGED].iter().all(|taken| !codes.contains(taken)));
    }
}
