//! Jobs: what is started, takes a while and ends. One folder for each kind, and the machine that runs all of them.

pub(crate) mod backup;
pub(crate) mod clean;
pub(crate) mod dest_check;
pub(crate) mod drill;
pub(crate) mod initiator;
pub(crate) mod machine;
pub(crate) mod recover_table;
pub(crate) mod restore;
pub(crate) mod standby;
pub(crate) mod validate;
