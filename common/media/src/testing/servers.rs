//! Real object stores for tests: s3s-fs (S3) and Azurite (Azure Blob), started on a free port of the loopback.
//!
//! `scripts/test-servers.sh` installs both below the cache; a program on the PATH serves as well. A test that finds
//! none is skipped with a printed reason, but fails where `CI` is set. A server ends with the last handle on it.

use object_store::ClientOptions;
use object_store::azure::{AzureAccessKey, AzureAuthorizer, AzureCredential};
use object_store::client::{HttpConnector, HttpRequest, ReqwestConnector};
use parking_lot::Mutex;
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};

/// Azurite's account and key are the same everywhere, as its documentation gives them.
const AZURITE_ACCOUNT: &str = "devstoreaccount1";
const AZURITE_KEY: &str = "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw==";
/// Until a server that was started answers.
const START_TIMEOUT: Duration = Duration::from_secs(60);

/// A server of this process.
#[derive(Debug)]
pub struct Server {
    child: Child,
    /// Where it listens, on the loopback.
    pub port: u16,
    root: PathBuf,
    _own_root: Option<tempfile::TempDir>,
}

impl Drop for Server {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Finds a program of the tests: below the cache, then on the PATH.
#[must_use]
pub fn tool(name: &str) -> Option<PathBuf> {
    let cache = std::env::var_os("STRANDLINE_CACHE").map(PathBuf::from).or_else(|| {
        let home = std::env::var_os("XDG_CACHE_HOME").map(PathBuf::from);
        home.or_else(|| Some(PathBuf::from(std::env::var_os("HOME")?).join(".cache"))).map(|c| c.join("strandline"))
    });
    let installed = cache.map(|c| c.join("tools/bin").join(name)).filter(|p| p.is_file());
    installed.or_else(|| {
        let path = std::env::var_os("PATH")?;
        std::env::split_paths(&path).map(|dir| dir.join(name)).find(|p| p.is_file())
    })
}

/// The same, when a test cannot go on without; `None` = skip, and the reason was printed.
///
/// # Panics
/// In CI nothing may be skipped.
#[must_use]
pub fn needed(name: &str) -> Option<PathBuf> {
    let found = tool(name);
    if found.is_none() {
        assert!(std::env::var_os("CI").is_none(), "{name} is not installed: run scripts/test-servers.sh");
        eprintln!("SKIPPED: {name} is not installed (scripts/test-servers.sh installs it)");
    }
    found
}

/// A port that was free a moment ago.
fn free_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("the loopback has a free port");
    listener.local_addr().expect("a bound listener has an address").port()
}

impl Server {
    /// Starts s3s-fs over `root`; a bucket is a directory in it. `None` = not installed.
    #[must_use]
    pub fn s3_over(root: &Path, port: Option<u16>) -> Option<Self> {
        Self::s3_with(root, port, ("ak", "sk"))
    }

    /// The same for one pair of keys: id and secret.
    #[must_use]
    pub fn s3_with(root: &Path, port: Option<u16>, (id, secret): (&str, &str)) -> Option<Self> {
        let program = needed("s3s-fs")?;
        let port = port.unwrap_or_else(free_port);
        let mut command = Command::new(program);
        command.args(["--access-key", id, "--secret-key", secret, "--host", "127.0.0.1", "--port", &port.to_string()]);
        Some(Self::start(command.arg(root), port, root, None))
    }

    /// Azurite over a directory of its own. `None` = not installed.
    fn azurite() -> Option<Self> {
        let program = needed("azurite-blob")?;
        let port = free_port();
        let dir = tempfile::tempdir().expect("a temporary directory");
        let mut command = Command::new(program);
        command.args(["--silent", "--disableTelemetry", "--skipApiVersionCheck", "--inMemoryPersistence"]);
        command.args(["--blobHost", "127.0.0.1", "--blobPort", &port.to_string()]);
        command.current_dir(dir.path());
        let root = dir.path().to_owned();
        Some(Self::start(&mut command, port, &root, Some(dir)))
    }

    fn start(command: &mut Command, port: u16, root: &Path, own_root: Option<tempfile::TempDir>) -> Self {
        let command = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        let child = command.spawn().expect("the server starts");
        let server = Self { child, port, root: root.to_owned(), _own_root: own_root };
        let deadline = Instant::now() + START_TIMEOUT;
        while TcpStream::connect(("127.0.0.1", port)).is_err() {
            assert!(Instant::now() < deadline, "the server does not listen on port {port}");
            std::thread::sleep(Duration::from_millis(20));
        }
        server
    }

    /// The process, for signals.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// A destination in a bucket of an S3 server, which is made if it is not there.
    #[must_use]
    pub fn s3_uri(&self, bucket: &str, path: &str) -> String {
        std::fs::create_dir_all(self.root.join(bucket)).expect("a bucket is a directory");
        format!("s3://{bucket}/{path}?host=http://127.0.0.1:{}&access_id=ak&access_key=sk", self.port)
    }

    /// A destination in a container of Azurite, which is made if it is not there.
    pub async fn azure_uri(&self, container: &str, path: &str) -> String {
        let host = format!("http://127.0.0.1:{}/{AZURITE_ACCOUNT}", self.port);
        let request = http::Request::put(format!("{host}/{container}?restype=container"))
            .header("content-length", 0)
            .body(Vec::new().into());
        let mut request: HttpRequest = request.expect("a request");
        let key = AzureCredential::AccessKey(AzureAccessKey::try_new(AZURITE_KEY).expect("a key"));
        AzureAuthorizer::new(&key, AZURITE_ACCOUNT).try_authorize(&mut request).expect("a signature");
        let client = ReqwestConnector::default().connect(&ClientOptions::new().with_allow_http(true));
        let status = client.expect("a client").execute(request).await.expect("an answer").status();
        assert!(status.is_success() || status.as_u16() == 409, "{status}");
        format!("azblob://{container}/{path}?host={host}&access_id={AZURITE_ACCOUNT}&access_key={AZURITE_KEY}")
    }
}

static S3: Mutex<Weak<Server>> = Mutex::new(Weak::new());
static AZURITE: Mutex<Weak<Server>> = Mutex::new(Weak::new());

/// The process's s3s-fs; started at the first use. `None` = not installed.
#[must_use]
pub fn s3() -> Option<Arc<Server>> {
    shared(&S3, || {
        let dir = tempfile::tempdir().expect("a temporary directory");
        let root = dir.path().to_owned();
        let mut server = Server::s3_over(&root, None)?;
        server._own_root = Some(dir);
        Some(server)
    })
}

/// The process's Azurite; started at the first use. `None` = not installed.
#[must_use]
pub fn azurite() -> Option<Arc<Server>> {
    shared(&AZURITE, Server::azurite)
}

fn shared(slot: &Mutex<Weak<Server>>, start: impl FnOnce() -> Option<Server>) -> Option<Arc<Server>> {
    let mut slot = slot.lock();
    if let Some(server) = slot.upgrade() {
        return Some(server);
    }
    let server = Arc::new(start()?);
    *slot = Arc::downgrade(&server);
    Some(server)
}
