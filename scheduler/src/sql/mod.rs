//! The language of statements: text → tokens → a [`cursor::Cursor`] with the clauses that many statements share; and reads
//! over the views in SQLite.
//!
//! It must never know a single statement: those are in [`crate::statements`].

pub mod clauses;
pub mod cursor;
pub mod lists;
pub mod masking;
pub mod quantities;
pub mod select;
pub mod tokens;
pub mod variables;

/// The original's number for a statement that cannot be parsed.
pub const SYNTAX_CODE: i32 = -5001;
/// The original's number for what is not supported.
pub const NOT_SUPPORTED_CODE: i32 = -4007;
