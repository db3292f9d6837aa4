//! Statements: text → tokens → [`request::AdminRequest`]; and reads over the views in SQLite.

pub mod archive_dest;
pub mod cursor;
pub mod lists;
pub mod options;
pub mod parse;
pub mod request;
pub mod select;
pub mod shown;
pub mod tokens;
pub mod variables;

/// The original's number for a statement that cannot be parsed.
pub const SYNTAX_CODE: i32 = -5001;
/// The original's number for what is not supported.
pub const NOT_SUPPORTED_CODE: i32 = -4007;
