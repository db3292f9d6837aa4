//! One question to several servers, of which some may be dead or stand still.
//!
//! The first one is asked first. The next one is asked as soon as it has failed, and also when it has said nothing for a
//! moment; the first answer counts. Only for questions that change nothing.

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
    use std::sync::atomic::{AtomicUsize, Ordering};

    /// What a server does.
    #[derive(Clone, Copy)]
    enum Server {
        Frozen,
        Dead,
        Good,
        Slow(u64),
    }

    /// What came of asking.
    struct Asked {
        answer: Result<(usize, usize), Option<String>>,
        /// Who was asked, in order.
        order: Vec<usize>,
        /// Servers that were waited for to the end.
        given_up: usize,
    }

    async fn ask(servers: &[Server]) -> Asked {
        let (order, given_up) = (Mutex::new(Vec::new()), AtomicUsize::new(0));
        let one = |n: usize| {
            if let Ok(mut order) = order.lock() {
                order.push(n);
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
        let silent = |n: usize| {
            given_up.fetch_add(1, Ordering::SeqCst);
            format!("{n} is silent")
        };
        let answer = first_answer(servers.len(), one, silent).await;
        Asked { answer, order: order.into_inner().unwrap_or_default(), given_up: given_up.into_inner() }
    }

    #[tokio::test]
    async fn a_good_first_server_is_the_only_one_that_is_asked() {
        let asked = ask(&[Server::Good, Server::Good]).await;
        assert_eq!((asked.answer, asked.order), (Ok((0, 0)), vec![0]));
    }

    #[tokio::test]
    async fn nobody_waits_for_dead_and_frozen_servers_as_long_as_another_one_answers() {
        use Server::{Dead, Frozen, Good};
        for (servers, good) in [
            ([Frozen, Good, Good], 1),
            ([Dead, Frozen, Good], 2),
            ([Frozen, Frozen, Good], 2),
            ([Frozen, Dead, Good], 2),
        ] {
            let asked = ask(&servers).await;
            assert_eq!((asked.answer, asked.given_up), (Ok((good, good)), 0));
        }
    }

    #[tokio::test]
    async fn a_slow_server_is_waited_for_beside_the_next_ones() {
        let asked = ask(&[Server::Slow(700), Server::Frozen]).await;
        assert_eq!((asked.answer, asked.order), (Ok((0, 0)), vec![0, 1]));
    }

    #[tokio::test]
    async fn the_last_reason_is_given_when_nobody_answers() {
        let asked = ask(&[Server::Frozen, Server::Dead]).await;
        assert_eq!((asked.answer, asked.given_up), (Err(Some("0 is silent".to_owned())), 1));
        assert_eq!(ask(&[]).await.answer, Err(None));
    }
}
