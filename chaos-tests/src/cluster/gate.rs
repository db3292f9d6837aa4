//! A gate in front of an S3 server: requests pass it, or are held as long as a test wants, or find the server dead.
//!
//! Holding the one request that ends a stage holds the stage: a blow falls exactly there, without a race. A held request
//! is passed on later even when its sender is dead by then, as a network may do. Every request has a connection of its
//! own, so that one that is held holds no other.

use super::{Outcome, Patience};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use strandline_media::testing::servers::Server;
use strandline_types::{ErrorClass, Failure};
use tokio::io::{AsyncReadExt, AsyncWriteExt, copy_bidirectional};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinHandle;

/// Heads of requests are shorter than this.
const HEAD_BYTES_MAX: usize = 64 << 10;
const PATIENCE: Duration = Duration::from_secs(60);

/// The gate and the server behind it; both end when it is dropped.
#[derive(Debug)]
pub struct Gate {
    root: PathBuf,
    port: u16,
    behind: u16,
    server: Mutex<Option<Server>>,
    shared: Arc<Shared>,
    accepting: JoinHandle<()>,
}

/// Requests of one kind whose path holds some text.
#[derive(Debug)]
struct Held {
    reads: bool,
    part: String,
}

impl Held {
    fn holds(&self, request: &str) -> bool {
        let is_write = request.starts_with("PUT ") || request.starts_with("POST ");
        let is_of_kind = if self.reads { request.starts_with("GET ") } else { is_write };
        is_of_kind && request.contains(&self.part)
    }
}

#[derive(Debug)]
struct Shared {
    /// Which requests are held.
    hold: watch::Sender<Option<Held>>,
    held: AtomicU64,
    refused: AtomicU64,
    behind: u16,
}

impl Gate {
    /// Starts a server over `root` and the gate before it. `None` = no such server is installed.
    ///
    /// # Errors
    /// No port is free.
    pub async fn start(root: &Path) -> Outcome<Option<Self>> {
        std::fs::create_dir_all(root).map_err(|e| no_room(root, &e))?;
        let Some(server) = Server::s3_over(root, None) else { return Ok(None) };
        let io = |e: std::io::Error| Failure::new(ErrorClass::Exhausted, e.to_string(), "127.0.0.1", "free some ports");
        let listener = TcpListener::bind("127.0.0.1:0").await.map_err(io)?;
        let (port, behind) = (listener.local_addr().map_err(io)?.port(), server.port);
        let (held, refused) = (AtomicU64::new(0), AtomicU64::new(0));
        let shared = Arc::new(Shared { hold: watch::Sender::new(None), held, refused, behind });
        let accepting = tokio::spawn(accept(listener, Arc::clone(&shared)));
        Ok(Some(Self { root: root.to_owned(), port, behind, server: Mutex::new(Some(server)), shared, accepting }))
    }

    /// A destination behind the gate; its bucket is made when it is not there.
    ///
    /// # Errors
    /// The bucket cannot be made.
    pub fn uri(&self, bucket: &str, path: &str) -> Outcome<String> {
        let dir = self.root.join(bucket);
        std::fs::create_dir_all(&dir).map_err(|e| no_room(&dir, &e))?;
        Ok(format!("s3://{bucket}/{path}?host=http://127.0.0.1:{}&access_id=ak&access_key=sk", self.port))
    }

    /// From now on requests that write an object whose path holds `part` are held.
    pub fn hold(&self, part: &str) {
        self.hold_some(Held { reads: false, part: part.to_owned() });
    }

    /// From now on requests that read an object whose path holds `part` are held.
    pub fn hold_reads(&self, part: &str) {
        self.hold_some(Held { reads: true, part: part.to_owned() });
    }

    fn hold_some(&self, held: Held) {
        self.shared.held.store(0, Ordering::SeqCst);
        self.shared.hold.send_replace(Some(held));
    }

    /// Requests that have been held since [`Self::hold`].
    #[must_use]
    pub fn held(&self) -> u64 {
        self.shared.held.load(Ordering::SeqCst)
    }

    /// Everything passes again, what was held included.
    pub fn release(&self) {
        self.shared.hold.send_replace(None);
    }

    /// The server dies.
    pub fn kill_server(&self) {
        self.shared.refused.store(0, Ordering::SeqCst);
        drop(self.server().take());
    }

    /// Waits until so many requests have found no server.
    ///
    /// # Errors
    /// Nobody asks.
    pub async fn until_refused(&self, count: u64) -> Outcome<()> {
        let patience = Patience::new(format!("{count} requests find no server"), PATIENCE);
        loop {
            let refused = self.shared.refused.load(Ordering::SeqCst);
            if refused >= count {
                return Ok(());
            }
            patience.once_more(&format!("{refused} requests")).await?;
        }
    }

    /// The server is back, with all that it had.
    pub fn start_server(&self) {
        let mut server = self.server();
        if server.is_none() {
            *server = Server::s3_over(&self.root, Some(self.behind));
        }
    }

    fn server(&self) -> std::sync::MutexGuard<'_, Option<Server>> {
        // It is there or not: a poisoned lock is still good.
        self.server.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn no_room(dir: &Path, error: &std::io::Error) -> Failure {
    Failure::new(ErrorClass::Exhausted, error.to_string(), dir.display().to_string(), "make room there")
}

impl Drop for Gate {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

async fn accept(listener: TcpListener, shared: Arc<Shared>) {
    while let Ok((client, _)) = listener.accept().await {
        let shared = Arc::clone(&shared);
        // A connection that breaks off is its client's matter.
        tokio::spawn(async move { drop(pass(client, &shared).await) });
    }
}

/// One request: its head is read, then it is held or passed on as it is.
async fn pass(mut client: TcpStream, shared: &Shared) -> std::io::Result<()> {
    let mut head = Vec::new();
    while !head.windows(4).any(|w| w == b"\r\n\r\n") {
        if head.len() > HEAD_BYTES_MAX || client.read_buf(&mut head).await? == 0 {
            return Ok(());
        }
    }
    let line_end = head.windows(2).position(|w| w == b"\r\n").unwrap_or(head.len());
    let line = String::from_utf8_lossy(&head[..line_end]).into_owned();
    let mut hold = shared.hold.subscribe();
    let is_held = |held: &Option<Held>| held.as_ref().is_some_and(|held| held.holds(&line));
    if is_held(&hold.borrow_and_update()) {
        shared.held.fetch_add(1, Ordering::SeqCst);
        // Ends with an error only when the gate is gone.
        let _ = hold.wait_for(|part| !is_held(part)).await;
    }
    let Ok(mut server) = TcpStream::connect(("127.0.0.1", shared.behind)).await else {
        shared.refused.fetch_add(1, Ordering::SeqCst);
        return Ok(());
    };
    server.write_all(&head[..line_end]).await?;
    server.write_all(b"\r\nconnection: close").await?;
    server.write_all(&head[line_end..]).await?;
    copy_bidirectional(&mut client, &mut server).await.map(|_| ())
}
