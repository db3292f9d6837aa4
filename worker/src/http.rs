//! The HTTP door: `/metrics`, `/healthz` (the process answers) and `/readyz` (the scheduler's leader was heard lately).

use crate::metrics::{self, Observed};
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
        .route("/healthz", get(|| async { "ok\n" }))
        .route("/readyz", get(ready))
        .with_state(observed);
    let served = axum::serve(listener, routes).with_graceful_shutdown(async move { stop.cancelled().await }).await;
    if let Err(error) = served {
        tracing::warn!(%error, "the HTTP door ended");
    }
}

async fn scrape(State(observed): State<Arc<Observed>>) -> impl IntoResponse {
    ([(header::CONTENT_TYPE, "text/plain; version=0.0.4")], metrics::render(&observed))
}

async fn ready(State(observed): State<Arc<Observed>>) -> (StatusCode, &'static str) {
    if observed.contact.is_fresh() {
        return (StatusCode::OK, "ready\n");
    }
    (StatusCode::SERVICE_UNAVAILABLE, "the scheduler's leader was not heard lately\n")
}
