//! Destinations: file/NFS and memory, append at an expected offset, decorators.
