//! A proxy in front of a real object store: what goes through it gets lost, late, doubled, cut, short, flipped, stale,
//! missing, refused and slow, by a plan ([`Plan`]).
//!
//! Requests and answers go through unchanged otherwise, names of hosts included, so that signatures hold.

mod faults;
mod forward;

pub use faults::{Fault, Kind, Plan, Rule};

use super::Outcome;
use forward::{Body, Broken, Reply, forward, late_copy};
use http_body_util::BodyExt;
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper::{Method, Request, Response};
use hyper_util::rt::TokioIo;
use parking_lot::Mutex;
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::Duration;
use strandline_types::{ErrorClass, Failure};
use tokio::net::TcpListener;
use tokio::task::{JoinHandle, JoinSet};

/// How late a late request is done, and its copy.
const LATE_MS: std::ops::Range<u64> = 300..4_000;
/// Listings that are remembered, to be given again later.
const LISTINGS_MAX: usize = 1_000;

/// The proxy; dropping it closes it.
#[derive(Debug)]
pub struct StoreProxy {
    /// Where it listens, on the loopback.
    pub port: u16,
    shared: Arc<Shared>,
    task: JoinHandle<()>,
}

#[derive(Debug)]
struct Shared {
    behind: u16,
    plan: Mutex<Plan>,
    met: Mutex<BTreeMap<(Fault, Kind), u64>>,
    /// Earlier answers of listings, by their path and query.
    listings: Mutex<HashMap<String, Reply>>,
}

impl StoreProxy {
    /// Opens a proxy before the store at `port`; nothing goes wrong yet.
    ///
    /// # Errors
    /// The loopback has no free port.
    pub async fn before(port: u16) -> Outcome<Self> {
        let no_port = |e: std::io::Error| {
            Failure::new(ErrorClass::Exhausted, format!("cannot listen: {e}"), "127.0.0.1", "free some ports")
        };
        let listener = TcpListener::bind("127.0.0.1:0").await.map_err(no_port)?;
        let own = listener.local_addr().map_err(no_port)?.port();
        let shared = Arc::new(Shared {
            behind: port,
            plan: Mutex::new(Plan::new(Vec::new(), 0)),
            met: Mutex::default(),
            listings: Mutex::default(),
        });
        let task = tokio::spawn(accept(listener, Arc::clone(&shared)));
        Ok(Self { port: own, shared, task })
    }

    /// From now on this goes wrong; nothing = nothing does.
    pub fn set(&self, plan: Plan) {
        *self.shared.plan.lock() = plan;
    }

    /// How often each fault met each kind of request so far.
    #[must_use]
    pub fn met(&self) -> BTreeMap<(Fault, Kind), u64> {
        self.shared.met.lock().clone()
    }
}

impl Drop for StoreProxy {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn accept(listener: TcpListener, shared: Arc<Shared>) {
    let mut connections = JoinSet::new();
    while let Ok((client, _)) = listener.accept().await {
        let _ = client.set_nodelay(true);
        let shared = Arc::clone(&shared);
        connections.spawn(async move {
            let serve = service_fn(|request| serve(request, &shared));
            // An error is a connection that was ended on purpose, or by the client.
            let _ = hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(client), serve).await;
        });
        while connections.try_join_next().is_some() {}
    }
}

async fn serve(request: Request<Incoming>, shared: &Arc<Shared>) -> Result<Response<Body>, Broken> {
    let (head, body) = request.into_parts();
    let body = body.collect().await.map_err(|_| Broken)?.to_bytes();
    let request = Request::from_parts(head, body);
    let uri = request.uri().to_string();
    let copies = ["x-amz-copy-source", "x-ms-copy-source"].iter().any(|name| request.headers().contains_key(*name));
    let kind = Kind::of(request.method().as_str(), request.uri().query().unwrap_or_default(), copies);
    let (fault, late_ms, bit) = {
        let mut plan = shared.plan.lock();
        (plan.fault(kind, &uri), plan.between(LATE_MS.start, LATE_MS.end), plan.between(0, u64::MAX))
    };
    if let Some(fault) = fault {
        *shared.met.lock().entry((fault, kind)).or_default() += 1;
    }
    let is_head = request.method() == Method::HEAD;
    match fault {
        Some(Fault::Dropped) => return Err(Broken),
        Some(Fault::Refused) => return Ok(Reply::refusal(bit).whole(is_head)),
        Some(Fault::Missing) => return Ok(Reply::missing().whole(is_head)),
        Some(Fault::Late) => tokio::time::sleep(Duration::from_millis(late_ms)).await,
        Some(Fault::Doubled) => late_copy(shared.behind, &request, Duration::from_millis(late_ms)),
        _ => {}
    }
    let old = shared.listings.lock().get(&uri).cloned();
    if let (Some(Fault::Stale), Some(old)) = (fault, old) {
        return Ok(old.whole(false));
    }
    let reply = forward(shared.behind, request).await?;
    if kind == Kind::List {
        let mut listings = shared.listings.lock();
        // The first one stays for a while: a listing of a moment ago is hardly stale.
        if listings.len() >= LISTINGS_MAX {
            listings.clear();
        }
        listings.entry(uri).or_insert_with(|| reply.clone());
    }
    match fault {
        Some(Fault::Lost) => Err(Broken),
        Some(Fault::Cut) => Ok(reply.cut()),
        Some(Fault::Short) => Ok(reply.short().whole(is_head)),
        Some(Fault::Flipped) => Ok(reply.flipped(bit).whole(is_head)),
        Some(Fault::Slow) => Ok(reply.slow()),
        _ => Ok(reply.whole(is_head)),
    }
}

#[cfg(test)]
mod tests;
