//! A proxy in front of an S3 server: requests pass it, or are held as long as a test wants, or find the server dead.
//!
//! It may ask for one pair of keys and one region, as a real store does: the server behind it checks signatures, and no
//! region. A request that is signed otherwise is refused, and counted.
//!
//! Holding the one request that ends a stage holds the stage: a fault falls exactly there, without a race. A held request
//! is passed on later even when its sender is dead by then, as a network may do. Every request has a connection of its
//! own, so that one that is held holds no other.

use super::{Outcome, Patience};
use parking_lot::Mutex;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
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
const TURNED_AWAY_MAX: usize = 100;
/// What a store says to a request that was signed for another region.
const TURNED_AWAY: &str = "HTTP/1.1 403 Forbidden\r\nconnection: close\r\ncontent-length: 94\r\n\r\n\
    <Error><Code>AuthorizationHeaderMalformed</Code><Message>wrong region or key</Message></Error>";

/// The proxy and the server behind it; both end when it is dropped.
#[derive(Debug)]
pub struct HoldingProxy {
    root: PathBuf,
    port: u16,
    behind: u16,
    server: Mutex<Option<Server>>,
    shared: Arc<Shared>,
    accepting: JoinHandle<()>,
}

/// Who may come in: the keys of the server, and the region that requests have to be signed for.
#[derive(Clone, Debug)]
pub struct Admission {
    /// Access id.
    pub id: String,
    /// Its secret.
    pub secret: String,
    /// Region.
    pub region: String,
}

impl Admission {
    /// True for a request whose signature names the id and the region.
    fn admits(&self, head: &[u8]) -> bool {
        let head = String::from_utf8_lossy(head);
        head.contains(&format!("Credential={}/", self.id))
            && head.contains(&format!("/{}/s3/aws4_request", self.region))
    }
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
    admission: Option<Admission>,
    /// First lines of requests that were signed otherwise.
    turned_away: Mutex<Vec<String>>,
}

impl Shared {
    /// A full list tells no less than a longer one.
    fn turn_away(&self, line: String) {
        let mut turned_away = self.turned_away.lock();
        if turned_away.len() < TURNED_AWAY_MAX {
            turned_away.push(line);
        }
    }
}

impl HoldingProxy {
    /// Starts a server over `root` and the proxy before it. `None` = no such server is installed.
    ///
    /// # Errors
    /// No port is free.
    pub async fn start(root: &Path) -> Outcome<Option<Self>> {
        Self::start_with(root, None).await
    }

    /// The same for requests that are signed in one way alone.
    ///
    /// # Errors
    /// No port is free.
    pub async fn start_for(root: &Path, admission: Admission) -> Outcome<Option<Self>> {
        Self::start_with(root, Some(admission)).await
    }

    async fn start_with(root: &Path, admission: Option<Admission>) -> Outcome<Option<Self>> {
        std::fs::create_dir_all(root).map_err(|e| no_room(root, &e))?;
        let keys = admission.as_ref().map_or(("ak", "sk"), |a| (a.id.as_str(), a.secret.as_str()));
        let Some(server) = Server::s3_with(root, None, keys) else { return Ok(None) };
        let io = |e: std::io::Error| Failure::new(ErrorClass::Exhausted, e.to_string(), "127.0.0.1", "free some ports");
        let listener = TcpListener::bind("127.0.0.1:0").await.map_err(io)?;
        let (port, behind) = (listener.local_addr().map_err(io)?.port(), server.port);
        let (held, refused) = (AtomicU64::new(0), AtomicU64::new(0));
        let (hold, turned_away) = (watch::Sender::new(None), Mutex::default());
        let shared = Arc::new(Shared { hold, held, refused, behind, admission, turned_away });
        let accepting = tokio::spawn(accept(listener, Arc::clone(&shared)));
        Ok(Some(Self { root: root.to_owned(), port, behind, server: Mutex::new(Some(server)), shared, accepting }))
    }

    /// A destination behind the proxy; its bucket is made when it is not there.
    ///
    /// # Errors
    /// The bucket cannot be made.
    pub fn uri(&self, bucket: &str, path: &str) -> Outcome<String> {
        let dir = self.root.join(bucket);
        std::fs::create_dir_all(&dir).map_err(|e| no_room(&dir, &e))?;
        Ok(format!("s3://{bucket}/{path}?host=http://127.0.0.1:{}&access_id=ak&access_key=sk", self.port))
    }

    /// A destination behind the proxy without keys and region; its bucket is made when it is not there.
    ///
    /// # Errors
    /// The bucket cannot be made.
    pub fn bare_uri(&self, bucket: &str, path: &str) -> Outcome<String> {
        let whole = self.uri(bucket, path)?;
        Ok(whole.split("&access_id").next().unwrap_or_default().to_owned())
    }

    /// The first lines of requests that were signed for another region or by another key.
    #[must_use]
    pub fn turned_away(&self) -> Vec<String> {
        self.shared.turned_away.lock().clone()
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
    /// No request came in time.
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
            let keys = self.shared.admission.as_ref().map_or(("ak", "sk"), |a| (a.id.as_str(), a.secret.as_str()));
            *server = Server::s3_with(&self.root, Some(self.behind), keys);
        }
    }

    fn server(&self) -> parking_lot::MutexGuard<'_, Option<Server>> {
        self.server.lock()
    }
}

fn no_room(dir: &Path, error: &std::io::Error) -> Failure {
    Failure::new(ErrorClass::Exhausted, error.to_string(), dir.display().to_string(), "make room there")
}

impl Drop for HoldingProxy {
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
    if shared.admission.as_ref().is_some_and(|a| !a.admits(&head)) {
        shared.turn_away(line);
        return client.write_all(TURNED_AWAY.as_bytes()).await;
    }
    let mut hold = shared.hold.subscribe();
    let is_held = |held: &Option<Held>| held.as_ref().is_some_and(|held| held.holds(&line));
    if is_held(&hold.borrow_and_update()) {
        shared.held.fetch_add(1, Ordering::SeqCst);
        // Ends with an error only when the proxy is gone.
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
