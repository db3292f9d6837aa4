//! Exit codes. They are part of the interface (docs/operations.md): scripts decide by them, so none changes its meaning.

use std::process::ExitCode;
use strandline_types::{CODE_OUTCOME_UNKNOWN, ErrorClass, Failure};

/// Something that is our own fault or the machine's; clap itself uses 2 for a wrong command line.
pub const INTERNAL: u8 = 1;

/// The answer to a statement was lost: it was perhaps run. Unlike every other failure, repeating it may do it twice.
pub const PERHAPS_RUN: u8 = 17;

/// `verify` found damage.
pub const DAMAGED: u8 = 3;

/// `verify` found everything sound, and files that are none of ours among it.
pub const FOREIGN_FILES: u8 = 5;

/// `sql --wait`: a job that a statement started did not succeed.
pub const JOB_FAILED: u8 = 4;

/// Ends the process with a code that a command's own contract fixes, after printing the failure if there is one.
pub fn now(code: u8, failure: Option<&Failure>) -> ! {
    if let Some(failure) = failure {
        eprintln!("strandline: {failure}");
    }
    std::process::exit(code.into())
}

/// The exit code of a failure: one per error class, from 10, and one for what was perhaps run.
pub fn of(failure: &Failure) -> ExitCode {
    number(failure).into()
}

const fn number(failure: &Failure) -> u8 {
    if failure.code == CODE_OUTCOME_UNKNOWN { PERHAPS_RUN } else { code(failure.class) }
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
        assert!(
            [0, INTERNAL, 2, DAMAGED, JOB_FAILED, FOREIGN_FILES, PERHAPS_RUN]
                .iter()
                .all(|taken| !codes.contains(taken))
        );
    }

    #[test]
    fn what_was_perhaps_run_has_a_code_of_its_own() {
        let failure = |code| Failure::new(ErrorClass::Transient, "no answer", "statement", "").with_code(code);
        assert_eq!((number(&failure(0)), number(&failure(CODE_OUTCOME_UNKNOWN))), (16, PERHAPS_RUN));
    }
}
