//! Repeating what is refused for now: an import does not stop half-way because a log waits for its archive or a leader is
//! elected. Who imports says what its keys are: what somebody else writes to them meanwhile may be overtaken.

use crate::Outcome;
use std::time::Duration;
use strandline_types::limits::IMPORT_PATIENCE_MS;
use strandline_types::{ErrorClass, Failure};
use tokio::time::{Instant, sleep};

/// Pause before a refused attempt is repeated.
const PAUSE: Duration = Duration::from_millis(500);

/// How long, and how often.
#[derive(Clone, Copy, Debug)]
pub struct Patience {
    /// From the first refusal on.
    pub most: Duration,
    /// Between two attempts.
    pub pause: Duration,
}

impl Default for Patience {
    fn default() -> Self {
        Self { most: Duration::from_millis(IMPORT_PATIENCE_MS), pause: PAUSE }
    }
}

/// Does it until it is done, refused for good, or refused for longer than the patience lasts. `told` hears of the first
/// refusal that may pass.
pub async fn repeated<T, Attempt: Future<Output = Outcome<T>>>(
    patience: Patience,
    mut attempt: impl FnMut() -> Attempt,
    told: impl Fn(&Failure),
) -> Outcome<T> {
    let mut refused_since = None;
    loop {
        let refusal = match attempt().await {
            Err(refusal) if may_pass(&refusal) => refusal,
            done => return done,
        };
        let since = *refused_since.get_or_insert_with(|| {
            told(&refusal);
            Instant::now()
        });
        if since.elapsed() + patience.pause >= patience.most {
            return Err(refusal);
        }
        sleep(patience.pause).await;
    }
}

/// A server without room has it again once its archive takes log, or somebody makes room.
fn may_pass(refusal: &Failure) -> bool {
    refusal.class.is_retryable() || refusal.class == ErrorClass::Exhausted
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::cell::Cell;

    const SHORT: Patience = Patience { most: Duration::from_secs(600), pause: Duration::from_millis(1) };

    fn refusal(class: ErrorClass) -> Failure {
        Failure::new(class, "refused", "log stream 1001", "")
    }

    #[tokio::test]
    async fn what_passes_is_repeated_until_it_is_done_and_told_once() {
        for class in [ErrorClass::Transient, ErrorClass::Exhausted] {
            let (attempts, told) = (Cell::new(0), Cell::new(0));
            let done = repeated(
                SHORT,
                || async {
                    attempts.set(attempts.get() + 1);
                    if attempts.get() < 5 { Err(refusal(class)) } else { Ok(attempts.get()) }
                },
                |_| told.set(told.get() + 1),
            );
            assert_eq!((done.await, told.get()), (Ok(5), 1));
        }
    }

    #[tokio::test]
    async fn what_does_not_pass_ends_at_once_and_what_lasts_ends_with_its_reason() {
        let attempts = Cell::new(0);
        let count = |class| {
            attempts.set(attempts.get() + 1);
            Err::<(), _>(refusal(class))
        };
        let done = repeated(SHORT, || async { count(ErrorClass::Invalid) }, |_| {}).await;
        assert_eq!((done, attempts.get()), (Err(refusal(ErrorClass::Invalid)), 1));
        let over = Patience { most: Duration::ZERO, ..SHORT };
        let done = repeated(over, || async { count(ErrorClass::Exhausted) }, |_| {}).await;
        assert_eq!((done, attempts.get()), (Err(refusal(ErrorClass::Exhausted)), 2));
    }
}
