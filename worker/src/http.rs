//! The HTTP access: `/metrics`, `/healthz` (replicas can run here) and `/readyz` (the scheduler is heard, and every replica
//! takes its part). What is not so stands in the body, with the reason.

use crate::metrics::{self, Observed};
use crate::readiness::{liveness, readiness};
use axum::Router;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::IntoResponse;
use axum::routing::get;
use std::sync::Arc;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

/// Serves until `stop`.
pub(crate) async fn serve(listener: TcpListener, observed: Arc<Observed>, stop: CancellationToken) {
    let routes = Router::new()
        .route("/metrics", get(scrape))
        .route("/healthz", get(live))
        .route("/readyz", get(ready))
        .with_state(observed);
    let served = axum::serve(listener, routes).with_graceful_shutdown(async move { stop.cancelled().await }).await;
    if let Err(error) = served {
        tracing::warn!(%error, "the HTTP server ended");
    }
}

async fn scrape(State(observed): State<Arc<Observed>>) -> impl IntoResponse {
    ([(header::CONTENT_TYPE, "text/plain; version=0.0.4")], metrics::render(&observed))
}

async fn ready(State(observed): State<Arc<Observed>>) -> (StatusCode, String) {
    match readiness(&observed.seen()) {
        Ok(()) => (StatusCode::OK, "ready\n".to_owned()),
        Err(why) => (StatusCode::SERVICE_UNAVAILABLE, format!("not ready: {why}\n")),
    }
}

async fn live(State(observed): State<Arc<Observed>>) -> (StatusCode, String) {
    match liveness(&observed.seen()) {
        Ok(()) => (StatusCode::OK, "ok\n".to_owned()),
        Err(why) => (StatusCode::SERVICE_UNAVAILABLE, format!("not alive: {why}\n")),
    }
}
