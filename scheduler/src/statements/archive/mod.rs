//! Statements about log archiving.

pub mod dest;
pub mod dest_text;
pub mod new_tenants;
pub mod parameters;
pub mod switch;
