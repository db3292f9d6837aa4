//! The KV door of a worker.

use crate::Engine;
use std::sync::Arc;

/// gRPC service `Kv` over the replicas of this worker.
#[derive(Clone, Debug)]
pub struct KvService {
    _engine: Arc<Engine>,
}

impl KvService {
    /// The service of an engine; `KvServer::new(service)` is what a tonic router takes.
    #[must_use]
    pub fn new(engine: Arc<Engine>) -> Self {
        Self { _engine: engine }
    }
}
