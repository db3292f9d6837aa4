//! Archive driver: feeds the archiver core from an engine and does what it decides.
