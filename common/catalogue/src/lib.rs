//! What backup destinations hold, as plain data, and the pure functions over it: restorable windows, the choice of sets
//! and pieces for a restore, and the retention plan.
//!
//! Pure: no I/O, no clock. The scheduler (restore, cleaning), the workers and the offline commands decide with these
//! functions and with no others, so that what `window` promises, restore finds and cleaning keeps.
