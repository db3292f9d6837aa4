//! What one kind of job asks of another, and the rest of the core of a kind. Kinds know one another through these files
//! alone, each named for the kind that is asked.

pub(crate) mod backup;
pub(crate) mod clean;
pub(crate) mod drill;
pub(crate) mod restore;
pub(crate) mod standby;
