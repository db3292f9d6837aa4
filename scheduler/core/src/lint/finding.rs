//! One finding of a lint.

/// Notes a finding when something does not hold.
pub(crate) fn check(found: &mut Vec<String>, holds: bool, what: impl FnOnce() -> String) {
    if !holds {
        found.push(what());
    }
}
