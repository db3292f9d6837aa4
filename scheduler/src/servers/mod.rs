//! The servers for clients: gRPC (Admin), MySQL protocol, HTTP.

pub mod admin;
pub mod http;
pub mod mysql;
