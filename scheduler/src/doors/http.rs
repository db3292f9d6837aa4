//! The HTTP door: `/metrics`, `/healthz` (the process answers) and `/readyz` (a leader is known, so statements can be
//! served).

use crate::metrics;
use crate::node::SchedulerNode;
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
        .route("/healthz", get(|| async { "ok\n" }))
        .route("/readyz", get(ready))
        .with_state(node);
    let served = axum::serve(listener, routes).with_graceful_shutdown(async move { stop.cancelled().await }).await;
    if let Err(error) = served {
        warn!(%error, "the HTTP door ended");
    }
}

async fn scrape(State(node): State<Arc<SchedulerNode>>) -> impl IntoResponse {
    ([(header::CONTENT_TYPE, "text/plain; version=0.0.4")], metrics::render(&node))
}

async fn ready(State(node): State<Arc<SchedulerNode>>) -> (StatusCode, String) {
    match node.role().leader {
        Some(leader) => (StatusCode::OK, format!("leader {leader}\n")),
        None => (StatusCode::SERVICE_UNAVAILABLE, "no leader is known\n".to_owned()),
    }
}
