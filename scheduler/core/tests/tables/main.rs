//! Tables: every stage of every kind of job and of an archive round, and everything that may come there. Each row says what
//! is answered and what is in State afterwards; what is void or refused leaves no trace but the clock.
#![allow(clippy::unwrap_used, clippy::expect_used)]

#[path = "../harness/mod.rs"]
mod harness;

mod again;
mod attempts;
mod backup;
mod clean;
mod gone;
mod heartbeats;
mod places;
mod reads;
mod restore;
mod round;
mod standby;
mod wiped;
