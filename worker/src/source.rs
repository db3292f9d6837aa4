//! What the backup plane needs from an engine.
