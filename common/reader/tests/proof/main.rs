//! What the reader says of destinations, held against destinations that were built sound and then changed in one way.
#![allow(clippy::unwrap_used)]

#[path = "../support/mod.rs"]
mod support;

mod answers;
mod chains;
mod export;
mod folders;
mod log_files;
mod log_reader;
mod reports;
mod scan_archive;
mod scan_damage;
mod scan_sets;
mod sources;
mod verify_archive;
mod verify_set;
mod windows;
