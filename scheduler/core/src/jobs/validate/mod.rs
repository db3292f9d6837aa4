//! Validations of sets and pieces.

pub(crate) mod logic;
pub(crate) mod parts;
pub(crate) mod plan;
pub(crate) mod state;
