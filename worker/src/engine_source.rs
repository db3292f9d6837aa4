//! The built-in engine behind the border of `source`.
