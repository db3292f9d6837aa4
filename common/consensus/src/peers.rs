//! Channels to the other nodes: one for the messages of all groups, one for snapshots, so that a bulk transfer never
//! stands before a heartbeat.
//!
//! Channels connect when they are used and reconnect by themselves. An address may change at any time: the next call
//! goes to the new one. A dead peer is noticed by HTTP/2 keep-alive, so no call waits on a half-open connection.

use parking_lot::RwLock;
use std::collections::HashMap;
use std::time::Duration;
use tonic::transport::{Channel, Endpoint};

const CONNECT_TIMEOUT: Duration = Duration::from_secs(1);
const KEEP_ALIVE_INTERVAL: Duration = Duration::from_secs(2);
const KEEP_ALIVE_TIMEOUT: Duration = Duration::from_secs(3);
/// One append of the largest size fits into the window of a stream.
const STREAM_WINDOW_BYTES: u32 = 8 << 20;
const CONNECTION_WINDOW_BYTES: u32 = 32 << 20;

/// Which of a peer's two channels.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Traffic {
    Messages,
    Snapshots,
}

/// Why there is no channel.
#[derive(Debug, thiserror::Error)]
#[error("node {id} has no usable address ({address:?})")]
pub(crate) struct NoAddress {
    id: u64,
    address: String,
}

#[derive(Default)]
struct Peer {
    address: String,
    messages: Option<Channel>,
    snapshots: Option<Channel>,
}

/// Addresses and channels of all other nodes.
#[derive(Default)]
pub(crate) struct Peers {
    peers: RwLock<HashMap<u64, Peer>>,
}

impl Peers {
    /// From now on `id` is reached at `address` (`host:port` or a URI).
    pub(crate) fn set(&self, id: u64, address: &str) {
        let mut peers = self.peers.write();
        let peer = peers.entry(id).or_default();
        if peer.address != address {
            *peer = Peer { address: address.to_owned(), ..Peer::default() };
        }
    }

    /// A channel to `id`. `fallback` is its address in the membership, used until `set` says another.
    pub(crate) fn channel(&self, id: u64, fallback: &str, traffic: Traffic) -> Result<Channel, NoAddress> {
        let known = |peer: &Peer| match traffic {
            Traffic::Messages => peer.messages.clone(),
            Traffic::Snapshots => peer.snapshots.clone(),
        };
        if let Some(channel) = self.peers.read().get(&id).and_then(known) {
            return Ok(channel);
        }
        let mut peers = self.peers.write();
        let peer = peers.entry(id).or_default();
        if peer.address.is_empty() {
            peer.address = fallback.to_owned();
        }
        let slot = match traffic {
            Traffic::Messages => &mut peer.messages,
            Traffic::Snapshots => &mut peer.snapshots,
        };
        if let Some(channel) = slot {
            return Ok(channel.clone());
        }
        let channel = connect(&peer.address).ok_or_else(|| NoAddress { id, address: peer.address.clone() })?;
        Ok(slot.insert(channel).clone())
    }
}

fn connect(address: &str) -> Option<Channel> {
    if address.is_empty() {
        return None;
    }
    let uri = if address.contains("://") { address.to_owned() } else { format!("http://{address}") };
    let endpoint = Endpoint::from_shared(uri)
        .ok()?
        .connect_timeout(CONNECT_TIMEOUT)
        .tcp_nodelay(true)
        .http2_keep_alive_interval(KEEP_ALIVE_INTERVAL)
        .keep_alive_timeout(KEEP_ALIVE_TIMEOUT)
        .keep_alive_while_idle(true)
        .initial_stream_window_size(STREAM_WINDOW_BYTES)
        .initial_connection_window_size(CONNECTION_WINDOW_BYTES);
    Some(endpoint.connect_lazy())
}
