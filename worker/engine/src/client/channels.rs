//! One channel per worker address, connected when it is first used.

use crate::{EngineError, Result};
use parking_lot::Mutex;
use std::collections::HashMap;
use std::time::Duration;
use strandline_proto::v1::kv_client::KvClient as KvGrpc;
use strandline_types::limits::GRPC_MESSAGE_BYTES_MAX;
use strandline_types::{ErrorClass, Failure};
use tonic::transport::{Channel, Endpoint};

const CONNECT_TIMEOUT: Duration = Duration::from_secs(1);
/// A worker that stands still keeps its connections open: only these tell, within their sum.
const KEEP_ALIVE_INTERVAL: Duration = Duration::from_secs(1);
const KEEP_ALIVE_TIMEOUT: Duration = Duration::from_secs(1);

/// The channels of one client.
#[derive(Debug, Default)]
pub(super) struct Channels {
    open: Mutex<HashMap<String, Channel>>,
}

impl Channels {
    pub(super) fn kv(&self, address: &str) -> Result<KvGrpc<Channel>> {
        let mut open = self.open.lock();
        let channel = match open.get(address) {
            Some(channel) => channel.clone(),
            None => {
                let channel = connect(address)?;
                open.insert(address.to_owned(), channel.clone());
                channel
            }
        };
        Ok(KvGrpc::new(channel)
            .max_decoding_message_size(GRPC_MESSAGE_BYTES_MAX)
            .max_encoding_message_size(GRPC_MESSAGE_BYTES_MAX))
    }
}

/// A channel to `host:port` or a URI; it connects when it is used.
pub(super) fn connect(address: &str) -> Result<Channel> {
    let uri = if address.contains("://") { address.to_owned() } else { format!("http://{address}") };
    let endpoint = Endpoint::from_shared(uri).map_err(|e| {
        let what = format!("this is no address: {e}");
        EngineError::from(Failure::new(ErrorClass::Invalid, what, address, "write host:port"))
    })?;
    Ok(endpoint
        .connect_timeout(CONNECT_TIMEOUT)
        .tcp_nodelay(true)
        .http2_keep_alive_interval(KEEP_ALIVE_INTERVAL)
        .keep_alive_timeout(KEEP_ALIVE_TIMEOUT)
        .connect_lazy())
}
