//! The service that tells what this worker sees of a destination: `strandline dest check --workers`.
//!
//! Nothing that comes through it changes the cluster; one question at a time is answered.

use crate::dest_check::check;
use std::sync::Arc;
use strandline_proto::bounds::Bounded;
use strandline_proto::v1;
use strandline_proto::v1::probe_server::{Probe, ProbeServer};
use tokio::sync::Mutex;
use tonic::{Request, Response, Status};

/// gRPC service `Probe`.
#[derive(Debug, Default)]
pub(crate) struct ProbeService {
    one_at_a_time: Mutex<()>,
}

impl ProbeService {
    /// As a tonic router takes it.
    pub(crate) fn into_server(self) -> ProbeServer<Self> {
        ProbeServer::new(self)
    }
}

#[tonic::async_trait]
impl Probe for ProbeService {
    async fn check_dest(&self, request: Request<v1::DestCheckSpec>) -> Result<Response<v1::DestCheckReply>, Status> {
        let _one = self.one_at_a_time.lock().await;
        let checked = match request.get_ref().check() {
            Ok(()) => check(request.get_ref(), &Arc::default()).await,
            Err(failure) => Err(failure),
        };
        let reply = match checked {
            Ok(result) => v1::DestCheckReply { result: Some(result), failure: None },
            Err(failure) => v1::DestCheckReply { result: None, failure: Some(failure.into()) },
        };
        Ok(Response::new(reply))
    }
}
