//! Names and bytes on the backup medium: the contract between every writer and every reader.
//!
//! Pure: no clock, no runtime, no I/O. Every path of the trees is spelled in [`paths`] and nowhere else; every byte
//! layout has one module here. A name, a field order or a checksum changes only together with its version number, the
//! description in docs/format-reference.md and a golden sample.

pub mod blocks;
pub mod checksum;
pub mod cipher;
pub mod compress;
mod data_type;
pub mod describe;
pub mod entry;
mod error;
pub mod header;
pub mod index;
pub mod palf;
pub mod part;
pub mod paths;
pub mod secret;
pub mod small;

pub use data_type::DataType;
pub use error::FormatError;

/// Payload messages of the small files, index blocks and log entries, generated from `proto/*.proto`.
pub mod pb {
    #![allow(missing_docs, clippy::all, rustdoc::invalid_html_tags)]
    include!(concat!(env!("OUT_DIR"), "/strandline.format.rs"));
}
