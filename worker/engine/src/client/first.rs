//! One question to several servers, of which some may be dead or stand still.
//!
//! The first one is asked first. The next one is asked as soon as it has failed, and also when it has said nothing for a
//! moment; whoever answers first is believed. Only for questions that change nothing.

use futures::StreamExt;
use futures::stream::FuturesUnordered;
use std::future::Future;
use std::time::Duration;
use tokio::time::{sleep, timeout};

/// A server that has not answered by then is not alone any more: the next one is asked as well.
const ASK_NEXT_AFTER: Duration = Duration::from_millis(300);
/// A server that has not answered by then does not answer.
pub const ANSWER_WITHIN: Duration = Duration::from_secs(2);

/// Asks the servers `0..count`: gives the number and the answer of the first one that has one, or what the last one to
/// fail said. `silent` is what a server says that does not answer within [`ANSWER_WITHIN`].
///
/// # Errors
/// `None` when there is nobody to ask.
pub async fn first_answer<T, E, Asking>(
    count: usize,
    ask: impl Fn(usize) -> Asking,
    silent: impl Fn(usize) -> E,
) -> Result<(usize, T), Option<E>>
where
    Asking: Future<Output = Result<T, E>>,
{
    let one = |n: usize| {
        let asking = timeout(ANSWER_WITHIN, ask(n));
        async move { (n, asking.await.ok()) }
    };
    let (mut asked, mut next, mut last) = (FuturesUnordered::new(), 0, None);
    loop {
        if asked.is_empty() {
            if next == count {
                return Err(last);
            }
            asked.push(one(next));
            next += 1;
        }
        tokio::select! {
            Some((n, answer)) = asked.next() => match answer {
                Some(Ok(answer)) => return Ok((n, answer)),
                failed => {
                    last = Some(failed.and_then(Result::err).unwrap_or_else(|| silent(n)));
                    if next < count {
                        asked.push(one(next));
                        next += 1;
                    }
                }
            },
            () = sleep(ASK_NEXT_AFTER), if next < count => {
                asked.push(one(next));
                next += 1;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::future::pending;
    use std::sync::Mutex;
    use tokio::time::Instant;

    /// What a server does.
    #[derive(Clone, Copy)]
    enum Server {
        Frozen,
        Dead,
        Good,
        Slow(u64),
    }

    async fn ask(servers: &[Server]) -> (Result<(usize, usize), Option<String>>, Vec<usize>, Duration) {
        let (asked, began) = (Mutex::new(Vec::new()), Instant::now());
        let one = |n: usize| {
            if let Ok(mut asked) = asked.lock() {
                asked.push(n);
            }
            let server = servers[n];
            async move {
                match server {
                    Server::Frozen => pending().await,
                    Server::Dead => Err(format!("{n} is dead")),
                    Server::Good => Ok(n),
                    Server::Slow(ms) => {
                        sleep(Duration::from_millis(ms)).await;
                        Ok(n)
                    }
                }
            }
        };
        let answer = first_answer(servers.len(), one, |n| format!("{n} is silent")).await;
        (answer, asked.into_inner().unwrap_or_default(), began.elapsed())
    }

    #[tokio::test(start_paused = true)]
    async fn a_good_first_server_is_the_only_one_that_is_asked() {
        let (answer, asked, _) = ask(&[Server::Good, Server::Good]).await;
        assert_eq!((answer, asked), (Ok((0, 0)), vec![0]));
    }

    #[tokio::test(start_paused = true)]
    async fn dead_and_frozen_servers_cost_less_than_two_seconds() {
        use Server::{Dead, Frozen, Good};
        for (servers, good) in [
            ([Frozen, Good, Good], 1),
            ([Dead, Frozen, Good], 2),
            ([Frozen, Frozen, Good], 2),
            ([Frozen, Dead, Good], 2),
        ] {
            let (answer, _, took) = ask(&servers).await;
            assert_eq!(answer, Ok((good, good)));
            // Time is the test's own here.
            assert!(took < ANSWER_WITHIN, "{took:?}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_slow_server_is_waited_for_beside_the_next_ones() {
        let (answer, asked, _) = ask(&[Server::Slow(500), Server::Frozen]).await;
        assert_eq!((answer, asked), (Ok((0, 0)), vec![0, 1]));
    }

    #[tokio::test(start_paused = true)]
    async fn the_last_reason_is_given_when_nobody_answers() {
        let (answer, _, took) = ask(&[Server::Frozen, Server::Dead]).await;
        assert_eq!(answer, Err(Some("0 is silent".to_owned())));
        assert_eq!(took, ANSWER_WITHIN);
        assert_eq!(ask(&[]).await.0, Err(None));
    }
}
