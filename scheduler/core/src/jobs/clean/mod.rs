//! Deletions of sets and pieces, and the policies that ask for them.

mod allowed;
pub(crate) mod decide;
pub(crate) mod logic;
pub(crate) mod parts;
pub(crate) mod plan;
pub(crate) mod policy;
pub(crate) mod state;
