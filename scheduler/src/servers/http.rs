//! The HTTP server: `/metrics`, `/healthz` (the group runs here, or is about to) and `/readyz` (statements can be served).
//! The body of a refusal has the reason.

use crate::metrics;
use crate::node::SchedulerNode;
use crate::readiness::{liveness, readiness};
use axum::Router;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::IntoResponse;
use axum::routing::get;
use std::sync::Arc;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use tracing::warn;

/// Serves until `stop`.
pub async fn serve(listener: TcpListener, node: Arc<SchedulerNode>, stop: CancellationToken) {
    let routes = Router::new()
        .route("/metrics", get(scrape))
        .route("/healthz", get(live))
        .route("/readyz", get(ready))
        .with_state(node);
    let served = axum::serve(listener, routes).with_graceful_shutdown(async move { stop.cancelled().await }).await;
    if let Err(error) = served {
        warn!(%error, "the HTTP server ended");
    }
}

async fn scrape(State(node): State<Arc<SchedulerNode>>) -> impl IntoResponse {
    ([(header::CONTENT_TYPE, "text/plain; version=0.0.4")], metrics::render(&node))
}

async fn ready(State(node): State<Arc<SchedulerNode>>) -> (StatusCode, String) {
    match readiness(&node.seen()) {
        Ok(leader) => (StatusCode::OK, format!("ready: leader {leader}\n")),
        Err(why) => (StatusCode::SERVICE_UNAVAILABLE, format!("not ready: {why}\n")),
    }
}

async fn live(State(node): State<Arc<SchedulerNode>>) -> (StatusCode, String) {
    match liveness(&node.seen()) {
        Ok(()) => (StatusCode::OK, "ok\n".to_owned()),
        Err(why) => (StatusCode::SERVICE_UNAVAILABLE, format!("not alive: {why}\n")),
    }
}
