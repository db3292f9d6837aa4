//! A proxy before an object store that loses replies: the store has done what was asked, durably, and the client
//! never hears of it.
//!
//! It reads HTTP/1.1 only as far as it must: the first line of a request, and that a reply has begun. Bytes go through
//! unchanged, so that signatures hold.

use super::Outcome;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use strandline_types::{ErrorClass, Failure};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::{JoinHandle, JoinSet};

const BUFFER_BYTES: usize = 64 << 10;

/// How many replies are lost, and were.
#[derive(Debug, Default)]
struct Losses {
    /// Every so many-th writing of log; 0 = none.
    every: AtomicU64,
    seen: AtomicU64,
    lost: AtomicU64,
}

/// The proxy; dropping it closes it.
#[derive(Debug)]
pub struct LossyProxy {
    /// Where it listens, on the loopback.
    pub port: u16,
    losses: Arc<Losses>,
    task: JoinHandle<()>,
}

impl LossyProxy {
    /// Opens a proxy before the store at `port`; it loses nothing yet.
    ///
    /// # Errors
    /// The loopback has no free port.
    pub async fn before(port: u16) -> Outcome<Self> {
        let no_port = |e: std::io::Error| {
            Failure::new(ErrorClass::Exhausted, format!("cannot listen: {e}"), "127.0.0.1", "free some ports")
        };
        let listener = TcpListener::bind("127.0.0.1:0").await.map_err(no_port)?;
        let own = listener.local_addr().map_err(no_port)?.port();
        let losses = Arc::new(Losses::default());
        let task = tokio::spawn(serve(listener, port, Arc::clone(&losses)));
        Ok(Self { port: own, losses, task })
    }

    /// From now on the reply to every `every`-th writing of log is lost; 0 = none is.
    pub fn lose_every(&self, every: u64) {
        self.losses.every.store(every, Ordering::Release);
    }

    /// Replies that were lost.
    #[must_use]
    pub fn lost(&self) -> u64 {
        self.losses.lost.load(Ordering::Acquire)
    }
}

impl Drop for LossyProxy {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Losses {
    /// Whether the reply to the request that begins with `head` is to be lost.
    fn dooms(&self, head: &[u8]) -> bool {
        let every = self.every.load(Ordering::Acquire);
        every > 0 && writes_log(head) && self.seen.fetch_add(1, Ordering::AcqRel) % every == every - 1
    }
}

/// A part of a log file, or an append to one, on any of the stores.
fn writes_log(head: &[u8]) -> bool {
    let line = head.split(|b| *b == b'\r').next().unwrap_or_default();
    let line = String::from_utf8_lossy(line);
    let is_write = line.starts_with("PUT ") || line.starts_with("POST ");
    is_write && line.contains("/logstream_") && line.contains("/log/")
}

async fn serve(listener: TcpListener, port: u16, losses: Arc<Losses>) {
    let mut connections = JoinSet::new();
    while let Ok((client, _)) = listener.accept().await {
        connections.spawn(carry(client, port, Arc::clone(&losses)));
        while connections.try_join_next().is_some() {}
    }
}

/// One connection, request after request; it ends with either side, or with a reply that gets lost.
async fn carry(mut client: TcpStream, port: u16, losses: Arc<Losses>) {
    let Ok(mut store) = TcpStream::connect(("127.0.0.1", port)).await else { return };
    let _ = (client.set_nodelay(true), store.set_nodelay(true));
    let (mut up, mut down) = (vec![0; BUFFER_BYTES], vec![0; BUFFER_BYTES]);
    let (mut is_asked, mut is_doomed) = (false, false);
    loop {
        tokio::select! {
            read = client.read(&mut up) => {
                let Ok(read @ 1..) = read else { return };
                if !is_asked {
                    (is_asked, is_doomed) = (true, losses.dooms(&up[..read]));
                }
                if store.write_all(&up[..read]).await.is_err() {
                    return;
                }
            }
            read = store.read(&mut down) => {
                let Ok(read @ 1..) = read else { return };
                is_asked = false;
                if is_doomed {
                    losses.lost.fetch_add(1, Ordering::AcqRel);
                    return;
                }
                if client.write_all(&down[..read]).await.is_err() {
                    return;
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn writings_of_log_are_told_from_everything_else() {
        const PART: &str = "/b/archive/piece_d1001r1p1/logstream_1001/log/1.obarc/%40APD_PART%400-9.obarc";
        for line in [format!("PUT {PART} HTTP/1.1"), "POST /b/a/piece_d1r1p1/logstream_1/log/1.obarc?append".to_owned()]
        {
            assert!(writes_log(format!("{line}\r\nhost: x\r\n").as_bytes()), "{line}");
        }
        for line in [format!("GET {PART} HTTP/1.1"), "PUT /b/archive/rounds/round_d1001r1_start.obarc".to_owned()] {
            assert!(!writes_log(format!("{line}\r\nhost: x\r\n").as_bytes()), "{line}");
        }
    }

    #[test]
    fn the_reply_to_every_so_many_th_writing_is_lost() {
        let (losses, put) = (Losses::default(), b"PUT /b/logstream_1/log/1.obarc\r\n");
        assert!(!losses.dooms(put), "nothing is lost before it is asked for");
        losses.every.store(3, Ordering::Release);
        let doomed: Vec<bool> = (0..6).map(|_| losses.dooms(put)).collect();
        assert_eq!(doomed, [false, false, true, false, false, true]);
    }

    #[tokio::test]
    async fn what_is_asked_arrives_and_the_answer_does_not() {
        let store = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let proxy = LossyProxy::before(store.local_addr().unwrap().port()).await.unwrap();
        proxy.lose_every(1);
        let mut client = TcpStream::connect(("127.0.0.1", proxy.port)).await.unwrap();
        client.write_all(b"PUT /x/logstream_1/log/1.obarc HTTP/1.1\r\n\r\nbody").await.unwrap();
        let (mut arrived, mut buffer) = (store.accept().await.unwrap().0, [0; 100]);
        let read = arrived.read(&mut buffer).await.unwrap();
        assert!(buffer[..read].ends_with(b"body"));
        arrived.write_all(b"HTTP/1.1 200 OK\r\n\r\n").await.unwrap();
        assert_eq!(client.read(&mut buffer).await.unwrap_or(0), 0);
        assert_eq!(proxy.lost(), 1);
    }
}
