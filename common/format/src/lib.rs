//! Names and bytes on the backup medium.
