//! No verdict on one answer.
//!
//! One answer of a medium can be wrong without the medium being so: a bit that changed on the way, an answer that ends
//! early with a length that fits, an object that is not found for a moment. So a reader asks again, with a request of
//! its own, before it says *missing*, *damaged* or *short*; this is the one policy of how often. What may pass by itself and
//! says so (`Transient`) is tried again below ([`crate::Retrying`]) and not here.

use crate::MediaError;
use std::future::Future;
use std::time::Duration;
use strandline_types::limits::{READ_LOOK_PAUSE_MS_FIRST, READ_LOOKS_MAX};
use strandline_types::{Defect, ErrorClass, Failure};

/// How often an answer is asked for before it counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Looks {
    /// Looks in all, at least 1.
    pub most: u32,
    /// Pause before the second look; doubles with every further one.
    pub first: Duration,
}

impl Default for Looks {
    fn default() -> Self {
        let most = if Defect::S2.is_planted() { 1 } else { READ_LOOKS_MAX };
        Self { most, first: Duration::from_millis(READ_LOOK_PAUSE_MS_FIRST) }
    }
}

/// An error that says what it means.
pub trait Judged {
    /// What it means.
    fn class(&self) -> ErrorClass;

    /// True for a verdict about the object, which one answer is not enough for.
    fn is_verdict(&self) -> bool {
        matches!(self.class(), ErrorClass::NotFound | ErrorClass::Corrupt | ErrorClass::Invalid)
    }
}

impl Judged for MediaError {
    fn class(&self) -> ErrorClass {
        self.class
    }
}

impl Judged for Failure {
    fn class(&self) -> ErrorClass {
        self.class
    }
}

impl Looks {
    /// As often, without pauses: for tests that look at very many damages.
    #[must_use]
    pub const fn at_once() -> Self {
        Self { most: READ_LOOKS_MAX, first: Duration::ZERO }
    }

    /// Looks until it goes well or the verdict counts. `look` asks the medium anew and proves the answer.
    ///
    /// # Errors
    /// What the last look says.
    pub async fn sure<T, E: Judged, F>(self, look: impl Fn() -> F) -> Result<T, E>
    where
        F: Future<Output = Result<T, E>>,
    {
        let mut looked = 1;
        loop {
            match look().await {
                Err(e) if e.is_verdict() && looked < self.most => {
                    self.pause(looked).await;
                    looked += 1;
                }
                outcome => return outcome,
            }
        }
    }

    /// Waits before the next look, after so many.
    pub async fn pause(self, looked: u32) {
        let pause = self.first.saturating_mul(1 << looked.saturating_sub(1).min(10));
        if pause.is_zero() {
            tokio::task::yield_now().await;
        } else {
            tokio::time::sleep(pause).await;
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use std::sync::atomic::{AtomicU32, Ordering};

    /// The outcome, and how often it was looked.
    async fn looked(class: ErrorClass, wrong: u32) -> (bool, u32) {
        let looks = AtomicU32::new(0);
        let outcome: Result<(), Failure> = Looks::at_once()
            .sure(|| {
                let nth = looks.fetch_add(1, Ordering::Relaxed);
                async move { if nth < wrong { Err(Failure::new(class, "", "", "")) } else { Ok(()) } }
            })
            .await;
        (outcome.is_ok(), looks.load(Ordering::Relaxed))
    }

    #[tokio::test]
    async fn a_verdict_counts_when_every_look_gives_it_and_anything_else_at_once() {
        assert_eq!(looked(ErrorClass::Corrupt, READ_LOOKS_MAX - 1).await, (true, READ_LOOKS_MAX));
        assert_eq!(looked(ErrorClass::NotFound, 1).await, (true, 2));
        assert_eq!(looked(ErrorClass::Corrupt, u32::MAX).await, (false, READ_LOOKS_MAX));
        assert_eq!(looked(ErrorClass::Transient, 1).await, (false, 1), "that is tried again below");
        assert_eq!(looked(ErrorClass::Permission, 1).await, (false, 1));
    }
}
