//! A small object store in this process, written from the vendors' documentation: see [`mini_store`].

#![allow(dead_code, clippy::unwrap_used, clippy::expect_used, missing_docs)]

pub mod mini_store;
pub mod oss_signature;
