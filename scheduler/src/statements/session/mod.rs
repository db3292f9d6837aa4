//! Statements that a session is set up with: passwords, and what clients send by themselves.

pub mod client_settings;
pub mod encryption;
