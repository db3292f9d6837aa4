//! The addresses at which a server listens. They are taken at its start, before it touches its data directory: a server that
//! cannot listen leaves nothing behind.

use std::io;
use std::net::SocketAddr;
use std::time::{Duration, Instant};
use strandline_types::limits::LISTEN_PATIENCE_MS;
use strandline_types::{ErrorClass, Failure};
use tokio::net::TcpListener;

/// Between two tries.
const PAUSE: Duration = Duration::from_millis(50);

/// Listens at an address. Waits a moment for one that is still taken: that may be a process that just ends.
///
/// # Errors
/// `Permission` or `Invalid`: why the address cannot be had.
pub async fn listen(address: SocketAddr) -> Result<TcpListener, Failure> {
    let deadline = Instant::now() + Duration::from_millis(LISTEN_PATIENCE_MS);
    loop {
        match TcpListener::bind(address).await {
            Ok(listener) => return Ok(listener),
            Err(e) if e.kind() == io::ErrorKind::AddrInUse && Instant::now() < deadline => {
                tokio::time::sleep(PAUSE).await;
            }
            Err(e) => return Err(cannot_listen(address, &e)),
        }
    }
}

fn cannot_listen(address: SocketAddr, e: &io::Error) -> Failure {
    let class = if e.kind() == io::ErrorKind::PermissionDenied { ErrorClass::Permission } else { ErrorClass::Invalid };
    Failure::new(class, format!("cannot listen: {e}"), address.to_string(), "choose a free address of this host")
}

/// Where a listener really listens: the system may have chosen the port.
///
/// # Errors
/// `Transient`: the system does not say.
pub fn local_address(listener: &TcpListener) -> Result<SocketAddr, Failure> {
    let unknown = |e: io::Error| Failure::new(ErrorClass::Transient, format!("no local address: {e}"), "listener", "");
    listener.local_addr().map_err(unknown)
}
